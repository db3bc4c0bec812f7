"""Embed: the texts of prompts and of benchmark items as directions, each asked for once.

    text_id  embedder      vector               response_id
    3c7b…    9a0417cc2b1e  [0.021, -0.113, …]   91d0…

A call is made, paid, kept and found again like any other; what it brought is kept at length 1, so
that the inner product of two is their cosine. A local model is no call: its `response_id` is null.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.errors import RecipeError
from tasks.identity import content_id
from tasks.llm.chunks import calls_per_range, interruptible
from tasks.llm.drawing import draw
from tasks.llm.embedding import decode_vector
from tasks.llm.local import identify_model, open_model
from tasks.llm.pending import EVERYTHING, Range
from tasks.llm.request import EMBEDDER, Request, identify, parameters_of
from tasks.llm.servers import endpoint_of, identify_server
from tasks.llm.under_way import stoppable
from tasks.messages import render_prompt
from tasks.progress import active
from tasks.recipe import LocalEmbedder, Recipe
from tasks.scope import scope_of
from tasks.select.nearest import Directions, normalise, stack
from tasks.store import Store, open_store

TEMPLATE = "embed@1"
_ROWS_AT_A_TIME = 5_000  # vectors of 1,536 numbers: 30 MB
_LOCAL_ROWS_AT_A_TIME = 16_384  # vectors of 256 numbers: 16 MB, and as much a file in the store
_LOCAL_TEXTS_PER_RANGE = 50_000


def name_embedder(recipe: Recipe) -> str:
    """Name all that a vector depends on, but for the text. Raises RecipeError without a model."""
    settings = recipe.models.embedder
    if settings is None:
        raise RecipeError("models.embedder: embeddings are asked for and nobody makes them")
    if isinstance(settings, LocalEmbedder):
        return content_id(EMBEDDER, "local", identify_model(settings), TEMPLATE)[:12]
    server = identify_server(recipe, settings)
    return content_id(EMBEDDER, server, settings.model, parameters_of(settings), TEMPLATE)[:12]


def plan_embeddings(rows: Iterable[Mapping[str, Any]]) -> Iterator[Request]:
    """Yield a request per row of sql/queries/embed_pending.sql; an item goes by its own id."""
    for row in rows:
        messages = (("user", render_prompt(row["text"], row["choices"])),)
        yield Request(row["prompt_id"], EMBEDDER, TEMPLATE, messages, 0)


def texts_per_range(recipe: Recipe) -> int:
    """Return how many texts make a task run: more where nobody is waited for."""
    is_local = isinstance(recipe.models.embedder, LocalEmbedder)
    return _LOCAL_TEXTS_PER_RANGE if is_local else calls_per_range(recipe, EMBEDDER)


def pending_texts(
    store: Store, recipe: Recipe, part: Range, rows: int = _ROWS_AT_A_TIME
) -> Iterator[pl.DataFrame]:
    """Yield the texts that have no embedding yet, and none where no embeddings are wanted."""
    if not recipe.select.needs_embedder:
        return
    benchmarks = [each.name for each in recipe.benchmarks]
    yield from store.stream(
        "embed_pending",
        rows,
        embedder=name_embedder(recipe),
        benchmarks=benchmarks if recipe.select.contamination.by_embedding else [],
        low=part.low,
        high=part.high,
        **scope_of(store, recipe).parameters,
    )


def count_texts(store: Store, recipe: Recipe) -> int:
    """Count about how many texts have still to be embedded."""
    return sum(page.height for page in pending_texts(store, recipe, EVERYTHING))


def embed_range(store: Store, recipe: Recipe, run_id: str, asked: Range) -> int:
    """Have every text in a range embedded that is not yet; return how many are new."""
    if isinstance(recipe.models.embedder, LocalEmbedder):
        return _embed_here(store, recipe, recipe.models.embedder, run_id, asked)
    return sum(
        _embed_rows(store, recipe, run_id, page)
        for part in asked.parts()
        for page in list(pending_texts(store, recipe, part))
    )


@task(task_run_name="embed {asked.name}", cache_policy=NO_CACHE)
@interruptible
def embed_chunk(recipe: Recipe, run_id: str, asked: Range) -> int:
    """Have a chunk of texts embedded; what was embedded before is not embedded again."""
    return embed_range(open_store(recipe.store), recipe, run_id, asked)


def _embed_here(
    store: Store, recipe: Recipe, settings: LocalEmbedder, run_id: str, asked: Range
) -> int:
    """Embed a range on this machine, page by page: what is lost with a kill is one page."""
    new, tracker = 0, active("embed")
    with stoppable() as progress:
        for page in pending_texts(store, recipe, asked, _LOCAL_ROWS_AT_A_TIME):
            if progress.stop is not None:
                raise progress.stop
            texts = [render_prompt(*row) for row in page.select("text", "choices").iter_rows()]
            directions = normalise(open_model(settings).encode(texts))
            embedded = page.select(
                pl.col("prompt_id").alias("text_id"),
                pl.lit(name_embedder(recipe)).alias("embedder"),
                pl.Series("vector", _as_lists(directions)),
                pl.lit(None, pl.String).alias("response_id"),
                pl.lit(False).alias("simulated"),
            )
            new += store.append("embeddings", embedded, run_id=run_id)
            tracker.advance(page.height)
    return new


def _embed_rows(store: Store, recipe: Recipe, run_id: str, pending: pl.DataFrame) -> int:
    rows = pending.to_dicts()
    draw(
        store,
        recipe,
        "embed",
        EMBEDDER,
        [pending.select("prompt_id")],
        lambda _, __: plan_embeddings(rows),
        run_id=run_id,
        tracker=active("embed"),
        calls=len(rows),
    )
    endpoint = endpoint_of(store, recipe, EMBEDDER)
    asked = {identify(endpoint, request).reuse_key for request in plan_embeddings(rows)}
    said = store.query("embed_said", text_ids=pending["prompt_id"].to_list())
    said = said.filter(pl.col("reuse_key").is_in(asked)).unique("prompt_id", maintain_order=True)
    if said.is_empty():
        return 0
    vectors = [decode_vector(content) for content in said["content"]]
    directions = normalise(stack(vectors))
    return store.append(
        "embeddings",
        said.select(
            pl.col("prompt_id").alias("text_id"),
            pl.lit(name_embedder(recipe)).alias("embedder"),
            pl.Series("vector", _as_lists(directions)),
            "response_id",
            "simulated",
        ),
        run_id=run_id,
    )


def _as_lists(directions: Directions) -> pl.Series:
    return pl.Series(directions).cast(pl.List(pl.Float32))
