"""`kill -9` around a batch: it is found again, its results are kept, nothing is submitted twice."""

import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.recipe import StoreSettings
from tasks.simulator.launch import start_simulator
from tasks.store import Store, close_stores, open_store

CALLS = 240
PER_FILE = 80
# What a stage does, as a process of its own: fold in, look at what is there, ask for the rest.
STAGE = """
import sys
from tasks.llm.batch.folding import BatchJob
from tasks.llm.batch.records import load_reserved
from tasks.llm.batch.batches import complete_in_batches
from tasks.llm.journal import fold_in
from tasks.llm.money import Purse
from tasks.llm.pending import leave_out_known
from tasks.llm.request import Endpoint, Request
from tasks.progress import track
from tasks.recipe import BatchSettings, Budget, ModelSettings, StoreSettings
from tasks.store import open_store

catalog, base_url = sys.argv[1:]
store = open_store(StoreSettings(catalog=catalog))
fold_in(store)
batch = BatchSettings(poll_interval_s=0.1, max_requests=80)
settings = ModelSettings(model="sim-student", mode="batch", batch=batch)
endpoint = Endpoint(settings, base_url, "simulator", "key", False)
messages = (("system", ""), ("user", "What is 6 * 7?"))
wanted = [Request("a", "student", "solve@1", messages, index) for index in range(240)]
purse = Purse(Budget(), submitted=load_reserved(store))
with track("student") as tracker:
    job = BatchJob(store, endpoint, "student", ["a"], "r", purse, tracker)
    print("ready", flush=True)
    complete_in_batches(
        job, lambda: leave_out_known(store, endpoint, "student", ["a"], wanted)
    )
"""


def _ask_batches(base_url: str) -> dict[str, Any]:
    address = base_url.removesuffix("/v1") + "/sim/stats"
    with urllib.request.urlopen(address, timeout=5) as answer:
        counts: dict[str, Any] = json.load(answer)["batches"]
    return counts


def _run_stage(catalog: Path, base_url: str, until: Callable[[float], bool] | None = None) -> bool:
    """Run the stage, killed when `until` says so of its seconds; return whether it was killed."""
    stage = subprocess.Popen(
        [sys.executable, "-c", STAGE, str(catalog), base_url],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[1],
    )
    assert stage.stdout is not None
    assert stage.stdout.readline() == b"ready\n"
    ready = time.monotonic()
    while until and stage.poll() is None and not until(time.monotonic() - ready):
        time.sleep(0.01)
    if until is not None:
        stage.kill()
    code = stage.wait(timeout=120)
    assert code in ((0, -signal.SIGKILL) if until else (0,))
    return code != 0


def _items(folder: Path) -> Path:
    items = folder / "items.jsonl"
    items.write_text('{"prompt": "What is 6 * 7?", "answer": "42"}\n', encoding="utf-8")
    return items


def _read(catalog: Path, read: Callable[[Store], Any]) -> Any:
    try:
        return read(open_store(StoreSettings(catalog=str(catalog))))
    finally:
        close_stores()


def _samples(store: Store) -> list[tuple[Any, ...]]:
    return store.sql("select sample_index, attempts from responses order by sample_index").rows()


def _states(store: Store) -> list[str]:
    rows = store.sql("select distinct state from batch_states order by state")
    return rows["state"].to_list()


@pytest.mark.slow
def test_a_kill_between_the_making_of_a_batch_and_its_record(tmp_path: Path) -> None:
    catalog = tmp_path / "store" / "catalog.sqlite"
    slow_to_say_so = {"batches": {"create_answer_s": 2.0}}
    with start_simulator([_items(tmp_path)], slow_to_say_so) as simulator:
        url = simulator.base_url
        assert _run_stage(catalog, url, until=lambda _: _ask_batches(url)["created"] == 1)
        assert _read(catalog, _states) == ["uploaded"]
        assert not _run_stage(catalog, url)
        seen = _ask_batches(url)
    assert seen["submitted_per_request"] == {"1": CALLS}
    assert seen["created"] == seen["uploaded"] == CALLS / PER_FILE
    assert _read(catalog, _samples) == [(index, 1) for index in range(CALLS)]


@pytest.mark.slow
def test_kills_at_random_moments_submit_nothing_twice(tmp_path: Path) -> None:
    catalog = tmp_path / "store" / "catalog.sqlite"
    chance = random.Random(5)
    timing = {"batches": {"in_progress_s": 20.0, "create_answer_s": 0.1}}
    with start_simulator([_items(tmp_path)], timing) as simulator:
        url = simulator.base_url
        # Around submission and while the provider works: a run here waits for longer than we do.
        early = [chance.uniform(0.1, 1.5) for _ in range(3)]
        assert all([_run_stage(catalog, url, until=limit.__le__) for limit in early])
        while _ask_batches(url)["states"].keys() - {"completed"}:
            time.sleep(0.1)
        # Around folding in: a run here may be done before its moment comes.
        for _ in range(3):
            limit = chance.uniform(0.0, 0.4)
            _run_stage(catalog, url, until=limit.__le__)
        assert not _run_stage(catalog, url)
        seen = _ask_batches(url)
        assert not _run_stage(catalog, url)
        assert _ask_batches(url) == seen
    assert seen["submitted_per_request"] == {"1": CALLS}
    assert _read(catalog, _samples) == [(index, 1) for index in range(CALLS)]
