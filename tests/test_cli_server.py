"""A command's Prefect server: found or started, shared, complete in its records, never left."""

import base64
import http.server
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.prefect_api import check_reachable, configured_url, count_unfinished, settle_records
from cli.prefect_server import Server, prefect_server, read_state, refuse_open_door, wait_healthy
from tasks.errors import InputError, TeachsetError
from tests.served import Served, read_store, serving, write_served_project

ROOT = Path(__file__).resolve().parents[1]
PREFECT = (sys.executable, "-m", "prefect", "--no-prompt")
RUN = """
import sys
import threading
from cli.prefect_server import prefect_server

def load():
    global flow, task, create_markdown_artifact
    from prefect import flow, task
    from prefect.artifacts import create_markdown_artifact

with prefect_server(meanwhile=load) as server:
    @task
    def double(n):
        return 2 * n

    @flow(name="inner")
    def inner(n):
        return sum(double(each) for each in range(n))

    @flow(name=sys.argv[1])
    def outer(n):
        create_markdown_artifact("# Funnel", key="funnel")
        return inner(n)

    print(outer(int(sys.argv[2])), flush=True)
"""
HOLD = """
import sys, time
from cli.prefect_server import prefect_server
with prefect_server() as server:
    print(server.pid, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One PREFECT_HOME for all slow tests, because its database takes long to make."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**kept, "PREFECT_HOME": str(home)}


@pytest.fixture
def holder(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that has a server until a line comes; its first line was the server's pid."""
    process = hold(environment)
    yield process
    if process.poll() is None:
        process.communicate("\n", timeout=60)


def hold(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def read_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def is_gone(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if "Z" in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1][:3]:
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_run_is_quiet_and_all_of_it_is_recorded(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    home = tmp_path / "prefect"  # Of its own: what others have recorded is not counted.
    ran = subprocess.run(
        [sys.executable, "-c", RUN, "recorded", "40"],
        cwd=ROOT,
        env={**environment, "PREFECT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1560\n", "")
    assert not (home / "teachset-server.json").exists()
    with sqlite3.connect(home / "prefect.db") as database:
        flows = "select id from flow_run where name is not null and state_name = 'Completed'"
        assert len(database.execute(flows).fetchall()) >= 2
        states = database.execute(
            "select task_run.state_name, count(*) from task_run group by 1"
        ).fetchall()
        assert states == [("Completed", 41)]  # 40 tasks and the one that stands for the subflow
        assert database.execute("select key from artifact").fetchall() == [("funnel",)]
        assert database.execute("select count(*) from log").fetchall()[0][0] > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kill_9_leaves_no_server(environment: dict[str, str], home: Path) -> None:
    process = hold(environment)
    pid = read_pid(process)
    process.kill()
    process.wait()
    assert is_gone(pid, within_s=15)
    assert not (home / "teachset-server.json").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_commands_share_a_server_until_the_last_one_ends(
    holder: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    pid = read_pid(holder)
    second = hold(environment)
    assert read_pid_of_state(environment) == pid
    assert second.stdout is not None
    assert second.stdout.readline().strip() == str(pid)
    holder.communicate("\n", timeout=60)
    assert not is_gone(pid, within_s=2)
    second.communicate("\n", timeout=60)
    assert is_gone(pid, within_s=15)


def read_pid_of_state(environment: dict[str, str]) -> int | None:
    server = read_state(Path(environment["PREFECT_HOME"]) / "teachset-server.json")
    return server.pid if server else None


def run_prefect(environment: dict[str, str], url: str, *arguments: str) -> None:
    ran = subprocess.run(
        [*PREFECT, *arguments],
        cwd=ROOT,
        env={**environment, "PREFECT_API_URL": url},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_every_deployment_of_prefect_yaml_deploys_and_a_worker_runs_it(
    environment: dict[str, str], holder: subprocess.Popen[str], home: Path, tmp_path: Path
) -> None:
    read_pid(holder)
    url = json.loads((home / "teachset-server.json").read_text())["url"]
    run_prefect(environment, url, "work-pool", "create", "teachset", "--type", "process")
    run_prefect(environment, url, "deploy", "--all")
    with sqlite3.connect(home / "prefect.db") as database:
        made = database.execute(
            "select flow.name, deployment.name from deployment "
            "join flow on deployment.flow_id = flow.id"
        ).fetchall()
        crons = database.execute("select count(*) from deployment_schedule").fetchall()
    assert {("build", "nightly"), ("release", "weekly"), ("select", "on-demand")} <= set(made)
    assert (len(made), crons) == (11, [(3,)])
    for kind, *template in (
        ("docker",),
        ("kubernetes", "--base-job-template", "deploy/kubernetes-job.json"),
    ):
        pool = f"teachset-{kind}"
        run_prefect(environment, url, "work-pool", "create", pool, "--type", kind, *template)
        file = f"deploy/prefect-{kind}.yaml"
        run_prefect(environment, url, "deploy", "--all", "--prefect-file", file)
    recipe = write_served_project(tmp_path / "project", seeds=3)
    served = Served(holder, url, {})
    worker = subprocess.Popen(
        [*PREFECT, "worker", "start", "--pool", "teachset", "--type", "process"],
        cwd=tmp_path,  # A worker need not be started where the flows are.
        env={**environment, "PREFECT_API_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        served.wait_for(served.start("ingest/on-demand", recipe), "COMPLETED", within_s=240)
    finally:
        worker.terminate()
        worker.wait(timeout=60)
    assert read_store(recipe, "select count(*) as n from prompts")["n"][0] == 3


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_serve_runs_schedules_and_stops_with_everything(
    environment: dict[str, str], tmp_path: Path, end: signal.Signals
) -> None:
    # A home of its own: another test deploys the same deployments to a work pool.
    home = tmp_path / "prefect"
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "serve", "--port", "25871", "--pages-port", "25971"],
        cwd=ROOT,
        env=environment | {"PREFECT_HOME": str(home)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    pages = "the pages of releases at http://127.0.0.1:25971.\n"
    assert said == f"Prefect is at http://127.0.0.1:25871, {pages}"
    children = find_children(process.pid)
    assert len(children) == 2  # the server and the process that runs the deployments
    assert wait_for_schedules(home) == 3
    assert wait_for_scheduled_runs(home) > 0
    process.send_signal(end)
    process.wait(timeout=60)
    assert all(is_gone(child, within_s=30) for child in children)
    with sqlite3.connect(home / "prefect.db") as database:  # The next start goes on with them.
        assert database.execute("select count(*) from deployment where paused").fetchall() == [(0,)]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "nightbox"])
def test_a_server_that_others_can_reach_asks_for_a_password(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    with pytest.raises(InputError, match=f"--host {host}: others could start runs"):
        refuse_open_door(host)
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "user:a-password")
    refuse_open_door(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.53"])
def test_loopback_needs_no_password(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    refuse_open_door(host)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_password_is_asked_of_everybody_and_given_by_our_own(tmp_path: Path) -> None:
    password = {"PREFECT_SERVER_API_AUTH_STRING": "nightly:a-password"}
    with serving(tmp_path / "prefect", 25872, "--host", "0.0.0.0", **password) as served:
        with pytest.raises(urllib.error.HTTPError) as refused:
            served.ask("/flow_runs/count", {})
        assert refused.value.code == 401
        given = base64.b64encode(b"nightly:a-password").decode()
        welcome = replace(served, headers={"Authorization": f"Basic {given}"})
        assert welcome.deployment("build/nightly")["name"] == "nightly"  # Registered by our own.
        with urllib.request.urlopen("http://127.0.0.1:25872/ui-settings", timeout=30) as reply:
            assert json.load(reply)["api_url"] == "/api"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        ran = subprocess.run(
            [sys.executable, "-m", "cli", "automations"],
            cwd=ROOT,
            env={**environment, "PREFECT_HOME": str(tmp_path / "prefect")},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ran.returncode != 0
    assert "refuses the credentials (401): set PREFECT_API_KEY or PREFECT_API_AUTH_STRING" in (
        ran.stderr
    )
    assert "a-password" not in ran.stdout + ran.stderr


def wait_for_schedules(home: Path, within_s: float = 90) -> int:
    """Return how many active schedules deployments without a work pool have, once there are any."""
    deadline, count = time.monotonic() + within_s, 0
    while time.monotonic() < deadline and count < 3:
        with sqlite3.connect(home / "prefect.db") as database:
            (count,) = database.execute(
                "select count(*) from deployment_schedule "
                "join deployment on deployment.id = deployment_schedule.deployment_id "
                "where deployment_schedule.active and not deployment.paused "
                "and deployment.work_queue_id is null"
            ).fetchone()
        time.sleep(0.5)
    return count


def wait_for_scheduled_runs(home: Path, within_s: float = 60) -> int:
    """Return how many runs the server's scheduler has put on the calendar, once there are any."""
    deadline, count = time.monotonic() + within_s, 0
    while time.monotonic() < deadline and not count:
        with sqlite3.connect(home / "prefect.db") as database:
            (count,) = database.execute(
                "select count(*) from flow_run where state_type = 'SCHEDULED'"
            ).fetchone()
        time.sleep(0.5)
    return count


def find_children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in children.split()]


def test_server_that_is_set_but_not_there_says_how_to_mend_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(TeachsetError) as caught, prefect_server():
        pass
    assert str(caught.value).startswith(
        "no Prefect server answers at http://127.0.0.1:9/api ([Errno 111] Connection refused). "
        "Start it, or unset PREFECT_API_URL"
    )
    with pytest.raises(TeachsetError, match="no Prefect server answers at nonsense"):
        check_reachable("nonsense")


def test_profile_of_prefect_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_PROFILE", raising=False)
    assert configured_url() is None
    (tmp_path / "profiles.toml").write_text(
        'active = "team"\n[profiles.team]\nPREFECT_API_URL = "http://prefect.team/api/"\n[profiles.x]\n'
    )
    assert configured_url() == "http://prefect.team/api"
    monkeypatch.setenv("PREFECT_PROFILE", "x")
    assert configured_url() is None
    monkeypatch.setenv("PREFECT_API_URL", "http://here/api")
    assert configured_url() == "http://here/api"


def test_state_of_a_dead_server_counts_for_nothing(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"url": "u", "pid": ended.pid, "log": "l", "schedules": True}))
    assert read_state(state) is None
    state.write_text("half a f")
    assert read_state(state) is None
    with socket.create_server(("127.0.0.1", 0)) as door:
        said = {"url": f"http://127.0.0.1:{door.getsockname()[1]}/api", "pid": os.getpid()}
        state.write_text(json.dumps({**said, "log": "l", "schedules": True}))
        assert read_state(state) is not None
    assert read_state(state) is None  # Another process has its number now, or it is a zombie.


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_all_addresses_of_a_host_include_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "nightly:a-password")
    with prefect_server(host="::") as server:
        assert server.url.startswith("http://[::1]:")


def test_server_that_ends_at_its_start_names_its_log() -> None:
    ended = subprocess.Popen(["true"])
    time.sleep(0.2)
    with pytest.raises(TeachsetError, match="ended at its start; see /x/log"):
        wait_healthy(Server("http://127.0.0.1:9/api", ended.pid, Path("/x/log")))


class _Counts(http.server.BaseHTTPRequestHandler):
    """Answers as Prefect's counts of task runs: ten, of which three never ended."""

    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        self.say(b"3" if b"RUNNING" in asked else b"10")

    def do_GET(self) -> None:
        self.say(b"true")

    def say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server that counts; it knows how often it was asked."""
    monkeypatch.setattr(_Counts, "asked", 0)
    server = http.server.HTTPServer(("127.0.0.1", 0), _Counts)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


def test_a_process_without_prefect_has_no_records_to_settle(
    counts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "prefect", raising=False)
    settle_records(counts)
    assert _Counts.asked == 0
    assert "prefect" not in sys.modules


def test_records_are_settled_also_of_a_run_that_fails(
    counts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", counts)
    import prefect  # noqa: F401

    with pytest.raises(KeyError, match="the run"), prefect_server():
        before, began = _Counts.asked, time.monotonic()
        raise KeyError("the run")
    assert _Counts.asked >= before + 4  # Two counts, and the same again to be sure.
    assert time.monotonic() - began < 4.5  # The three that were unfinished before are known.


@pytest.mark.parametrize(("abandoned", "waits"), [(3, False), (0, True)])
def test_what_a_killed_process_left_unfinished_is_not_waited_for(
    counts: str, monkeypatch: pytest.MonkeyPatch, abandoned: int, waits: bool
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", counts)
    import prefect  # noqa: F401

    assert count_unfinished(counts) == 3
    began = time.monotonic()
    settle_records(counts, abandoned)
    assert (time.monotonic() - began > 4.5) == waits
