"""The simulator starts, refuses what is wrong with its settings, and dies with its parent."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from tasks.errors import ModelServerError, RecipeError
from tasks.simulator.launch import RunningSimulator, start_simulator
from tasks.simulator.settings import read_settings
from tests.simulated import ROWS, ask, send


@pytest.fixture
def items(tmp_path: Path) -> Path:
    path = tmp_path / "items.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in ROWS))
    return path


def test_a_key_is_asked_for_when_one_is_configured(items: Path) -> None:
    command = [sys.executable, "-m", "tasks.simulator", "--items", str(items)]
    process = subprocess.Popen(
        [*command, "--api-key-env", "SIM_TEST_KEY", "--stdin-lifeline"],
        env={**os.environ, "SIM_TEST_KEY": "sesame"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    ready = orjson.loads(process.stdout.readline())
    simulator = RunningSimulator(ready["base_url"], ready["pid"], process)
    with simulator:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions")):
                body = ask("?") if method == "POST" else None
                status, _, raw = send(simulator.base_url, method, path, body, headers)
                assert (status, orjson.loads(raw)["error"]["code"]) == (401, "invalid_api_key")
        right = {"Authorization": "Bearer sesame"}
        assert send(simulator.base_url, "GET", "/v1/models", None, right)[0] == 200


@pytest.mark.parametrize("fork", ["", "if os.fork() == 0: time.sleep(4); os._exit(0)\n"])
def test_it_dies_with_its_parent_even_if_a_fork_of_it_holds_the_lifeline(
    items: Path, fork: str
) -> None:
    program = (
        "import os, sys, time, pathlib\n"
        "from tasks.simulator.launch import start_simulator\n"
        "pid = start_simulator([pathlib.Path(sys.argv[1])], {}).pid\n"
        f"{fork}"
        "print(pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(items)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_alive(pid)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 3
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.stdout.close()
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_it_stops_when_told_and_twice_does_no_harm(items: Path) -> None:
    simulator = start_simulator([items], {})
    simulator.stop()
    simulator.stop()
    assert simulator.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(items: Path, number: signal.Signals) -> None:
    simulator = start_simulator([items], {})
    simulator.process.send_signal(number)
    assert simulator.process.wait(5) == 0
    simulator.stop()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"sead": 1}, "simulator.sead: unknown field; did you mean `seed`?"),
        ({"seed": "x"}, "simulator.seed: expected int, found 'x'"),
        ({"seed": True}, "simulator.seed: expected a number, found True"),
        ({"faults": {"hang": 2}}, "simulator.faults: hang must be between 0 and 1"),
        (
            {"faults": {"hang": 0.6, "dropped": 0.6}},
            "simulator.faults: the rates of all faults exceed 1 together",
        ),
        (
            {"latency": {"kind": "slow"}},
            "simulator.latency.kind: expected one of none, fixed, lognormal, found 'slow'",
        ),
        ({"latency": {"capacity": 0}}, "simulator.latency: capacity must be at least 1, or null"),
        (
            {"models": {"sim-student": {"skil": 1}}},
            "simulator.models.sim-student.skil: unknown field; did you mean `skill`?",
        ),
        ({"models": {"m": {"verbosity": 0}}}, "discrimination and verbosity must be above 0"),
        ({"models": []}, "simulator.models: expected an object of models by name"),
        ([], "simulator: expected an object, found list"),
    ],
)
def test_wrong_settings_are_refused_with_the_fields_path(settings: object, complaint: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(complaint)):
        read_settings(settings)


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tasks.simulator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_wrong_settings_exit_2_without_a_traceback() -> None:
    for text, complaint in (
        ('{"sead": 1}', "simulator: simulator.sead: unknown field; did you mean `seed`?\n"),
        ("{", "simulator: --settings is not valid JSON"),
    ):
        done = run_cli("--settings", text)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(complaint)
        assert "Traceback" not in done.stderr


def test_a_missing_file_exits_3_and_names_it(tmp_path: Path) -> None:
    done = run_cli("--items", str(tmp_path / "none.jsonl"))
    assert done.returncode == 3
    assert "none.jsonl: the items cannot be read" in done.stderr


def test_a_start_that_fails_says_why(items: Path) -> None:
    with pytest.raises(ModelServerError, match=r"exit 2.*simulator.sead: unknown field"):
        start_simulator([items], {"sead": 1})


def test_one_bad_row_stops_nothing_and_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"prompt": "2+2?", "answer": "4"}\nnonsense\n{"prompt": "?"}\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "tasks.simulator", "--items", str(path), "--stdin-lifeline"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdin is not None
    ready = orjson.loads(process.stdout.readline())
    assert (ready["items"], ready["skipped"]) == (1, 2)
    _, complaints = process.communicate(timeout=10)
    assert complaints.decode().splitlines()[1].endswith("row 3: skipped: no answer")
    assert process.returncode == 0


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys, tasks.simulator.__main__, tasks.simulator.server\n"
        "heavy = {'prefect', 'duckdb', 'polars', 'great_expectations', 'pydantic', 'openai'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
