"""Imports: many modules at once, without a look for garbage among them.

with spared_from_collection():
    importlib.import_module("flows.build")
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spared_from_collection() -> Iterator[None]:
    """Take nothing that the block makes for garbage, now or later: to look takes a second."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
