"""Tallies: how many prompts are in which state, counted as their rows come in.

    policy           domain  kind  kept   stage   reason    prompts
    teachable@4d96…  math    seed  true   select  kept      412
    teachable@4d96…  math    seed  false  select  too_easy  -3   -- three of them no longer

To count the last words on 1.4 million prompts takes seconds, and people ask for the funnel all day.
So an append to a table of last words moves its tallies in the same transaction: one less of every
state that it takes back, one more of every new one. Their sums are the counts.
"""

from collections.abc import Mapping, Sequence
from functools import cache

import duckdb

from tasks.lake.conflicts import transaction
from tasks.lake.place import SQL_FOLDER

# What is tallied of a table: its columns in `sql/tallies/<table>.sql`, besides key and prompt.
TALLIED: Mapping[str, tuple[str, ...]] = {
    "decisions": ("kept", "stage", "reason"),
    "difficulty": (
        *("pass_rate", "gap", "band_low", "band_high"),
        *("correct", "wrong", "truncated", "unverifiable"),
    ),
}
_TALLIES = {"decisions": "decision_tallies", "difficulty": "difficulty_tallies"}


def touch_changed(table: str, key: Sequence[str], same: str, absent: Mapping[str, str]) -> str:
    """Return the statement that finds the rows of `incoming` that are not the last word already.

    They are found as the table `touched`: the key, created_at, what is tallied of the new row and
    of the word before. `same` says that the rows `old` and `new` say the same, `absent` has the
    columns that `incoming` lacks, and their types.
    """
    said = ", ".join(
        f"{name} := {f'null::{absent[name]}' if name in absent else f'new.{name}'}"
        for name in TALLIED[table]
    )
    before = ", ".join(f"{name} := old.{name}" for name in TALLIED[table])
    return (
        f"create temp table touched as select {', '.join(f'new.{name}' for name in key)}, "
        f"new.created_at, struct_pack({said}) as said, "
        f"if(old.prompt_id is null, null, struct_pack({before})) as said_before "
        f"from incoming as new left join current_{table} as old using ({', '.join(key)}) "
        f"where old.prompt_id is null or not ({same})"
    )


def tally_touched(cursor: duckdb.DuckDBPyConnection, table: str) -> None:
    """Move the tallies of a table by what `touched` holds."""
    cursor.execute(_read_statement(table))


def recount_tallies(cursor: duckdb.DuckDBPyConnection, table: str, key: Sequence[str]) -> None:
    """Count all last words of a table anew, a row a state."""
    said = ", ".join(f"{name} := {name}" for name in TALLIED[table])
    with transaction(cursor):
        cursor.execute(
            f"create temp table touched as select {', '.join(key)}, created_at, "
            f"struct_pack({said}) as said, if(false, said, null) as said_before "
            f"from current_{table}"
        )
        cursor.execute(f"delete from {_TALLIES[table]}")
        tally_touched(cursor, table)
        cursor.execute("drop table touched")


@cache
def _read_statement(table: str) -> str:
    return (SQL_FOLDER / "tallies" / f"{table}.sql").read_text(encoding="utf-8")
