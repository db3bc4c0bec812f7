"""What tests of `teachset serve` share: a real one on a port, and Prefect's API as its UI asks it.

with serving(home, 25874) as served:
    run = served.start("build/on-demand", recipe)
    served.wait_for(run, "COMPLETED")
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tasks.recipe import StoreSettings
from tasks.store import close_stores, open_store

ROOT = Path(__file__).resolve().parents[1]
PAGES = 100  # From one port to the other, so that tests side by side do not meet.
RECIPE = """
name: served
store: {{catalog: store/catalog.sqlite}}
seeds: [{{path: seeds.jsonl}}]
models:
  student: {{model: sim-student, max_concurrency: {concurrency}}}
  teacher: {{model: sim-teacher, max_concurrency: 64}}
sample: {{student: {samples}}}
simulator: {{latency: {{kind: fixed, seconds: {latency}}}}}
release: {{folder: releases}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A `teachset serve` and how to ask its server."""

    process: subprocess.Popen[str]
    url: str
    headers: Mapping[str, str]

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """GET, or POST a JSON body. A server whose SQLite is busy says 503, and is asked again,
        as Prefect's own client does."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        for patience in (1, 2, 4, 8, 0):
            try:
                with urllib.request.urlopen(request, timeout=30) as reply:
                    text = reply.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                if error.code != 503 or not patience:
                    raise
                time.sleep(patience)
        raise AssertionError("the last try has answered or raised")

    def deployment(self, name: str) -> dict[str, Any]:
        """Return a deployment, once it is there."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            try:
                found.append(self.ask(f"/deployments/name/{name}"))
            except OSError:  # HTTPError is one.
                return False
            return True

        wait_until(look, 90, f"no deployment {name}")
        return found[0]

    def start(self, name: str, recipe: Path) -> str:
        """Have a deployment run now; return the id of the run."""
        path = f"/deployments/{self.deployment(name)['id']}/create_flow_run"
        run = self.ask(
            path, {"parameters": {"recipe": str(recipe)}, "state": {"type": "SCHEDULED"}}
        )
        return str(run["id"])

    def state(self, run: str) -> dict[str, Any]:
        return dict(self.ask(f"/flow_runs/{run}")["state"])

    def set_state(self, run: str, state: Mapping[str, Any]) -> None:
        """Set a run's state by force, as the buttons of the UI do."""
        self.ask(f"/flow_runs/{run}/set_state", {"state": state, "force": True})

    def wait_for(self, run: str, state: str, within_s: float = 120) -> None:
        def came() -> bool:
            now = self.state(run)
            ended = now["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
            assert now["type"] == state or not ended, now
            return bool(now["type"] == state)

        wait_until(came, within_s, f"{run} is not {state}")


@contextmanager
def serving(home: Path, port: int, *options: str | Path, **variables: str) -> Iterator[Served]:
    """Run `teachset serve` for as long as the block runs, unless that kills it itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "cli", "serve", *options),
            *("--port", str(port), "--pages-port", str(port + PAGES)),
        ],
        cwd=ROOT,
        env=kept | {"PREFECT_HOME": str(home), **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith(f"Prefect is at http://127.0.0.1:{port}, the pages"), said
        yield Served(process, f"http://127.0.0.1:{port}/api", {})
    finally:
        process.terminate()
        process.wait(timeout=60)


def write_served_project(
    folder: Path, *, seeds: int = 40, samples: int = 8, concurrency: int = 4, latency: float = 0.4
) -> Path:
    """Write a recipe whose one long stage draws the student's samples at a known pace."""
    folder.mkdir(parents=True)
    lines = (ROOT / "seeds" / "math.jsonl").read_text(encoding="utf-8").splitlines()[:seeds]
    (folder / "seeds.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = folder / "recipe.yaml"
    settings = {"samples": samples, "concurrency": concurrency, "latency": latency}
    recipe.write_text(RECIPE.format(**settings), encoding="utf-8")
    return recipe


def read_store(recipe: Path, statement: str) -> pl.DataFrame:
    """Ask the store of a project, which another process may be writing to."""
    try:
        catalog = str(recipe.parent / "store" / "catalog.sqlite")
        return open_store(StoreSettings(catalog=catalog), migrate=False).sql(statement)
    finally:
        close_stores()


def count_responses(recipe: Path) -> int:
    """Count the student's responses; 0 where there is no store yet."""
    if not (recipe.parent / "store" / "catalog.sqlite").exists():
        return 0
    try:
        return int(
            read_store(recipe, "select count(*) as n from responses where role = 'student'")["n"][0]
        )
    except Exception:  # A store that is being made.
        return 0


def wait_until(there: Callable[[], bool], within_s: float, otherwise: str) -> None:
    """Look every half second; fail, saying why, if it does not come about in time."""
    deadline = time.monotonic() + within_s
    while not there():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.5)
