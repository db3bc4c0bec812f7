"""Seed problems written for this project, one file a domain, and the check that verifies them."""
