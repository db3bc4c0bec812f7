"""The numbered migrations of a store: sql/migrations/, each applied once, in order.

    migrations: number 46, name 0046_ever_filled, applied_at 2026-11-28 14:02:11+00

A migration is never changed once a store has it.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from tasks.errors import StoreError
from tasks.lake.conflicts import explaining_writes, retry_conflicts, transaction
from tasks.lake.place import SQL_FOLDER
from tasks.recipe import StoreSettings

_APART = "-- In a transaction of its own: "  # How a migration begins that needs one.


def apply_migrations(
    cursor: duckdb.DuckDBPyConnection, settings: StoreSettings, *, apply: bool = True
) -> None:
    """Apply the numbered migrations that the cursor's store lacks, together where they allow it.

    A transaction that changes what tables there are has every table read again, so one for each
    migration would make a new store four times as slow to make.
    """
    with explaining_writes():
        retry_conflicts(cursor.execute)(
            "create table if not exists migrations "
            "(number integer, name varchar, applied_at timestamptz)"
        )
    done = [int(number) for (number,) in cursor.execute("select number from migrations").fetchall()]
    missing = find_missing_migrations(settings, done)
    if missing and not apply:
        raise StoreError(
            f"{settings.catalog}: this store needs migration {missing[0].stem}; "
            "it is applied by the next `teachset run`."
        )
    for files in _together(missing):
        with explaining_writes():
            _apply(cursor, files)


def find_missing_migrations(settings: StoreSettings, done: Sequence[int]) -> list[Path]:
    """Return the migrations after those done. Raises StoreError if a newer Teachset was here."""
    files = sorted((SQL_FOLDER / "migrations").glob("[0-9]*.sql"))
    newest = int(files[-1].name[:4])
    if max(done, default=0) > newest:
        raise StoreError(
            f"{settings.catalog}: this store is at migration {max(done)}, this Teachset "
            f"knows {newest}. Use the newer Teachset that wrote it, or another store."
        )
    return [file for file in files if int(file.name[:4]) not in done]


def _together(migrations: Sequence[Path]) -> list[list[Path]]:
    """Return migrations in groups of one transaction each: one that says so begins another."""
    groups: list[list[Path]] = []
    for file in migrations:
        if not groups or file.read_text(encoding="utf-8").startswith(_APART):
            groups.append([])
        groups[-1].append(file)
    return groups


@retry_conflicts
def _apply(cursor: duckdb.DuckDBPyConnection, migrations: Sequence[Path]) -> None:
    """Apply migrations in one transaction, without those that another process has applied."""
    with transaction(cursor):
        # Rows that two processes add do not collide, and a migration may do no more than that.
        cursor.execute("comment on table migrations is 'altered by each: one at a time'")
        applied = {
            number for (number,) in cursor.execute("select number from migrations").fetchall()
        }
        for file in migrations:
            if (number := int(file.name[:4])) not in applied:
                cursor.execute(file.read_text(encoding="utf-8"))
                cursor.execute(
                    "insert into migrations values ($number, $name, now())",
                    {"number": number, "name": file.stem},
                )
