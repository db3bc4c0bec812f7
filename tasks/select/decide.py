"""Decide: one decision, with stage and reason, for every prompt of the store.

    prompt_id  kept   stage   reason      detail
    9f2c…      false  select  too_easy    pass rate 1.000 is above 0.75 (math)
    b07d…      true   select  kept        null

The first reason that applies, in the order of `decide`, is the one that is recorded. What is kept
from outside the band is kept as an anchor: `certified_hard` or `easy_anchor`.
"""

from dataclasses import dataclass

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.assess.difficulty import measure
from tasks.in_force import note_in_force
from tasks.recipe import Recipe, SelectSettings, TeachSettings
from tasks.scope import mark_scope
from tasks.select.difficulty import drop_easier, drop_outside_band, drop_uncertain
from tasks.select.dropping import KEPT
from tasks.select.dropping import drop as _drop
from tasks.select.frozen import drop_twins_of_frozen, settle_frozen
from tasks.select.licences import find_refused
from tasks.select.limits import (
    drop_anchors_over_organic,
    drop_outside_mixture,
    drop_over,
    drop_over_anchors,
    drop_over_organic,
    drop_over_target,
)
from tasks.select.rated import add_ratings, drop_objected_prompts, drop_objected_responses
from tasks.select.texts import offered_by
from tasks.settled import unless_settled
from tasks.store import Store, open_store

_UNSCOPED = (("asked", True), ("frozen", False))  # Where no scope is marked.
CONTAMINATION_REASONS = {
    "13-gram": "benchmark_13_gram",
    "exact": "benchmark_exact",
    "7-gram": "benchmark_7_gram",
    "tulu": "benchmark_8_grams",
    "s1": "benchmark_8_gram",
    "similar": "benchmark_reworded",
    "code": "benchmark_code",
    "embedding": "benchmark_judged",
}


@dataclass(frozen=True, slots=True)
class Decided:
    """How many prompts were decided on, how many of them kept, and how many decisions are new."""

    prompts: int
    kept: int
    changed: int


def decide(
    evidence: pl.DataFrame, settings: SelectSettings, teach: TeachSettings | None = None
) -> pl.DataFrame:
    """Return prompt_id, kept, stage, reason and detail: one row a prompt, ordered by prompt_id.

    `evidence` has the columns of sql/queries/select_evidence.sql and those that `mark_scope` adds.
    Without `teach` what teachers wrote is left out of account.
    """
    undecided = evidence.with_columns(
        pl.col("domain").fill_null("none"),
        *(
            pl.lit(None, dtype=pl.String).alias(name)
            for name in ("stage", "reason", "detail", "anchor")
        ),
        *(pl.lit(value).alias(name) for name, value in _UNSCOPED if name not in evidence.columns),
    )
    decided = (
        undecided.pipe(_drop_removed)
        .pipe(_drop_duplicates)
        .pipe(drop_twins_of_frozen)
        .pipe(_drop_contaminated)
        .pipe(_drop_withdrawn)
        .pipe(_drop_unlicensed, settings)
        .pipe(_drop_refused)
        .pipe(drop_objected_prompts)
        .pipe(settle_frozen)
        .pipe(_drop_unexplored)
        .pipe(_drop_unassessed, settings)
        .pipe(drop_outside_band, settings)
        .pipe(drop_uncertain, settings)
        .pipe(drop_easier, settings)
        .pipe(drop_over, "root_id", settings.max_per_root)
        .pipe(drop_over, "source", settings.max_per_source)
        .pipe(drop_over_target, settings)
        .pipe(drop_over_organic, settings)
        .pipe(drop_outside_mixture, settings)
        .pipe(drop_anchors_over_organic, settings)
        .pipe(drop_over_anchors, settings)
        .pipe(_drop_untaught, teach)
    )
    kept = pl.col("reason").is_null()
    return decided.select(
        "prompt_id",
        kept.alias("kept"),
        pl.col("stage").fill_null("select"),
        pl.coalesce("reason", "anchor", pl.lit(KEPT)).alias("reason"),
        "detail",
    ).sort("prompt_id")


def decide_prompts(store: Store, recipe: Recipe, run_id: str) -> Decided:
    """Decide before teaching; `kept` is what a teacher is to answer.

    A prompt that passes selection but whose teaching was found wanting keeps that word until
    `decide_after_teach` says another, so that a repeated run changes nothing.
    """
    decisions = decide(read_evidence(store, recipe), recipe.select)
    taught = store.query("select_teach_decisions", policy=recipe.policy_version())
    unchanged = pl.col("kept") & pl.col("prompt_id").is_in(taught["prompt_id"].implode())
    return _append(store, recipe, run_id, decisions.filter(~unchanged), decisions)


def decide_after_teach(store: Store, recipe: Recipe, run_id: str) -> Decided:
    """Decide once more, with what the teachers wrote; `kept` is what is released."""
    decisions = decide(read_evidence(store, recipe), recipe.select, recipe.teach)
    return _append(store, recipe, run_id, decisions, decisions)


@task(task_run_name="decide", cache_policy=NO_CACHE)
def select_prompts(recipe: Recipe, run_id: str) -> int:
    """Decide on every prompt before money is spent on teaching it; return what has changed."""
    store = open_store(recipe.store)
    note_in_force(store, "policy", recipe.policy_version(), run_id)
    return unless_settled(
        store, recipe, run_id, "decide", lambda: decide_prompts(store, recipe, run_id).changed
    )


@task(task_run_name="decide-after-teach", cache_policy=NO_CACHE)
def select_taught_prompts(recipe: Recipe, run_id: str) -> int:
    """Decide on every prompt once its teaching is known; return what has changed."""
    store = open_store(recipe.store)
    return unless_settled(
        store,
        recipe,
        run_id,
        "decide-after-teach",
        lambda: decide_after_teach(store, recipe, run_id).changed,
    )


def read_evidence(store: Store, recipe: Recipe) -> pl.DataFrame:
    """Return everything that decisions are made of, a row a prompt.

    Rates are measured anew from the counts: another policy may correct them otherwise.
    """
    student = recipe.models.student.model
    evidence = store.recall(
        "select_evidence",
        student=student,
        **offered_by(recipe),
    )
    evidence = mark_scope(store, recipe, add_ratings(store, recipe, evidence))
    return measure(evidence, recipe.select)


def _append(
    store: Store, recipe: Recipe, run_id: str, rows: pl.DataFrame, decisions: pl.DataFrame
) -> Decided:
    policy = pl.lit(recipe.policy_version()).alias("policy")
    changed = store.append("decisions", rows.with_columns(policy), run_id=run_id)
    return Decided(decisions.height, int(decisions["kept"].sum()), changed)


def _drop_removed(prompts: pl.DataFrame) -> pl.DataFrame:
    """Drop what descends from a seed that the recipe's files do not have any more."""
    removed = pl.col("removed")
    return prompts.pipe(_drop, removed.is_not_null(), "ingest", "source_removed", removed)


def _drop_duplicates(prompts: pl.DataFrame) -> pl.DataFrame:
    """Drop by the method that is surer, as the evidence names it."""
    twin = pl.col("duplicate_of").is_not_null()
    likeness = pl.format("of {}, {}", "duplicate_of", pl.col("duplicate_score").round(2))
    for method, reason in (("minhash", "near_duplicate"), ("embedding", "same_meaning")):
        near = pl.col("duplicate_method") == method
        prompts = prompts.pipe(_drop, near, "duplicates", reason, likeness)
    return prompts.pipe(
        _drop, twin, "duplicates", "exact_duplicate", pl.format("of {}", "duplicate_of")
    )


def _drop_contaminated(prompts: pl.DataFrame) -> pl.DataFrame:
    detail = pl.format("item {} of {}", "item_id", "benchmark")
    for method, reason in CONTAMINATION_REASONS.items():
        held = pl.col("method") == method
        prompts = _drop(prompts, held, "contamination", reason, detail, even_frozen=True)
    return prompts


def _drop_withdrawn(prompts: pl.DataFrame) -> pl.DataFrame:
    """Drop rewrites that were accepted once and that the gates of today refuse."""
    withdrawn = pl.col("withdrawn")
    return prompts.pipe(_drop, withdrawn.is_not_null(), "rewrite", "rewrite_withdrawn", withdrawn)


def _drop_unlicensed(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    refused = find_refused(pl.col("licences"), settings.licences)
    detail = pl.format("licence {}", refused)
    return prompts.pipe(
        _drop, refused.is_not_null(), "select", "licence_refused", detail, even_frozen=True
    )


def _drop_refused(prompts: pl.DataFrame) -> pl.DataFrame:
    """Drop what people have said there can be no key of."""
    refusal = pl.col("refusal")
    detail = pl.format("{}", refusal)
    return prompts.pipe(
        _drop, refusal.is_not_null(), "assess", "refused_in_review", detail, even_frozen=True
    )


def _drop_unexplored(prompts: pl.DataFrame) -> pl.DataFrame:
    return prompts.pipe(
        _drop, ~pl.col("asked"), "sample", "not_explored", pl.lit("not in the sample of its domain")
    )


def _drop_unassessed(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    counts = pl.format(
        f"correct {{}}, wrong {{}}, truncated {{}}, unverifiable {{}}; "
        f"{settings.min_samples} decided are needed",
        "correct",
        "wrong",
        "truncated",
        "unverifiable",
    )
    by_rubric = (pl.col("key_source") == "rubric") & pl.col("trusted")
    by_rubric = by_rubric.fill_null(False)  # No rate can be measured.
    few = (pl.col("correct") + pl.col("wrong") < settings.min_samples) & ~by_rubric
    checkable = ((pl.col("answer_type") != "open") | by_rubric) & ~(
        (pl.col("answer_type") == "code") & pl.col("trusted").is_null()
    )
    return (
        prompts.pipe(
            _drop,
            ~checkable,
            "assess",
            "no_key",
            pl.lit("nothing to check an answer against"),
        )
        .pipe(_drop, ~pl.col("trusted").fill_null(False), "assess", "needs_review", _say_votes())
        .pipe(_drop, few, "assess", "too_few_decided", counts)
    )


def _say_votes() -> pl.Expr:
    """Say what is known of a key that nobody may believe."""
    share = pl.col("key_share").round(3).cast(pl.String).fill_null("unknown")
    voted = pl.format("{} key needs a review, share {}", "key_source", share)
    asked = pl.format(
        "; of a second model's {} answers {} agree", "key_confirmations", "key_confirming"
    ).fill_null("")
    tied = pl.format("no single answer leads, the first has {} of {} votes", "votes", "voted")
    absent = pl.lit("no key, and nobody voted for one")
    return pl.coalesce(pl.concat_str(voted, asked), tied, absent)


def _drop_untaught(prompts: pl.DataFrame, teach: TeachSettings | None) -> pl.DataFrame:
    if teach is None:
        return prompts
    responses, correct, usable = (
        pl.col(name) for name in ("teacher_responses", "teacher_correct", "teacher_usable")
    )
    detail = pl.format("{} responses, {} usable, {} correct", responses, usable, correct)
    absent = "no completed call" if teach.by == "teacher" else "the student has no right answer"
    prompts = prompts.pipe(
        _drop, responses == 0, "teach", "no_teacher_response", pl.lit(absent)
    ).pipe(drop_objected_responses)
    if teach.only_correct:
        prompts = prompts.pipe(_drop, correct == 0, "teach", "no_correct_response", detail)
    else:
        prompts = prompts.pipe(_drop, usable == 0, "teach", "no_usable_response", detail)
    # The gate would refuse each of them: the rule on texts that the best of them breaks.
    broken = pl.format("{}, and none of them fit: {}", detail, pl.col("teacher_fault_detail"))
    unfit = (pl.col("teacher_fit") == 0) & pl.col("teacher_fault").is_not_null()
    return prompts.pipe(_drop, unfit, "teach", pl.col("teacher_fault"), broken)
