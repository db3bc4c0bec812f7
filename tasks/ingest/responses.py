"""Responses made elsewhere: matched to their prompts, and from then on like any other.

{"prompt": "Natalia sold…", "response": "<think>48/2…</think>72", "model": "qwen3-8b"}
→  Response(prompt_id="5f0c…", model="qwen3-8b", sample_index=0, content="72",
            reasoning="48/2…", …)

A row that names no sample index is known by what it says: of a prompt's rows with one text the
second is the second, in whichever order or file they stand. It takes the next index that is free.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from tasks.llm.reasoning import split_reasoning
from tasks.recipe import ResponseSource

_MOST_INDEX, _MOST_TOKENS = 2**31 - 1, 2**63 - 1  # What their columns hold.
_DIGITS = 20  # One more than those of 2**63 - 1.
AMBIGUOUS = ""  # stands for the prompts of a text that several prompts share
PromptIndex = Mapping[bytes, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a row says a model answered; `text` as it stood there, thoughts included."""

    prompt_id: str
    role: str
    model: str
    sample_index: int | None
    text: str
    content: str
    reasoning: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None


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


@dataclass(frozen=True, slots=True)
class Seen:
    """What a load has met: how often each text, and which ids of places are spoken for."""

    texts: Counter[bytes] = field(default_factory=Counter)
    claimed: set[str] = field(default_factory=set)

    def copy(self) -> "Seen":
        """Return the same, to go on from separately."""
        return Seen(self.texts.copy(), self.claimed.copy())


def index_prompts(prompts: Iterable[tuple[str, str]]) -> dict[bytes, str]:
    """Index (prompt_id, text) by id and by normalised text, 16 bytes a key."""
    index: dict[bytes, str] = {}
    for prompt_id, text in prompts:
        index[_digest(prompt_id)] = prompt_id
        key = _digest(normalise(text))
        index[key] = AMBIGUOUS if index.get(key, prompt_id) != prompt_id else prompt_id
    return index


def parse_response(
    row: RawRow, source: ResponseSource, prompts: PromptIndex
) -> Answer | QuarantinedRow:
    """Find out what a row says a model answered, or set it aside with the reason."""
    found = row.fault or _find_answer(row.values, source, prompts)
    return quarantine_row(row, "response", found) if isinstance(found, Fault) else found


def _find_answer(
    values: Mapping[str, Any], source: ResponseSource, prompts: PromptIndex
) -> Answer | Fault:
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
    return Answer(
        prompt_id=prompt_id,
        role=source.role,
        model=model,
        sample_index=sample_index,
        text=text,
        content=content,
        reasoning=reasoning,
        finish_reason=finish_reason,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
    )


def place_answers(
    answers: Iterable[Answer], known: Iterable[tuple[str, str, str, str, int]], seen: Seen
) -> Iterator[Response]:
    """Yield the response that each answer is, in their order: one of the store, or a new one.

    `known` has what was imported on their prompts: prompt, role, model, response and sample index.
    An answer that an older Teachset knew by its place among its prompt's is that row still. `seen`
    is advanced.
    """
    places: dict[tuple[str, str, str], dict[str, int]] = {}
    for prompt_id, role, model, response_id, index in known:
        places.setdefault((prompt_id, role, model), {})[response_id] = index
    by_text: set[str] = set()
    for answer in answers:
        beside = places.setdefault((answer.prompt_id, answer.role, answer.model), {})
        response_id, index = _place(answer, beside, seen, by_text)
        beside.setdefault(response_id, index)
        yield Response(
            response_id=response_id,
            prompt_id=answer.prompt_id,
            role=answer.role,
            model=answer.model,
            sample_index=index,
            content=answer.content,
            reasoning=answer.reasoning,
            finish_reason=answer.finish_reason,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
        )


def _place(
    answer: Answer, beside: Mapping[str, int], seen: Seen, by_text: set[str]
) -> tuple[str, int]:
    """Return id and sample index of an answer; `beside` has those of its prompt's others.

    `by_text` notes the ids that come from a text, which are no place's.
    """
    if answer.sample_index is not None:
        response_id = _id_of_place(answer, answer.sample_index)
        seen.claimed.add(response_id)
        return response_id, answer.sample_index
    said = (answer.prompt_id, answer.role, answer.model, answer.content, answer.reasoning)
    text = _digest(repr(said))
    response_id = content_id("imported", *said, seen.texts[text])
    seen.texts[text] += 1
    if response_id not in beside:
        others = {known: index for known, index in beside.items() if known not in by_text}
        if placed := _find_placed(answer, others, seen):
            return placed
        used = set(beside.values())
        by_text.add(response_id)
        return response_id, next(index for index in range(len(used) + 1) if index not in used)
    by_text.add(response_id)
    return response_id, beside[response_id]


def _find_placed(answer: Answer, others: Mapping[str, int], seen: Seen) -> tuple[str, int] | None:
    """Return id and place of the first row with this very text that is known by its place."""
    for index, response_id in sorted((index, known) for known, index in others.items()):
        if response_id not in seen.claimed and _id_of_place(answer, index) == response_id:
            seen.claimed.add(response_id)
            return response_id, index
    return None


def _id_of_place(answer: Answer, index: int) -> str:
    """Return the id of an answer whose row names its index; once, of every answer."""
    return content_id("import", answer.prompt_id, answer.role, answer.model, index, answer.text)


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
