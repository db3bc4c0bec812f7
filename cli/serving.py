"""`teachset serve`: Prefect's server and UI and the schedules of prefect.yaml, all in one.

    Prefect is at http://127.0.0.1:4200, the pages of releases at http://127.0.0.1:4201.
    Ctrl-C stops everything.

The deployments run in a child process; it ends with this one, however this one ends.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.metrics_server import metrics_of_children
from cli.pages import serving_pages
from cli.prefect_api import prefect_home
from cli.prefect_server import LOOPBACK, password_at_the_door, prefect_server
from cli.project import QUICKSTART, ROOT, find_recipe, read_recipe
from tasks.errors import RecipeError, TeachsetError

DEFAULT_PORT = 4200
_STOPS_WITHIN_S = 15
_GONE_WITHIN_S = 25


def serve(
    recipe: Path | None,
    port: int | None,
    notify: str | None = None,
    deployments: Path | None = None,
    host: str = LOOPBACK,
    pages_port: int | None = None,
) -> None:
    """Serve until Ctrl-C or a signal. Raises TeachsetError if the schedules cannot be served."""
    served = find_served(recipe, deployments)
    port, password = port or DEFAULT_PORT, password_at_the_door()
    with (
        _alone() as lock,
        prefect_server(schedules=True, port=port, host=host) as server,
        serving_pages(prefect_home(), host, pages_port or port + 1, password) as pages,
        metrics_of_children(prefect_home()),
    ):
        schedules = start_schedules(
            lock,
            recipe=served,
            notify=notify,
            deployments=deployments,
            alone=server.pid is not None,
        )
        try:
            print(
                f"Prefect is at {server.ui}, the pages of releases at {pages}.\n"
                "Ctrl-C stops everything.",
                flush=True,
            )
            code = schedules.wait()
            raise TeachsetError(f"the process that runs the deployments ended with code {code}")
        except KeyboardInterrupt:
            print("stopping", flush=True)
        finally:
            stop(schedules)


def find_served(given: Path | None, deployments: Path | None) -> Path | None:
    """Return the recipe that every deployment is to run; None leaves it to the deployments' file.

    A file of one's own says itself what runs, unless a recipe is named beside it. Raises
    RecipeError for a recipe that no run could use.
    """
    if given is None and deployments is not None:
        return None
    try:
        recipe = find_recipe(given)
    except RecipeError:  # Nobody has named one.
        return None
    if given is None and recipe == QUICKSTART:
        return None
    read_recipe(recipe)
    return recipe.resolve()


@contextmanager
def _alone() -> Iterator[int]:
    """Hold this PREFECT_HOME's lock on serving; two would compete for the same scheduled runs.

    The process that runs the deployments holds it as well. After a kill it is gone when its runs
    are, so a new start waits for them.
    """
    file = prefect_home() / "teachset-serve.lock"
    deadline = time.monotonic() + _GONE_WITHIN_S
    with file.open("ab") as held:
        while not _lock(held.fileno()):
            if time.monotonic() > deadline:
                raise TeachsetError(
                    f"`teachset serve` is running already with the PREFECT_HOME {file.parent}; "
                    "stop that one first."
                )
            time.sleep(0.2)
        yield held.fileno()


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start_schedules(
    lock: int,
    *,
    recipe: Path | None,
    notify: str | None,
    deployments: Path | None,
    alone: bool,
) -> subprocess.Popen[bytes]:
    """Start `python -m flows.serve` with a pipe for its lifeline."""
    options = [
        *(["--recipe", str(recipe)] if recipe else []),
        *(["--notify", notify] if notify else []),
        *(["--deployments", str(deployments.resolve())] if deployments else []),
        *(["--alone"] if alone else []),
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "flows.serve", *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        pass_fds=[lock],
        env={
            **os.environ,
            # A run that fails says so in the UI, with its traceback.
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
            # Prefect warns of its own coroutines when its runner is stopped.
            "PYTHONWARNINGS": "ignore",
        },
        start_new_session=True,
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the child and the runs it has started: ask, then insist.

    They are a group, which is there until the last of them has gone, also if the child went first.
    """
    for name, patience_s in ((signal.SIGTERM, _STOPS_WITHIN_S), (signal.SIGKILL, 5)):
        if not _is_there(process):
            break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, name)
        deadline = time.monotonic() + patience_s
        while _is_there(process) and time.monotonic() < deadline:
            time.sleep(0.1)
    if process.stdin is not None:
        process.stdin.close()


def _is_there(process: subprocess.Popen[bytes]) -> bool:
    """Whether anybody is left in the group that a child leads."""
    process.poll()  # Who has ended is in the group until somebody has asked after it.
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
