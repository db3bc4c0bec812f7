"""Rewrite: synthetic prompts with answers that a program can check, and a reason for each refusal.

    response_id  parent_id  strategy     prompt_id  accepted  reason
    77f0…        3c7b…      new_numbers  4c1d…      true      accepted
    1b2e…        90c2…      new_numbers  null       false     declined

An accepted rewrite is a prompt first and a row of `rewrites` after it: whatever is killed between
the two, the next run finds the response unjudged and its prompt there, and adds the row. A newer
version of the acceptance finds every response unjudged; its rows stand beside the older ones.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.identity import content_id
from tasks.llm.chunks import interruptible
from tasks.llm.drawing import draw
from tasks.llm.engine import Completion
from tasks.llm.failures import PERMANENT
from tasks.llm.pending import EVERYTHING, Range
from tasks.llm.request import Endpoint, Request, form_of
from tasks.llm.servers import endpoint_of, identify_server
from tasks.progress import Tracker, active
from tasks.recipe import Recipe, StrategyName
from tasks.rewrite import acceptance
from tasks.rewrite.candidate import Parent, Refusal, parent_of
from tasks.rewrite.claims import claim
from tasks.rewrite.confirm import Votes, collect_votes, count_votes, weigh
from tasks.rewrite.drafts import (
    ACCEPTED,
    Draft,
    Shelf,
    prompt_row,
    read_responses,
    refuse_surplus,
    rewrite_row,
    take_batch,
    verdict_row,
)
from tasks.rewrite.rounds import find_open, plan_follow_ups
from tasks.rewrite.routes import route_of
from tasks.rewrite.strategies import (
    BY_TEMPLATE,
    STRATEGIES,
    FollowedUp,
    InParts,
    NeedsReference,
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


def plan_rewrites(
    parents: Iterable[Mapping[str, Any]], endpoint: Endpoint, recipe: Recipe
) -> Iterator[Request]:
    """Yield a request per parent, strategy that applies and variant; none if a root is full."""
    return (request for _, request in plan_openings(parents, endpoint, recipe))


def plan_openings(
    parents: Iterable[Mapping[str, Any]], endpoint: Endpoint, recipe: Recipe
) -> Iterator[tuple[Parent, Request]]:
    """Yield the requests of `plan_rewrites`, each with its parent."""
    for row in parents:
        if row["rewrites"] >= recipe.rewrite.max_per_root:
            continue
        parent = parent_of(row)
        for strategy in strategies_for(parent, recipe):
            for variant in range(count_requests(strategy, parent, recipe)):
                yield parent, _open_exchange(strategy, parent, variant, endpoint)


def _open_exchange(strategy: Strategy, parent: Parent, variant: int, endpoint: Endpoint) -> Request:
    return Request(
        prompt_id=parent.prompt_id,
        role="rewriter",
        template=strategy.TEMPLATE,
        messages=strategy.messages(parent, variant, endpoint.settings),
        sample_index=variant,
        schema=strategy.SCHEMA,
    )


def count_requests(strategy: Strategy, parent: Parent, recipe: Recipe) -> int:
    """Return how many exchanges a strategy begins on a parent."""
    wanted = recipe.rewrite.variants
    return strategy.parts(parent) if wanted and isinstance(strategy, InParts) else wanted


def strategies_for(parent: Parent, recipe: Recipe) -> list[Strategy]:
    """Return the recipe's strategies that its domain allows and that apply to a parent."""
    route = route_of(parent)
    allowed = recipe.domain(parent.domain).strategies.get(route, recipe.rewrite.strategies)
    declared = (STRATEGIES[name] for name in recipe.rewrite.strategies if name in allowed)
    confirming = _is_confirming(recipe)
    return [
        strategy
        for strategy in declared
        if route in strategy.ROUTES
        and (confirming or not isinstance(strategy, NeedsReference))
        and is_in_share(parent, strategy.NAME, recipe.rewrite.share.get(strategy.NAME, 1.0))
        and strategy.applies(parent)
    ]


def is_in_share(parent: Parent, strategy: StrategyName, share: float) -> bool:
    """Say whether a seed is among those that a strategy is tried on; a larger share keeps them."""
    if share >= 1.0:
        return True
    return int(content_id("share", strategy, parent.prompt_id)[:8], 16) < share * 2**32


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
    reasons = _record(store, run_id, refused)
    drafts = [outcome for _, outcome in read if isinstance(outcome, Draft)]
    tracker.forgo(tries_of(recipe) * (len(rows) + completion.failed - len(drafts)))
    reasons += _judge(store, recipe, run_id, drafts, load_shelf(store, asked, drafts), tracker)
    accepted = reasons.pop(ACCEPTED, 0)
    return RewriteCounts(completion, accepted, dict(sorted(reasons.items())))


def count_pending(store: Store, recipe: Recipe) -> int:
    """Estimate the calls that are still to be made: rewrites, and answers that confirm them."""
    settings, rewriter = recipe.rewrite, recipe.models.rewriter
    if rewriter is None:
        return 0
    endpoint = Endpoint(rewriter, "", identify_server(recipe, rewriter), "")
    forms: dict[str, str] = {}

    def form_by(strategy: Strategy, parent: Parent) -> str:
        if strategy.TEMPLATE not in forms:  # Whatever the parent, a strategy says the same.
            opening = _open_exchange(strategy, parent, 0, endpoint)
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


def load_shelf(store: Store, asked: Range, drafts: Sequence[Draft]) -> Shelf:
    """Return the rewrites that drafts of a range must not repeat."""
    shelf = Shelf()
    fill_shelf(shelf, store, asked, [draft.prompt_id for draft in drafts])
    return shelf


def fill_shelf(shelf: Shelf, store: Store, asked: Range, prompt_ids: Iterable[str]) -> None:
    """Put on a shelf the rewrites there are of a range of roots, and those of the given ids."""
    made = store.query("rewrite_made", low=asked.low, high=asked.high, prompt_ids=list(prompt_ids))
    for name, root, response_id in made.iter_rows():
        shelf.put(name, root, response_id)


def _judge(
    store: Store,
    recipe: Recipe,
    run_id: str,
    drafts: Sequence[Draft],
    shelf: Shelf,
    tracker: Tracker,
) -> Counter[str]:
    """Decide drafts, in rounds: who waited for room in a root comes next if there is still some."""
    most = recipe.rewrite.max_per_root
    # A prompt of this very response is there: an earlier version of the gates accepted it, or a run
    # that was killed before it said so.
    settled = [draft for draft in drafts if shelf.made_by.get(draft.prompt_id) == draft.response_id]
    tracker.forgo(tries_of(recipe) * len(settled))
    reasons = _settle(store, recipe, run_id, settled, shelf)
    done = {draft.response_id for draft in settled}
    waiting = [draft for draft in drafts if draft.response_id not in done]
    while waiting:
        looked_at = [(draft, refuse_surplus(draft, shelf, most)) for draft in waiting]
        surplus = [verdict_row(draft, refusal) for draft, refusal in looked_at if refusal]
        tracker.forgo(tries_of(recipe) * len(surplus))
        reasons += _record(store, run_id, surplus)
        fitting = [draft for draft, refusal in looked_at if refusal is None]
        batch, waiting = take_batch(fitting, shelf, most)
        with claim(draft.prompt_id for draft in batch) as claimed:
            # Another chunk may have made a prompt of the same text since the shelf was filled.
            fill_shelf(shelf, store, Range("", ""), claimed)
            free = claimed.difference(shelf.made_by)
            ours = [draft for draft in batch if draft.prompt_id in free]
            reasons += _decide_batch(store, recipe, run_id, ours, shelf, tracker)
        waiting = [draft for draft in batch if draft.prompt_id not in free] + waiting
    return reasons


def _settle(
    store: Store, recipe: Recipe, run_id: str, settled: Sequence[Draft], shelf: Shelf
) -> Counter[str]:
    """Decide drafts that are prompts already, by the answers there are: nothing new is asked."""
    if not settled:
        return Counter()
    candidates = {draft.prompt_id: draft.candidate for draft in settled}
    votes = count_votes(store, recipe, candidates) if _is_confirming(recipe) else {}
    verdicts: list[tuple[Draft, Refusal | None]] = []
    for draft in settled:
        vote = votes.get(draft.prompt_id)
        refusal = _weigh(draft, vote, recipe) if vote else None
        verdicts.append((draft, refusal))
        if refusal:
            shelf.take_off(draft.prompt_id, draft.parent.root_id)
    return _record(store, run_id, [verdict_row(draft, refusal) for draft, refusal in verdicts])


def _weigh(draft: Draft, vote: Votes, recipe: Recipe) -> Refusal | None:
    """Return `unconfirmed` if the votes on a draft settle that."""
    if weigh(vote, recipe.rewrite.confirmations) != "unconfirmed":
        return None
    said = f"{vote.agreeing} of {recipe.rewrite.tries} reference answers agree with "
    return Refusal("unconfirmed", said + draft.candidate.answer)


def _decide_batch(
    store: Store,
    recipe: Recipe,
    run_id: str,
    batch: Sequence[Draft],
    shelf: Shelf,
    tracker: Tracker,
) -> Counter[str]:
    """Confirm drafts and record what is decided; a draft that is open still leaves no row."""
    votes = _collect(store, recipe, run_id, batch, tracker)
    wanted = recipe.rewrite.confirmations
    verdicts: list[tuple[Draft, Refusal | None]] = []
    for draft in batch:
        vote = votes.get(draft.prompt_id)
        if vote is None or weigh(vote, wanted) == "confirmed":
            shelf.put(draft.prompt_id, draft.parent.root_id, draft.response_id)
            verdicts.append((draft, None))
        elif refusal := _weigh(draft, vote, recipe):
            verdicts.append((draft, refusal))
    accepted = [prompt_row(draft) for draft, refusal in verdicts if refusal is None]
    store.append("prompts", pl.DataFrame(accepted, infer_schema_length=None), run_id=run_id)
    return _record(store, run_id, [verdict_row(draft, refusal) for draft, refusal in verdicts])


def _collect(
    store: Store, recipe: Recipe, run_id: str, batch: Sequence[Draft], tracker: Tracker
) -> dict[str, Votes]:
    """Return the votes on drafts by prompt id; none where nobody is asked to confirm."""
    if not batch or not _is_confirming(recipe):
        return {}
    candidates = {draft.prompt_id: draft.candidate for draft in batch}
    return collect_votes(store, recipe, candidates, run_id=run_id, tracker=tracker)


def tries_of(recipe: Recipe) -> int:
    """Return how many reference answers a draft is confirmed by."""
    return recipe.rewrite.tries if _is_confirming(recipe) else 0


def _is_confirming(recipe: Recipe) -> bool:
    return recipe.models.reference is not None and recipe.rewrite.confirmations > 0


def _record(store: Store, run_id: str, rows: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Append rows of `rewrites` and return how many had which reason."""
    store.append("rewrites", pl.DataFrame(rows, infer_schema_length=None), run_id=run_id)
    return Counter(str(row["reason"]) for row in rows)
