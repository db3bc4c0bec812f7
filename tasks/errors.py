"""The named errors of Teachset, each saying what the caller does about it.

The console turns a `TeachsetError` into one message on stderr and its `exit_code`; anything else is
a defect of ours and is shown as one. Third-party exceptions are wrapped where they enter.
"""

import errno
from collections.abc import Mapping
from typing import Any

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_IN_WORDS = (
    "No space left",
    "disk is full",
    "File too large",
    "disk I/O error",
    # SQLite ends a transaction by itself where a write fails; DuckLake then says no more than this.
    "cannot rollback - no transaction is active",
)


class TeachsetError(Exception):
    """Something the user can mend: show the message, exit with `exit_code`, no traceback."""

    exit_code = 1


class RecipeError(TeachsetError):
    """The recipe is wrong: name the field, change nothing, exit 2."""

    exit_code = 2


class InputError(TeachsetError):
    """A file as a whole cannot be used (missing, empty, without a usable row): name it, exit 3.

    A single bad row is never an error: it is quarantined and the run goes on.
    """

    exit_code = 3


class StoreError(TeachsetError):
    """The store cannot be opened, is of another version, is in use or cannot be written: exit 4.

    What was committed before it is safe; mend the cause and run again.
    """

    exit_code = 4


class ModelServerError(TeachsetError):
    """A model server refuses everything (wrong key, unknown model, absent): stop, exit 5.

    Completed calls are in the store; the next run continues after them.
    """

    exit_code = 5


class BudgetReached(TeachsetError):
    """The budget is spent: the run stopped cleanly, a raised budget continues it. Exit 6."""

    exit_code = 6


class RunInterrupted(TeachsetError):
    """Somebody stopped the run: what was completed is in the store, run again to continue."""

    exit_code = 130


class GateFailed(TeachsetError):
    """The data broke a critical expectation: nothing was published, exit 7.

    `verdict` is the gate's whole result, JSON-representable, for the report.
    """

    exit_code = 7

    def __init__(self, message: str, verdict: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.verdict = verdict


class GateBroken(TeachsetError):
    """An expectation itself raised: neither a pass nor a fail; mend the rule, exit 8."""

    exit_code = 8


class PublishError(TeachsetError):
    """A release could not be brought to a target: it lies in its folder, exit 9.

    What is there already is not uploaded again: mend the cause and run again.
    """

    exit_code = 9


def is_full_disk(error: BaseException) -> bool:
    """A write, or a read that has to write, found no room."""
    return getattr(error, "errno", None) in _FULL or says_full_disk(str(error))


def says_full_disk(text: str) -> bool:
    """Whether a message tells of it, as DuckDB's and SQLite's do, which have no number."""
    return any(sign in text for sign in _FULL_IN_WORDS)
