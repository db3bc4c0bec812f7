"""Targets: a release brought to where others read it, whole or not at all."""
