"""Rows of a store in which every stage before selection has run, for tests to change one thing of.

fill(store, taught("a", correct=4, wrong=4), taught("b", key=None))
"""

from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from tasks.identity import content_id
from tasks.store import Store

RUN = "run-1"
STUDENT, TEACHER = "sim-student", "sim-teacher"
BENCHMARK_TEXT = (
    "A farmer has seventeen sheep and buys another twenty four of them "
    "at the market on Monday morning"
)


@dataclass(frozen=True, slots=True)
class Taught:
    """A prompt and what all stages found out about it."""

    name: str
    text: str
    domain: str = "math"
    kind: str = "seed"
    root: str | None = None  # name of the root; its own if absent
    choices: tuple[str, ...] | None = None
    answer: str | None = "4"
    key: str | None = "4"
    trusted: bool = True
    correct: int = 4
    wrong: int = 4
    truncated: int = 0
    teacher: tuple[tuple[str, str], ...] = (("It is 4.", "correct"),)  # content, verdict
    student: tuple[tuple[str, str], ...] = ()  # recorded samples of the student: content, verdict
    reasoning: str | None = "2 + 2 = 4"
    source: str = "test-set"
    licence: str | None = "MIT"


def taught(name: str, **changes: Any) -> Taught:
    """Return a good prompt, with changes."""
    return replace(Taught(name, f"What is two plus two, asked as {name}?"), **changes)


def identify(name: str) -> str:
    """Return the prompt_id that a name has in these tests."""
    return content_id("test-prompt", name)


def response_of(name: str, index: int = 0) -> str:
    """Return the response_id of a prompt's teacher response."""
    return content_id("test-response", name, index)


def sample_of(name: str, index: int = 0) -> str:
    """Return the response_id of a prompt's student sample."""
    return content_id("test-sample", name, index)


def fill(store: Store, *prompts: Taught) -> None:
    """Append the rows of every stage before selection."""
    store.append(
        "prompts", pl.DataFrame([_prompt(prompt) for prompt in prompts], **_ALL), run_id=RUN
    )
    seeds = [_source(row, prompt) for row, prompt in enumerate(prompts) if prompt.kind == "seed"]
    keys = [_key(prompt) for prompt in prompts if prompt.key is not None]
    responses = [row for prompt in prompts for row in _responses(prompt)]
    for table, rows in (
        ("prompt_sources", seeds),
        ("keys", keys),
        ("difficulty", [_difficulty(prompt) for prompt in prompts if prompt.key is not None]),
        ("responses", responses),
        ("grades", [row for prompt in prompts for row in _grades(prompt)]),
    ):
        store.append(table, pl.DataFrame(rows, **_ALL), run_id=RUN)


def add_item(store: Store, text: str, name: str = "exam", **columns: Any) -> str:
    """Append a benchmark item and return its id."""
    item_id = content_id("test-item", text)
    row = {"item_id": item_id, "benchmark": name, "text": text, **columns}
    store.append("benchmark_items", pl.DataFrame([row]), run_id=RUN)
    return item_id


_ALL: dict[str, Any] = {"infer_schema_length": None}


def _key_id(prompt: Taught) -> str:
    return content_id("test-key", prompt.name, prompt.key, prompt.trusted)


def _prompt(prompt: Taught) -> dict[str, Any]:
    rewrite = prompt.kind == "rewrite"
    return {
        "prompt_id": identify(prompt.name),
        "root_id": identify(prompt.root or prompt.name),
        "kind": prompt.kind,
        "domain": prompt.domain,
        "text": prompt.text,
        "choices": list(prompt.choices) if prompt.choices else None,
        "answer": prompt.answer,
        "answer_type": "choice" if prompt.choices else "number",
        "strategy": "new_numbers" if rewrite else None,
        "simulated": True,
    }


def _source(row: int, prompt: Taught) -> dict[str, Any]:
    return {
        "prompt_id": identify(prompt.name),
        "source": prompt.source,
        "licence": prompt.licence,
        "uri": "seeds.jsonl",
        "row_number": row + 1,
    }


def _key(prompt: Taught) -> dict[str, Any]:
    return {
        "key_id": _key_id(prompt),
        "prompt_id": identify(prompt.name),
        "answer": prompt.key,
        "answer_type": "number",
        "source": "gold" if prompt.trusted else "plurality",
        "share": None if prompt.trusted else 0.5,
        "trusted": prompt.trusted,
    }


def _difficulty(prompt: Taught) -> dict[str, Any]:
    decided = prompt.correct + prompt.wrong
    pass_rate = prompt.correct / decided if decided else None
    return {
        "prompt_id": identify(prompt.name),
        "student": STUDENT,
        "key_id": _key_id(prompt),
        "correct": prompt.correct,
        "wrong": prompt.wrong,
        "truncated": prompt.truncated,
        "unverifiable": 0,
        "pass_rate": pass_rate,
        "low": 0.1 if pass_rate is None else min(0.1, pass_rate),
        "high": 0.9 if pass_rate is None else max(0.9, pass_rate),
    }


def _responses(prompt: Taught) -> list[dict[str, Any]]:
    teacher = [
        {
            **_response(prompt, "teacher", TEACHER, index, answer),
            "response_id": response_of(prompt.name, index),
            "reasoning": prompt.reasoning,
        }
        for index, answer in enumerate(prompt.teacher)
    ]
    student = [
        {
            **_response(prompt, "student", STUDENT, index, answer),
            "response_id": sample_of(prompt.name, index),
            "completion_tokens": 10 + index,
        }
        for index, answer in enumerate(prompt.student)
    ]
    return teacher + student


def _response(
    prompt: Taught, role: str, model: str, index: int, answer: tuple[str, str]
) -> dict[str, Any]:
    content, verdict = answer
    return {
        "prompt_id": identify(prompt.name),
        "role": role,
        "model": model,
        "server": "simulator",
        "sample_index": index,
        "content": content,
        "finish_reason": "length" if verdict == "truncated" else "stop",
        "simulated": True,
    }


def _grades(prompt: Taught) -> list[dict[str, Any]]:
    answers = [
        (response_of(prompt.name, index), verdict)
        for index, (_, verdict) in enumerate(prompt.teacher)
    ]
    answers += [
        (sample_of(prompt.name, index), verdict)
        for index, (_, verdict) in enumerate(prompt.student)
    ]
    return [
        {
            "response_id": response_id,
            "key_id": _key_id(prompt),
            "verifier": "number",
            "version": 1,
            "verdict": verdict,
        }
        for response_id, verdict in answers
    ]
