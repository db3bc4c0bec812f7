"""Runs: who writes to a store, one at a time, and how it ended.

    run_id                                recipe      flow   state      started_at
    0199c0de-…  (Prefect's root flow run) quickstart  build  completed  2026-11-22 06:20:26+00

A second run on the same store would pay for the same calls again, so it is refused at the door
(tasks/run_lock.py).
"""

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import polars as pl
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from tasks.errors import BudgetReached, RunInterrupted, StoreError
from tasks.events import announce
from tasks.llm.journal import fold_in
from tasks.llm.servers import stop_simulator
from tasks.metrics import RUNS
from tasks.recipe import Recipe
from tasks.run_lock import only_writer
from tasks.steering import Steering, steered
from tasks.store import Store, open_store


@dataclass(frozen=True, slots=True)
class _Active:
    """The run that this process has under way on a store, and what is asked of it."""

    run_id: str
    steering: Steering | None

    def check(self) -> None:
        """Raise RunInterrupted if no stage is to begin any more."""
        if self.steering is not None:
            self.steering.check()


@contextmanager
def recorded_run(recipe: Recipe, flow: str) -> Iterator[str]:
    """Record a run from start to end and yield its id; a flow inside a run belongs to that run.

    Raises StoreError if another run, on whatever host, writes to the same store.
    """
    with _ACTIVE_LOCK:
        outer = _ACTIVE.get(recipe.store.catalog)
    if outer is not None:
        outer.check()
        open_store(recipe.store).fit_threads()  # The stages before this one may have filled it.
        try:
            yield outer.run_id
        except (RunInterrupted, Pause) as error:
            if outer.steering is not None:
                outer.steering.leave_stage(error)
            raise
        return
    run_id = _root_run_id()
    with only_writer(recipe.store), steered() as steering:
        store = open_store(recipe.store)
        fold_in(store)
        _begin(store, recipe, flow, run_id)
        with _ACTIVE_LOCK:
            _ACTIVE[recipe.store.catalog] = _Active(run_id, steering)
        try:
            with without_heartbeats():  # Of its stages.
                yield run_id
        except BaseException as error:
            with suppress(StoreError):  # It must not hide the error; the next run closes this one.
                _end(store, run_id, _state_after(error), error)
            RUNS.labels(recipe.name, flow, _state_after(error)).inc()
            if isinstance(error, BudgetReached):
                announce(recipe, "budget.reached", run_id)
            if steering is not None and isinstance(error, RunInterrupted | Pause):
                steering.leave(error)
            raise
        else:
            _end(store, run_id, "completed", None)
            RUNS.labels(recipe.name, flow, "completed").inc()
        finally:
            with _ACTIVE_LOCK:
                del _ACTIVE[recipe.store.catalog]
            stop_simulator(recipe.store.catalog)


@contextmanager
def without_heartbeats() -> Iterator[None]:
    """Have flows begun in the block send no heartbeats, for which each would wait at its end.

    It is up to a second a flow. A server that acts on a crashed run hears that one's own; a run
    that no server started has nobody to hear it, and is closed by the next if it was killed.
    """
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


@cache
def code_version() -> str:
    """Return the version of this Teachset, as written into runs and manifests."""
    return version("teachset")


def _root_run_id() -> str:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return str(uuid.uuid4())
    return str(context.flow_run.id)


def _begin(store: Store, recipe: Recipe, flow: str, run_id: str) -> None:
    """Add the run's row; runs that a dead process left open are closed as interrupted.

    One that was paused in Prefect and goes on has its row already.
    """
    store.execute(
        "update runs set state = 'interrupted', message = 'its process ended', finished_at = $at "
        "where state = 'running'",
        {"at": store.moment()},
    )
    row = {
        "run_id": run_id,
        "recipe": recipe.name,
        "recipe_digest": recipe.digest(),
        "flow": flow,
        "code_version": code_version(),
        "host": socket.gethostname(),
        "process_id": os.getpid(),
        "state": "running",
        "started_at": store.moment(),
    }
    if store.append("runs", pl.DataFrame([row])) == 0:
        store.execute(
            "update runs set state = 'running', message = null, finished_at = null, "
            "host = $host, process_id = $process_id where run_id = $run_id",
            {name: row[name] for name in ("host", "process_id", "run_id")},
        )


def _state_after(error: BaseException) -> str:
    if isinstance(error, BudgetReached):
        return "budget_reached"
    stopped = isinstance(error, RunInterrupted) or not isinstance(error, Exception)  # as Pause
    return "interrupted" if stopped else "failed"


def _end(store: Store, run_id: str, state: str, error: BaseException | None) -> None:
    message = f"{type(error).__name__}: {error}"[:2000] if error is not None else None
    store.execute(
        "update runs set state = $state, message = $message, finished_at = $at "
        "where run_id = $run_id",
        {"state": state, "message": message, "at": store.moment(), "run_id": run_id},
    )


_ACTIVE: dict[str, _Active] = {}
_ACTIVE_LOCK = threading.Lock()
