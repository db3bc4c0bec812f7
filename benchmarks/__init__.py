"""Benchmarks: each prints one JSON line a measure, with its target and whether it was met."""
