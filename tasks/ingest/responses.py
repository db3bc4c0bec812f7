"""Responses made elsewhere: matched to their prompts, and from then on like any other.

{"prompt": "Natalia sold…", "response": "<think>48/2…</think>72", "model": "qwen3-8b"}
→  Response(prompt_id="5f0c…", model="qwen3-8b", sample_index=0, content="72",
            reasoning="48/2…", …)
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.identity import content_id, normalise
from tasks.ingest.rows import (
    Fault,
    QuarantinedRow,
    RawRow,
    find_unstorable,
    find_value,
    quarantine_row,
    read_text,
)
from tasks.ingest.seeds import read_prompt
from tasks.recipe import ResponseSource

_MOST_INDEX, _MOST_TOKENS = 2**31 - 1, 2**63 - 1  # What their columns hold.
_DIGITS = 20  # One more than those of 2**63 - 1.
AMBIGUOUS = ""  # stands for the prompts of a text that several prompts share
PromptIndex = Mapping[bytes, str]


@dataclass(frozen=True, slots=True)
class Response:
    """One response made elsewhere; a row of `responses`."""

    response_id: str
    prompt_id: str
    role: str
    model: str
    sample_index: int
    content: str
    reasoning: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None


def index_prompts(prompts: Iterable[tuple[str, str]]) -> dict[bytes, str]:
    """Index (prompt_id, text) by id and by normalised text, 16 bytes a key."""
    index: dict[bytes, str] = {}
    for prompt_id, text in prompts:
        index[_digest(prompt_id)] = prompt_id
        key = _digest(normalise(text))
        index[key] = AMBIGUOUS if index.get(key, prompt_id) != prompt_id else prompt_id
    return index


def parse_response(
    row: RawRow, source: ResponseSource, prompts: PromptIndex, counted: Counter[tuple[str, str]]
) -> Response | QuarantinedRow:
    """Make a response of a row, or set it aside with the reason.

    `counted` holds how many responses of a (prompt, model) came before: the sample index of a row
    that has none of its own. It is advanced.
    """
    made = row.fault or _make_response(row.values, source, prompts, counted)
    return quarantine_row(row, "response", made) if isinstance(made, Fault) else made


def _make_response(
    values: Mapping[str, Any],
    source: ResponseSource,
    prompts: PromptIndex,
    counted: Counter[tuple[str, str]],
) -> Response | Fault:
    columns = source.columns
    prompt_id = _find_prompt(values, columns.prompt, prompts)
    if isinstance(prompt_id, Fault):
        return prompt_id
    text = find_value(values, columns.response)
    if not isinstance(text, str) or not text.strip():
        return Fault(
            "missing_response", f"expected the text of the response in `{columns.response}`"
        )
    model = read_text(values, columns.model) or source.model
    if model is None:
        return Fault(
            "missing_model",
            f"no value in `{columns.model}`; name the model with `model:` in the recipe",
        )
    content, reasoning = _split(text, find_value(values, columns.reasoning))
    finish_reason = read_text(values, columns.finish_reason)
    if fault := find_unstorable(text, model, reasoning, finish_reason):
        return fault
    sample_index = _read_count(values, columns.sample_index)
    tokens = [
        _read_count(values, name) for name in (columns.prompt_tokens, columns.completion_tokens)
    ]
    if (sample_index or 0) > _MOST_INDEX or any((count or 0) > _MOST_TOKENS for count in tokens):
        return Fault(
            "count_too_large",
            f"a sample index is at most {_MOST_INDEX}, a number of tokens at most {_MOST_TOKENS}; "
            "mend the number or leave it out",
        )
    if sample_index is None:
        sample_index = counted[prompt_id, model]
        counted[prompt_id, model] += 1
    return Response(
        response_id=content_id("import", prompt_id, source.role, model, sample_index, text),
        prompt_id=prompt_id,
        role=source.role,
        model=model,
        sample_index=sample_index,
        content=content,
        reasoning=reasoning,
        finish_reason=finish_reason,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
    )


def _find_prompt(values: Mapping[str, Any], column: str, prompts: PromptIndex) -> str | Fault:
    prompt = read_prompt(values, column)
    if isinstance(prompt, Fault):
        return prompt
    found = prompts.get(_digest(normalise(prompt)))
    if found is None:
        return Fault(
            "unknown_prompt",
            f"the store has no prompt with the text or id in `{column}`; ingest it as a seed first",
        )
    if found == AMBIGUOUS:
        return Fault(
            "ambiguous_prompt",
            f"several prompts share this text; put the prompt_id into `{column}` instead",
        )
    return found


def _split(text: str, reasoning: Any) -> tuple[str, str | None]:
    """Return content and reasoning, from a column of its own or from `<think>` in the text."""
    from tasks.llm.reasoning import split_reasoning

    if isinstance(reasoning, str) and reasoning.strip():
        return text, reasoning
    found, content = split_reasoning(text)
    return content, found


def _read_count(values: Mapping[str, Any], column: str | None) -> int | None:
    """Return a count that a row has; of one too large for any column only as much as shows that."""
    written = read_text(values, column)
    if not written or not written.isascii() or not written.isdecimal():
        return None
    return int(written.lstrip("0")[:_DIGITS] or 0)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def frame_responses(responses: Sequence[Response]) -> pl.DataFrame:
    """Return the responses as a frame of the table `responses`; what is not known stays null."""
    numbers = {
        "sample_index": pl.Int32(),
        "prompt_tokens": pl.Int64(),
        "completion_tokens": pl.Int64(),
    }
    names = Response.__slots__
    schema = {name: numbers.get(name, pl.String()) for name in names}
    columns = {name: [getattr(response, name) for response in responses] for name in names}
    return pl.DataFrame(columns, schema=schema).with_columns(
        pl.col("response_id").alias("reuse_key"),
        pl.col("model").alias("resolved_model"),
        pl.lit("import").alias("server"),
        pl.lit("import").alias("template"),
        pl.lit("{}").alias("parameters"),
        pl.lit(False).alias("simulated"),
    )
