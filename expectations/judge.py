"""The judge: Great Expectations' word on a suite, as results that a person and a report can read.

    RuleResult("looping", "critical", False, 1, pair_ids=("41ce…",), detail="7 times …")

Bad data and a broken rule are two things: the first is a result, the second raises GateBroken.
"""

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

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

EXAMPLES = 20
# A query's rows (at most 200) come with COMPLETE only; for a column that would be every bad row.
OF_QUERIES = {"result_format": "COMPLETE"}
OF_COLUMNS = {
    "result_format": "SUMMARY",
    "partial_unexpected_count": EXAMPLES,
    "unexpected_index_column_names": ["pair_id"],
}


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule found: how much of it, and of which pairs (at most `EXAMPLES`)."""

    rule: str
    severity: str
    passed: bool
    found: int | None = None
    pair_ids: tuple[str, ...] = ()
    detail: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules of one suite found, and Great Expectations' own outcome of it."""

    rules: tuple[RuleResult, ...]
    outcome: Any


@dataclass(frozen=True, slots=True)
class GateResult:
    """The verdict: passed if no critical rule failed."""

    suite: str
    passed: bool
    rows: int
    rules: tuple[RuleResult, ...]
    figures: Mapping[str, float]
    digest: str = ""  # of the rules and settings that it was found by
    outcomes: tuple[Any, ...] = ()  # Great Expectations' own, for its Data Docs

    @property
    def failed_critical(self) -> tuple[RuleResult, ...]:
        """The rules that close the gate."""
        return tuple(rule for rule in self.rules if not rule.passed and rule.severity == "critical")

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as JSON-representable values."""
        told = asdict(replace(self, outcomes=()))
        del told["outcomes"]
        return told


def conclude(
    suite: str,
    rows: int,
    judged: Sequence[Judged],
    figures: Mapping[str, float] | None = None,
    digest: str = "",
) -> GateResult:
    """Return the verdict that the results of some suites' rules come to."""
    rules = tuple(rule for each in judged for rule in each.rules)
    outcomes = tuple(each.outcome for each in judged)
    passed = all(rule.passed for rule in rules if rule.severity == "critical")
    return GateResult(suite, passed, rows, rules, dict(figures or {}), digest, outcomes)


def validate(
    address: str, table: str, suite: gx.ExpectationSuite, result_format: dict[str, Any]
) -> Judged:
    """Run one suite over a table, in a context of its own: Great Expectations shares badly.

    Raises GateBroken if a rule raised.
    """
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
        source = context.data_sources.add_sql(table, connection_string=address)
        batch = source.add_table_asset(table, table_name=table).add_batch_definition_whole_table(
            "all"
        )
        definition = gx.ValidationDefinition(
            name=suite.name, data=batch, suite=context.suites.add(suite)
        )
        outcome = context.validation_definitions.add(definition).run(result_format=result_format)
    return Judged(tuple(_describe(result) for result in outcome.results), outcome)


def _describe(result: Any) -> RuleResult:
    """Turn one result of Great Expectations into ours. Raises GateBroken if the rule raised."""
    configuration, observed = result.expectation_config, result.result
    rule, severity = str(configuration.meta["rule"]), configuration.severity.value
    if (message := _find_exception(result.exception_info)) is not None:
        raise GateBroken(
            f"the rule `{rule}` cannot be evaluated: mend it. Nothing was published. {message}"
        )
    passed = bool(result.success)
    if configuration.type == "unexpected_rows_expectation":
        rows = (observed.get("details") or {}).get("unexpected_rows") or []
        found = int(observed["observed_value"])
        detail = next((str(row["detail"]) for row in rows if row.get("detail") is not None), None)
    else:
        rows = observed.get("partial_unexpected_index_list") or []
        found = int(observed.get("unexpected_count") or not passed)
        detail = _describe_observed(configuration, observed) if found else None
    pair_ids = [str(row["pair_id"]) for row in rows if row.get("pair_id") is not None]
    described = getattr(configuration, "description", None)
    return RuleResult(
        rule, severity, passed, found, tuple(pair_ids[:EXAMPLES]), detail, described or None
    )


def _describe_observed(configuration: Any, observed: Mapping[str, Any]) -> str | None:
    """Say what was found instead: the value of a table's rule, the values of a column's."""
    if "observed_value" in observed:
        asked = configuration.kwargs
        wanted = {name: value for name, value in asked.items() if value and name != "batch_id"}
        return f"found {observed['observed_value']}, expected {wanted}"
    values = observed.get("partial_unexpected_list") or []
    if configuration.type == "expect_column_values_to_be_null":
        return str(values[0]) if values else None  # The column itself says what is wrong.
    return f"{configuration.kwargs.get('column')}: {', '.join(repr(value) for value in values[:3])}"


def _find_exception(information: Mapping[str, Any]) -> str | None:
    """Return the first line of the exception behind a result, whichever way it is reported."""
    for part in (information, *information.values()):
        if isinstance(part, Mapping) and part.get("raised_exception"):
            return str(part["exception_message"]).strip().partition("\n")[0]
    return None
