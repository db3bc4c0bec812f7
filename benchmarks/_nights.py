"""Projects for the benchmarks of operations: a large one whose answers are there, a growing one.

write_project(folder, 1_400_000)     # problems of words of their own, with their answers
"""

import json
import os
import random
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tasks.llm import drawing
from tasks.llm.client import Answer
from tasks.llm.columns import frame_of
from tasks.llm.money import Amount, Bill, Usage
from tasks.llm.request import Endpoint, Request, identify
from tasks.llm.rows import response_row
from tasks.llm.servers import identify_endpoint
from tasks.llm.under_way import Completion
from tasks.recipe import Recipe, Role, load_recipe
from tasks.store import Store

ROOT = Path(__file__).resolve().parents[1]
STUDENT, TEACHER = "sim-student", "sim-teacher"
SAMPLES = 2
_WORDS = 14
_ROWS = 20_000
_ARTIFACT = re.compile(r"create_\w+_artifact")
_PROBLEM = re.compile(r"Case (\d+):.*What is (\d+) \+ (\d+)\?", re.DOTALL)


def write_project(folder: Path, prompts: int) -> Path:
    """Write seeds and a recipe whose first night `answering_at_once` can do; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    words = read_words()
    with (folder / "seeds.jsonl").open("w", encoding="utf-8") as seeds:
        for number in range(prompts):
            seeds.write(json.dumps(write_seed(number, words)) + "\n")
    declared = {
        "name": "large",
        "store": {"catalog": "store/catalog.sqlite"},
        "seeds": [{"path": "seeds.jsonl"}],
        "models": {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}},
        "sample": {"student": SAMPLES},
        "select": {"min_samples": SAMPLES, "band": {"low": 0.1, "high": 0.9}},
        "teach": {"samples": 1},
        "release": {"folder": "releases", "formats": ["parquet"]},
    }
    return write_recipe(folder, declared)


@contextmanager
def answering_at_once() -> Iterator[None]:
    """Have every call answered on the spot, without a server: millions of them in minutes.

    A third of the prompts is always solved, a third never, and a third, which is taught, half the
    time.
    """

    def place(store: Store, recipe: Recipe, role: Role) -> Endpoint:
        return identify_endpoint(recipe, getattr(recipe.models, role))

    def complete(
        store: Store, endpoint: Endpoint, requests: Iterable[Request], *, run_id: str, **_: Any
    ) -> Completion:
        done = 0
        waiting = iter(requests)
        while some := list(islice(waiting, _ROWS)):
            answers = [answer(endpoint, request) for request in some]
            rows = frame_of("responses", answers)
            done += store.append("responses", rows, run_id=run_id, known_new=True)
        return Completion(completed=done)

    with patch.object(drawing, "endpoint_of", place), patch.object(drawing, "complete", complete):
        yield


def answer(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """Return the row of a response to one of our problems, right or wrong."""
    found = _PROBLEM.search(request.messages[-1][1])
    assert found is not None
    number, total = int(found[1]), int(found[2]) + int(found[3])
    right = request.role == "teacher" or number % 3 == 0
    right = right or (number % 3 == 1 and request.sample_index == 0)
    said = Answer(
        content=f"We add them up, one by one. It is \\boxed{{{total if right else total + 1}}}.",
        reasoning=None,
        finish_reason="stop",
        model=endpoint.settings.model,
        usage=Usage(prompt_tokens=60, completion_tokens=20),
        latency_s=0.5,
        provider_request_id=None,
        raw_body="{}",
        headers={},
    )
    bill = Bill()
    bill.add(said.usage, endpoint.settings.prices, Amount())
    return response_row(endpoint, request, identify(endpoint, request), said, bill)


def write_growing_project(folder: Path) -> Path:
    """Write a recipe of the simulated models over a folder of seeds that is still empty."""
    (folder / "seeds").mkdir(parents=True)
    price = {"input": 0.1, "output": 0.4}
    declared = {
        "name": "growing",
        "store": {"catalog": "store/catalog.sqlite", "keep_snapshots_days": 0},
        "seeds": [{"path": "seeds/*.jsonl"}],
        "models": {
            "reference": {"model": "sim-reference", "prices": price},
            "student": {"model": STUDENT, "prices": price},
            "teacher": {"model": TEACHER, "prices": price},
        },
        "release": {"folder": "releases", "formats": ["parquet"]},
    }
    return write_recipe(folder, declared)


def add_seeds(folder: Path, night: int, seeds: int) -> None:
    """Add a night's seeds as a file of their own."""
    words = read_words()
    rows = [write_seed(night * seeds + number, words) for number in range(seeds)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "seeds" / f"night-{night:04d}.jsonl").write_text(lines, encoding="utf-8")


def write_recipe(folder: Path, declared: dict[str, Any]) -> Path:
    """Write a recipe into its project's folder."""
    file = folder / "recipe.json"
    file.write_text(json.dumps(declared), encoding="utf-8")
    return file


def read_words() -> list[str]:
    """Return the words of the bundled math problems."""
    text = (ROOT / "seeds" / "math.jsonl").read_text(encoding="utf-8")
    prompts = " ".join(json.loads(line)["prompt"] for line in text.splitlines())
    return sorted({word for word in prompts.split() if word.isalpha() and len(word) > 3})


def write_seed(number: int, words: list[str]) -> dict[str, str]:
    """Return a problem of words of its own, so that it is nobody's twin, with its answer."""
    chance = random.Random(number)
    left, right = 10 + number, chance.randrange(10, 100)
    story = " ".join(chance.choice(words) for _ in range(_WORDS))
    return {
        "prompt": f"Case {number}: {story}. What is {left} + {right}?",
        "answer": str(left + right),
        "domain": ("math", "science")[number % 2],
        "licence": "CC0-1.0",
        "source": "benchmark",
    }


def run_flow(recipe: Recipe) -> float:
    """Run the whole road once and return its wall time in seconds."""
    from flows.build import build

    began = time.perf_counter()
    build(recipe)
    return time.perf_counter() - began


@contextmanager
def without_prefect() -> Iterator[None]:
    """Have flows and tasks be plain function calls, two at a time; artifacts are not made."""
    import prefect

    import tasks.operations.artifacts
    import tasks.operations.pictures

    with ThreadPoolExecutor(2) as pool, ExitStack() as patched:

        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            return self.fn(*arguments, **named)

        def submit(self: Any, *arguments: Any, **named: Any) -> Any:
            return pool.submit(self.fn, *arguments, **named)

        for kind, name, instead in (
            (prefect.Task, "__call__", call),
            (prefect.Task, "submit", submit),
            (prefect.Flow, "__call__", call),
        ):
            patched.enter_context(patch.object(kind, name, instead))
        for module in (tasks.operations.artifacts, tasks.operations.pictures):
            for name in filter(_ARTIFACT.fullmatch, dir(module)):
                patched.enter_context(patch.object(module, name, _make_nothing))
        yield


def load(path: Path, *overrides: str) -> Recipe:
    """Load a recipe of ours."""
    return load_recipe(path, overrides)


def resident_bytes(pid: int) -> int:
    """Return what a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _make_nothing(*_: Any, **__: Any) -> None:
    return None
