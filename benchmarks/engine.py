"""The engine against a bare client in one run: speed, schedule, faults, nothing to do.

    {"bench": "engine", "measure": "calls/s against a bare client", "value": 0.9, …}

Run it with `python -m benchmarks.engine`. The server is the simulator, in a process of its own.
"""

import asyncio
import heapq
import json
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, DefaultAioHttpClient

from tasks.llm.engine import complete
from tasks.llm.money import Purse
from tasks.llm.pending import leave_out_known
from tasks.llm.request import Endpoint, Request, render_body
from tasks.recipe import Budget, ModelSettings, Prices, Sampling, StoreSettings
from tasks.simulator.launch import RunningSimulator, start_simulator
from tasks.store import Store, close_stores, open_store

ITEM = {"id": "a", "prompt": "What is 6 * 7?", "answer": "42", "answer_type": "number", "level": 3}
ROUNDS = 3
CALLS = 6_000
SLOW_CALLS = 5_000
MEAN_S, SIGMA, SLOTS = 0.5, 0.8, 256
FAULTS = {"rate_limit": 0.05, "server_error": 0.02, "hang": 0.005, "malformed": 0.005}


def main() -> None:
    """Print every measure as one JSON line."""
    for measure in (measure_speed, measure_schedule, measure_faults):
        for line in measure():
            print(json.dumps({"bench": "engine", **line}), flush=True)


def measure_speed() -> Iterator[dict[str, Any]]:
    """Calls a second and processor time a call, the bare client and the engine in turn."""
    ratios, costs, bare_costs, rates = [], [], [], []
    with serving({}) as (simulator, store):
        endpoint = make_endpoint(simulator, max_concurrency=64)
        for number in range(ROUNDS):
            requests = make_requests(CALLS, f"{number:032x}")
            bare = timed(partial(asyncio.run, call_bare(endpoint, requests)))
            ours = timed(partial(draw, store, endpoint, requests))
            ratios.append(bare[0] / ours[0])
            rates.append(CALLS / ours[0])
            costs.append(1000 * ours[1] / CALLS)
            bare_costs.append(1000 * bare[1] / CALLS)
        known = leave_out_known(store, endpoint, "student", [requests[0].prompt_id], requests)
        again = timed(partial(list, known))
    yield line_of(
        "persisted calls/s against a bare client",
        statistics.median(ratios),
        "ratio",
        ">= 0.85",
        statistics.median(ratios) >= 0.85,
        f"{statistics.median(rates):,.0f} calls/s, median of {ROUNDS} rounds of {CALLS:,}",
    )
    cost = statistics.median(costs)
    detail = f"bare client {statistics.median(bare_costs):.2f} ms"
    yield line_of("processor time a call", cost, "ms", "<= 1.1", cost <= 1.1, detail)
    yield line_of("nothing to do", again[0], "s", "<= 2", again[0] <= 2, f"{CALLS:,} known calls")


def measure_schedule() -> Iterator[dict[str, Any]]:
    """Wall time over the best possible schedule of the very latencies that the server drew."""
    latency = {"kind": "lognormal", "mean": MEAN_S, "sigma": SIGMA}
    with serving({"latency": latency}) as (simulator, store):
        endpoint = make_endpoint(simulator, max_concurrency=SLOTS)
        wall, _ = timed(lambda: draw(store, endpoint, make_requests(SLOW_CALLS)))
        drawn = store.sql("select latency_s from responses order by sample_index")["latency_s"]
    ideal = schedule(drawn.to_list(), SLOTS)
    yield line_of(
        "wall time over the ideal schedule",
        wall / ideal,
        "ratio",
        "<= 1.05",
        wall / ideal <= 1.05,
        f"{SLOW_CALLS:,} calls, lognormal mean {MEAN_S} s, sigma {SIGMA}, {SLOTS} at a time: "
        f"{wall:.1f} s; latencies as the client saw them",
    )


def measure_faults() -> Iterator[dict[str, Any]]:
    """The same with faults: everything is accounted for, and nothing completed is asked twice."""
    latency = {"kind": "lognormal", "mean": MEAN_S, "sigma": SIGMA}
    with serving({"latency": latency, "faults": FAULTS}) as (simulator, store):
        endpoint = make_endpoint(simulator, max_concurrency=SLOTS, timeout_s=5.0, max_attempts=10)
        wall, _ = timed(lambda: draw(store, endpoint, make_requests(SLOW_CALLS)))
        kept = store.sql("select count(*) as n from responses")["n"][0]
        lost = store.sql("select count(*) as n from failures")["n"][0]
        drawn = store.sql("select latency_s from responses order by sample_index")["latency_s"]
        stats = ask_stats(simulator)
    accounted = kept + lost
    repeated = sum(
        int(count) for times, count in stats["completed_per_request"].items() if int(times) > 1
    )
    ideal = schedule(drawn.to_list(), SLOTS)
    yield line_of(
        "calls neither finished nor in failures, with faults",
        SLOW_CALLS - accounted,
        "calls",
        "0",
        accounted == SLOW_CALLS,
        f"{kept:,} finished, {lost:,} failed of {SLOW_CALLS:,}; {FAULTS}",
    )
    yield line_of(
        "completed calls repeated, with faults",
        repeated,
        "calls",
        "0",
        repeated == 0,
        "the server's own count per distinct request",
    )
    yield line_of(
        "wall time over the ideal schedule, with faults",
        wall / ideal,
        "ratio",
        "<= 1.25",
        wall / ideal <= 1.25,
        f"request timeout 5 s: {wall:.1f} s",
    )


def schedule(latencies: list[float], slots: int) -> float:
    """Return the wall time of the given latencies in order, each taken by the first free slot."""
    free = [0.0] * slots
    for latency in latencies:
        heapq.heapreplace(free, free[0] + latency)
    return max(free)


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


def make_endpoint(simulator: RunningSimulator, **changes: Any) -> Endpoint:
    """Return the student of the simulator as an endpoint."""
    settings = ModelSettings(
        model="sim-student",
        sampling=Sampling(temperature=1.0, max_tokens=500),
        prices=Prices(input=0.1, output=0.4),
        **changes,
    )
    return Endpoint(settings, simulator.base_url, "simulator", "key", simulated=True)


def make_requests(count: int, prompt_id: str = "0" * 32) -> list[Request]:
    """Return so many samples of one prompt."""
    messages = (("system", "Answer in \\boxed{}."), ("user", str(ITEM["prompt"])))
    first = Request(prompt_id, "student", "solve@1", messages, 0)
    return [replace(first, sample_index=index) for index in range(count)]


def draw(store: Store, endpoint: Endpoint, requests: list[Request]) -> None:
    """Complete requests and have every outcome in the store."""
    complete(store, endpoint, requests, run_id="bench", purse=Purse(Budget()))


async def call_bare(endpoint: Endpoint, requests: list[Request]) -> None:
    """Make the same calls with the client alone: nothing checked, counted, retried or kept."""
    pending = iter(requests)
    async with AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        max_retries=0,
        http_client=DefaultAioHttpClient(),
    ) as client:

        async def work() -> None:
            for request in pending:
                await client.chat.completions.create(**render_body(endpoint, request))

        await asyncio.gather(*(work() for _ in range(endpoint.settings.max_concurrency)))


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


def line_of(
    measure: str, value: float, unit: str, target: str, ok: bool, detail: str
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


if __name__ == "__main__":
    main()
