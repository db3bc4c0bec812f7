"""Defects of ours that need not end a run: they go to the log with their traceback.

    with noting_defects("the limits did not take note of an answer"): …

The command line has a handler for this logger, which writes to the same file as what ends a run.
"""

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager

DEFECTS = logging.getLogger(__name__)
_MOST = 20  # Of a process: the same defect may be met by every one of a million calls.


def note_defect(what: str, error: BaseException) -> None:
    """Write a defect to the log, with its traceback; of many only the first ones."""
    number = next(_NOTED)
    if number <= _MOST:
        more = "; those that follow are not written down" if number == _MOST else ""
        DEFECTS.error("a defect of Teachset: %s%s", what, more, exc_info=error)


@contextmanager
def noting_defects(what: str) -> Iterator[None]:
    """Have an unforeseen error in a block noted and not raised."""
    try:
        yield
    except Exception as error:
        note_defect(what, error)


_NOTED = itertools.count(1)
