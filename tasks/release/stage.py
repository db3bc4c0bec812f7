"""Stage: the released pairs as rows, and as the files of a folder that nobody sees yet.

pair_id  prompt_id  domain  messages                                        split
41ce…    9f2c…      math    [{user, What is …}, {assistant, <think>\\n…}]   train
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.messages import render_prompt
from tasks.recipe import Recipe, ReleaseSettings
from tasks.release.formats import JsonlFiles, ParquetShards, StagedFile, pair_columns
from tasks.store import Store

ROWS_AT_A_TIME = 5_000
_FACTS = ("split", "domain", "kind", "key_source", "licence", "source", "teacher", "simulated")
_LINKS = ("pair_id", "prompt_id", "response_id", "split")
_ID_SPACE = 2**32  # a root's split is decided by 32 bits of its hash


@dataclass(frozen=True, slots=True)
class Staged:
    """What was staged: the files, the pairs' ids and what the card tells of them."""

    files: tuple[StagedFile, ...]
    links: pl.DataFrame
    facts: pl.DataFrame  # split, domain, kind, …, pairs

    def count(self, split: str) -> int:
        """Return the number of pairs in a split."""
        return self.links.filter(split=split).height


def build_pairs(rows: pl.DataFrame, settings: ReleaseSettings) -> pl.DataFrame:
    """Turn rows of sql/queries/release_pairs.sql into released rows, with their columns."""
    questions = [
        render_prompt(text, choices)
        for text, choices in zip(rows["text"], rows["choices"].to_list(), strict=True)
    ]
    answer = pl.col("content").str.strip_chars()
    thought = pl.col("reasoning").str.strip_chars().replace("", None)
    if settings.reasoning == "think":
        thinking = pl.format("<think>\n{}\n</think>\n\n{}", thought, answer)
        answer = pl.when(thought.is_null()).then(answer).otherwise(thinking)
    parts = [("user", pl.col("question")), ("assistant", answer)]
    if settings.system_prompt is not None:
        parts.insert(0, ("system", pl.lit(settings.system_prompt)))
    messages = [
        pl.struct(pl.lit(role).alias("role"), content.alias("content")) for role, content in parts
    ]
    return (
        rows.with_columns(pl.Series("question", questions, dtype=pl.String))
        .with_columns(pl.concat_list(messages).alias("messages"), thought.alias("reasoning"))
        .select(pair_columns(with_reasoning=settings.reasoning == "field"))
    )


def validation_bound(share: float) -> str:
    """Return the hexadecimal number below which the hash of a root falls with this probability."""
    return f"{int(share * _ID_SPACE):08x}"


def stage_pairs(store: Store, recipe: Recipe, folder: Path) -> Staged:
    """Write the pairs into `folder` and say what was written. Raises OSError if the disk refuses.

    Parquet is always written, because it is what the gate reads.
    """
    settings = recipe.release
    parquet = ParquetShards(folder, with_reasoning=settings.reasoning == "field")
    jsonl = JsonlFiles(folder) if "jsonl" in settings.formats else None
    links: list[pl.DataFrame] = []
    summaries: list[pl.DataFrame] = []
    try:
        for rows in _read_rows(store, recipe):
            pairs = build_pairs(rows, settings)
            for (split,), part in pairs.group_by("split", maintain_order=True):
                parquet.write(str(split), part)
                if jsonl is not None:
                    jsonl.write(str(split), part)
            links.append(pairs.select(_LINKS))
            summaries.append(pairs.group_by(_FACTS).len("pairs"))
    finally:
        files = parquet.close() + (jsonl.close() if jsonl is not None else ())
    return Staged(files, _concat(links, _LINKS), _add_up(summaries))


def _read_rows(store: Store, recipe: Recipe) -> Iterator[pl.DataFrame]:
    return store.stream(
        "release_pairs",
        ROWS_AT_A_TIME,
        policy=recipe.policy_version(),
        student=recipe.models.student.model,
        teacher=recipe.models.teacher.model if recipe.models.teacher else None,
        only_correct=recipe.teach.only_correct,
        validation_below=validation_bound(recipe.release.validation_share),
    )


def _concat(frames: list[pl.DataFrame], columns: tuple[str, ...]) -> pl.DataFrame:
    empty = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return pl.concat([empty, *frames])


def _add_up(summaries: list[pl.DataFrame]) -> pl.DataFrame:
    schema = dict.fromkeys(_FACTS, pl.String) | {"simulated": pl.Boolean, "pairs": pl.UInt32}
    counted = pl.concat([pl.DataFrame(schema=schema), *summaries])
    return counted.group_by(_FACTS).agg(pl.col("pairs").sum()).sort(_FACTS)
