"""Claims: two chunks that made the very same rewrite do not decide it at once, nor pay twice.

    chunk 1 of 2  "How many factors do 120 and 40 share?"  of a seed with the options 4, 8, 2, 1
    chunk 2 of 2  the same question, of a seed with the options 1, 3, 4, 8: waits, then `duplicate`

Chunks run in threads of one process. What is claimed is free again when its batch is decided.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_CLAIMED: set[str] = set()
_CHANGED = threading.Condition()


@contextmanager
def claim(prompt_ids: Iterable[str]) -> Iterator[set[str]]:
    """Claim those of the prompts that nobody else has, for as long as the block runs.

    Where all of them are taken it waits until one is free: who waits holds nothing.
    """
    wanted = set(prompt_ids)
    with _CHANGED:
        _CHANGED.wait_for(lambda: not wanted or not wanted <= _CLAIMED)
        mine = wanted - _CLAIMED
        _CLAIMED.update(mine)
    try:
        yield mine
    finally:
        with _CHANGED:
            _CLAIMED.difference_update(mine)
            _CHANGED.notify_all()
