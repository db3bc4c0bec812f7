"""Tallies: how many prompts are in which state, counted as their rows come in.

    policy           domain  kind  kept   stage   reason    prompts
    teachable@4d96…  math    seed  true   select  kept      412
    teachable@4d96…  math    seed  false  select  too_easy  -3   -- three of them no longer

To count the last words on 1.4 million prompts takes seconds, and people ask for the funnel all day.
So an append to a table of last words moves its tallies in the same transaction: one less of every
state that it takes back, one more of every new one. Their sums are the counts.
"""

from collections.abc import Sequence
from functools import cache

import duckdb

from tasks.lake import SQL_FOLDER

TALLIED = {"decisions": "decision_tallies", "difficulty": "difficulty_tallies"}


def tally_touched(cursor: duckdb.DuckDBPyConnection, table: str, sign: int) -> None:
    """Add what the last words on the keys in the table `touched` come to; with -1 take it off."""
    cursor.execute(_read_statement(table), {"sign": sign})


def recount_tallies(cursor: duckdb.DuckDBPyConnection, table: str, key: Sequence[str]) -> None:
    """Count all last words of a table anew, a row a state. Within a transaction of the caller's."""
    names = ", ".join(key)
    cursor.execute(f"create temp table touched as select distinct {names} from {table}")
    cursor.execute(f"delete from {TALLIED[table]}")
    tally_touched(cursor, table, 1)
    cursor.execute("drop table touched")


@cache
def _read_statement(table: str) -> str:
    return (SQL_FOLDER / "tallies" / f"{table}.sql").read_text(encoding="utf-8")
