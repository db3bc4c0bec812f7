"""Embeddings ahead: the texts that have none yet, and the pairs that a judge will be shown.

embedder 1,319 items + 464 seeds + 210 ± 19 rewrites  →  judge 2 x 38 ± 30 pairs
"""

import polars as pl

from tasks.llm.pending import EVERYTHING
from tasks.llm.servers import identify_endpoint
from tasks.plan import pending
from tasks.plan.assumed import NEAR_SHARE
from tasks.plan.estimate import Estimate, add, blend_groups, exact, scale, thin
from tasks.plan.forecast import Forecast, count_demands
from tasks.plan.price import Demand
from tasks.plan.rewriting import Rewriting
from tasks.recipe import LocalEmbedder, Recipe
from tasks.select.embed import TEMPLATE, pending_texts, plan_embeddings
from tasks.select.reworded import ORDERS, ask, pending_pairs, plan_comparisons, screens_in_force
from tasks.select.reworded import TEMPLATE as COMPARED_BY
from tasks.store import Store

_ITEM_BYTES = 300.0  # of an item beside a prompt, where none was counted
_ANY = "all"


def forecast_embeddings(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, rewriting: Rewriting
) -> Forecast:
    """Forecast the embedder's calls: a call a text that has no embedding, rewrites to come too.

    Of a local embedder the calls are texts that it will read; nobody is asked and nothing is paid.
    """
    settings = recipe.models.embedder
    if settings is None or not recipe.select.needs_embedder:
        return Forecast()
    texts = pending_texts(store, recipe, EVERYTHING)
    if isinstance(settings, LocalEmbedder):
        asked = pending.count_texts(texts, TEMPLATE)
    else:
        endpoint = identify_endpoint(recipe, settings)
        asked = pending.count_requests(store, endpoint, "embedder", texts, plan_embeddings)
    coming = rewriting.coming
    more = [
        Demand(
            TEMPLATE, domain, count, coming.sizes.get(domain, 0.0), coming.sizes.get(domain, 0.0)
        )
        for domain, count in coming.prompts.items()
    ]
    subjects = [exact(asked["prompt_id"].n_unique()), *coming.prompts.values()]
    return Forecast(
        prompts=add(subjects),
        demands=(*count_demands(asked, prompts), *more),
        shares_from=coming.shares_from if more else None,
    )


def forecast_comparisons(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, embeddings: Forecast
) -> Forecast:
    """Forecast the judge's calls: on pairs that are found, and on what will be embedded."""
    settings = recipe.models.judge
    if settings is None or not recipe.select.contamination.by_embedding:
        return Forecast()
    endpoint = identify_endpoint(recipe, settings)
    found = pending_pairs(store, recipe, EVERYTHING)
    asked = pending.count_requests(store, endpoint, "judge", found, plan_comparisons)
    coming = _expect_pairs(store, recipe, prompts, embeddings)
    if coming is None:
        return Forecast(exact(asked["prompt_id"].n_unique()), count_demands(asked, prompts))
    pairs, seen = coming
    told = sum(len(text.encode()) for _, text in ask("", ""))
    sizes = [demand.size for demand in embeddings.demands]
    size = sum(sizes) / len(sizes) if sizes else _ITEM_BYTES
    calls = scale(pairs, ORDERS)
    more = Demand(COMPARED_BY, _ANY, calls, size, told + size + _ITEM_BYTES)
    return Forecast(
        prompts=add([exact(asked["prompt_id"].n_unique()), pairs]),
        demands=(*count_demands(asked, prompts), more),
        shares_from=seen,
    )


def _expect_pairs(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, embeddings: Forecast
) -> tuple[Estimate, int] | None:
    """Return the pairs that are expected of what is not embedded yet, and what tells their share.

    Of the `nearest` places that a prompt has for the items of each benchmark a share is taken. A
    benchmark whose items are still to be embedded is new to all prompts.
    """
    waiting = {each["prompt_id"] for each in _read_waiting(store, recipe)}
    known = set(prompts["prompt_id"].to_list())
    new_prompts = [exact(len(waiting & known)), *_coming(embeddings)]
    benchmarks = len(recipe.benchmarks)
    unseen = benchmarks - len(screens_in_force(store, recipe))
    old_prompts = exact(max(0, len(known) - len(waiting & known)))
    combinations = add([scale(add(new_prompts), benchmarks), scale(old_prompts, unseen)])
    if not combinations.most:
        return None
    nearest = recipe.select.contamination.embedding.nearest
    screens = list(screens_in_force(store, recipe))
    past = store.query("plan_compared", screens=screens).row(0, named=True)
    places = past["compared"] * nearest
    share = blend_groups({_ANY: (places, min(past["pairs"], places))}, lambda _: NEAR_SHARE)
    return thin({_ANY: scale(combinations, nearest)}, share)[_ANY], past["compared"]


def _coming(embeddings: Forecast) -> list[Estimate]:
    """Return the rewrites among what will be embedded: all that could not be counted."""
    return [each.calls for each in embeddings.demands if each.calls.variance]


def _read_waiting(store: Store, recipe: Recipe) -> list[dict[str, str]]:
    pages = pending_texts(store, recipe, EVERYTHING)
    return [row for page in pages for row in page.select("prompt_id").to_dicts()]
