"""Facts: what the card, the manifest and the report tell of a release beside its pairs.

funnel: domain  kind  kept   stage   reason    prompts
        math    seed  false  select  too_easy       70
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.rate.rubrics import rubrics_of
from tasks.recipe import Recipe
from tasks.release.report.rewrites import RewriteFacts, gather_rewrites
from tasks.select.audit import name_audit
from tasks.store import Store


@dataclass(frozen=True, slots=True)
class Facts:
    """Aggregates of the store as it is when a release is made."""

    funnel: pl.DataFrame  # domain, kind, kept, stage, reason, prompts
    models: pl.DataFrame  # role, model, simulated: of those that had a part in it
    refused: pl.DataFrame  # source, licence, prompts
    spend: pl.DataFrame  # role, model, calls, failed, tokens, cost_usd
    difficulty: pl.DataFrame  # domain, pass_rate, kept, prompts, likely, doubt
    gap: pl.DataFrame  # student in fortieths, reference in tenths, kept, prompts
    contamination: pl.DataFrame  # benchmark, items, prompts, methods, example
    rewrites: RewriteFacts
    rubrics: pl.DataFrame  # rubric, judge, ratings, subjects, mean_score, screened, objected_to
    correlations: pl.DataFrame  # rubric, domain, prompts, spearman
    found: pl.DataFrame  # benchmark, items, method, prompts, responses, set_aside
    audit: pl.DataFrame  # benchmark, disguise, method, texts, found
    sizes: Mapping[str, int]
    prices: Mapping[str, Mapping[str, Any]]  # of each role's model
    snapshot: Mapping[str, Any]  # of the store: snapshot, taken_at


def gather_facts(store: Store, recipe: Recipe, run_id: str, teachers: Iterable[str] = ()) -> Facts:
    """Read the facts from the store; each is a handful of rows, however large the store is.

    `teachers` wrote what is released, also where a domain is frozen and the recipe names another.
    """
    names = [benchmark.name for benchmark in recipe.benchmarks]
    contamination = recipe.select.contamination
    items = store.query("select_benchmark_texts", benchmarks=names)
    policy, student = recipe.policy_version(), recipe.models.student.model
    rubrics = [*rubrics_of(recipe, "prompt"), *rubrics_of(recipe, "response")]
    templates = [applied.template for applied in rubrics]
    return Facts(
        funnel=store.recall("funnel_of_policy", policy=policy),
        models=store.query("release_models", **recipe.models.named, teachers=sorted(teachers)),
        refused=store.query("release_refused", policy=policy),
        spend=store.recall("spend_by_role", run_id=run_id),
        difficulty=store.recall("report_difficulty", policy=policy, student=student),
        gap=store.recall("report_gap", policy=policy, student=student),
        contamination=store.query("report_contamination"),
        rewrites=gather_rewrites(store),
        rubrics=store.query("report_rubrics", templates=templates),
        correlations=store.query(
            "report_rubric_correlations", student=student, templates=templates
        ),
        found=store.query(
            "release_contamination",
            benchmarks=names,
            methods=[*contamination.drop, *contamination.report],
        ),
        audit=store.query("release_audit", audit=name_audit(contamination, items)),
        sizes=store.query("report_sizes").row(0, named=True),
        prices={
            role: {"model": model.model, **model.prices.model_dump(exclude_none=True)}
            for role, model in recipe.models.each()
        },
        snapshot=store.query("lake_snapshot").row(0, named=True),
    )
