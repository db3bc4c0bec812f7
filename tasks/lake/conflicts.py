"""What the store's database refuses: tried again if another process was first, else said plainly.

with explaining_writes():               # a StoreError that says what to do
    retry_conflicts(cursor.execute)(statement)
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb
from tenacity import (
    before_sleep_log,
    retry,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

from tasks.errors import StoreError, says_full_disk

_CONFLICTS = (
    "database is locked",
    "transaction conflict",
    "could not serialize",
    "exceeded the maximum retry count",  # DuckLake's own, after which it gives up.
    "does not have any columns",  # A table that was being made while the catalog was read.
)
_DAMAGED = "Failed to read file"  # Also where its bytes make no sense.
_LONGEST_REASON = 1_000
_COMMIT_PATIENCE_S = 60
_LOGGER = logging.getLogger(__name__)


def _is_conflict(error: BaseException) -> bool:
    """Another process committed first: the transaction was rolled back and may be tried again."""
    text = str(error).lower()
    made_at_once = "failed to initialize ducklake" in text and "already exists" in text
    return isinstance(error, duckdb.Error) and (
        made_at_once or any(sign in text for sign in _CONFLICTS)
    )


retry_conflicts = retry(
    retry=retry_if_exception(_is_conflict),
    wait=wait_random_exponential(multiplier=0.02, max=1),
    stop=stop_after_delay(_COMMIT_PATIENCE_S),
    before_sleep=before_sleep_log(_LOGGER, logging.DEBUG),
    reraise=True,
)


@contextmanager
def transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Do what the block does in one transaction, or nothing of it."""
    cursor.execute("begin")
    try:
        yield
        cursor.execute("commit")
    except BaseException:
        with suppress(duckdb.TransactionException):  # A commit that failed has rolled back already.
            cursor.execute("rollback")
        raise


@contextmanager
def explaining_writes() -> Iterator[None]:
    """Turn a failed write into a StoreError that says what to do."""
    try:
        yield
    except duckdb.Error as error:
        raise _explain(error, "the store refused a write") from error


@contextmanager
def explaining_reads() -> Iterator[None]:
    """Turn a file or a catalog that cannot be read into a StoreError; wrong SQL stays our defect.

    DuckLake's own failures are of no subclass. What breaks while rows are streamed is an OSError of
    pyarrow, with DuckDB's words.
    """
    try:
        yield
    except (duckdb.Error, OSError) as error:
        is_of_a_file = isinstance(error, OSError | duckdb.IOException) or _DAMAGED in str(error)
        if is_of_a_file or type(error) is duckdb.Error:
            raise _explain(error, "the store cannot be read") from error
        raise


def _explain(error: Exception, what: str) -> StoreError:
    text = _shorten(str(error))
    if says_full_disk(text):
        what = "the disk of the store is full or failing; free some space, run again"
    elif any(sign in text for sign in ("Read-only", "Permission denied", "readonly")):
        what = "the store cannot be written"
    return StoreError(f"{what}: {text}")


def _shorten(text: str) -> str:
    """Cut the middle out of an error that quotes a whole batch of rows."""
    half = _LONGEST_REASON // 2
    return text if len(text) <= _LONGEST_REASON else f"{text[:half]} … {text[-half:]}"
