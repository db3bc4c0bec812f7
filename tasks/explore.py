"""Explore: what a sample of each domain's seeds has shown, and what the whole would give and cost.

domain  explored   prompts  keyed          in band       kept a prompt  US$    the whole keeps
math    50 of 412      118  1.00 .98–1.00  0.43 .33–.53  0.42 .33–.52   0.004  408  316–500

A seed and its rewrites stand or fall together, so seeds are what is counted: every interval comes
from how the seeds of the sample differ (docs/phases.md has the formulas), and shrinks to nothing as
the sample grows to the whole.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from scipy.special import betaincinv, stdtrit

from tasks.figures import say_dollars
from tasks.operations.artifacts import as_markdown
from tasks.plan.plan import make_plan
from tasks.plan.price import Span
from tasks.recipe import Recipe, SelectSettings
from tasks.select.limits import count_mixture
from tasks.store import Store, open_store

TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Yield:
    """One domain: shares of its prompts, and what all its seeds would give; None if unknown."""

    domain: str
    roots: int
    explored: int
    prompts: int
    keyed: Span | None  # share of the prompts that have a key to be believed
    in_band: Span | None  # share of the measured prompts whose rate is in the band
    kept: Span | None  # share of the prompts that are kept, before limits on the whole
    usd_per_kept: Span | None  # of the models that the recipe names, without the teacher
    whole: Span  # prompts of the whole domain that would be kept


@dataclass(frozen=True, slots=True)
class Exploration:
    """All domains, and what the rest of the road costs as it is planned from here."""

    domains: tuple[Yield, ...]
    whole: Span
    spent_usd: float | None
    rest_calls: Span
    rest_usd: Span | None
    rest_minutes: Span


def read_exploration(store: Store, recipe: Recipe) -> Exploration:
    """Return what the sample has shown, and the plan of going on. Makes no call."""
    yields = read_yields(store, recipe)
    plan = make_plan(recipe.model_copy(update={"phase": "scale"}))
    unpriced = store.sql("select count(*) from spend where cost_usd is null").item()
    return Exploration(
        domains=tuple(yields),
        whole=sum_spans([each.whole for each in yields]),
        spent_usd=None if unpriced else float(store.query("spent")["usd"][0]),
        rest_calls=plan.total.calls,
        rest_usd=plan.total.cost_usd,
        rest_minutes=plan.total.minutes,
    )


def read_yields(store: Store, recipe: Recipe) -> list[Yield]:
    """Return what the seeds that were decided on have shown of each domain: a sample, or all."""
    roots = store.query(
        "explore_roots",
        student=recipe.models.student.model,
        policy=recipe.policy_version(),
        frozen=list(recipe.select.freeze),
        **recipe.models.named,
    )
    there_are = dict(store.query("explore_domains").iter_rows())
    frozen: dict[str, int] = {}
    if recipe.select.freeze:
        released = store.query("scope_released", recipe=recipe.name)
        frozen = dict(released.select("domain", "pairs").iter_rows())
    return limit_yields(estimate_yields(roots, there_are), recipe.select, frozen)


def estimate_yields(roots: pl.DataFrame, there_are: Mapping[str, int]) -> list[Yield]:
    """Estimate each domain from a row a seed: sql/queries/explore_roots.sql has the columns."""
    yields = []
    for (domain,), rows in roots.group_by("domain", maintain_order=True):
        whole = max(int(there_are.get(str(domain), 0)), rows.height)
        yields.append(
            Yield(
                domain=str(domain),
                roots=whole,
                explored=rows.height,
                prompts=int(rows["prompts"].sum()),
                keyed=share_of(rows["keyed"], rows["prompts"], whole),
                in_band=share_of(rows["in_band"], rows["measured"], whole),
                kept=share_of(rows["teachable"], rows["prompts"], whole),
                usd_per_kept=ratio_of(rows["usd"], rows["teachable"], whole),
                whole=total_of(rows["teachable"], whole),
            )
        )
    return yields


def limit_yields(
    yields: list[Yield], select: SelectSettings, released: Mapping[str, int] | None = None
) -> list[Yield]:
    """Apply the limits that only the whole can reach: a domain's target, and the mixture.

    `released` are the pairs of each domain in the newest release, which frozen ones keep.
    """
    targeted = [
        replace(each, whole=_cap(each.whole, select.targets.get(each.domain))) for each in yields
    ]
    if not select.mixture:
        return targeted
    ends = {}
    for end in ("low", "expected", "high"):
        available = {name: (released or {}).get(name, 0) for name in select.freeze}
        available |= {each.domain: round(getattr(each.whole, end)) for each in targeted}
        ends[end] = count_mixture(available, select.mixture, select.freeze)
    return [
        replace(each, whole=Span(*(float(counts.get(each.domain, 0)) for counts in ends.values())))
        for each in targeted
    ]


def share_of(hits: pl.Series, cases: pl.Series, whole: int) -> Span | None:
    """Estimate hits / cases over all seeds from those of a sample; None without a case.

    Jeffreys' interval on as many cases as the sample is worth: fewer than there are where the
    prompts of a seed are alike, more as the sample nears the whole.
    """
    total, found = float(cases.sum()), float(hits.sum())
    if not total:
        return None
    share, seeds = found / total, cases.len()
    unseen = 1 - seeds / whole
    if unseen <= 0:
        return Span(share, share, share)
    worth = min(float(seeds), total)
    variance = _variance_of_ratio(hits, cases, whole)
    if 0 < share < 1 and variance:
        worth = share * (1 - share) / variance
    else:
        worth /= unseen
    a, b = share * worth + 0.5, (1 - share) * worth + 0.5
    low = 0.0 if share == 0 else float(betaincinv(a, b, TAIL))
    high = 1.0 if share == 1 else float(betaincinv(a, b, 1 - TAIL))
    return Span(low, share, high)


def ratio_of(amounts: pl.Series, cases: pl.Series, whole: int, least: float = 0.0) -> Span | None:
    """Estimate amount / cases over all seeds; None without a case or with an unknown amount."""
    total = float(cases.sum())
    if not total or amounts.null_count():
        return None
    ratio = float(amounts.sum()) / total
    variance = _variance_of_ratio(amounts, cases, whole)
    if variance is None:
        return Span(least, ratio, math.inf)
    off = _quantile(cases.len()) * math.sqrt(variance)
    return Span(max(least, ratio - off), ratio, ratio + off)


def total_of(counts: pl.Series, whole: int) -> Span:
    """Estimate the sum of a count over all seeds; what the sample has is there for certain."""
    seeds, found = counts.len(), float(counts.sum())
    if seeds >= whole:
        return Span(found, found, found)
    expected = whole * found / seeds
    spread = counts.var() if seeds > 1 else None
    if not isinstance(spread, float) or spread == 0:
        each = found / seeds or 1.0  # All alike: how many seeds may be unlike is what is unknown.
        some = share_of((counts > 0).cast(pl.Float64), pl.repeat(1.0, seeds, eager=True), whole)
        assert some is not None
        return Span(max(found, some.low * whole * each), expected, some.high * whole * each)
    off = _quantile(seeds) * whole * math.sqrt((1 - seeds / whole) * spread / seeds)
    return Span(max(found, expected - off), expected, expected + off)


def sum_spans(spans: list[Span]) -> Span:
    """Sum independent numbers: their distances to the ends add up like standard deviations."""
    expected = sum(span.expected for span in spans)
    below = math.sqrt(sum((span.expected - span.low) ** 2 for span in spans))
    above = math.sqrt(sum((span.high - span.expected) ** 2 for span in spans))
    return Span(expected - below, expected, expected + above)


def tabulate(exploration: Exploration) -> pl.DataFrame:
    """Return a row a domain, every figure with the ends of its 95 % interval."""
    return pl.DataFrame(
        [
            {
                "domain": each.domain,
                "explored": f"{each.explored:,} of {each.roots:,} seeds",
                "prompts": each.prompts,
                "trusted keys": say_share(each.keyed),
                "in the band": say_share(each.in_band),
                "kept a prompt": say_share(each.kept),
                "US$ a kept one": say_dollar_span(each.usd_per_kept),
                "the whole would keep": say_count(each.whole),
            }
            for each in exploration.domains
        ]
    )


def describe(exploration: Exploration) -> list[str]:
    """Return what the whole would give and cost, a line each."""
    spent = exploration.spent_usd
    lines = [
        f"the whole would keep {say_count(exploration.whole)} prompts",
        f"spent so far: {say_dollars(spent)}; going on takes {say_count(exploration.rest_calls)} "
        f"calls and {say_dollar_span(exploration.rest_usd)}, "
        "the teacher's included",
    ]
    if spent is not None and exploration.rest_usd is not None and exploration.whole.expected:
        all_of_it = spent + exploration.rest_usd.expected
        a_pair = say_dollars(all_of_it / exploration.whole.expected)
        lines.append(f"about {a_pair} a kept pair in the end")
    return lines


def say_share(span: Span | None) -> str:
    """Return a share in percent with its interval."""
    if span is None:
        return "unknown"
    return f"{span.expected:.0%} ({span.low:.0%} to {span.high:.0%})"


def say_count(span: Span) -> str:
    """Return a count with its interval, if it has one."""
    if round(span.low) == round(span.high):
        return f"{round(span.expected):,}"
    return f"{round(span.expected):,} ({round(span.low):,} to {round(span.high):,})"


def say_dollar_span(span: Span | None) -> str:
    """Return an amount with its interval."""
    if span is None or math.isinf(span.high):
        return "unknown"
    expected, low, high = map(say_dollars, (span.expected, span.low, span.high))
    return f"{expected} ({low} to {high})"


@task(task_run_name="show-exploration", cache_policy=NO_CACHE)
def show_exploration(recipe: Recipe, run_id: str) -> Exploration:
    """Leave what the sample has shown and what the whole would give and cost."""
    exploration = read_exploration(open_store(recipe.store), recipe)
    told = describe(exploration)
    create_markdown_artifact(
        key=f"{recipe.name}-explore",
        markdown="\n\n".join([*told, as_markdown(tabulate(exploration))]),
        description=f"**{told[0]}**. Run `{run_id}`.",
    )
    return exploration


def _variance_of_ratio(amounts: pl.Series, cases: pl.Series, whole: int) -> float | None:
    """Return the variance of sum(amounts) / sum(cases) over samples of so many seeds."""
    seeds = cases.len()
    if seeds < 2:
        return None
    ratio = float(amounts.sum()) / float(cases.sum())
    off = amounts - ratio * cases
    mean = float(cases.sum()) / seeds
    squares = float((off * off).sum()) / (seeds - 1)
    return max(0.0, 1 - seeds / whole) * squares / (seeds * mean**2)


def _quantile(seeds: int) -> float:
    return float(stdtrit(max(1, seeds - 1), 1 - TAIL))


def _cap(span: Span, most: int | None) -> Span:
    if most is None:
        return span
    return Span(min(span.low, most), min(span.expected, most), min(span.high, most))
