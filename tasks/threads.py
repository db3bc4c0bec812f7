"""Threads: how many of them the user allows, by TEACHSET_THREADS."""

import os
import re

from tasks.errors import StoreError

_NUMBER = re.compile(r"0*[1-9][0-9]{0,4}")


def declared_threads() -> int | None:
    """Return TEACHSET_THREADS, None where it is not set. Raises StoreError if it is no number."""
    said = os.environ.get("TEACHSET_THREADS")
    if not said:
        return None
    if not _NUMBER.fullmatch(said):
        raise StoreError(f"TEACHSET_THREADS is {said!r}; it must be a number of at least 1")
    return int(said)
