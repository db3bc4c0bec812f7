"""The gate: rules evaluated by Great Expectations inside DuckDB, over the very files that ship.

    GateResult("release", passed=False, rows=431, rules=(RuleResult("outside_band", …), …), …)

One scan of the texts makes `measured`, a small table with what every rule on single pairs found;
queries over it find the rest. Great Expectations judges both.
"""

import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from expectations.duckdb_source import Database, open_database
from expectations.expected import Book, Expected, Limits, digest_rules
from expectations.findings import TABLE as FINDINGS
from expectations.findings import find_breaches
from expectations.judge import (
    EXAMPLES,
    OF_COLUMNS,
    OF_QUERIES,
    GateResult,
    Judged,
    RuleResult,
    conclude,
    validate,
)
from expectations.lengths import fill_token_counts
from expectations.measuring import measure, read_rule_text, set_variables
from expectations.own_suite import read_own_suite
from expectations.release_suite import build_finding_suite, build_pair_suite
from expectations.rules import Rule, collect_rules

__all__ = [
    "EXAMPLES",
    "Book",
    "Expected",
    "GateResult",
    "Limits",
    "RuleResult",
    "digest_rules",
    "run_gate",
]


def run_gate(staged_folder: Path, expected: Expected) -> GateResult:
    """Evaluate every rule over `staged_folder`/data/*.parquet.

    Raises GateBroken if a rule raises, RecipeError if the recipe's own rules are not to be found.
    """
    limits, digest = expected.limits, digest_rules(expected)
    of_form, of_pairs, of_sets = collect_rules(expected.rules, limits.severity, limits.allow)
    data = staged_folder / "data"
    with open_database() as database:
        connection = database.connection
        _make_tables(connection, data, expected)
        database.confine(data)

        def find(rules: Sequence[Rule]) -> pa.Table:
            return find_breaches(lambda sql: connection.execute(sql).to_arrow_table(), rules)

        ill_formed = find(of_form)
        if ill_formed.num_rows:  # What is measured has to be there.
            rows = connection.execute("select count(*) from pairs").fetchall()[0][0]
            judged = [_judge_findings(database, of_form, [ill_formed])]
            return conclude("release", rows, judged, digest=digest)
        measure(connection, of_pairs)
        connection.execute(read_rule_text("figures"))
        fill_token_counts(connection, limits.tokenizer, limits.max_tokens)
        suite = build_pair_suite(expected.min_pairs, of_pairs)
        judged = [
            validate(database.address, "measured", suite, OF_COLUMNS),
            _judge_findings(database, [*of_form, *of_sets], [ill_formed, find(of_sets)]),
        ]
        if expected.suite is not None:
            suite = read_own_suite(expected.suite)
            judged.append(validate(database.address, "pairs", suite, OF_COLUMNS))
        figures = dict(connection.execute("select figure, value from figures").fetchall())
        return conclude("release", int(figures["pairs"]), judged, figures, digest)


def _judge_findings(database: Database, rules: Sequence[Rule], found: Sequence[pa.Table]) -> Judged:
    database.connection.from_arrow(pa.concat_tables(found)).create(FINDINGS)
    return validate(
        database.address, FINDINGS, build_finding_suite("release-sets", rules), OF_QUERIES
    )


def _make_tables(connection: duckdb.DuckDBPyConnection, data: Path, expected: Expected) -> None:
    """Make the pairs, and what the rules compare them with, the tables and variables they name."""
    files = [glob.escape(str(file)) for file in sorted(data.glob("*.parquet"))]
    connection.read_parquet(files, hive_partitioning=False).create_view("pairs")
    for name, table in _reference_tables(expected).items():
        connection.from_arrow(table).create(name)
    others = {
        "only_correct": expected.only_correct,
        "kept": expected.kept,
        "mixture_tolerance": expected.limits.mixture_tolerance,
        "drift": expected.limits.drift,
    }
    set_variables(
        connection,
        expected.limits,
        expected.guidelines,
        expected.told_in_private,
        expected.reasoning,
        others,
    )


def _reference_tables(expected: Expected) -> dict[str, pa.Table]:
    """Return what the rules compare the pairs with, as the tables that they name."""
    bands = [(None, expected.band), *sorted(expected.domain_bands.items())]
    return {
        "expected_columns": pa.table(
            {
                "place": list(range(1, len(expected.columns) + 1)),
                "name": list(expected.columns),
                "type": list(expected.columns.values()),
            }
        ),
        "expected_flagged": _texts(prompt_id=expected.flagged),
        "expected_flagged_responses": _texts(response_id=expected.flagged_responses),
        "expected_anchors": _texts(prompt_id=expected.anchors),
        "expected_untrusted": _texts(prompt_id=expected.untrusted),
        "expected_contradicted": _texts(response_id=expected.contradicted),
        "expected_clusters": _texts(
            prompt_id=expected.clusters.keys(), cluster=expected.clusters.values()
        ),
        "expected_books": pa.Table.from_pylist(
            [asdict(book) for book in expected.books],
            pa.schema([("book", pa.string()), ("expected", pa.float64()), ("found", pa.float64())]),
        ),
        "expected_bands": pa.table(
            {
                "domain": pa.array([domain for domain, _ in bands], pa.string()),
                "low": [low for _, (low, _) in bands],
                "high": [high for _, (_, high) in bands],
            }
        ),
        "expected_mixture": _numbers("domain", "share", expected.mixture),
        "previous_figures": _numbers("figure", "value", expected.previous),
    }


def _texts(**columns: Iterable[str]) -> pa.Table:
    return pa.table({name: pa.array(list(values), pa.string()) for name, values in columns.items()})


def _numbers(name: str, value: str, numbers: Mapping[str, Any]) -> pa.Table:
    ordered = sorted(numbers.items())
    return pa.table(
        {
            name: pa.array([key for key, _ in ordered], pa.string()),
            value: pa.array([float(number) for _, number in ordered], pa.float64()),
        }
    )
