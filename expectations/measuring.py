"""Measuring: one scan of the texts that makes `measured`, a small table with what every rule found.

pair_id  bytes  characters  looping                            secret
41ce…    2210   2198        7 times and then we add the four…  null

The gate measures what is staged, and the stage `teach` what a teacher wrote: by the same files of
sql/rules/, so that what is kept by the one is never refused by the other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from expectations.expected import Limits
from expectations.rules import RULES, VARIABLES, Rule
from tasks.errors import GateBroken


def set_variables(
    connection: duckdb.DuckDBPyConnection,
    limits: Limits,
    guidelines: Sequence[str],
    told_in_private: Sequence[str],
    reasoning: str,
    others: Mapping[str, Any] | None = None,
) -> None:
    """Set the variables that rules on texts name, and others."""
    for name, value in {
        "reasoning": reasoning,
        "tokenizer": limits.tokenizer,
        "max_tokens": limits.max_tokens,
        "scripts": list(limits.scripts),
        "expected_languages": list(limits.languages),
        "guidelines": [*guidelines, *limits.guidelines],
        "told_in_private": list(told_in_private),
        **(others or {}),
    }.items():
        connection.execute(f"set variable {name} = $value", {"value": value})
    for name in VARIABLES:
        connection.execute(f"set variable {name} = ({read_rule_text(name)})")


def measure(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> None:
    """Make `measured` of `pairs`, with a column for each rule on single pairs.

    Raises GateBroken naming the files if one of them cannot be evaluated.
    """
    columns = [row[0] for row in connection.execute("describe select * from pairs").fetchall()]
    thought = "reasoning" if "reasoning" in columns else "null::varchar"
    faults = ",\n".join(f"({rule.statement}) as {rule.name}" for rule in rules)
    statement = read_rule_text("measured_pairs").replace("{thought}", thought)
    try:
        connection.execute(statement.replace("{faults}", faults))
    except duckdb.Error as error:
        names = ", ".join(rule.file for rule in rules)
        reason = str(error).strip().partition("\n")[0]
        raise GateBroken(
            f"the pairs cannot be measured: mend one of {names}. Nothing was published. {reason}"
        ) from error


def read_rule_text(name: str) -> str:
    """Return a file of sql/rules/ as it is."""
    return (RULES / f"{name}.sql").read_text(encoding="utf-8")
