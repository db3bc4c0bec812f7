"""The gate: rules evaluated by Great Expectations inside DuckDB, over the very files that ship.

    GateResult(passed=False, rows=431, rules=(RuleResult("outside_band", "critical", …), …))

Bad data and a broken rule are two things: the first is a result, the second raises GateBroken.
"""

import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import GateBroken

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    from expectations.duckdb_source import BATCH, serve_staged
    from expectations.release_suite import build_form_suite, build_rule_suite, build_value_suite

EXAMPLES = 20
# A rule's rows (at most 200) come with COMPLETE only; for a column that would be every bad row.
_OF_RULES = {"result_format": "COMPLETE"}
_OF_COLUMNS = {
    "result_format": "SUMMARY",
    "partial_unexpected_count": EXAMPLES,
    "unexpected_index_column_names": ["pair_id"],
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the recipe and the store say a release must be."""

    columns: Mapping[str, str]  # name and DuckDB type, in order
    band: tuple[float, float]
    prompts: int  # in the store
    kept: int
    dropped: int
    domain_bands: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    flagged: frozenset[str] = frozenset()  # prompts found in a benchmark
    anchors: frozenset[str] = frozenset()  # prompts that the policy keeps from outside the band
    min_pairs: int = 1
    only_correct: bool = True


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule found: how much of it, and of which pairs (at most `EXAMPLES`)."""

    rule: str
    severity: str
    passed: bool
    found: int | None = None
    pair_ids: tuple[str, ...] = ()
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class GateResult:
    """The verdict: passed if no critical rule failed."""

    passed: bool
    rows: int
    rules: tuple[RuleResult, ...]

    @property
    def failed_critical(self) -> tuple[RuleResult, ...]:
        """The rules that close the gate."""
        return tuple(rule for rule in self.rules if not rule.passed and rule.severity == "critical")

    @property
    def failed_warning(self) -> tuple[RuleResult, ...]:
        """The rules that are only reported."""
        return tuple(rule for rule in self.rules if not rule.passed and rule.severity != "critical")

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as JSON-representable values."""
        return asdict(self)


def run_gate(staged_folder: Path, expected: Expected) -> GateResult:
    """Evaluate every rule over `staged_folder`/data/*.parquet. Raises GateBroken if one raises."""
    files = sorted((staged_folder / "data").glob("*.parquet"))
    with serve_staged(files, _reference_tables(expected)) as address:
        results = _validate(address, build_form_suite(list(expected.columns)), _OF_RULES)
        if all(result.passed for result in results):
            results += _validate(address, build_value_suite(expected.min_pairs), _OF_COLUMNS)
            results += _validate(address, build_rule_suite(), _OF_RULES)
    closed = any(not result.passed and result.severity == "critical" for result in results)
    rows = sum(int(pq.read_metadata(file).num_rows) for file in files)
    return GateResult(not closed, rows, tuple(results))


def _validate(
    address: str, suite: gx.ExpectationSuite, result_format: dict[str, Any]
) -> list[RuleResult]:
    """Run one suite in a context of its own: Great Expectations is not safe to share."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
        in_memory = InMemoryStoreBackendDefaults()  # Without it a temporary docs site is announced.
        context = gx.get_context(
            mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=in_memory)
        )
        context.variables.progress_bars = ProgressBarsConfig(
            globally=False, metric_calculations=False
        )
        source = context.data_sources.add_sql(BATCH, connection_string=address)
        batch = source.add_table_asset(BATCH, table_name=BATCH).add_batch_definition_whole_table(
            "all"
        )
        definition = gx.ValidationDefinition(
            name=suite.name, data=batch, suite=context.suites.add(suite)
        )
        outcome = context.validation_definitions.add(definition).run(result_format=result_format)
    return [_describe(result) for result in outcome.results]


def _describe(result: Any) -> RuleResult:
    """Turn one result of Great Expectations into ours. Raises GateBroken if the rule raised."""
    configuration, observed = result.expectation_config, result.result
    rule, severity = str(configuration.meta["rule"]), configuration.severity.value
    if (message := _find_exception(result.exception_info)) is not None:
        raise GateBroken(
            f"the rule `{rule}` cannot be evaluated: mend it. Nothing was published. {message}"
        )
    passed, detail = bool(result.success), None
    if configuration.type == "unexpected_rows_expectation":
        rows = (observed.get("details") or {}).get("unexpected_rows") or []
        found = int(observed["observed_value"])
        detail = next((str(row["detail"]) for row in rows if row.get("detail") is not None), None)
    else:
        rows = observed.get("partial_unexpected_index_list") or []
        found = int(observed.get("unexpected_count") or not passed)
        if not passed:
            detail = _describe_observed(configuration.kwargs, observed)
    pair_ids = [str(row["pair_id"]) for row in rows if row.get("pair_id") is not None]
    return RuleResult(rule, severity, passed, found, tuple(pair_ids[:EXAMPLES]), detail)


def _describe_observed(asked: Mapping[str, Any], observed: Mapping[str, Any]) -> str | None:
    """Say what was found instead: the value of a table's rule, the values of a column's."""
    if "observed_value" in observed:
        wanted = {name: value for name, value in asked.items() if value and name != "batch_id"}
        return f"found {observed['observed_value']}, expected {wanted}"
    values = observed.get("partial_unexpected_list") or []
    return f"{asked.get('column')}: {', '.join(repr(value) for value in values[:3])}"


def _find_exception(information: Mapping[str, Any]) -> str | None:
    """Return the first line of the exception behind a result, whichever way it is reported."""
    for part in (information, *information.values()):
        if isinstance(part, Mapping) and part.get("raised_exception"):
            return str(part["exception_message"]).strip().partition("\n")[0]
    return None


def _reference_tables(expected: Expected) -> dict[str, pa.Table]:
    """Return what the rules compare the batch with, as the tables that they name."""
    bands = [(None, expected.band), *sorted(expected.domain_bands.items())]
    counts = {
        "prompts": expected.prompts,
        "kept": expected.kept,
        "dropped": expected.dropped,
        "only_correct": int(expected.only_correct),
    }
    return {
        "expected_columns": _table(name=expected.columns.keys(), type=expected.columns.values()),
        "expected_flagged": _table(prompt_id=sorted(expected.flagged)),
        "expected_anchors": _table(prompt_id=sorted(expected.anchors)),
        "expected_counts": pa.table({"name": list(counts), "value": list(counts.values())}),
        "expected_bands": pa.table(
            {
                "domain": pa.array([domain for domain, _ in bands], pa.string()),
                "low": [low for _, (low, _) in bands],
                "high": [high for _, (_, high) in bands],
            }
        ),
    }


def _table(**columns: Iterable[str]) -> pa.Table:
    return pa.table({name: pa.array(list(values), pa.string()) for name, values in columns.items()})
