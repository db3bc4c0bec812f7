"""Stage: the released pairs as rows, and as the files of a folder that nobody sees yet.

pair_id  prompt_id  domain  messages                                        split
41ce…    9f2c…      math    [{user, What is …}, {assistant, <think>\\n…}]   train
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.identity import share_bound
from tasks.llm.pending import split_prompts
from tasks.pairs import build_pairs
from tasks.recipe import Recipe, ReleaseSettings
from tasks.release.formats import FORMATS, ParquetShards, columns_of, ships_what_is_gated
from tasks.release.layout import INDEX
from tasks.release.order import one_ahead, put_in_order
from tasks.release.preferences import FitPairs
from tasks.release.shapes import build_preferences, build_tasks, shape_pairs
from tasks.release.shards import Shards, StagedFile
from tasks.scope import release_of_frozen
from tasks.select.texts import offered_by
from tasks.store import Store

PROMPTS_AT_A_TIME = 20_000
SAMPLES_PER_DOMAIN = 3
_MOST_PARTS, _BYTES_AT_A_TIME = 5, 300_000_000  # 100,000 prompts of 3 kB
GATED = "gated"  # where the gate's Parquet lies if another one is released, or none
_FACTS = (
    *("split", "domain", "kind", "strategy", "key_source", "licence", "source", "teacher"),
    "simulated",
)
_LINKS = ("pair_id", "prompt_id", "response_id", "domain", "split")
_OPPOSED = ("prompt_id", "chosen_id", "rejected_id")
_LENGTHS = ("domain", "part", "octave")
_SAMPLED = (
    *("pair_id", "domain", "kind", "source", "key", "pass_rate", "teacher"),
    *("question", "reasoning", "content"),
)


@dataclass(frozen=True, slots=True)
class Staged:
    """What was staged: the files, the pairs' ids and what the card and the report tell of them."""

    files: tuple[StagedFile, ...]
    gated: Path  # the folder whose data/*.parquet the gate reads
    links: pl.DataFrame  # pair_id, prompt_id, response_id, domain, split
    facts: pl.DataFrame  # split, domain, kind, …, pairs
    lengths: pl.DataFrame  # domain, part (question | response), octave of characters, pairs
    samples: pl.DataFrame  # a few pairs of each domain
    preferences: pl.DataFrame  # prompt_id, chosen_id, rejected_id
    unpaired: Mapping[str, int] = field(default_factory=dict)  # prompts without a preference, why
    passed_over: Mapping[str, int] = field(default_factory=dict)  # prompts whose nearest two were

    def count(self, split: str) -> int:
        """Return the number of pairs in a split."""
        return self.links.filter(split=split).height


def stage_pairs(store: Store, recipe: Recipe, folder: Path, run_id: str) -> Staged:
    """Write every format into `folder`, say what was written. Raises OSError if the disk refuses.

    Parquet with all columns is always written, because it is what the gate reads. What is found in
    the answers of preference pairs is recorded.
    """
    settings = recipe.release
    gated = folder if ships_what_is_gated(settings) else folder / GATED
    tally = _Tally()
    files = _write_pairs(store, recipe, folder, gated, tally)
    links = tally.links()
    index = links.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(index.cast(_INDEX_SCHEMA), folder / INDEX, compression="zstd")
    files.append(StagedFile(INDEX, links.height, "index"))
    unpaired, passed_over = Counter[str](), Counter[str]()
    opposed = [pl.DataFrame(schema=dict.fromkeys(_OPPOSED, pl.String))]
    if "rl" in settings.formats:
        files += _write_tasks(store, recipe, folder)
    if "preference" in settings.formats:
        pairs = FitPairs(store, recipe, run_id, share_bound(settings.validation_share))
        picked = _pick_preferences(store, pairs, opposed, unpaired, passed_over)
        files += _write_preferences(picked, recipe, folder)
        pairs.tell()
    return Staged(
        files=tuple(files),
        gated=gated,
        links=links,
        facts=_add_up(tally.facts, _FACTS, {"simulated": pl.Boolean}),
        lengths=_add_up(tally.lengths, _LENGTHS, {"octave": pl.Int64}),
        samples=tally.samples,
        preferences=pl.concat(opposed),
        unpaired=dict(sorted(unpaired.items())),
        passed_over=dict(sorted(passed_over.items())),
    )


class _Tally:
    """What is kept of rows that pass by."""

    def __init__(self) -> None:
        self.facts: list[pl.DataFrame] = []
        self.lengths: list[pl.DataFrame] = []
        self.samples = pl.DataFrame(
            schema={name: pl.Float64 if name == "pass_rate" else pl.String for name in _SAMPLED}
        )
        self._links: list[pl.DataFrame] = []

    def add(self, pairs: pl.DataFrame) -> None:
        """Take note of pairs, each of them once."""
        self._links.append(pairs.select(_LINKS))
        self.facts.append(pairs.group_by(_FACTS).len("pairs"))
        self.lengths.append(count_lengths(pairs))
        seen = pl.concat([self.samples, pairs.select(_SAMPLED)], how="vertical_relaxed")
        self.samples = seen.group_by("domain", maintain_order=True).head(SAMPLES_PER_DOMAIN)
        self.samples = self.samples.select(_SAMPLED)

    def links(self) -> pl.DataFrame:
        """Return the ids of all pairs, in the order of the release."""
        empty = pl.DataFrame(schema=dict.fromkeys(_LINKS, pl.String))
        return pl.concat([empty, *self._links])


def count_lengths(pairs: pl.DataFrame) -> pl.DataFrame:
    """Count questions and responses by the octave of their length: 10 is 1,024 to 2,047 characters.

    A response's reasoning is part of its length, wherever it is written.
    """
    response = pl.col("content").str.len_chars() + pl.col("reasoning").str.len_chars().fill_null(0)
    parts = {"question": pl.col("question").str.len_chars(), "response": response}
    counted = [
        pairs.select(
            "domain",
            pl.lit(part).alias("part"),
            length.clip(lower_bound=1).log(2).floor().cast(pl.Int64).alias("octave"),
        )
        for part, length in parts.items()
    ]
    return pl.concat(counted).group_by(_LENGTHS).len("pairs")


def _write_pairs(
    store: Store, recipe: Recipe, folder: Path, gated: Path, tally: _Tally
) -> list[StagedFile]:
    settings = recipe.release
    names = [name for name in settings.formats if FORMATS[name].rows == "pairs"]
    if gated == folder:
        names.remove("parquet")
    with ExitStack() as opened:
        with_reasoning = settings.reasoning == "field"
        full = opened.enter_context(ParquetShards(gated, with_reasoning=with_reasoning))
        shards = {
            name: opened.enter_context(_open_shards(folder, name, settings)) for name in names
        }
        parameters = _pair_parameters(store, recipe)
        unordered = _read(store, partial(_ask, store, "release_pairs", parameters))
        ordered = put_in_order(unordered, _count_kept(store, recipe), folder)
        built = one_ahead(build_pairs(rows, settings, recipe.domains) for rows in ordered)
        with ThreadPoolExecutor(1 + len(shards)) as writing:
            for pairs in built:
                first = pairs.filter(pl.col("copy") == 1)
                written = [writing.submit(_write, full, first)]
                for name, each in shards.items():
                    written.append(writing.submit(_shape_and_write, each, pairs, name, settings))
                tally.add(first)
                for one in written:  # A format's rows are in order: one batch after the other.
                    one.result()
        staged = full.close()
        files = [file for name, each in shards.items() for file in each.close(name)]
    return [*staged, *files] if gated == folder else files


def _write(shards: Shards, rows: pl.DataFrame) -> None:
    for split, part in _by_split(rows):
        shards.write(split, part)


def _shape_and_write(
    shards: Shards, pairs: pl.DataFrame, name: str, settings: ReleaseSettings
) -> None:
    _write(shards, shape_pairs(pairs, name, settings))


def _write_tasks(store: Store, recipe: Recipe, folder: Path) -> tuple[StagedFile, ...]:
    parameters = {
        "policy": recipe.policy_version(),
        "student": recipe.models.student.model,
        "validation_below": share_bound(recipe.release.validation_share),
    }
    with _open_shards(folder, "rl", recipe.release) as shards:
        for rows in _read(store, partial(_ask, store, "release_tasks", parameters)):
            _write(shards, build_tasks(rows, recipe.release, recipe.models.student, recipe.domains))
        return shards.close("rl")


def _pick_preferences(
    store: Store,
    pairs: FitPairs,
    opposed: list[pl.DataFrame],
    unpaired: Counter[str],
    passed_over: Counter[str],
) -> Iterator[pl.DataFrame]:
    """Yield the preference pairs and take note of whose they are.

    Counts by reason prompts without one, and two passed over.
    """
    for rows in _read(store, pairs.pick):
        for column, counter in (("missing", unpaired), ("passed_over", passed_over)):
            counter.update(dict(rows[column].drop_nulls().value_counts().iter_rows()))
        found = rows.filter(pl.col("missing").is_null())
        opposed.append(found.select(_OPPOSED))
        yield found


def _write_preferences(
    picked: Iterator[pl.DataFrame], recipe: Recipe, folder: Path
) -> tuple[StagedFile, ...]:
    with _open_shards(folder, "preference", recipe.release) as shards:
        for found in picked:
            _write(shards, build_preferences(found, recipe.release, recipe.domains))
        return shards.close("preference")


def _open_shards(folder: Path, name: str, settings: ReleaseSettings) -> Shards:
    form = FORMATS[name]
    schema = pa.schema(list(columns_of(name, settings).items()))
    return Shards(folder, form.folder, schema, form.container)


def _read(store: Store, ask: Callable[[str, str], pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield what is said of all prompts, range by range of their ids, with bounded memory.

    Each range costs a look at all prompts, so the ranges are as long as their texts allow.
    """
    parts, at_once = split_prompts(store, PROMPTS_AT_A_TIME), 1
    while parts:
        taken, parts = parts[:at_once], parts[at_once:]
        rows = ask(taken[0].low, taken[-1].high)
        bytes_a_part = max(1, int(rows.estimated_size()) // len(taken))
        at_once = min(_MOST_PARTS, max(1, _BYTES_AT_A_TIME // bytes_a_part))
        if not rows.is_empty():
            yield rows


def _ask(
    store: Store, query: str, parameters: Mapping[str, Any], low: str, high: str
) -> pl.DataFrame:
    return store.query(query, low=low, high=high, **parameters)


def _count_kept(store: Store, recipe: Recipe) -> int:
    funnel = store.recall("funnel_of_policy", policy=recipe.policy_version())
    return int(funnel.filter("kept")["prompts"].sum())


def _pair_parameters(store: Store, recipe: Recipe) -> dict[str, Any]:
    weights = recipe.release.weights
    return {
        "policy": recipe.policy_version(),
        "student": recipe.models.student.model,
        **offered_by(recipe),
        "validation_below": share_bound(recipe.release.validation_share),
        "domains": list(weights.domains),
        "domain_weights": list(weights.domains.values()),
        "sources": list(weights.sources),
        "source_weights": list(weights.sources.values()),
        "repeat": weights.repeats,
        "frozen": list(recipe.select.freeze),
        "frozen_release": release_of_frozen(store, recipe),
    }


def _by_split(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (split,), part in rows.group_by("split", maintain_order=True):
        yield str(split), part


def _add_up(
    counted: list[pl.DataFrame], columns: tuple[str, ...], types: Mapping[str, Any]
) -> pl.DataFrame:
    schema = dict.fromkeys(columns, pl.String) | dict(types) | {"pairs": pl.UInt32}
    rows = pl.concat([pl.DataFrame(schema=schema), *counted])
    return rows.group_by(columns).agg(pl.col("pairs").sum()).sort(columns)


_INDEX_SCHEMA = pa.schema([(name, pa.string()) for name in _LINKS])
