"""`teachset run` and `teachset stage`: a flow with a server, progress and an account at its end."""

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from cli.boundary import INTERRUPTED
from cli.imports import spared_from_collection
from cli.metrics_server import own_metrics
from cli.prefect_server import prefect_server
from cli.project import read_recipe
from cli.terminal_log import repeat_warnings, showing_warnings
from tasks.errors import InputError
from tasks.lake.place import is_absent
from tasks.recipe import Recipe
from tasks.recipe.players import check_declared_players

_PATIENCE_S = 4.0  # For what is not a call to end by itself after an interrupt.
_REMINDERS = 3
FLOWS = {
    "build": "build",
    "ingest": "ingest",
    "rewrite": "rewrite",
    "sample": "sample",
    "assess": "assess",
    "select": "selection",  # a file may not be named like a module of Python's own
    "teach": "teach",
    "release": "release",
}


def run_flow(name: str, path: Path | None, overrides: Sequence[str] = ()) -> None:
    """Run a flow on a recipe and print what it made. Raises what the flow raises."""
    if name not in FLOWS:
        raise InputError(f"{name}: no such stage; there are {', '.join(sorted(FLOWS))}")
    recipe = read_recipe(path, overrides)
    if name == "build":
        check_declared_players(recipe, is_new=is_absent(recipe.store))
    started = time.monotonic()

    def account() -> None:
        from cli.summary import print_summary

        print_summary(recipe, seconds=time.monotonic() - started)
        if recipe.phase == "explore":
            from cli.yields import print_exploration

            print_exploration(recipe)

    call_flow(name, recipe, account)


def call_flow(
    name: str, recipe: Recipe, account: Callable[[], object] | None = None, **parameters: Any
) -> Any:
    """Run a flow with a server and progress at hand, and return what it returns.

    `account` is given while the server still records, which takes it a moment.
    """
    loaded: list[Callable[..., Any]] = []
    with prefect_server(meanwhile=lambda: loaded.append(load_flow(name))), own_metrics():
        from cli.progress_bars import progress_bars
        from tasks.run import without_heartbeats

        with (
            showing_warnings() as told,
            progress_bars(),
            stopping_politely(),
            without_heartbeats(),
        ):
            made = loaded[0](recipe, **parameters)
        if account is not None:
            account()
            repeat_warnings(told)
        return made


@contextmanager
def stopping_politely() -> Iterator[None]:
    """Let Ctrl-C or a signal end the run after the calls under way; a second one ends it at once.

    Both are safe: what was completed is in the store, and what we started ends with us. An
    interrupt that is raised inside somebody's callback can be lost there, so it is raised again
    until it arrives.
    """
    from tasks.llm.batch.round import describe_batches_under_way
    from tasks.llm.under_way import is_calling, stop_calling

    asked: list[int] = []
    left = threading.Event()

    def stop(number: int, _: object) -> None:
        if asked:
            _end_at_once()
        asked.append(number)
        print(
            "teachset: stopping after the calls under way; Ctrl-C again stops at once"
            f"{describe_batches_under_way()}",
            file=sys.stderr,
            flush=True,
        )
        stop_calling(for_good=True)
        threading.Thread(target=insist, daemon=True).start()
        raise KeyboardInterrupt

    def insist() -> None:
        for _ in range(_REMINDERS):
            while is_calling() and not left.is_set():
                time.sleep(0.2)
            if left.wait(_PATIENCE_S):
                return
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        if not left.wait(_PATIENCE_S):
            _end_at_once()

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, stop) for each in signals]
    remind = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        yield
    except Exception as error:
        if asked:  # Whoever caught the interrupt made an error of their own of it.
            raise KeyboardInterrupt from error
        raise
    finally:
        left.set()
        for each, handler in zip((*signals, signal.SIGUSR1), (*before, remind), strict=True):
            signal.signal(each, handler)


def _end_at_once() -> NoReturn:
    print("teachset: stopped", file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)


def load_flow(name: str) -> Callable[..., Any]:
    """Import a flow, named like the stage, and what Prefect and DuckDB import at its first call."""
    with spared_from_collection():
        for needed in ("fastapi.encoders", "pyarrow.dataset"):
            importlib.import_module(needed)
        module = importlib.import_module(f"flows.{FLOWS.get(name, name)}")
    flow: Callable[..., Any] = getattr(module, name)
    return flow
