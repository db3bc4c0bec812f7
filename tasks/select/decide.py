"""Decide: one decision, with stage and reason, for every prompt of the store.

    prompt_id  kept   stage   reason      detail
    9f2c…      false  select  too_easy    pass rate 1.000 is above 0.75 (math)
    b07d…      true   select  kept        null

The first reason that applies, in the order of `decide`, is the one that is recorded.
"""

from dataclasses import dataclass

import polars as pl
from prefect import task

from tasks.recipe import Recipe, SelectSettings, TeachSettings
from tasks.select.licences import find_refused
from tasks.store import Store, open_store

CONTAMINATION_REASONS = {
    "13-gram": "benchmark_13_gram",
    "exact": "benchmark_exact",
    "7-gram": "benchmark_7_gram",
    "tulu": "benchmark_8_grams",
    "s1": "benchmark_8_gram",
    "similar": "benchmark_reworded",
}
MIDDLE = 0.5  # where a prompt teaches most: its pass rate varies most
_ROUNDING = 1e-9  # a share times a count may fall short of a whole number by this


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

    `evidence` has the columns of sql/queries/select_evidence.sql. Without `teach` what teachers
    wrote is left out of account.
    """
    undecided = evidence.with_columns(
        pl.col("domain").fill_null("none"),
        *(pl.lit(None, dtype=pl.String).alias(name) for name in ("stage", "reason", "detail")),
    )
    decided = (
        undecided.pipe(_drop_duplicates)
        .pipe(_drop_contaminated)
        .pipe(_drop_unlicensed, settings)
        .pipe(_drop_unassessed, settings)
        .pipe(_drop_outside_band, settings)
        .pipe(_drop_over_per_root, settings)
        .pipe(_drop_outside_mixture, settings)
        .pipe(_drop_untaught, teach)
    )
    kept = pl.col("reason").is_null()
    return decided.select(
        "prompt_id",
        kept.alias("kept"),
        pl.col("stage").fill_null("select"),
        pl.col("reason").fill_null("kept"),
        "detail",
    ).sort("prompt_id")


def count_mixture(available: dict[str, int], mixture: dict[str, float]) -> dict[str, int]:
    """Return how many prompts each domain may have: the largest total that keeps the shares.

    >>> count_mixture({"math": 90, "code": 10}, {"math": 0.75, "code": 0.25})
    {'math': 30, 'code': 10}
    """
    wanted = {domain: share for domain, share in mixture.items() if share > 0}
    total = min((available.get(domain, 0) / share for domain, share in wanted.items()), default=0)
    return {domain: int(total * share + _ROUNDING) for domain, share in mixture.items()}


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


@task(task_run_name="decide")
def select_prompts(recipe: Recipe, run_id: str) -> Decided:
    """Decide on every prompt before money is spent on teaching it."""
    return decide_prompts(open_store(recipe.store), recipe, run_id)


@task(task_run_name="decide-after-teach")
def select_taught_prompts(recipe: Recipe, run_id: str) -> Decided:
    """Decide on every prompt once its teaching is known."""
    return decide_after_teach(open_store(recipe.store), recipe, run_id)


def read_evidence(store: Store, recipe: Recipe) -> pl.DataFrame:
    """Return everything that decisions are made of, by prompt."""
    teacher = recipe.models.teacher.model if recipe.models.teacher else None
    return store.query("select_evidence", student=recipe.models.student.model, teacher=teacher)


def _append(
    store: Store, recipe: Recipe, run_id: str, rows: pl.DataFrame, decisions: pl.DataFrame
) -> Decided:
    policy = pl.lit(recipe.policy_version()).alias("policy")
    changed = store.append("decisions", rows.with_columns(policy), run_id=run_id)
    return Decided(decisions.height, int(decisions["kept"].sum()), changed)


def _drop(
    prompts: pl.DataFrame, condition: pl.Expr, stage: str, reason: str, detail: pl.Expr
) -> pl.DataFrame:
    """Drop the prompts that the condition holds for and that no earlier reason has dropped."""
    hit = pl.col("reason").is_null() & condition.fill_null(False)
    return prompts.with_columns(
        pl.when(hit).then(pl.lit(stage)).otherwise("stage").alias("stage"),
        pl.when(hit).then(pl.lit(reason)).otherwise("reason").alias("reason"),
        pl.when(hit).then(detail).otherwise("detail").alias("detail"),
    )


def _drop_duplicates(prompts: pl.DataFrame) -> pl.DataFrame:
    """Drop by the method that is surer, as the evidence names it."""
    twin = pl.col("duplicate_of").is_not_null()
    near = pl.col("duplicate_method") == "minhash"
    similarity = pl.col("duplicate_score").round(2)
    return prompts.pipe(
        _drop,
        near,
        "duplicates",
        "near_duplicate",
        pl.format("of {}, {}", "duplicate_of", similarity),
    ).pipe(_drop, twin, "duplicates", "exact_duplicate", pl.format("of {}", "duplicate_of"))


def _drop_contaminated(prompts: pl.DataFrame) -> pl.DataFrame:
    detail = pl.format("item {} of {}", "item_id", "benchmark")
    for method, reason in CONTAMINATION_REASONS.items():
        prompts = _drop(prompts, pl.col("method") == method, "contamination", reason, detail)
    return prompts


def _drop_unlicensed(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    refused = find_refused(pl.col("licences"), settings.licences)
    detail = pl.format("licence {}", refused)
    return prompts.pipe(_drop, refused.is_not_null(), "select", "licence_refused", detail)


def _drop_unassessed(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    counts = pl.format(
        f"correct {{}}, wrong {{}}, truncated {{}}, unverifiable {{}}; "
        f"{settings.min_samples} decided are needed",
        "correct",
        "wrong",
        "truncated",
        "unverifiable",
    )
    share = pl.col("key_share").round(3).cast(pl.String).fill_null("unknown")
    review = pl.format("{} key needs a review, share {}", "key_source", share)
    few = pl.col("correct") + pl.col("wrong") < settings.min_samples
    return (
        prompts.pipe(
            _drop,
            pl.col("trusted").is_null(),
            "assess",
            "no_key",
            pl.lit("nothing to check an answer against"),
        )
        .pipe(_drop, ~pl.col("trusted"), "assess", "untrusted_key", review)
        .pipe(_drop, few, "assess", "too_few_decided", counts)
    )


def _drop_outside_band(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    low = _of_domain(settings, {name: band.low for name, band in settings.domains.items()}, "low")
    high = _of_domain(
        settings, {name: band.high for name, band in settings.domains.items()}, "high"
    )
    rate = pl.col("pass_rate")
    shown = rate.round(3)
    return prompts.pipe(
        _drop,
        rate > high,
        "select",
        "too_easy",
        pl.format("pass rate {} is above {} ({})", shown, high, "domain"),
    ).pipe(
        _drop,
        rate < low,
        "select",
        "too_hard",
        pl.format("pass rate {} is below {} ({})", shown, low, "domain"),
    )


def _of_domain(settings: SelectSettings, of: dict[str, float], edge: str) -> pl.Expr:
    """Return the edge of a prompt's band: its domain's own, or the one of all."""
    default: float = getattr(settings.band, edge)
    if not of:
        return pl.lit(default)
    return pl.col("domain").replace_strict(of, default=default, return_dtype=pl.Float64)


def _drop_over_per_root(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    if settings.max_per_root is None:
        return prompts
    order = ["is_rewrite", "distance", "prompt_id"]
    return prompts.pipe(_rank, "root_id", order).pipe(
        _drop,
        pl.col("rank") > settings.max_per_root,
        "select",
        "over_per_root",
        pl.format(f"rank {{}} of {{}}, {settings.max_per_root} are kept", "rank", "root_id"),
    )


def _drop_outside_mixture(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    if not settings.mixture:
        return prompts
    domain = pl.col("domain")
    named = list(settings.mixture)
    teachable = prompts.filter(pl.col("reason").is_null(), domain.is_in(named))
    available = dict(teachable.group_by("domain").len().iter_rows())
    counts = count_mixture(available, settings.mixture)
    quota = domain.replace_strict(counts, default=None, return_dtype=pl.Int64)
    return (
        prompts.pipe(_rank, "domain", ["distance", "prompt_id"])
        .pipe(
            _drop,
            pl.col("rank") > quota,
            "select",
            "over_mixture",
            pl.format("rank {} in {}, the mixture takes {}", "rank", "domain", quota),
        )
        .pipe(
            _drop,
            ~domain.is_in(named),
            "select",
            "domain_not_in_mixture",
            pl.format("{} has no share in the mixture", "domain"),
        )
    )


def _rank(prompts: pl.DataFrame, group: str, order: list[str]) -> pl.DataFrame:
    """Number the prompts still undecided within their group, 1 first; the others get null."""
    ranks = (
        prompts.filter(pl.col("reason").is_null())
        .select(
            "prompt_id",
            group,
            (pl.col("kind") != "seed").alias("is_rewrite"),
            (pl.col("pass_rate") - MIDDLE).abs().alias("distance"),
        )
        .sort(order)
        .select("prompt_id", pl.int_range(1, pl.len() + 1).over(group).alias("rank"))
    )
    return prompts.drop("rank", strict=False).join(ranks, on="prompt_id", how="left")


def _drop_untaught(prompts: pl.DataFrame, teach: TeachSettings | None) -> pl.DataFrame:
    if teach is None:
        return prompts
    responses, correct, usable = (
        pl.col(name) for name in ("teacher_responses", "teacher_correct", "teacher_usable")
    )
    detail = pl.format("{} responses, {} usable, {} correct", responses, usable, correct)
    prompts = prompts.pipe(
        _drop, responses == 0, "teach", "no_teacher_response", pl.lit("no completed call")
    )
    if teach.only_correct:
        return prompts.pipe(_drop, correct == 0, "teach", "no_correct_response", detail)
    return prompts.pipe(_drop, usable == 0, "teach", "no_usable_response", detail)
