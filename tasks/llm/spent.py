"""What a store has spent of a budget: what its runs have counted, an estimate where none has.

load_spent(store, recipe) → Amount(usd=1.84, tokens=2_310_000, calls=8_000, uncounted=12)

The books keep null where a server did not say how many tokens a call took, and beside it what the
run has counted all the same. Where a price was unknown, today's recipe has it; rows that are older
than that count are estimated, with the prompt's bytes for its tokens and the ceiling for the
answer's.
"""

from collections.abc import Mapping
from typing import Any

from tasks.llm.money import (
    MESSAGE_OVERHEAD,
    UNBOUNDED_COMPLETION,
    Amount,
    add_amounts,
    most_usd,
    prices_of,
)
from tasks.recipe import ModelSettings, Prices, Recipe
from tasks.store import Store

_INSTRUCTIONS = 1_000  # Tokens of what was sent around a prompt: the store has no copy of it.


def load_spent(store: Store, recipe: Recipe) -> Amount:
    """Return what a budget has to count of all that the store has recorded."""
    spent = Amount(**store.query("spent").row(0, named=True))
    models = {settings.model: settings for _, settings in recipe.models.each()}
    for row in store.query("spent_uncounted").iter_rows(named=True):
        spent = add_amounts(spent, _estimate(row, models.get(row["model"])))
    return spent


def _estimate(row: Mapping[str, Any], settings: ModelSettings | None) -> Amount:
    """Return what is to be added for calls of one model that have no dollars in the books."""
    prompts, answers = row["uncounted_prompts"], row["uncounted_answers"]
    prompt_tokens = row["prompt_bytes"] + prompts * (MESSAGE_OVERHEAD + _INSTRUCTIONS)
    ceiling = _ceiling_of(settings) if row["max_tokens"] is None else row["max_tokens"]
    completion_tokens = answers * ceiling
    prices = _prices_of(settings)
    usd = most_usd(
        prices,
        row["prompt_tokens"] + prompt_tokens,
        row["completion_tokens"] + completion_tokens,
    )
    either = row["unpriced_tokens"]
    return Amount(
        usd=usd + max(most_usd(prices, either, 0), most_usd(prices, 0, either)),
        tokens=prompt_tokens + completion_tokens,
        uncounted=max(prompts, answers),
    )


def _ceiling_of(settings: ModelSettings | None) -> int:
    sampling = settings.sampling if settings else None
    if sampling is None or sampling.max_tokens is None:
        return UNBOUNDED_COMPLETION
    return max(sampling.max_tokens, sampling.raise_to or 0)


def _prices_of(settings: ModelSettings | None) -> Prices:
    return Prices() if settings is None else prices_of(settings)
