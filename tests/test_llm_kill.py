"""`kill -9` at any moment loses the calls in flight and nothing else, and their cost is known.

Nothing that had arrived is paid for twice.
"""

import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tasks.recipe import StoreSettings
from tasks.simulator.launch import start_simulator
from tasks.store import close_stores, open_store

CALLS = 400
CONCURRENCY = 8
# What a stage does, as a process of its own: look at what is there, ask for the rest.
STAGE = """
import sys
from tasks.llm.engine import complete
from tasks.llm.journal import fold_in
from tasks.llm.money import Purse
from tasks.llm.pending import leave_out_known
from tasks.llm.request import Endpoint, Request
from tasks.recipe import Budget, ModelSettings, StoreSettings
from tasks.store import open_store

catalog, base_url = sys.argv[1:]
store = open_store(StoreSettings(catalog=catalog))
fold_in(store)
endpoint = Endpoint(
    ModelSettings(model="sim-student", max_concurrency=8), base_url, "simulator", "key", True
)
messages = (("system", ""), ("user", "What is 6 * 7?"))
wanted = [Request("a", "student", "solve@1", messages, index) for index in range(400)]
pending = list(leave_out_known(store, endpoint, "student", ["a"], wanted))
print("ready", len(pending), flush=True)
complete(store, endpoint, pending, run_id="r", purse=Purse(Budget()))
"""


def _ask_stats(base_url: str) -> dict[str, Any]:
    address = base_url.removesuffix("/v1") + "/sim/stats"
    with urllib.request.urlopen(address, timeout=5) as answer:
        stats: dict[str, Any] = json.load(answer)
    return stats


def _run_stage(catalog: Path, base_url: str, kill_after_s: float | None) -> int:
    """Run the stage, killed some time after its first call; return how many calls were pending.

    The server is asked whether that was made: on a busy machine it takes as long as it takes.
    """
    before = _ask_stats(base_url)["received"]
    stage = subprocess.Popen(
        [sys.executable, "-c", STAGE, str(catalog), base_url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    assert stage.stdout is not None
    pending = int(stage.stdout.readline().split()[1])
    if kill_after_s is not None:
        while _ask_stats(base_url)["received"] == before:
            time.sleep(0.02)
        time.sleep(kill_after_s)
        stage.kill()
    code = stage.wait(timeout=60)
    assert code == (0 if kill_after_s is None else -signal.SIGKILL)
    return pending


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_loses_only_what_was_in_flight(tmp_path: Path, kills: int) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text('{"prompt": "What is 6 * 7?", "answer": "42"}\n', encoding="utf-8")
    catalog = tmp_path / "store" / "catalog.sqlite"
    chance = random.Random(7)
    latency = {"kind": "fixed", "seconds": 0.04 * max(kills, 2)}
    with start_simulator([items], {"latency": latency}) as simulator:
        pending = [CALLS]
        for _ in range(kills):
            pending.append(
                _run_stage(catalog, simulator.base_url, kill_after_s=chance.uniform(0.6, 1.8))
            )
        pending.append(_run_stage(catalog, simulator.base_url, kill_after_s=None))
        stats = _ask_stats(simulator.base_url)
        undisturbed = tmp_path / "undisturbed" / "catalog.sqlite"
        _run_stage(undisturbed, simulator.base_url, kill_after_s=None)
    samples, (cut_off, uncounted, calls) = _read_samples(catalog), _read_books(catalog)

    assert [sample["sample_index"] for sample in samples] == list(range(CALLS))
    assert samples == _read_samples(undisturbed)
    assert pending == sorted(pending, reverse=True)
    assert pending[-1] < CALLS
    # The server may have completed what the killed process never received: at most what was in
    # flight. Everything that had arrived was written down, so nothing of it is asked for again.
    assert stats["completed"] - CALLS <= kills * CONCURRENCY
    # What was cut off is known, and a budget counts it at its most.
    assert 0 < cut_off <= kills * CONCURRENCY
    assert cut_off == uncounted
    assert calls == CALLS + cut_off >= stats["received"]


def _read_samples(catalog: Path) -> list[dict[str, Any]]:
    return _ask(
        catalog,
        "select sample_index, response_id, content, cost_usd from responses order by sample_index",
    )


def _read_books(catalog: Path) -> tuple[int, int, int]:
    """Return the calls that were cut off, those that are estimated, and all that are counted."""
    (books,) = _ask(
        catalog,
        "select count(*) filter (not completed) as cut_off, sum(uncounted) as uncounted, "
        "sum(calls) as calls from spend",
    )
    return books["cut_off"], books["uncounted"], books["calls"]


def _ask(catalog: Path, question: str) -> list[dict[str, Any]]:
    try:
        return open_store(StoreSettings(catalog=str(catalog))).sql(question).to_dicts()
    finally:
        close_stores()
