"""Lessons: what the teacher will be asked, on what is kept now and on what will be.

A prompt whose samples are drawn and graded is decided on by the policy itself; of the others as
many are expected in the band as of those, by domain. Prompts that a rubric accepts are taught
without a sample and tell nothing of the band. What the teacher has answered for another
student is there already, whoever is measured now.

    409 prompts, of which 0.97 get a fit response at last  →  409 first calls, about 23 more

A further response is asked for where none is fit. How often a teacher is right is taken to differ
from prompt to prompt as for a candidate that is confirmed (tasks/plan/confirming.py): it is one
answer that settles it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from tasks.llm.failures import PERMANENT
from tasks.plan import pending
from tasks.plan.assumed import FIT_SHARE, assume_sampling
from tasks.plan.confirming import expect_answers
from tasks.plan.estimate import Estimate, Share, add, blend_groups, exact, scale, thin
from tasks.plan.forecast import Coming, Forecast, count_demands, forecast_answers
from tasks.plan.price import Demand
from tasks.recipe import Recipe, SelectSettings
from tasks.scope import unjudged_types
from tasks.select.decide import decide, decide_prompts, read_evidence
from tasks.select.limits import count_mixture
from tasks.select.texts import offered_by
from tasks.store import Store
from tasks.teach import pupils_of

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


@dataclass(frozen=True, slots=True)
class Rounds:
    """How many responses a prompt takes until one is fit: `samples` at most, or always."""

    samples: int
    always: bool
    share_of: Callable[[str], Share]  # Of a domain's prompts, those that get a fit one at last.

    def expect(self, domain: str, left: int) -> float:
        """Return how many a prompt takes that has none fit and may be asked so many more."""
        if self.always or left == 0:
            return float(left)
        share = self.share_of(domain).mean
        return expect_answers(1, self.samples, share, missing=min(left, self.samples)).asked

    def doubt(self, domain: str, prompts: float, more: float) -> float:
        """Return the variance of the responses after the first of so many prompts."""
        return 0.0 if self.always else more + prompts**2 * self.share_of(domain).variance


@dataclass(frozen=True, slots=True)
class Untaught:
    """Of a domain's undecided prompts the share that needs the teacher still, and calls each."""

    share: float
    calls: float
    most: float


def forecast_teacher(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, asked: pl.DataFrame, coming: Coming
) -> Forecast:
    """Forecast the teacher's calls; `asked` are the student's pending ones."""
    if recipe.models.teacher is None or recipe.teach.by == "student":
        return Forecast()
    if recipe.teach.only_correct:
        prompts = prompts.filter(~pl.col("answer_type").is_in(unjudged_types()))
    taught = _read_taught(store, recipe)
    rounds = _foresee_rounds(recipe, taught.join(prompts, on="prompt_id"))
    ungraded = store.query("plan_ungraded", model=recipe.models.student.model)
    undecided = pl.concat([asked.select("prompt_id"), ungraded]).unique()
    if undecided.is_empty() and not coming.prompts:
        return _count_lessons(store, recipe, prompts, taught, rounds)
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
    undecided_prompts = prompts.join(undecided, on="prompt_id", how="semi")
    left = _find_untaught(store, recipe, undecided_prompts, taught, coming, rounds)
    future = Coming(
        prompts={
            name: scale(count, taken[name] * left[name].share) for name, count in likely.items()
        },
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
                for each in count_rounds(lessons, prompts, taught, rounds)
            ),
            *(
                replace(each, calls=_until_fit(each, left[each.domain], rounds))
                for each in forecast_answers(recipe.models.teacher, future, 1)
            ),
        ),
        shares_from=measured.height,
    )


def count_rounds(
    lessons: pl.DataFrame, prompts: pl.DataFrame, taught: pl.DataFrame, rounds: Rounds
) -> list[Demand]:
    """Return the calls on counted prompts, those that will follow the first ones included.

    `lessons` has how many each may still be asked (`calls`). Whose response is awaited, or is not
    judged yet, may need no other one.
    """
    if rounds.always:
        return count_demands(lessons, prompts)
    awaited = taught.filter("awaited")["prompt_id"].implode()
    rows = lessons.join(
        prompts.select("prompt_id", "domain"), on="prompt_id", how="left"
    ).with_columns(is_awaited=pl.col("prompt_id").is_in(awaited))
    groups = rows.group_by("domain", "calls", "is_awaited").len()
    calls: dict[str, Estimate] = {}
    for domain, left, is_awaited, count in groups.rows():
        if is_awaited:
            first, more = 0, rounds.expect(domain, left + 1) - 1
        else:
            first, more = 1, rounds.expect(domain, left) - 1
        estimate = Estimate(
            expected=count * (first + more),
            variance=rounds.doubt(domain, count, count * more) if left > first else 0.0,
            most=count * left,
            least=count * first,
        )
        calls[domain] = add([calls.get(domain, Estimate()), estimate])
    once = count_demands(lessons.with_columns(calls=pl.lit(1, dtype=pl.Int64)), prompts)
    return [replace(each, calls=calls[each.domain]) for each in once]


def _until_fit(prompts: Demand, each: Untaught, rounds: Rounds) -> Estimate:
    """Return the calls on prompts to come, from their number and the calls that each takes."""
    first = prompts.calls
    expected = first.expected * each.calls
    more = max(0.0, expected - first.expected)
    return Estimate(
        expected=expected,
        variance=first.variance * each.calls**2
        + rounds.doubt(prompts.domain, first.expected, more),
        most=first.most * each.most,
        least=min(expected, first.least * (each.most if rounds.always else 1)),
    )


def _foresee_rounds(recipe: Recipe, taught: pl.DataFrame) -> Rounds:
    """Return what the rounds will take by what they have shown, a row of `taught` a prompt."""
    judged = taught.filter(pl.col("fit") | ~pl.col("awaited"))
    counted = judged.group_by("domain").agg(pl.len(), pl.col("fit").sum())
    seen = {domain: (count, fit) for domain, count, fit in counted.iter_rows()}
    return Rounds(
        samples=recipe.teach.samples,
        always=recipe.teach.ask_again == "always",
        share_of=blend_groups(seen, lambda _: FIT_SHARE),
    )


def _find_untaught(
    store: Store,
    recipe: Recipe,
    waiting: pl.DataFrame,
    taught: pl.DataFrame,
    coming: Coming,
    rounds: Rounds,
) -> dict[str, Untaught]:
    """Return how much of the teaching of undecided prompts is still to be done, by domain.

    Prompts that are yet to come have had no lesson.
    """
    begun = waiting.join(taught, on="prompt_id", how="semi")
    pages = _read(store, recipe, begun["prompt_id"].to_list())
    lessons = pending.pending_lessons(store, recipe, pages)
    open_calls = {
        each.domain: each.calls for each in count_rounds(lessons, waiting, taught, rounds)
    }
    going_on = _count(lessons.join(waiting.select("prompt_id", "domain"), on="prompt_id"))
    all_prompts, some = _count(waiting), _count(begun)
    found = {}
    for name in {*all_prompts, *coming.prompts}:
        expected = coming.prompts[name].expected if name in coming.prompts else 0.0
        total = all_prompts.get(name, 0) + expected
        fresh = total - some.get(name, 0)
        left, usual = fresh + going_on.get(name, 0), rounds.expect(name, rounds.samples)
        begun_calls = open_calls.get(name, Estimate())
        found[name] = Untaught(
            share=left / total if total else 1.0,
            calls=(fresh * usual + begun_calls.expected) / left if left else usual,
            most=(fresh * rounds.samples + begun_calls.most) / left if left else rounds.samples,
        )
    return found


def _read_taught(store: Store, recipe: Recipe) -> pl.DataFrame:
    return store.query("plan_taught", **offered_by(recipe))


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


def _count_lessons(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, taught: pl.DataFrame, rounds: Rounds
) -> Forecast:
    """Count the calls where every sample is drawn and graded, as the stages would."""
    decide_prompts(store, recipe, RUN)
    pupils = pupils_of(store, recipe, range(recipe.teach.samples)) | {"even_awaited": True}
    rows = store.stream("teach_prompts", _ROWS_AT_A_TIME, low="", high="g", **pupils)
    lessons = pending.pending_lessons(store, recipe, rows)
    return Forecast(
        prompts=exact(lessons["prompt_id"].n_unique()),
        demands=count_rounds(lessons, prompts, taught, rounds),
    )


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
    ids, offered = sorted(prompt_ids), offered_by(recipe)
    for start in range(0, len(ids), _ROWS_AT_A_TIME):
        page = ids[start : start + _ROWS_AT_A_TIME]
        yield store.query(
            "plan_lessons",
            prompt_ids=page,
            low=page[0],
            high=page[-1] + "g",
            samples=recipe.teach.samples,
            even_if_fit=recipe.teach.ask_again == "always",
            permanent=list(PERMANENT),
            even_awaited=True,
            **offered,
        )
