"""Openings: which strategies are tried on a parent, and the first request of each.

plan_rewrites(parents, endpoint, recipe) → Request(template="new_numbers@3", sample_index=0, …), …
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks.identity import content_id, share_bound
from tasks.llm.request import Endpoint, Request
from tasks.recipe import Recipe, StrategyName
from tasks.recipe.players import is_confirming
from tasks.rewrite.candidate import Parent, parent_of
from tasks.rewrite.routes import route_of
from tasks.rewrite.strategies import STRATEGIES, InParts, NeedsReference, Strategy


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
                yield parent, open_exchange(strategy, parent, variant, endpoint)


def open_exchange(strategy: Strategy, parent: Parent, variant: int, endpoint: Endpoint) -> Request:
    """Return the first request of an exchange of a strategy on a parent."""
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
    confirming = is_confirming(recipe)
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
    return content_id("share", strategy, parent.prompt_id)[:8] < share_bound(share)


def tries_of(recipe: Recipe) -> int:
    """Return how many reference answers a draft is confirmed by, at most."""
    return recipe.rewrite.tries if is_confirming(recipe) else 0


def draws_all_tries(recipe: Recipe) -> bool:
    """Say whether a draft is given all its tries at once, though fewer may settle it.

    In batches a round may take a day. And whether a prompt below the band is certified as hard is
    decided by the reference's rate on it, which has to be of a fixed number of answers.
    """
    reference = recipe.models.reference
    in_batches = reference is not None and reference.mode == "batch"
    return in_batches or recipe.select.hard_share > 0
