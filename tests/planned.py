"""A small project for the tests of plans: what ingest leaves, and answers with their real keys.

answer(store, recipe, "student", texts, completion=60)   # every sample of every prompt, 60 tokens
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import polars as pl

from tasks.assess.difficulty import measure_difficulty
from tasks.assess.keys import derive_keys
from tasks.ingest import ingest_seeds
from tasks.llm.pending import EVERYTHING
from tasks.llm.request import identify
from tasks.llm.servers import identify_endpoint
from tasks.recipe import Recipe, SelectSettings
from tasks.rewrite.openings import plan_rewrites
from tasks.rewrite.stage import parent_filter
from tasks.sample import plan_samples
from tasks.store import Store

RUN = "run-1"
PRICES = {"input": 1.0, "output": 10.0}
SEEDS: tuple[dict[str, Any], ...] = (
    {"prompt": "What is 1 + 1?", "answer": "2", "domain": "math"},
    {"prompt": "What is 1 + 2?", "answer": "3", "domain": "math"},
    {"prompt": "What is 1 + 3?", "answer": "4", "domain": "math"},
    {"prompt": "What is 1 + 4?", "answer": "5", "domain": "math"},
    {"prompt": "How many legs has a spider?", "answer": "8", "domain": "science"},
)
NEW_SEEDS: tuple[dict[str, Any], ...] = (
    {"prompt": "What is 1 + 5?", "answer": "6", "domain": "math"},
    {"prompt": "What is 1 + 6?", "answer": "7", "domain": "math"},
    {"prompt": "How many legs has an ant?", "answer": "6", "domain": "science"},
)


def models(*roles: str, **changes: Any) -> dict[str, Any]:
    """Models at a server that nobody can reach: whatever is asked of them fails the test."""
    model = {
        "base_url": "http://127.0.0.1:9/v1",
        "sampling": {"max_tokens": 100},
        "prices": PRICES,
        "max_concurrency": 4,
    }
    return {role: {"model": f"m-{role}", **model, **changes} for role in roles}


def ingest(store: Store, recipe: Recipe) -> None:
    """Bring in the recipe's seeds, with their keys."""
    ingest_seeds(store, recipe, RUN)
    derive_keys(store, recipe.select, RUN)


def answer(
    store: Store, recipe: Recipe, role: Any, prompts: Sequence[str], samples: int, **columns: Any
) -> list[str]:
    """Add responses, samples 0 to `samples` of every prompt by its text; return their ids."""
    endpoint = identify_endpoint(recipe, getattr(recipe.models, role))
    listed = list(prompts)
    rows = store.sql(
        "select * from prompts where text in (select unnest($texts)) order by text",
        {"texts": listed},
    ).to_dicts()
    added = [
        {
            "response_id": identify(endpoint, request).response_id,
            "reuse_key": identify(endpoint, request).reuse_key,
            "prompt_id": request.prompt_id,
            "role": role,
            "model": endpoint.settings.model,
            "server": endpoint.server,
            "template": request.template,
            "sample_index": request.sample_index,
            "content": "\\boxed{2}",
            "finish_reason": "stop",
            "max_tokens": endpoint.settings.sampling.max_tokens,
            "prompt_tokens": 40,
            "completion_tokens": 60,
            "latency_s": 2.0,
            "attempts": 1,
            "cost_usd": 0.00064,
            **columns,
        }
        for request in plan_samples(rows, endpoint, role, samples)
    ]
    store.append("responses", pl.DataFrame(added), run_id=RUN)
    return [row["response_id"] for row in added]


def reply(store: Store, recipe: Recipe, content: Mapping[str, Any]) -> None:
    """Have the rewriter's one request answered."""
    assert recipe.models.rewriter is not None
    endpoint = identify_endpoint(recipe, recipe.models.rewriter)
    rows = store.query("rewrite_parents", **parent_filter(store, recipe, EVERYTHING)).to_dicts()
    (request,) = plan_rewrites(rows, endpoint, recipe)
    keys = identify(endpoint, request)
    row = {
        "response_id": keys.response_id,
        "reuse_key": keys.reuse_key,
        "prompt_id": request.prompt_id,
        "role": "rewriter",
        "model": "m-rewriter",
        "template": request.template,
        "sample_index": 0,
        "content": orjson.dumps(content).decode(),
        "finish_reason": "stop",
        "simulated": False,
    }
    store.append("responses", pl.DataFrame([row]))


def grade(store: Store, correct: Mapping[str, int]) -> None:
    """Grade the student's responses: so many correct by a prompt's text, the others wrong."""
    store.append("grades", pl.DataFrame(list(_grades(store, correct))), run_id=RUN)
    measure_difficulty(store, SelectSettings(), RUN)


def _grades(store: Store, correct: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    rows = store.sql(
        "select response_id, key_id, text, sample_index from responses "
        "join prompts using (prompt_id) join current_keys using (prompt_id) "
        "where role = 'student'"
    )
    for response_id, key_id, text, index in rows.iter_rows():
        yield {
            "response_id": response_id,
            "key_id": key_id,
            "verifier": "math",
            "version": 1,
            "verdict": "correct" if index < correct.get(text, 0) else "wrong",
        }
