"""Metrics: what is counted, where it is handed out, and a dashboard that asks for what there is."""

import json
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from cli.metrics_server import metrics_of_children, metrics_port, own_metrics
from tasks import metrics
from tasks.errors import InputError, TeachsetError
from tasks.llm.engine import complete
from tasks.llm.money import Purse
from tasks.llm.request import Endpoint, Request
from tasks.progress import track
from tasks.recipe import Budget, ModelSettings, Prices
from tasks.store import Store
from tests.simulated import SURE, simulating

ROOT = Path(__file__).resolve().parents[1]
DASHBOARD = ROOT / "deploy" / "grafana" / "teachset.json"
NAME = re.compile(r"\bteachset_\w+")
# What a run of `teachset serve` does, as far as metrics are concerned.
CHILD = """
import sys
from tasks import metrics
from tasks.llm.money import Bill
metrics.count_call("student", "m", "completed", Bill(1, 0, 60, 20, 0.5), 1.5)
metrics.IN_FLIGHT.labels("m").set(3)
print("counted", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A free port, set as that of the metrics."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    monkeypatch.setenv("TEACHSET_METRICS_PORT", str(free))
    return free


def collect(port: int) -> dict[str, float]:
    """Return what Prometheus would get: a value by its name with its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_calls_tokens_and_dollars_are_those_of_the_store(store: Store) -> None:
    settings = ModelSettings(
        model="sim-student", max_concurrency=4, prices=Prices(input=1, output=10)
    )
    messages = (("system", ""), ("user", "What is one half of one?"))
    requests = [Request("a", "student", "solve@1", messages, index) for index in range(12)]
    who = {"role": "student", "model": "sim-student"}
    names = {
        "calls": ("teachset_calls_total", {**who, "outcome": "completed"}),
        "prompt": ("teachset_tokens_total", {**who, "kind": "prompt"}),
        "completion": ("teachset_tokens_total", {**who, "kind": "completion"}),
        "usd": ("teachset_dollars_total", who),
        "timed": ("teachset_call_seconds_count", who),
        "refused": ("teachset_attempt_failures_total", {**who, "failure": "rate_limited"}),
    }
    before = {key: value(name, **labels) for key, (name, labels) in names.items()}
    faults = {"models": {"sim-student": SURE}, "faults": {"rate_limit": 0.3, "retry_after_s": 0.1}}
    with simulating(faults) as url:
        endpoint = Endpoint(settings, url, "simulator", "key", simulated=True)
        complete(store, endpoint, requests, run_id="r", purse=Purse(Budget()))
    after = {key: value(name, **labels) - before[key] for key, (name, labels) in names.items()}
    billed = store.sql(
        "select count(*) as calls, sum(prompt_tokens)::bigint as prompt, "
        "sum(completion_tokens)::bigint as completion, sum(cost_usd) as usd, "
        "count(*) as timed, sum(attempts - 1)::bigint as refused from responses"
    ).row(0, named=True)
    assert after == pytest.approx(billed)
    assert after["calls"] == 12 and after["refused"] > 0
    assert value("teachset_calls_in_flight", model="sim-student") == 0


def test_stages_say_what_is_left_and_how_long_they_took() -> None:
    now = [0.0]
    with track("drawing", total=10, clock=lambda: now[0]) as tracker:
        now[0] = 7.0
        tracker.advance(done=4)
        assert value("teachset_calls_pending", stage="drawing") == 6
    assert value("teachset_calls_pending", stage="drawing") == 0
    assert value("teachset_stage_seconds_sum", stage="drawing") == 7.0


def test_a_run_hands_out_its_own_on_loopback(port: int) -> None:
    metrics.VERDICTS.labels("mine", "release", "failed").inc()
    with own_metrics():
        found = collect(port)
        with pytest.raises(TeachsetError, match=f"port {port} is in use"), own_metrics():
            pass
    wanted = 'teachset_gate_verdicts_total{recipe="mine",suite="release",verdict="failed"}'
    assert found[wanted] == 1
    with pytest.raises(OSError):
        collect(port)


@pytest.mark.slow
def test_serve_hands_out_the_sum_of_its_runs_also_when_they_have_ended(
    port: int, tmp_path: Path
) -> None:
    in_flight = 'teachset_calls_in_flight{model="m"}'
    with metrics_of_children(tmp_path):
        runs = [
            subprocess.Popen(
                [sys.executable, "-c", CHILD],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for run in runs:
            assert run.stdout is not None
            assert run.stdout.readline() == "counted\n"
        assert collect(port)[in_flight] == 6
        runs[0].kill()
        runs[0].communicate()
        assert collect(port)[in_flight] == 3  # A run that was killed has nothing in flight.
        runs[1].communicate("\n")
        found = collect(port)
    assert in_flight not in found
    assert found['teachset_calls_total{model="m",outcome="completed",role="student"}'] == 2
    assert found['teachset_tokens_total{kind="completion",model="m",role="student"}'] == 40
    assert found['teachset_dollars_total{model="m",role="student"}'] == 1.0
    assert found['teachset_call_seconds_bucket{le="2.5",model="m",role="student"}'] == 2


def test_without_a_port_nothing_listens_and_a_wrong_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TEACHSET_METRICS_PORT", raising=False)
    assert metrics_port() is None
    monkeypatch.setenv("TEACHSET_METRICS_PORT", "http")
    with pytest.raises(InputError, match="expected a port such as 9464, found 'http'"):
        metrics_port()


def test_the_dashboard_asks_for_metrics_and_labels_that_there_are() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    labels = {metric._name: set(metric._labelnames) for metric in metrics.ALL}
    seen = set()
    for query in asked:
        for name in NAME.findall(query):
            metric = re.sub(r"_(total|sum|count|bucket)$", "", name)
            assert metric in labels, name
            suffix = name.removeprefix(metric)
            kinds = {"counter": {"_total"}, "gauge": {""}}
            kind = next(each._type for each in metrics.ALL if each._name == metric)
            assert suffix in kinds.get(kind, {"_sum", "_count", "_bucket"}), name
            grouped = re.findall(r"by \(([^)]*)\)", query)
            for label in {part.strip() for group in grouped for part in group.split(",")}:
                assert label in labels[metric] | {"le"}, (query, label)
            seen.add(metric)
    assert seen == set(labels)  # Nothing is counted that nobody could see.


def test_the_documents_name_every_metric() -> None:
    named = set(NAME.findall((ROOT / "docs" / "operations.md").read_text()))
    counters = {metric._name for metric in metrics.ALL if metric._type == "counter"}
    names = {
        f"{metric._name}_total" if metric._name in counters else metric._name
        for metric in metrics.ALL
    }
    assert names <= named
