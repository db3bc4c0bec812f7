"""What is said of a write that the store's database refuses."""

import duckdb
import pytest

from tasks.errors import StoreError
from tasks.lake.conflicts import explaining_writes


@pytest.mark.parametrize(
    "reason",
    [
        "database or disk is full",
        'Failed to commit: Failed to execute query "ROLLBACK": '
        "cannot rollback - no transaction is active",
    ],
)
def test_a_full_disk_is_called_one_whatever_the_database_says_of_it(reason: str) -> None:
    with (
        pytest.raises(StoreError, match="the disk of the store is full or failing") as caught,
        explaining_writes(),
    ):
        raise duckdb.TransactionException(reason)
    assert reason in str(caught.value)


def test_another_refusal_is_not_called_a_full_disk() -> None:
    with pytest.raises(StoreError, match=r"^the store refused a write: "), explaining_writes():
        raise duckdb.TransactionException("cannot start a transaction within a transaction")
