"""What the engine's benchmarks share: a simulator in a process of its own, requests, ideals."""

import heapq
import json
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from tasks.llm.engine import complete
from tasks.llm.money import Purse
from tasks.llm.request import Endpoint, Request, render_body
from tasks.recipe import Budget, ModelSettings, Prices, Sampling, StoreSettings
from tasks.simulator.completions import ChatRequest, read_request
from tasks.simulator.faults import Latency, pick_delay
from tasks.simulator.launch import RunningSimulator, start_simulator
from tasks.store import Store, close_stores, open_store

ITEM = {"id": "a", "prompt": "What is 6 * 7?", "answer": "42", "answer_type": "number", "level": 3}


@contextmanager
def serving(settings: dict[str, Any]) -> Iterator[tuple[RunningSimulator, Store]]:
    """Run a simulator and an empty store for as long as the block does."""
    with tempfile.TemporaryDirectory() as folder:
        items = Path(folder, "items.jsonl")
        items.write_text(json.dumps(ITEM) + "\n", encoding="utf-8")
        store = open_store(StoreSettings(catalog=f"{folder}/store/catalog.sqlite"))
        try:
            with start_simulator([items], settings) as simulator:
                yield simulator, store
        finally:
            close_stores()


def make_endpoint(simulator: RunningSimulator | str, **changes: Any) -> Endpoint:
    """Return the student of the simulator as an endpoint."""
    settings = ModelSettings(
        model="sim-student",
        sampling=Sampling(temperature=1.0, max_tokens=500),
        prices=Prices(input=0.1, output=0.4),
        **changes,
    )
    base_url = simulator if isinstance(simulator, str) else simulator.base_url
    return Endpoint(settings, base_url, "simulator", "key", simulated=True)


def make_requests(count: int, prompt_id: str = "0" * 32) -> list[Request]:
    """Return so many samples of one prompt."""
    messages = (("system", "Answer in \\boxed{}."), ("user", str(ITEM["prompt"])))
    first = Request(prompt_id, "student", "solve@1", messages, 0)
    return [replace(first, sample_index=index) for index in range(count)]


def draw(
    store: Store, endpoint: Endpoint, requests: Sequence[Request], budget: Budget | None = None
) -> None:
    """Complete requests and have every outcome in the store."""
    complete(store, endpoint, requests, run_id="bench", purse=Purse(budget or Budget()))


def best_wall_s(latency: Latency, endpoint: Endpoint, requests: Sequence[Request]) -> float:
    """Return the wall time of the very latencies the server draws, in order, with all slots full.

    A latency depends on the request alone, so it is known without asking.
    """
    free = [0.0] * endpoint.settings.max_concurrency
    for request in requests:
        checked = read_request(orjson.dumps(render_body(endpoint, request)))
        assert isinstance(checked, ChatRequest)
        heapq.heapreplace(free, free[0] + pick_delay(latency, 0, checked.digest, 0))
    return max(free)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and the processor seconds of this process for a piece of work."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def ask_stats(simulator: RunningSimulator) -> dict[str, Any]:
    """Return what the server saw."""
    address = simulator.base_url.removesuffix("/v1") + "/sim/stats"
    with urllib.request.urlopen(address, timeout=10) as answer:
        stats: dict[str, Any] = json.load(answer)
    return stats


def count_repeated(stats: dict[str, Any]) -> int:
    """Return how many requests the server completed more than once."""
    completed = stats["completed_per_request"].items()
    return sum(int(count) for times, count in completed if int(times) > 1)


def line_of(
    measure: str, value: float, unit: str, target: str, ok: bool | None, detail: str
) -> dict[str, Any]:
    """Return one measure as the benchmarks print it."""
    return {
        "measure": measure,
        "value": value,
        "unit": unit,
        "target": target,
        "ok": ok,
        "detail": detail,
    }
