"""Embedding here: 100,000 prompts of about 277 characters by a local model of 30,000 words x 256.

    {"bench": "embedding", "measure": "embedded", "value": 11.2, "unit": "s", "detail": …}

Run it with `python -m benchmarks.embedding [PROMPTS]`. The model has random numbers, and words, a
normaliser and WordPiece as potion-base-8M has them: what it costs depends on no number. Each
measure runs in a process of its own, whose peak memory is its own too.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from model2vec import StaticModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from benchmarks.contamination import (
    make_language,
    measure,
    run_apart,
    spent,
    timed,
    used,
    write_prompts,
)
from tasks.identity import content_id
from tasks.llm.chunks import RANGES_AT_A_TIME
from tasks.llm.local import open_model
from tasks.llm.pending import ranges
from tasks.recipe import LocalEmbedder, Recipe
from tasks.select.embed import count_texts, embed_range, texts_per_range
from tasks.store import Store, close_stores, open_store

MODULE = "benchmarks.embedding"
PROMPTS = 100_000
WORDS, NUMBERS = 30_000, 256
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def main() -> None:
    """Print every measure as one JSON line."""
    if len(sys.argv) == 4:  # a measure in a process of its own
        print(json.dumps(MEASURES[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))))
        return
    prompts = int(sys.argv[1]) if len(sys.argv) > 1 else PROMPTS
    with tempfile.TemporaryDirectory() as folder:
        written = run_apart("fill", Path(folder), prompts, MODULE)
        what = f"{prompts:,} prompts of {written['characters']:.0f} characters"
        lines = []
        for name, told, most in (
            ("encode", "in memory already, by model2vec alone", 60),
            ("embed", "from the store into the store", 120),
            ("again", "nothing is new", 15),
        ):
            found = run_apart(name, Path(folder), prompts, MODULE)
            rate = f"{prompts / found['seconds']:,.0f} a second"
            detail = f"{what} {told}; {rate}" if name != "again" else f"{what}; {told}"
            lines.append(timed(name, found, most, detail))
            lines.append(used(f"{name}_memory", found, 2))
            if name == "embed":
                share = found["embedded"] / prompts
                lines.append(measure("embedded", share, "of the prompts", "1", share == 1, what))
        for line in lines:
            print(json.dumps({"bench": "embedding", **line}), flush=True)


def fill(folder: Path, prompts: int) -> dict[str, Any]:
    """Write a store of prompts and a model."""
    recipe = make_recipe(folder)
    store = open_store(recipe.store)
    texts, _ = write_prompts(prompts, np.random.default_rng(7))
    ids = pl.Series([content_id("benchmark", number) for number in range(prompts)])
    rows = pl.DataFrame({"prompt_id": ids, "text": texts, "kind": "seed", "domain": "math"})
    store.append("prompts", rows.with_columns(root_id="prompt_id", answer=pl.lit("4")))
    save_model(folder / "model")
    close_stores()
    return {"characters": float(texts.str.len_chars().mean() or 0)}  # type: ignore[arg-type]


def save_model(folder: Path) -> None:
    """Save a model whose words are the most frequent ones of the prompts, letters and digits."""
    frequent, _, _ = make_language()
    parts = ["[UNK]", *ALPHABET, *(f"##{letter}" for letter in ALPHABET), *frequent]
    names = list(dict.fromkeys(parts))[:WORDS]
    words = models.WordPiece({name: at for at, name in enumerate(names)}, unk_token="[UNK]")
    tokenizer = Tokenizer(words)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    numbers = np.random.default_rng(1).standard_normal((len(names), NUMBERS), np.float32)
    StaticModel(numbers, tokenizer).save_pretrained(folder)


def encode(folder: Path, prompts: int) -> dict[str, Any]:
    """Time the model alone, in pages as large as those of a run."""
    store = open_store(make_recipe(folder).store)
    texts = store.sql("select text from prompts")["text"].to_list()
    settings = LocalEmbedder(local=str(folder / "model"))

    def work() -> int:
        pages = range(0, prompts, 16_384)
        return sum(len(open_model(settings).encode(texts[at : at + 16_384])) for at in pages)

    return spent(work)[0]


def embed(folder: Path, prompts: int) -> dict[str, Any]:
    """Time all that a run does: what is pending, the vectors, and the store."""
    recipe = make_recipe(folder)
    store = open_store(recipe.store)
    told, embedded = spent(lambda: embed_all(store, recipe))
    return {**told, "embedded": embedded}


def embed_all(store: Store, recipe: Recipe) -> int:
    """Embed range by range, as many at a time as a run has."""
    parts = ranges(count_texts(store, recipe), texts_per_range(recipe))
    with ThreadPoolExecutor(RANGES_AT_A_TIME) as pool:
        return sum(pool.map(lambda part: embed_range(store, recipe, "run", part), parts))


def make_recipe(folder: Path) -> Recipe:
    """Return a recipe that looks for twins by meaning with the local model."""
    return Recipe.model_validate(
        {
            "name": "embedding",
            "store": {"catalog": str(folder / "store" / "catalog.sqlite")},
            "seeds": [{"path": str(folder / "none.jsonl")}],
            "models": {
                "student": {"model": "sim-student"},
                "embedder": {"local": str(folder / "model")},
            },
            "select": {"duplicates": {"meaning": 0.95}},
            "release": {"folder": str(folder / "releases")},
        }
    )


MEASURES: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "fill": fill,
    "encode": encode,
    "embed": embed,
    "again": embed,
}


if __name__ == "__main__":
    main()
