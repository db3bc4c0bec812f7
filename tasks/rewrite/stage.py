"""Rewrite: synthetic prompts with answers that a program can check, and a reason for each refusal.

    response_id  parent_id  strategy     prompt_id  accepted  reason
    77f0…        3c7b…      new_numbers  4c1d…      true      accepted
    1b2e…        90c2…      new_numbers  null       false     declined

An accepted rewrite is a prompt first and a row of `rewrites` after it: whatever is killed between
the two, the next run finds the response unjudged and its prompt there, and adds the row. A newer
version of the acceptance finds every response unjudged; its rows stand beside the older ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.llm.chunks import interruptible
from tasks.llm.drawing import draw
from tasks.llm.failures import PERMANENT
from tasks.llm.pending import EVERYTHING, Range
from tasks.llm.request import Endpoint, Request, form_of
from tasks.llm.servers import endpoint_of, identify_endpoint
from tasks.llm.under_way import Completion
from tasks.progress import Tracker, active
from tasks.recipe import Recipe
from tasks.rewrite import acceptance
from tasks.rewrite.candidate import Parent, Refusal, parent_of
from tasks.rewrite.drafts import (
    ACCEPTED,
    Draft,
    read_responses,
    rewrite_row,
)
from tasks.rewrite.judging import judge_drafts, load_shelf, record_verdicts
from tasks.rewrite.openings import (
    count_requests,
    open_exchange,
    plan_openings,
    plan_rewrites,
    strategies_for,
    tries_of,
)
from tasks.rewrite.rounds import find_open, plan_follow_ups
from tasks.rewrite.strategies import (
    BY_TEMPLATE,
    STRATEGIES,
    FollowedUp,
    Strategy,
)
from tasks.scope import scope_of
from tasks.store import Store, open_store

_PARENTS_AT_A_TIME = 20_000
MakeRequests = Callable[[Endpoint, pl.DataFrame], Iterable[Request]]


@dataclass(frozen=True, slots=True)
class RewriteCounts:
    """What a range came to; what is in neither count waits for reference answers."""

    asked: Completion = field(default_factory=Completion)
    accepted: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


def rewrite_range(
    store: Store, recipe: Recipe, run_id: str, asked: Range, tracker: Tracker
) -> RewriteCounts:
    """Ask for what is missing in a range of parents, then judge what was not judged yet."""
    if recipe.models.rewriter is None:
        return RewriteCounts()
    completion = _ask(store, recipe, run_id, asked, tracker)
    rows = _leave_out_open(store, recipe, asked, read_replies(store, asked))
    read = list(zip(rows, read_responses(rows), strict=True))
    refused = [
        rewrite_row(row, outcome.reason, outcome.detail)
        for row, outcome in read
        if isinstance(outcome, Refusal)
    ]
    reasons = record_verdicts(store, run_id, refused)
    drafts = [outcome for _, outcome in read if isinstance(outcome, Draft)]
    tracker.forgo(tries_of(recipe) * (len(rows) + completion.failed - len(drafts)))
    reasons += judge_drafts(
        store, recipe, run_id, drafts, load_shelf(store, asked, drafts), tracker
    )
    accepted = reasons.pop(ACCEPTED, 0)
    return RewriteCounts(completion, accepted, dict(sorted(reasons.items())))


def count_pending(store: Store, recipe: Recipe) -> int:
    """Return how many calls may still be made: rewrites, and answers that confirm them.

    The answers are all tries; whoever settles a draft with fewer takes the others off the total.
    """
    settings, rewriter = recipe.rewrite, recipe.models.rewriter
    if rewriter is None:
        return 0
    endpoint = identify_endpoint(recipe, rewriter)
    forms: dict[str, str] = {}

    def form_by(strategy: Strategy, parent: Parent) -> str:
        if strategy.TEMPLATE not in forms:  # Whatever the parent, a strategy says the same.
            opening = open_exchange(strategy, parent, 0, endpoint)
            forms[strategy.TEMPLATE] = form_of(endpoint, opening)
        return forms[strategy.TEMPLATE]

    rewrites: int = sum(
        max(0, count_requests(strategy, parent, recipe) - asked.count(form_by(strategy, parent)))
        * (1 + (strategy.ROUNDS if isinstance(strategy, FollowedUp) else 0))
        for parents in store.stream(
            "rewrite_parents", _PARENTS_AT_A_TIME, **parent_filter(store, recipe, EVERYTHING)
        )
        for row in parents.iter_rows(named=True)
        if row["rewrites"] < settings.max_per_root
        for parent, asked in ((parent_of(row), row["asked_forms"]),)
        for strategy in strategies_for(parent, recipe)
    )
    unjudged = int(store.query("rewrite_unjudged", acceptance=acceptance.VERSION).row(0)[0])
    tries = tries_of(recipe)
    return rewrites * (1 + tries) + unjudged * max(1, tries)


@task(task_run_name="rewrite {asked.name}", cache_policy=NO_CACHE)
@interruptible
def rewrite_chunk(recipe: Recipe, run_id: str, asked: Range) -> RewriteCounts:
    """Rewrite a chunk of the seeds; what was asked or judged before is left as it is."""
    store = open_store(recipe.store)
    return rewrite_range(store, recipe, run_id, asked, active("rewrite"))


def _ask(store: Store, recipe: Recipe, run_id: str, asked: Range, tracker: Tracker) -> Completion:
    """Have the rewriter answer what it was not asked yet, and what follows from its replies."""

    def ask(make_requests: MakeRequests) -> Completion:
        pages = (
            store.query("rewrite_parents", **parent_filter(store, recipe, part))
            for part in asked.parts()
        )
        return draw(
            store,
            recipe,
            "rewrite",
            "rewriter",
            pages,
            make_requests,
            run_id=run_id,
            tracker=tracker,
            calls=asked.calls,
        )

    def make_follow_ups(endpoint: Endpoint, page: pl.DataFrame) -> Iterator[Request]:
        openings = plan_openings(page.iter_rows(named=True), endpoint, recipe)
        follow_ups = plan_follow_ups(store, openings, endpoint, page["prompt_id"].to_list())
        return (request for _, request in follow_ups)

    completion = ask(
        lambda endpoint, page: plan_rewrites(page.iter_rows(named=True), endpoint, recipe)
    )
    for _ in range(_most_rounds(recipe)):
        completion = completion.plus(ask(make_follow_ups))
    return completion


def _most_rounds(recipe: Recipe) -> int:
    """Return how often the longest exchange of the recipe's strategies is followed up."""
    declared = (STRATEGIES[name] for name in recipe.rewrite.strategies)
    return max((each.ROUNDS for each in declared if isinstance(each, FollowedUp)), default=0)


def _leave_out_open(
    store: Store, recipe: Recipe, asked: Range, replies: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Leave out the replies whose follow-up failed for now: the next run asks it again."""
    followed = {row["prompt_id"] for row in replies if _is_followed_up(row["template"])}
    if not followed:
        return replies
    endpoint = endpoint_of(store, recipe, "rewriter")
    parents = store.query("rewrite_parents", **parent_filter(store, recipe, asked))
    parents = parents.filter(pl.col("prompt_id").is_in(list(followed)))
    openings = plan_openings(parents.iter_rows(named=True), endpoint, recipe)
    waiting = find_open(store, openings, endpoint, parents["prompt_id"].to_list())
    return [row for row in replies if row["reuse_key"] not in waiting]


def _is_followed_up(template: str) -> bool:
    return isinstance(BY_TEMPLATE.get(template), FollowedUp)


def parent_filter(store: Store, recipe: Recipe, asked: Range) -> dict[str, Any]:
    """Return the parameters of sql/queries/rewrite_parents.sql for a range."""
    rewriter = recipe.models.rewriter
    return {
        "low": asked.low,
        "high": asked.high,
        "model": rewriter.model if rewriter else None,
        "permanent": list(PERMANENT),
        **scope_of(store, recipe).parameters,
    }


def read_replies(store: Store, asked: Range) -> list[dict[str, Any]]:
    """Return the rewriter's replies of a range that the present gates have not judged yet."""
    return store.query(
        "rewrite_responses", low=asked.low, high=asked.high, acceptance=acceptance.VERSION
    ).to_dicts()
