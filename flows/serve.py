"""Serve: the deployments of prefect.yaml on this machine, without a work pool or a worker.

`python -m flows.serve [--recipe FILE] [--notify BLOCK] [--deployments FILE] [--alone]` runs until a
signal, or until its stdin, a pipe held by its parent, closes. The recipe takes the place of those
that the deployments name. BLOCK is what automations.yaml sends its
notifications through; --alone says that nobody else runs deployments of this server.
"""

import argparse
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

from tasks.errors import InputError, TeachsetError
from tasks.operations.abandoned import close_abandoned_runs
from tasks.operations.automations import register_automations
from tasks.operations.retired import retire_deployments

PREFECT_FILE = Path(__file__).resolve().parents[1] / "prefect.yaml"
_STOPS_WITHIN_S = 15


def read_deployments(
    file: Path = PREFECT_FILE, recipe: Path | None = None
) -> list[RunnerDeployment]:
    """Build what prefect.yaml, or a file like it, declares; there is one place that says it.

    A recipe's relative path begins at the file's folder; `recipe` takes the place of all of them.
    Raises InputError if the file cannot be used.
    """
    try:
        declared = yaml.safe_load(file.read_text(encoding="utf-8"))["deployments"]
        return [_build(each, file.resolve().parent, recipe) for each in declared]
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = str(error)
    except (KeyError, TypeError, AttributeError, ImportError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise InputError(
        f"{file}: {reason}. Expected `deployments:`, a list as in Teachset's own prefect.yaml, "
        "each with name, entrypoint (flows/build.py:build) and parameters."
    )


def load_flow(entrypoint: str) -> Flow[..., Any]:
    """Import `flows/build.py:build` as `flows.build.build`."""
    file, name = entrypoint.split(":")
    flow: Flow[..., Any] = getattr(
        importlib.import_module(file.removesuffix(".py").replace("/", ".")), name
    )
    return flow


def serve_all(notify: str | None, file: Path, recipe: Path | None, *, alone: bool) -> None:
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
    deployments = read_deployments(file, recipe)
    if alone:
        names = [f"{each.flow_name}/{each.name}" for each in deployments]
        close_abandoned_runs(names)
        if retired := retire_deployments(names):
            print(
                f"teachset: not in {file}, so their schedules are off: {', '.join(retired)}",
                file=sys.stderr,
            )
    # By default Prefect pauses every deployment when this stops, and the next start leaves them so.
    serve(*deployments, pause_on_shutdown=False, print_starting_message=False)


def _build(declared: dict[str, Any], folder: Path, recipe: Path | None) -> RunnerDeployment:
    parameters = declared["parameters"]
    if recipe is not None and "recipe" in parameters:
        parameters = {**parameters, "recipe": str(recipe)}
    deployment = load_flow(declared["entrypoint"]).to_deployment(
        name=declared["name"],
        description=declared.get("description"),
        tags=declared.get("tags", []),
        parameters=_locate_recipe(parameters, folder),
        schedules=[
            Cron(schedule["cron"], timezone=schedule.get("timezone", "UTC"))
            for schedule in declared.get("schedules", ())
        ],
        concurrency_limit=declared.get("concurrency_limit", 1),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(deployment, RunnerDeployment)  # a coroutine only where a loop runs
    return deployment


def _locate_recipe(parameters: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return parameters with the recipe's whole path: runs begin in Teachset's own folder."""
    if not isinstance(parameters.get("recipe"), str):  # None, or one that is written out.
        return parameters
    recipe = folder / Path(parameters["recipe"]).expanduser()
    if not recipe.is_file():
        raise ValueError(f"{recipe}: no such recipe")
    return {**parameters, "recipe": str(recipe)}


def _end_with_parent() -> None:
    """End this process and the runs it started when the parent lets go of the pipe."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOPS_WITHIN_S)
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--recipe", type=Path)
    parser.add_argument("--notify")
    parser.add_argument("--deployments", type=Path, default=PREFECT_FILE)
    parser.add_argument("--alone", action="store_true")
    asked = parser.parse_args()
    try:
        serve_all(asked.notify, asked.deployments, asked.recipe, alone=asked.alone)
    except TeachsetError as error:
        print(f"teachset: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
