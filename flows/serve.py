"""Serve: the deployments of prefect.yaml on this machine, without a work pool or a worker.

`python -m flows.serve [NOTIFIER]` runs until a signal, or until its stdin, a pipe held by its
parent, closes. NOTIFIER is the block that automations.yaml sends its notifications through.
"""

import importlib
import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any

import yaml
from prefect import Flow, serve
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from tasks.automations import register_automations
from tasks.errors import TeachsetError

PREFECT_FILE = Path(__file__).resolve().parents[1] / "prefect.yaml"
_STOPS_WITHIN_S = 15


def read_deployments(file: Path = PREFECT_FILE) -> list[RunnerDeployment]:
    """Build what prefect.yaml declares, so that there is one place that says it."""
    declared = yaml.safe_load(file.read_text(encoding="utf-8"))["deployments"]
    return [_build(deployment) for deployment in declared]


def load_flow(entrypoint: str) -> Flow[..., Any]:
    """Import `flows/build.py:build` as `flows.build.build`."""
    file, name = entrypoint.split(":")
    flow: Flow[..., Any] = getattr(
        importlib.import_module(file.removesuffix(".py").replace("/", ".")), name
    )
    return flow


def serve_all(notify: str | None = None) -> None:
    """Register every deployment and automation and run what is due, one run of each at a time.

    Where there is no such notifier it says so and goes on: it can only be made while this runs.
    """
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        register_automations(notify)
    except TeachsetError as error:
        print(
            f"teachset: {error} Then: teachset automations --notify {notify}. "
            "Until then nobody is told.",
            file=sys.stderr,
        )
        register_automations()
    # By default Prefect pauses every deployment when this stops, and the next start leaves them so.
    serve(*read_deployments(), pause_on_shutdown=False, print_starting_message=False)


def _build(declared: dict[str, Any]) -> RunnerDeployment:
    deployment = load_flow(declared["entrypoint"]).to_deployment(
        name=declared["name"],
        description=declared["description"],
        tags=declared["tags"],
        parameters=declared["parameters"],
        schedules=[
            Cron(schedule["cron"], timezone=schedule["timezone"])
            for schedule in declared.get("schedules", ())
        ],
        concurrency_limit=declared["concurrency_limit"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(deployment, RunnerDeployment)  # a coroutine only where a loop runs
    return deployment


def _end_with_parent() -> None:
    """End this process and the runs it started when the parent lets go of the pipe."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOPS_WITHIN_S)
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    serve_all(*sys.argv[1:2])
