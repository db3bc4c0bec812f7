"""Rewriting ahead: the rewriter's calls, what they lead to, and what becomes of it.

rewriter 206, of them 10 drafts to be judged by their author  →  9 and 5 more
         →  drafts 147 ± 13, each settled by 2 or 3 answers  →  prompts 133 ± 13

Shares are those that the store has seen, by template and domain, and assumed where it has seen
none. No root gets more rewrites than it has room for, and no more drafts of it are confirmed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import polars as pl

from tasks.llm.failures import PERMANENT
from tasks.plan import pending
from tasks.plan.assumed import (
    ACCEPTED_SHARE,
    CONTINUED_SHARE,
    DRAFT_SHARE,
    FIRST_CONTINUED_SHARE,
    ROUND_BYTES,
)
from tasks.plan.confirming import first_answers, usual_answers
from tasks.plan.estimate import Estimate, Share, add, blend_groups, exact, scale, thin
from tasks.plan.forecast import (
    Coming,
    Forecast,
    by_domain,
    carry_on,
    count_demands,
    forecast_answers,
)
from tasks.plan.price import Demand
from tasks.recipe import Recipe
from tasks.rewrite.confirm import Votes
from tasks.rewrite.drafts import Draft
from tasks.rewrite.openings import tries_of
from tasks.rewrite.rounds import round_of
from tasks.rewrite.strategies import BY_TEMPLATE, FollowedUp, template_of_round
from tasks.store import Store

Group = tuple[str, str]  # template and domain
ShareOf = Callable[[Group], Share]
_NO_ROWS = {"prompt_id": pl.String, "domain": pl.String}


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The rewriter's calls, the reference's that confirm them, and the prompts they will make."""

    rewriter: Forecast = field(default_factory=Forecast)
    confirmations: Forecast = field(default_factory=Forecast)
    coming: Coming = field(default_factory=Coming)


def forecast_router(store: Store, recipe: Recipe, prompts: pl.DataFrame) -> Forecast:
    """Count the router's calls, one a seed that the rules cannot place."""
    asked = pending.pending_placements(store, recipe)
    return Forecast(exact(asked["prompt_id"].n_unique()), count_demands(asked, prompts))


def forecast_rewriting(store: Store, recipe: Recipe, prompts: pl.DataFrame) -> Rewriting:
    """Forecast the rewrite stage: what is pending, and what will come of it."""
    if recipe.models.rewriter is None:
        return Rewriting()
    asked = pending.pending_rewrites(store, recipe)
    demands = count_demands(asked, prompts)
    drafts = pending.find_open_drafts(store, recipe)
    votes = pending.count_open_votes(store, recipe, drafts)
    waiting = pending.pending_confirmations(store, recipe, drafts, votes)
    past = store.query(
        "plan_rewrites", model=recipe.models.rewriter.model, permanent=list(PERMANENT)
    )
    follow_ups = foresee_follow_ups(demands, past)
    exchanges = _count_exchanges(demands)
    tries = tries_of(recipe)
    passing = blend_groups(_seen(past, "over", "drafts"), lambda _: DRAFT_SHARE)
    accepting = blend_groups(_seen(past, "over", "accepted"), lambda _: ACCEPTED_SHARE)
    room = _share_with_room(store, recipe, asked, prompts, accepting if tries else passing)
    drafted = {key: scale(each, room[key]) for key, each in thin(exchanges, passing).items()}
    taken, ready = drafted, _count_drafts(drafts)
    believing = blend_groups(
        _seen(past, "drafts", "accepted"), lambda _: ACCEPTED_SHARE / DRAFT_SHARE
    )
    if tries:
        taken = {key: scale(each, room[key]) for key, each in thin(exchanges, accepting).items()}
        ready = thin(ready, believing)
    seen = int(past["calls"].sum())
    shares_from = seen if exchanges or drafts else None
    coming = Coming(
        prompts=by_domain([*taken.items(), *ready.items()]),
        sizes={
            **{draft.parent.domain: _bytes_of(draft.candidate.text) for draft in drafts},
            **{each.domain: each.size for each in demands},
        },
        shares_from=shares_from,
    )
    confirmations = Forecast()
    if tries:
        new = Coming(by_domain(drafted.items()), coming.sizes)
        more = forecast_answers(recipe.models.reference, new, first_answers(recipe))
        begun = count_demands(waiting, _domains_of(drafts))
        confirmations = Forecast(
            prompts=add([exact(waiting["prompt_id"].n_unique()), *drafted.values()]),
            demands=(
                *_settle_begun(begun, recipe, drafts, votes, believing),
                *_settle_new(more, recipe, drafted, believing),
            ),
            shares_from=shares_from,
        )
    return Rewriting(
        rewriter=Forecast(
            prompts=exact(asked["prompt_id"].n_unique()),
            demands=(*demands, *follow_ups),
            shares_from=seen if follow_ups else None,
        ),
        confirmations=confirmations,
        coming=coming,
    )


def _settle_new(
    demands: Sequence[Demand],
    recipe: Recipe,
    drafted: Mapping[Group, Estimate],
    believing: ShareOf,
) -> list[Demand]:
    """Return the first answers on drafts to come with those after them, domain by domain."""
    first = first_answers(recipe)
    most = recipe.rewrite.tries / first
    usual: dict[str, float] = {}
    for group, count in drafted.items():
        answers = count.expected * usual_answers(recipe, believing(group).mean)
        usual[group[1]] = usual.get(group[1], 0.0) + answers
    return [
        carry_on(each, usual[each.domain] / each.calls.expected, most)
        for each in demands
        if each.calls.expected
    ]


def _settle_begun(
    demands: Sequence[Demand],
    recipe: Recipe,
    drafts: Sequence[Draft],
    votes: Mapping[str, Votes],
    believing: ShareOf,
) -> list[Demand]:
    """Return the next answers on drafts there are with those after them, domain by domain."""
    usual: dict[str, float] = {}
    most: dict[str, int] = {}
    for draft in {draft.prompt_id: draft for draft in drafts}.values():
        domain, vote = draft.parent.domain, votes.get(draft.prompt_id)
        if vote is not None and vote.unasked:
            share = believing((_opening_of(draft.template), domain)).mean
            usual[domain] = usual.get(domain, 0.0) + usual_answers(recipe, share, vote)
            most[domain] = most.get(domain, 0) + len(vote.unasked)
    return [
        carry_on(
            each,
            usual[each.domain] / each.calls.expected,
            most[each.domain] / each.calls.expected,
        )
        for each in demands
    ]


def foresee_follow_ups(demands: Sequence[Demand], past: pl.DataFrame) -> list[Demand]:
    """Return the calls that follow replies which are not there yet, round by round."""
    continuing = blend_groups(_seen(past, "calls", "continued"), _assume_continued)
    found: list[Demand] = []
    replied = [each for each in demands if _is_followed(each.template)]
    while replied:
        shares = thin({(each.template, each.domain): each.calls for each in replied}, continuing)
        followed = [
            replace(
                each,
                template=_template_after(each.template),
                calls=shares[each.template, each.domain],
                message_bytes=each.message_bytes + ROUND_BYTES,
            )
            for each in replied
        ]
        found += followed
        replied = [each for each in followed if _is_followed(each.template)]
    return found


def expect_within(room: int, chances: tuple[float, ...]) -> float:
    """Return how many of independent chances come true, counted up to a limit.

    >>> expect_within(1, (0.5, 0.5))
    0.75
    """
    counts = [1.0] + [0.0] * room  # the probability of each count; the last one: this or more
    for chance in chances:
        for count in range(room, 0, -1):
            stays = counts[count] if count == room else counts[count] * (1 - chance)
            counts[count] = stays + counts[count - 1] * chance
        counts[0] *= 1 - chance
    return sum(count * probability for count, probability in enumerate(counts)) if room else 0.0


def _share_with_room(
    store: Store, recipe: Recipe, asked: pl.DataFrame, prompts: pl.DataFrame, share_of: ShareOf
) -> dict[Group, float]:
    """Return, by template and domain, what share of its good drafts a root still has room for.

    Where a root has room for fewer than are good, all its exchanges lose in proportion.
    """
    most = recipe.rewrite.max_per_root
    there = dict(store.query("plan_rewrites_of_roots").iter_rows())
    expect = cache(expect_within)
    wanted: dict[Group, float] = {}
    fitting: dict[Group, float] = {}
    of_roots = (
        asked.join(prompts.select("prompt_id", "domain"), on="prompt_id", how="left")
        .group_by("prompt_id", maintain_order=True)
        .agg("template", "domain", "calls")
    )
    for root, templates, domains, calls in of_roots.iter_rows():
        groups = [
            (_opening_of(template), domain)
            for template, domain, count in zip(templates, domains, calls, strict=True)
            for _ in range(count)
        ]
        chances = tuple(share_of(group).mean for group in groups)
        likely = sum(chances)
        kept = expect(max(0, most - there.get(root, 0)), chances) / likely if likely else 1.0
        for group, chance in zip(groups, chances, strict=True):
            wanted[group] = wanted.get(group, 0.0) + chance
            fitting[group] = fitting.get(group, 0.0) + chance * kept
    return {group: fitting[group] / much if much else 1.0 for group, much in wanted.items()}


def _count_exchanges(demands: Sequence[Demand]) -> dict[Group, Estimate]:
    """Return the exchanges that have still to end, by what they began with: each has one call."""
    counted: dict[Group, Estimate] = {}
    for each in demands:
        group = (_opening_of(each.template), each.domain)
        counted[group] = add([counted.get(group, Estimate()), each.calls])
    return counted


def _opening_of(template: str) -> str:
    return template.partition("+")[0]


def _is_followed(template: str) -> bool:
    strategy = BY_TEMPLATE.get(template)
    return isinstance(strategy, FollowedUp) and round_of(template) < strategy.ROUNDS


def _template_after(template: str) -> str:
    return template_of_round(BY_TEMPLATE[template], round_of(template) + 1)


def _assume_continued(group: Group) -> float:
    return CONTINUED_SHARE if round_of(group[0]) else FIRST_CONTINUED_SHARE


def _bytes_of(text: str) -> float:
    return float(len(text.encode()))


def _count_drafts(drafts: Sequence[Draft]) -> dict[Group, Estimate]:
    counts: dict[Group, int] = {}
    for draft in drafts:
        key = (_opening_of(draft.template), draft.parent.domain)
        counts[key] = counts.get(key, 0) + 1
    return {key: exact(count) for key, count in counts.items()}


def _domains_of(drafts: Sequence[Draft]) -> pl.DataFrame:
    rows = [(draft.prompt_id, draft.parent.domain) for draft in drafts]
    return pl.DataFrame(rows, schema=_NO_ROWS, orient="row").unique("prompt_id")


def _seen(past: pl.DataFrame, of: str, hits: str) -> Mapping[Group, tuple[int, int]]:
    """Return (cases, hits): of replies as they are, of exchanges by what they began with."""
    seen: dict[Group, tuple[int, int]] = {}
    for row in past.iter_rows(named=True):
        template = row["template"] if hits == "continued" else _opening_of(row["template"])
        cases, found = seen.get((template, row["domain"]), (0, 0))
        seen[template, row["domain"]] = (cases + row[of], found + row[hits])
    return seen
