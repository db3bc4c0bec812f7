"""Forecast: the calls of every stage, those that can be counted and those that will follow.

student  8 x (433 + 133)  →  kept 305 ± 24  →  teacher 2 x 305
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from tasks.assess.keys import MIN_SAMPLES
from tasks.assess.stopping import expect_votes
from tasks.messages import SOLVE_TEMPLATE, solve_messages
from tasks.plan import pending
from tasks.plan.assumed import CONFIRMED_SHARE, TRUSTED_SHARE, Sampling, assume_sampling
from tasks.plan.confirming import answers_of_accepted
from tasks.plan.estimate import Estimate, add, blend_groups, exact, scale, thin
from tasks.plan.price import Demand
from tasks.recipe import ModelSettings, Recipe
from tasks.store import Store

ByDomain = Mapping[str, Estimate]
_DOUBT_OF_POOL = 0.15  # Of the samples a prompt: pools differ from the prior that they are for.
_NO_ROWS = {"prompt_id": pl.String, "domain": pl.String}


@dataclass(frozen=True, slots=True)
class Forecast:
    """The calls of one role in one stage, and how many prompts they are about.

    `shares_from` is how many earlier cases tell what share of the prompts there will be: 0 if it
    is assumed, None if all prompts were counted.
    """

    prompts: Estimate = field(default_factory=Estimate)
    demands: Sequence[Demand] = ()
    shares_from: int | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """Prompts that are not there yet, by domain, and how large those of a domain are."""

    prompts: ByDomain = field(default_factory=dict)
    sizes: Mapping[str, float] = field(default_factory=dict)
    shares_from: int | None = None


def forecast_reference(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, coming: Coming
) -> tuple[Forecast, Coming]:
    """Forecast the reference's samples, and the prompts without a key that it will vote on."""
    settings = recipe.models.reference
    if settings is None:
        return Forecast(), Coming()
    adaptive = recipe.sample.adaptive_reference
    first = adaptive.start if adaptive else recipe.sample.reference
    usual = expect_votes(adaptive) if adaptive else first
    most = adaptive.most if adaptive else first
    asked = pending.pending_samples(store, recipe, "reference")
    more: Sequence[Demand] = ()
    if recipe.sample.reference_on == "all":
        # The answers that confirm a rewrite are samples as well and not drawn again.
        more = forecast_answers(settings, coming, max(0.0, usual - answers_of_accepted(recipe)))
    begun, fresh = _count_rounds(asked, prompts, first)
    keyless = asked.join(prompts.filter(~pl.col("has_answer"), ~pl.col("has_key")), on="prompt_id")
    prompts_asked = exact(asked["prompt_id"].n_unique())
    forecast = Forecast(
        prompts=add([prompts_asked, *(coming.prompts.values() if more else ())]),
        demands=(*begun, *(carry_on(each, usual / first, most / first) for each in fresh), *more),
        shares_from=coming.shares_from if more else None,
    )
    return forecast, _as_coming(keyless) if most >= MIN_SAMPLES else Coming()


def forecast_keys(store: Store, recipe: Recipe, voted: Coming) -> Coming:
    """Return how many of the prompts that are voted on will get a key that is trusted."""
    return _thin_voted(store, recipe, voted, ("prompts", "trusted"), TRUSTED_SHARE)


def forecast_confirmer(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, voted: Coming
) -> tuple[Forecast, Coming]:
    """Forecast the second model's samples, and the prompts of today that get a key from them.

    It is shown the votes that are not believed, those of today and those to come.
    """
    settings = recipe.models.confirmer
    if settings is None:
        return Forecast(), Coming()
    asked = pending.pending_samples(store, recipe, "confirmer")
    doubted = _thin_voted(store, recipe, voted, ("prompts", "doubted"), 1 - TRUSTED_SHARE)
    more = forecast_answers(settings, doubted, recipe.sample.confirmations)
    forecast = Forecast(
        prompts=add([exact(asked["prompt_id"].n_unique()), *doubted.prompts.values()]),
        demands=(*count_demands(asked, prompts), *more),
        shares_from=doubted.shares_from,
    )
    shown = _as_coming(asked.join(prompts, on="prompt_id"))
    confirmed = _thin_voted(store, recipe, shown, ("shown", "confirmed"), CONFIRMED_SHARE)
    return forecast, confirmed


def _thin_voted(
    store: Store, recipe: Recipe, prompts: Coming, counted: tuple[str, str], assumed: float
) -> Coming:
    """Thin prompts by what became of earlier ones: (all, those that went on) in the domain."""
    if recipe.models.reference is None or not prompts.prompts:
        return Coming()
    past = store.query("plan_keys", model=recipe.models.reference.model)
    seen = {row["domain"]: (row[counted[0]], row[counted[1]]) for row in past.to_dicts()}
    left = thin(prompts.prompts, blend_groups(seen, lambda _: assumed))
    return Coming(left, prompts.sizes, int(past[counted[0]].sum()))


def _as_coming(asked: pl.DataFrame) -> Coming:
    """Count prompts by domain; `asked` has their domain and the size of each."""
    counts = {name: exact(count) for name, count in _count(asked, "domain").items()}
    return Coming(counts, dict(asked.group_by("domain").agg(pl.col("size").mean()).iter_rows()))


def forecast_student(
    asked: pl.DataFrame, recipe: Recipe, prompts: pl.DataFrame, coming: Coming
) -> Forecast:
    """Forecast the student's samples: on the prompts there are, and on those that will come.

    Where samples are drawn in rounds, a prompt without any is counted to its likely end, one that
    was begun with its next round alone.
    """
    adaptive = recipe.sample.adaptive
    first = adaptive.start if adaptive else recipe.sample.student
    more = forecast_answers(recipe.models.student, coming, first)
    begun, fresh = _count_rounds(asked, prompts, first)
    sampling = assume_sampling(recipe, prompts)
    return Forecast(
        prompts=add([exact(asked["prompt_id"].n_unique()), *coming.prompts.values()]),
        demands=(
            *begun,
            *(_settle(each, recipe, sampling) for each in (*fresh, *more)),
        ),
        shares_from=coming.shares_from,
    )


def _count_rounds(
    asked: pl.DataFrame, prompts: pl.DataFrame, first: int
) -> tuple[list[Demand], list[Demand]]:
    """Count the pending calls of prompts that were begun, and of those whose first round it is."""
    is_first = pl.col("calls") == first
    begun = count_demands(asked.filter(~is_first), prompts)
    return begun, count_demands(asked.filter(is_first), prompts)


def _settle(demand: Demand, recipe: Recipe, sampling: Callable[[str | None], Sampling]) -> Demand:
    """Return the student's calls of first rounds with those that its stopping rule asks for."""
    adaptive = recipe.sample.adaptive
    if adaptive is None:
        return demand
    usual = sampling(demand.domain).samples
    return carry_on(demand, usual / adaptive.start, adaptive.most / adaptive.start)


def carry_on(demand: Demand, usual: float, most: float) -> Demand:
    """Return the calls of first rounds with those after them: so many times as many, at most."""
    if most == 1:
        return demand
    first = demand.calls
    doubt = (first.expected * usual * _DOUBT_OF_POOL) ** 2
    calls = Estimate(
        expected=first.expected * usual,
        variance=first.variance * usual**2 + doubt,
        most=first.most * most,
        least=first.least,
    )
    return replace(demand, calls=calls)


def forecast_judge(store: Store, recipe: Recipe, prompts: pl.DataFrame) -> Forecast:
    """Count the judge's calls on what is graded; answers still to come are not foreseen."""
    asked = pending.pending_verdicts(store, recipe)
    return Forecast(exact(asked["prompt_id"].n_unique()), count_demands(asked, prompts))


def merge_coming(one: Coming, other: Coming) -> Coming:
    """Put prompts that come from two sides together."""
    told = [each.shares_from for each in (one, other) if each.shares_from is not None]
    return Coming(
        prompts=by_domain(
            (("", domain), prompts)
            for side in (one, other)
            for domain, prompts in side.prompts.items()
        ),
        sizes={**other.sizes, **one.sizes},
        shares_from=min(told) if told else None,
    )


def forecast_answers(
    settings: ModelSettings | None, coming: Coming, each: float
) -> Sequence[Demand]:
    """Return the calls that prompts which are not there yet will take, so many each."""
    if settings is None or each == 0:
        return ()
    system = sum(len(text.encode()) for _, text in solve_messages("", None, "number", settings))
    usual = sum(coming.sizes.values()) / len(coming.sizes) if coming.sizes else 0.0
    return [
        Demand(
            template=SOLVE_TEMPLATE,
            domain=domain,
            calls=scale(count, each),
            size=coming.sizes.get(domain, usual),
            message_bytes=coming.sizes.get(domain, usual) + system,
        )
        for domain, count in coming.prompts.items()
    ]


def count_demands(asked: pl.DataFrame, prompts: pl.DataFrame) -> list[Demand]:
    """Sum pending calls by template and domain; sizes are means over the calls."""
    calls = pl.col("calls")
    grouped = (
        asked.join(prompts.select("prompt_id", "domain"), on="prompt_id", how="left")
        .group_by("template", "domain")
        .agg(
            calls.sum(),
            ((pl.col("size") * calls).sum() / calls.sum()).alias("size"),
            ((pl.col("message_bytes") * calls).sum() / calls.sum()).alias("message_bytes"),
        )
        .sort("template", "domain")
    )
    return [
        Demand(
            template=row["template"],
            domain=row["domain"],
            calls=exact(row["calls"]),
            size=row["size"],
            message_bytes=row["message_bytes"],
        )
        for row in grouped.iter_rows(named=True)
    ]


def _count(rows: pl.DataFrame, by: str) -> dict[str, int]:
    return dict(rows.group_by(by).agg(pl.len()).sort(by).iter_rows())


def by_domain(groups: Iterable[tuple[tuple[str, str], Estimate]]) -> dict[str, Estimate]:
    """Sum groups of (template, domain) over the templates."""
    summed: dict[str, Estimate] = {}
    for (_, domain), estimate in groups:
        summed[domain] = add([summed.get(domain, Estimate()), estimate])
    return summed
