"""Shapes: rows of the store as rows of each format, pure and columnar.

{"conversations":[{"from":"human","value":"What is …"},{"from":"gpt","value":"<think>…"}],…}
"""

from collections.abc import Callable, Mapping

import polars as pl

from tasks.assess.verdicts import VERIFIERS
from tasks.messages import solve_messages
from tasks.pairs import list_turns, read_answer, write_chat, write_prompts
from tasks.recipe import DomainSettings, ModelSettings, ReleaseSettings

_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def build_tasks(
    rows: pl.DataFrame,
    settings: ReleaseSettings,
    student: ModelSettings,
    domains: Mapping[str, DomainSettings],
) -> pl.DataFrame:
    """Turn rows of sql/queries/release_tasks.sql into those of the format `rl`.

    The prompt is what the student was asked, its instruction on the answer's form included: the
    pass rate was measured with it, and the verifier looks for that form. A system prompt of the
    release takes the place of the student's own. The verifier is the answer type's, whoever had the
    last word on a sample: a judge is nothing that a trainer could run.
    """
    asked = student
    if settings.system_prompt is not None:
        asked = student.model_copy(update={"system_prompt": settings.system_prompt})
    prompts = [
        [
            {"role": role, "content": content}
            for role, content in solve_messages(
                text, choices, answer_type, asked, domains.get(domain or "")
            )
        ]
        for text, choices, answer_type, domain in zip(
            rows["text"],
            rows["choices"].to_list(),
            rows["answer_type"],
            rows["domain"],
            strict=True,
        )
    ]
    dtype = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
    names = {answer_type: name for answer_type, (name, _) in VERIFIERS.items()}
    verifier = pl.col("answer_type").replace_strict(names, default=None, return_dtype=pl.String)
    return rows.with_columns(
        pl.Series("prompt", prompts, dtype=dtype),
        pl.col("key").alias("ground_truth"),
        verifier.alias("verifier"),
    )


def build_preferences(
    rows: pl.DataFrame, settings: ReleaseSettings, domains: Mapping[str, DomainSettings]
) -> pl.DataFrame:
    """Turn complete rows of sql/queries/release_preferences.sql into those of `preference`."""
    columns = []
    for side in ("chosen", "rejected"):
        answer, thought = read_answer(f"{side}_content", f"{side}_reasoning", settings)
        columns += [
            write_chat([("assistant", answer)]).alias(side),
            thought.alias(f"{side}_reasoning"),
        ]
    prompt = write_chat(list_turns(settings)[:-1]).alias("prompt")
    said = write_prompts(rows, settings, domains)
    return rows.with_columns(said).with_columns(prompt, *columns)


def shape_pairs(pairs: pl.DataFrame, name: str, settings: ReleaseSettings) -> pl.DataFrame:
    """Add to rows of `pairs.build_pairs` the columns that the trainers of a format read."""
    return _SHAPES[name](pairs, settings) if name in _SHAPES else pairs


def _shape_sharegpt(pairs: pl.DataFrame, settings: ReleaseSettings) -> pl.DataFrame:
    turns = pl.concat_list(
        pl.struct(pl.lit(_SPEAKERS[role]).alias("from"), content.alias("value"))
        for role, content in list_turns(settings)
    )
    return pairs.with_columns(turns.alias("conversations"))


def _shape_alpaca(pairs: pl.DataFrame, settings: ReleaseSettings) -> pl.DataFrame:
    return pairs.with_columns(
        pl.col("user_turn").alias("instruction"),
        pl.lit("").alias("input"),
        pl.col("answer").alias("output"),
        pl.col("system_turn").fill_null("").alias("system"),
    )


def _shape_completion(pairs: pl.DataFrame, settings: ReleaseSettings) -> pl.DataFrame:
    parts = list_turns(settings)
    return pairs.with_columns(
        write_chat(parts[:-1]).alias("prompt"), write_chat(parts[-1:]).alias("completion")
    )


_SHAPES: Mapping[str, Callable[[pl.DataFrame, ReleaseSettings], pl.DataFrame]] = {
    "sharegpt": _shape_sharegpt,
    "alpaca": _shape_alpaca,
    "prompt-completion": _shape_completion,
}
