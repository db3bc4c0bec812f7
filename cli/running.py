"""`teachset run` and `teachset stage`: a flow with a server, progress and an account at its end."""

import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cli.boundary import INTERRUPTED
from cli.prefect_server import prefect_server
from cli.project import read_recipe
from tasks.errors import InputError

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
    started = time.monotonic()
    loaded: list[Callable[..., Any]] = []
    with prefect_server(meanwhile=lambda: loaded.append(load_flow(name))):
        from cli.progress_bars import progress_bars

        with progress_bars(), stopping_politely():
            loaded[0](recipe)
    from cli.summary import print_summary

    print_summary(recipe, seconds=time.monotonic() - started)


@contextmanager
def stopping_politely() -> Iterator[None]:
    """Let Ctrl-C or a signal end the run after the calls under way; a second one ends it at once.

    Both are safe: what was completed is in the store, and what we started ends with us.
    """
    from tasks.llm.batch_round import describe_batches_under_way
    from tasks.llm.engine import stop_calling

    asked: list[int] = []

    def stop(number: int, _: object) -> None:
        if asked:
            print("teachset: stopped", file=sys.stderr, flush=True)
            os._exit(INTERRUPTED)
        asked.append(number)
        print(
            "teachset: stopping after the calls under way; Ctrl-C again stops at once"
            f"{describe_batches_under_way()}",
            file=sys.stderr,
            flush=True,
        )
        stop_calling()
        raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, stop) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def load_flow(name: str) -> Callable[..., Any]:
    """Import a flow; the function is named like the stage."""
    flow: Callable[..., Any] = getattr(importlib.import_module(f"flows.{FLOWS[name]}"), name)
    return flow
