"""The gate of a release: what it must be by recipe and store, and the verdict on what is staged.

suite    passed  rows  rules
release  true    431   [{"rule": "looping", "severity": "critical", "passed": true, "found": 0, …}]
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from expectations.expected import Book, Expected, Limits, digest_rules
from expectations.rules import collect_rules
from tasks.errors import GateFailed, RecipeError
from tasks.identity import content_id
from tasks.metrics import VERDICTS
from tasks.rate.guidelines import split_passages
from tasks.recipe import Allowances, Band, Recipe
from tasks.release.formats import duckdb_types
from tasks.select.texts import list_guidelines
from tasks.store import Store

if TYPE_CHECKING:  # Great Expectations takes seconds to import.
    from expectations.judge import GateResult, RuleResult


def check_gate(recipe: Recipe) -> None:
    """Look at what a release will be judged by, before anything is paid for.

    Raises RecipeError or GateBroken if rules, a suite or a tokenizer are not where the recipe says.
    """
    settings, gate = recipe.release, recipe.release.gate
    collect_rules(settings.rules, gate.severity, gate.allow.model_dump())
    on_hub = gate.tokenizer is not None and not gate.tokenizer.endswith(".json")
    files = {"suite": settings.suite, "gate.tokenizer": None if on_hub else gate.tokenizer}
    for name, file in files.items():
        if file is not None and not Path(file).is_file():
            raise RecipeError(f"release.{name}: {file}: there is no such file")


def pass_gate(
    store: Store,
    recipe: Recipe,
    staging: Path,
    release_id: str,
    run_id: str,
    *,
    known: bool,
    docs: Path,
) -> dict[str, Any]:
    """Return the verdict on the staged files. Raises GateFailed if a critical rule was broken.

    Either way Great Expectations' Data Docs are then in the file `docs`. What is `known` was
    published before: it is judged again only if rules or settings are others.
    """
    expected = expect(store, recipe, release_id)
    if known:
        asked = {"release_id": release_id, "digest": digest_rules(expected)}
        if not store.query("gate_passed", **asked).is_empty():
            return {}
    from expectations.data_docs import write_data_docs
    from expectations.gate import run_gate

    result = run_gate(staging, expected)
    title = f"{recipe.name}-{release_id}"
    docs.write_text(write_data_docs(title, result.outcomes), encoding="utf-8")
    record_gate(store, recipe, run_id, result, release_id)
    if not result.passed:
        raise GateFailed(
            f"nothing was published: {len(result.failed_critical)} critical rule(s) failed over "
            f"{result.rows:,} pairs\n  {describe_failures(result)}{describe_losses(store, recipe)}",
            result.as_json(),
        )
    return result.as_json()


def expect(store: Store, recipe: Recipe, release_id: str) -> Expected:
    """Return what the recipe and the store say that a release must be."""
    settings = recipe.release
    policy = recipe.policy_version()
    funnel = store.recall("funnel_of_policy", policy=policy)
    books = store.query("gate_books", policy=policy)
    return Expected(
        columns=duckdb_types(with_reasoning=settings.reasoning == "field"),
        band=_edges(recipe.select.band),
        domain_bands={name: _edges(band) for name, band in recipe.select.domains.items()},
        mixture=recipe.select.mixture,
        kept=int(funnel.filter("kept")["prompts"].sum()),
        books=[Book(*row) for row in books.rows()],
        flagged=store.query("release_flagged_prompts")["prompt_id"].to_list(),
        flagged_responses=store.query("release_flagged_responses")["response_id"].to_list(),
        anchors=store.query("release_anchors", policy=policy, frozen=list(recipe.select.freeze))[
            "prompt_id"
        ].to_list(),
        untrusted=store.query("gate_untrusted_prompts")["prompt_id"].to_list(),
        contradicted=store.query("gate_contradicted_responses")["response_id"].to_list(),
        clusters=dict(store.query("gate_clusters").iter_rows()),
        previous=find_previous(store, recipe, release_id),
        guidelines=list_guidelines(recipe),
        told_in_private=split_passages(recipe.guidelines()),
        min_pairs=settings.min_pairs,
        only_correct=recipe.teach.only_correct,
        reasoning=settings.reasoning,
        limits=Limits(**settings.gate.model_dump()),
        rules=settings.rules,
        suite=settings.suite,
    )


def find_previous(store: Store, recipe: Recipe, release_id: str) -> dict[str, float]:
    """Return the figures of the newest other release of this recipe; none if it is the first."""
    past = store.query("release_versions", recipe=recipe.name)
    known = past.filter(release_id=release_id)
    if not known.is_empty():  # It was published before: what came before it is still the same.
        past = past.filter(pl.col("version") < known["version"][0])
    for gate in reversed(past["gate"].to_list()):
        figures = json.loads(gate).get("figures")
        if figures:
            return {str(name): float(value) for name, value in figures.items()}
    return {}


def record_gate(
    store: Store,
    recipe: Recipe,
    run_id: str,
    result: "GateResult",
    release_id: str | None = None,
) -> None:
    """Keep a verdict in `gates`, passed or not."""
    row = {
        "gate_id": content_id("gate", run_id, result.suite, release_id, result.digest),
        "suite": result.suite,
        "recipe": recipe.name,
        "release_id": release_id,
        "digest": result.digest,
        "passed": result.passed,
        "rows": result.rows,
        "verdict": json.dumps(result.as_json(), sort_keys=True),
    }
    store.append("gates", pl.DataFrame([row], schema_overrides=_TEXTS), run_id=run_id)
    VERDICTS.labels(recipe.name, result.suite, "passed" if result.passed else "failed").inc()


def describe_failures(result: "GateResult") -> str:
    """Say a line for each critical rule that failed: how much, an example, and where it is set."""
    return "\n  ".join(_describe(rule) for rule in result.failed_critical)


def describe_losses(store: Store, recipe: Recipe) -> str:
    """Say on lines of their own why most prompts were set aside and why calls failed."""
    funnel = store.recall("funnel_of_policy", policy=recipe.policy_version())
    dropped = funnel.filter(~pl.col("kept")).group_by("stage", "reason").agg(pl.sum("prompts"))
    lines = [
        f"{prompts:,} prompts were set aside by {stage}: {reason}"
        for stage, reason, prompts in dropped.sort("prompts", "reason", descending=True).rows()[:3]
    ]
    failed = store.query("release_failed_calls", **recipe.models.named)
    lines += [
        f"{calls:,} calls to {model} as {role} failed: {message[:300]}"
        for role, model, message, calls in failed.rows()
    ]
    return "".join(f"\n  {line}" for line in lines)


def _describe(rule: "RuleResult") -> str:
    pairs = f" ({', '.join(rule.pair_ids[:3])})" if rule.pair_ids else ""
    allowance = (
        f"; release.gate.allow.{rule.rule} is the share of pairs that may be so"
        if rule.rule in Allowances.model_fields
        else ""
    )
    return f"{rule.rule}: {rule.found or 0:,} found, e.g. {rule.detail}{pairs}{allowance}"


def _edges(band: Band) -> tuple[float, float]:
    return band.low, band.high


_TEXTS = {"release_id": pl.String}
