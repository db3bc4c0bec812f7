"""Events and automations: what is told, to whom, and that Prefect acts on it."""

import http.server
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import polars as pl
import pytest
import yaml
from prefect.context import FlowRunContext
from prefect.events.schemas.automations import AutomationCore

from cli.project import ROOT
from tasks import events
from tasks.errors import GateFailed
from tasks.events import announce, announce_closed_gate
from tasks.operations import automations
from tasks.operations.automations import AUTOMATIONS_FILE, read_automations
from tasks.store import Store, close_stores
from tests.conftest import MakeRecipe

PORT = 25873
DOOR = "teachset pauses the schedule behind a closed gate"
RUN_NIGHTLY = """
import sys
from prefect.deployments import run_deployment
run_deployment("build/nightly", parameters={"recipe": sys.argv[1]}, timeout=0)
"""
MAKE_NOTIFIER = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock
CustomWebhookNotificationBlock(
    name="listener", url=sys.argv[1], json_data={"subject": "{{subject}}", "body": "{{body}}"}
).save("listener")
"""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """What would be sent to a server, from a flow run of no deployment."""
    sent: list[Mapping[str, Any]] = []
    monkeypatch.setattr(events, "emit_event", lambda **event: sent.append(event))
    monkeypatch.setattr(FlowRunContext, "get", lambda: object())
    monkeypatch.setattr(events, "deployment", type("Deployment", (), {"id": None}))
    return sent


def test_a_closed_gate_is_told_with_counts_alone(
    told: list[Mapping[str, Any]], make_recipe: MakeRecipe
) -> None:
    rules = [
        {"rule": "looping", "severity": "critical", "passed": False, "detail": "a text"},
        {"rule": "secret", "severity": "critical", "passed": True},
        {"rule": "drift", "severity": "warning", "passed": False},
    ]
    error = GateFailed("closed", {"rules": rules, "rows": 7})
    announce_closed_gate(make_recipe(), "run-1", "release", error)
    announce_closed_gate(make_recipe(), "run-2", "release", GateFailed("too few pairs"))
    counts = {"suite": "release", "rows": 7, "critical": 1, "warnings": 1}
    none = {"suite": "release", "rows": 0, "critical": 0, "warnings": 0}
    assert told == [
        {
            "event": "teachset.gate.failed",
            "resource": {
                "prefect.resource.id": "teachset.recipe.test",
                "prefect.resource.name": "test",
            },
            "related": None,
            "payload": {"run_id": "run-1", **counts},
        },
        {**told[0], "payload": {"run_id": "run-2", **none}},
    ]


def test_an_event_that_cannot_be_told_stops_nothing(
    told: list[Mapping[str, Any]], make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("no server")

    monkeypatch.setattr(events, "emit_event", fail)
    announce(make_recipe(), "budget.reached", "run-1")
    monkeypatch.undo()  # Outside a flow run nothing is told, and no server is looked for.
    announce(make_recipe(), "budget.reached", "run-1")
    assert told == []


def test_automations_that_tell_somebody_need_somebody_to_tell() -> None:
    alone = dict(read_automations(AUTOMATIONS_FILE, None))
    assert [name for name, automation in alone.items() if automation is not None] == [DOOR]
    notifier = UUID(int=7)
    everything = dict(read_automations(AUTOMATIONS_FILE, notifier))
    assert None not in everything.values()
    listened = {
        event
        for automation in yaml.safe_load(AUTOMATIONS_FILE.read_text())["automations"]
        for event in automation["trigger"]["expect"]
    }
    assert listened == {
        "teachset.gate.failed",
        "teachset.budget.reached",
        "teachset.release.published",
        "teachset.release.tainted",
        "teachset.contamination.found",
    }


class _Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _listening() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Serve a webhook on loopback; yield its address and what it has heard."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Listener)
    server.heard = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", server.heard  # type: ignore[attr-defined]
    finally:
        server.shutdown()


def _wait_until(there: Callable[[], bool], within_s: float = 90) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if there():
            return True
        time.sleep(0.3)
    return False


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_closed_gate_pauses_its_schedule_and_is_told(
    tmp_path: Path, store: Store, make_recipe: MakeRecipe
) -> None:
    home = tmp_path / "prefect"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = kept | {"PREFECT_HOME": str(home)}
    client = environment | {"PREFECT_API_URL": f"http://127.0.0.1:{PORT}/api"}
    # The gate behind ingest does not let a prompt without a text pass.
    mute = {"prompt_id": "mute", "root_id": "mute", "kind": "seed", "text": " "}
    store.append("prompts", pl.DataFrame([mute]))
    close_stores()
    recipe = make_recipe(models={"teacher": {"model": "sim-teacher"}})
    file = tmp_path / "recipe.json"
    file.write_text(recipe.model_dump_json(exclude_defaults=True))

    def run(*arguments: str, environment: Mapping[str, str] = client) -> str:
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def ask(statement: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(home / "prefect.db") as database:
            return database.execute(statement).fetchall()

    paused = "select count(*) from deployment where name = 'nightly' and paused"
    with _listening() as (address, heard):
        serving = subprocess.Popen(
            [sys.executable, "-m", "cli", "serve", "--port", str(PORT), "--pages-port", "25973"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            assert serving.stdout is not None
            serving.stdout.readline()
            assert _wait_until(
                lambda: ask("select 1 from deployment where name = 'nightly'") == [(1,)]
            )
            assert ask("select name, enabled from automation") == [(DOOR, 1)]
            assert ask(paused) == [(0,)]
            run("-c", MAKE_NOTIFIER, address)
            # Our own environment: it finds the server that runs for this PREFECT_HOME.
            said = run(
                "-m", "cli", "automations", "--notify", "custom-webhook/listener",
                environment=environment,
            )  # fmt: skip
            assert said.splitlines()[:2] == [
                f"{DOOR}: is there already",
                "teachset tells of a closed gate: made",
            ]
            run("-c", RUN_NIGHTLY, str(file))
            assert _wait_until(lambda: bool(heard) and ask(paused) == [(1,)])
        finally:
            serving.terminate()
            serving.wait(timeout=60)
    assert heard[0]["subject"] == "test: a gate is closed"
    assert heard[0]["body"].startswith("The gate ingest of test found 2 critical rule(s) broken")


class _Client:
    """A Prefect server that has an automation already, and may refuse to make another."""

    def __init__(self, refuses: bool) -> None:
        self.names, self.refuses = {"old": DOOR}, refuses

    def read_automations_by_name(self, name: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(id=key) for key, known in self.names.items() if known == name]

    def create_automation(self, automation: AutomationCore) -> None:
        if self.refuses:
            raise ConnectionError("refused")
        self.names["new"] = automation.name

    def delete_automation(self, key: str) -> None:
        del self.names[key]


def test_an_old_automation_goes_when_the_new_one_is_there() -> None:
    automation = dict(read_automations(AUTOMATIONS_FILE, None))[DOOR]
    assert automation is not None
    client: Any = _Client(refuses=True)
    with pytest.raises(ConnectionError):
        automations._register(client, automation, replace=True)
    assert set(client.names) == {"old"}  # The door is not without its guard.
    client.refuses = False
    assert automations._register(client, automation, replace=True) == "replaced"
    assert set(client.names) == {"new"}
