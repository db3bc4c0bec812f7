"""Meaning: twins and test items that embeddings find, where a recipe asks for them.

    prompt_id  other_id  similarity  same_numbers
    03ab…      7c1e…     0.9712      true          two seeds that ask the same in other words

Every prompt is compared with every other one, each two of them once. What descends from one root is
left out: a paraphrase that was made on purpose is no twin of its parent.
"""

from collections.abc import Iterator

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.identity import content_id
from tasks.llm.chunks import calls_per_range, run_ranges
from tasks.progress import track
from tasks.recipe import Recipe
from tasks.select.chunks import gather
from tasks.select.contamination import tell_of_findings
from tasks.select.duplicates import mark_duplicates
from tasks.select.embed import count_texts, embed_chunk, name_embedder, texts_per_range
from tasks.select.minhash import guard_numbers
from tasks.select.nearest import Directions, as_directions, find_near
from tasks.select.reworded import (
    compare_chunk,
    count_comparisons,
    mark_near_items,
    settle_comparisons,
)
from tasks.select.words import join_choices
from tasks.store import Store, open_store

_NEW_AT_A_TIME = 32_768  # Everything there is is read once for so many new ones.
_ROWS_AT_A_TIME = 4_096


def find_by_meaning(recipe: Recipe, run_id: str) -> None:
    """Embed what is new, find twins by it, and have a judge look at test items near prompts.

    Part of a flow: the calls run as chunks. Nothing is done unless the recipe asks for it.
    """
    if not recipe.select.needs_embedder:
        return
    store = open_store(recipe.store)
    run_ranges(
        "embed",
        count_texts(store, recipe),
        lambda asked: embed_chunk.submit(recipe, run_id, asked),
        texts_per_range(recipe),
    )
    if recipe.select.duplicates.meaning is not None:
        mark_neighbours(recipe, run_id)
        mark_duplicates(recipe, run_id)
    if not recipe.select.contamination.by_embedding:
        return
    mark_near_items(recipe, run_id)
    tainted = store.recall("tainted_by_release")
    run_ranges(
        "compare",
        count_comparisons(store, recipe),
        lambda asked: compare_chunk.submit(recipe, run_id, asked),
        calls_per_range(recipe, "judge"),
    )
    found = settle_comparisons(recipe, run_id)
    tell_of_findings(store, recipe, run_id, tainted, found)


@task(task_run_name="find-neighbours", cache_policy=NO_CACHE)
def mark_neighbours(recipe: Recipe, run_id: str) -> int:
    """Find the prompts that are near each other by their embeddings."""
    return find_neighbours(open_store(recipe.store), recipe, run_id)


def find_neighbours(store: Store, recipe: Recipe, run_id: str) -> int:
    """Compare new prompts with all there are; return how many pairs were not known before."""
    least = recipe.select.duplicates.meaning
    if least is None:
        return 0
    embedder = name_embedder(recipe)
    screen = content_id("neighbours", embedder, least)[:12]
    asked = {"embedder": embedder, "screen": screen}
    found = 0
    with track("neighbours") as tracker:
        pages = store.stream("neighbour_vectors", _ROWS_AT_A_TIME, only_new=True, **asked)
        for some in gather(pages, _NEW_AT_A_TIME, len):
            new = pl.concat(some)
            ids, directions = new["prompt_id"], as_directions(new["vector"])
            near = list(_compare(store, ids, directions, asked, least))
            pairs = _describe(store, pl.concat(near).unique(maintain_order=True), embedder)
            found += store.append("neighbours", pairs, run_id=run_id)
            screened = pl.DataFrame({"text_id": ids}).with_columns(screen=pl.lit(screen))
            store.append("screened", screened, run_id=run_id, known_new=True)
            tracker.advance(len(ids))
    return found


def _compare(
    store: Store, ids: pl.Series, directions: Directions, asked: dict[str, str], least: float
) -> Iterator[pl.DataFrame]:
    """Yield prompt_id, other_id and similarity of what is near these prompts, page by page."""
    for page in store.stream("neighbour_vectors", _ROWS_AT_A_TIME, only_new=False, **asked):
        pairs = find_near(directions, as_directions(page["vector"]), least)
        both = pairs.select(
            pl.Series("one", ids.gather(pairs["text"])),
            pl.Series("other", page["prompt_id"].gather(pairs["item"])),
            "similarity",
        ).filter(pl.col("one") != pl.col("other"))
        yield both.select(
            pl.min_horizontal("one", "other").alias("prompt_id"),
            pl.max_horizontal("one", "other").alias("other_id"),
            "similarity",
        )


def _describe(store: Store, pairs: pl.DataFrame, embedder: str) -> pl.DataFrame:
    """Leave out pairs of one root, and say of the others whether their numbers are the same."""
    ids = pl.concat([pairs["prompt_id"], pairs["other_id"]]).unique().to_list()
    texts = store.query("neighbour_texts", prompt_ids=ids)
    guards = guard_numbers(texts, join_choices(texts), numbers=True)
    known = texts.select("prompt_id", "root_id", guard=guards)
    return (
        pairs.unique(["prompt_id", "other_id"], maintain_order=True)
        .join(known, on="prompt_id")
        .join(known, left_on="other_id", right_on="prompt_id", suffix="_of_other")
        .filter(pl.col("root_id") != pl.col("root_id_of_other"))
        .select(
            "prompt_id",
            "other_id",
            pl.lit(embedder).alias("embedder"),
            "similarity",
            (pl.col("guard") == pl.col("guard_of_other")).alias("same_numbers"),
        )
        .sort("prompt_id", "other_id")
    )
