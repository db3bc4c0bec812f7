"""What tests of grades and of keys share: prompts and responses as they need them, and the keys."""

from collections.abc import Mapping

import polars as pl

from tasks.store import Store


def add_prompts(store: Store, *rows: Mapping[str, object]) -> None:
    frame = pl.DataFrame(
        [
            {
                **dict.fromkeys(("answer", "tests", "choices", "domain")),
                "answer_type": "number",
                "kind": "seed",
                **row,
            }
            for row in rows
        ],
        schema={
            "prompt_id": pl.String,
            "domain": pl.String,
            "kind": pl.String,
            "answer": pl.String,
            "answer_type": pl.String,
            "answer_source": pl.String,
            "tests": pl.List(pl.String),
            "choices": pl.List(pl.String),
        },
    )
    store.append("prompts", frame, run_id="run")


def add_responses(store: Store, role: str, prompt: str, *contents: str, start: int = 0) -> None:
    frame = pl.DataFrame(
        {
            "response_id": [f"{role}-{prompt}-{start + n}" for n in range(len(contents))],
            "prompt_id": prompt,
            "role": role,
            "model": "tiny",
            "content": list(contents),
            "finish_reason": "stop",
        }
    )
    store.append("responses", frame, run_id="run")


def keys_of(store: Store) -> list[tuple[object, ...]]:
    return store.sql(
        "select prompt_id, answer, source, votes, samples, share, trusted"
        " from current_keys order by all"
    ).rows()
