"""Lessons: what the teacher will be asked, on what is kept now and on what will be.

A prompt whose samples are drawn and graded is decided on by the policy itself; of the others as
many are expected in the band as of those, by domain. Prompts that a rubric accepts are taught
without a sample and tell nothing of the band. What the teacher has answered for another
student is there already, whoever is measured now.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from tasks.plan import pending
from tasks.plan.assumed import assume_sampling
from tasks.plan.estimate import Estimate, add, blend_groups, exact, scale, thin
from tasks.plan.forecast import Coming, Forecast, count_demands, forecast_answers
from tasks.recipe import Recipe, SelectSettings
from tasks.scope import unjudged_types
from tasks.select.decide import decide, decide_prompts, read_evidence
from tasks.select.limits import count_mixture
from tasks.store import Store
from tasks.teach import pupils

RUN = "plan"
_ROWS_AT_A_TIME = 20_000
_BEFORE_SAMPLING = (
    "ingest",
    "duplicates",
    "contamination",
    "rewrite",
    "rate",
    "sample",
)  # They drop.
_NEVER_SAMPLED = (  # Reasons of later stages that are about no sample of a student.
    "licence_refused",
    "refused_in_review",
    "no_key",
    "needs_review",
    "domain_frozen",
)


def forecast_teacher(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, asked: pl.DataFrame, coming: Coming
) -> Forecast:
    """Forecast the teacher's calls; `asked` are the student's pending ones."""
    if recipe.models.teacher is None:
        return Forecast()
    if recipe.teach.only_correct:
        prompts = prompts.filter(~pl.col("answer_type").is_in(unjudged_types()))
    ungraded = store.query("plan_ungraded", model=recipe.models.student.model)
    undecided = pl.concat([asked.select("prompt_id"), ungraded]).unique()
    if undecided.is_empty() and not coming.prompts:
        return _count_lessons(store, recipe, prompts)
    decided = (
        _decide_freely(store, recipe)
        .join(undecided, on="prompt_id", how="anti")
        .join(prompts.select("prompt_id", "domain", "answer_type"), on="prompt_id")
    )
    measured = decided.filter(pl.col("answer_type") != "open")
    waiting = _count(prompts.join(undecided, on="prompt_id", how="semi"))
    likely = _expect_kept(recipe, prompts, measured, waiting, coming)
    kept = decided.filter("kept")
    taken = share_of_mixture(recipe.select, _count(kept), likely)
    ids = kept["prompt_id"].to_list()
    lessons = pending.pending_lessons(store, recipe, _read(store, recipe, ids))
    open_now = _count(lessons.join(prompts, on="prompt_id"))
    left = _share_untaught(store, recipe, prompts, undecided, coming)
    future = Coming(
        prompts={name: scale(count, taken[name] * left[name]) for name, count in likely.items()},
        sizes=_sizes(asked, prompts, coming),
    )
    return Forecast(
        prompts=add(
            [
                *(exact(count * taken[name]) for name, count in open_now.items()),
                *future.prompts.values(),
            ]
        ),
        demands=(
            *(
                replace(each, calls=scale(each.calls, taken[each.domain]))
                for each in count_demands(lessons, prompts)
            ),
            *forecast_answers(recipe.models.teacher, future, recipe.teach.samples),
        ),
        shares_from=measured.height,
    )


def _share_untaught(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, undecided: pl.DataFrame, coming: Coming
) -> dict[str, float]:
    """Return the share of the lessons on undecided prompts that is still to be drawn, by domain.

    It is 1 where there are none. Prompts that are yet to come have had no lesson.
    """
    waiting = prompts.join(undecided, on="prompt_id", how="semi")
    taught = store.query("plan_taught", model=recipe.models.name_of("teacher"))
    begun = waiting.join(taught, on="prompt_id", how="semi")
    pages = _read(store, recipe, begun["prompt_id"].to_list())
    lessons = pending.pending_lessons(store, recipe, pages)
    open_calls = lessons.join(begun, on="prompt_id").group_by("domain").agg(pl.col("calls").sum())
    still = dict(open_calls.iter_rows())
    all_prompts, some = _count(waiting), _count(begun)
    shares = {}
    for name in {*all_prompts, *coming.prompts}:
        expected = coming.prompts[name].expected if name in coming.prompts else 0.0
        total = (all_prompts.get(name, 0) + expected) * recipe.teach.samples
        done = some.get(name, 0) * recipe.teach.samples - still.get(name, 0)
        shares[name] = 1.0 - done / total if total else 1.0
    return shares


def share_of_mixture(
    select: SelectSettings, kept: Mapping[str, int], likely: Mapping[str, Estimate]
) -> dict[str, float]:
    """Return the share of each domain's prompts in the band that the mixture has room for.

    Frozen domains keep what they have, as when it is decided.
    """
    available = {
        name: kept.get(name, 0) + (likely[name].expected if name in likely else 0.0)
        for name in {*kept, *likely}
    }
    if not select.mixture:
        return dict.fromkeys(available, 1.0)
    counts = {name: round(count) for name, count in available.items()}
    quota = count_mixture(counts, select.mixture, select.freeze)
    return {
        name: min(1.0, quota.get(name, 0) / count) if count else 0.0
        for name, count in available.items()
    }


def _count_lessons(store: Store, recipe: Recipe, prompts: pl.DataFrame) -> Forecast:
    """Count the calls where every sample is drawn and graded, as the stages would."""
    decide_prompts(store, recipe, RUN)
    rows = store.stream("teach_prompts", _ROWS_AT_A_TIME, low="", high="g", **pupils(store, recipe))
    lessons = pending.pending_lessons(store, recipe, rows)
    return Forecast(exact(lessons["prompt_id"].n_unique()), count_demands(lessons, prompts))


def _decide_freely(store: Store, recipe: Recipe) -> pl.DataFrame:
    """Decide on what may be taught, each prompt for itself: no mixture, no quota.

    What was dropped before a student was asked says nothing of the students' rates.
    """
    alone = recipe.select.model_copy(update={"mixture": {}, "max_per_root": None})
    decisions = decide(read_evidence(store, recipe), alone)
    return decisions.filter(
        ~pl.col("stage").is_in(_BEFORE_SAMPLING), ~pl.col("reason").is_in(_NEVER_SAMPLED)
    ).select("prompt_id", "kept")


def _expect_kept(
    recipe: Recipe,
    prompts: pl.DataFrame,
    measured: pl.DataFrame,
    waiting: Mapping[str, int],
    coming: Coming,
) -> dict[str, Estimate]:
    """Return how many of the undecided prompts are expected in the band, by domain."""
    counted = measured.group_by("domain").agg(pl.len(), pl.col("kept").sum())
    seen = {domain: (count, kept) for domain, count, kept in counted.iter_rows()}
    groups = {
        name: add([exact(waiting.get(name, 0)), coming.prompts.get(name, Estimate())])
        for name in {*waiting, *coming.prompts}
    }
    sampling = assume_sampling(recipe, prompts)
    shares = blend_groups(seen, lambda domain: sampling(domain).in_band)
    return thin(groups, shares)


def _sizes(asked: pl.DataFrame, prompts: pl.DataFrame, coming: Coming) -> dict[str, float]:
    sizes = asked.join(prompts, on="prompt_id").group_by("domain").agg(pl.col("size").mean())
    return {**coming.sizes, **dict(sizes.iter_rows())}


def _count(rows: pl.DataFrame) -> dict[str, int]:
    return dict(rows.group_by("domain").agg(pl.len()).iter_rows())


def _read(store: Store, recipe: Recipe, prompt_ids: Sequence[str]) -> Iterator[pl.DataFrame]:
    ids = sorted(prompt_ids)
    for start in range(0, len(ids), _ROWS_AT_A_TIME):
        page = ids[start : start + _ROWS_AT_A_TIME]
        yield store.query(
            "plan_lessons",
            prompt_ids=page,
            low=page[0],
            high=page[-1] + "g",
            samples=recipe.teach.samples,
        )
