"""Progress on the terminal: one bar a stage with rate, spend and an honest ETA.

    sample student  ━━━━━━━━━━━━━━━╸━━━━━━  1,640/2,400   212/s  4 s left  $0.31

Without a terminal it is a plain line a stage every ten seconds and one at its end.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.boundary import plain
from tasks.figures import say_dollars
from tasks.progress import Snapshot, current, subscribe

LINE_EVERY_S = 10.0
_ROWS = 14


@contextmanager
def progress_bars(out: TextIO | None = None) -> Iterator[None]:
    """Show what runs for as long as the block does, on stderr unless told otherwise."""
    out = out or sys.stderr
    with _bars(out) if out.isatty() else _lines(out):
        yield


def describe(snapshot: Snapshot) -> str:
    """Return one line on a stage, e.g. `sample student: 1,640/2,400, 212/s, 4 s left, $0.31`."""
    total = f"/{snapshot.total:,}" if snapshot.total is not None else ""
    parts = [f"{snapshot.done:,}{total}", *_facts(snapshot)]
    return f"{plain(snapshot.stage)}: {', '.join(parts)}"


def say_seconds(seconds: float) -> str:
    """Return a duration as a person says it: `4 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def say_cost(cost_usd: float, unpriced: int) -> str:
    """Return an amount; if some calls have no known price it is only a part of the whole."""
    amount = say_dollars(cost_usd)
    return f"{amount} and {unpriced:,} calls of unknown price" if unpriced else amount


def _facts(snapshot: Snapshot) -> list[str]:
    facts = []
    if snapshot.finished:
        how = "stopped after" if snapshot.stopped else "done in"
        facts.append(f"{how} {say_seconds(snapshot.elapsed_s)}")
    else:
        if snapshot.rate is not None:
            facts.append(f"{snapshot.rate:,.{0 if snapshot.rate >= 10 else 1}f}/s")
        if snapshot.eta_s is not None:
            facts.append(f"{say_seconds(snapshot.eta_s)} left")
    if snapshot.failed:
        facts.append(f"{snapshot.failed:,} failed")
    if snapshot.cost_usd or snapshot.unpriced:
        facts.append(say_cost(snapshot.cost_usd, snapshot.unpriced))
    if snapshot.note:
        facts.append(plain(snapshot.note))
    return facts


@contextmanager
def _bars(out: TextIO) -> Iterator[None]:
    over: list[Snapshot] = []

    def keep(snapshot: Snapshot) -> None:
        if snapshot.finished:
            over.append(snapshot)

    def draw() -> Table:
        table = Table.grid(padding=(0, 2))
        for snapshot in [*over, *current()][-_ROWS:]:
            table.add_row(*_draw_row(snapshot))
        return table

    console = Console(file=out, markup=False, highlight=False)
    with subscribe(keep), Live(get_renderable=draw, console=console, refresh_per_second=5):
        yield


def _draw_row(snapshot: Snapshot) -> tuple[Text, ProgressBar, Text, Text]:
    total = snapshot.total if snapshot.total is not None else (snapshot.done or 1)
    unknown = snapshot.total is None and not snapshot.finished
    bar = ProgressBar(
        total=max(total, 1),
        completed=max(total, 1) if snapshot.finished and not total else snapshot.done,
        width=24,
        pulse=unknown,
    )
    counted = f"{snapshot.done:,}" + (f"/{snapshot.total:,}" if snapshot.total is not None else "")
    return (
        Text(plain(snapshot.stage)),
        bar,
        Text(counted, justify="right"),
        Text("  ".join(_facts(snapshot)), no_wrap=True, overflow="ellipsis"),
    )


@contextmanager
def _lines(out: TextIO) -> Iterator[None]:
    ended = threading.Event()
    writing = threading.Lock()

    def write(snapshot: Snapshot) -> None:
        with writing:
            print(describe(snapshot), file=out, flush=True)

    def keep(snapshot: Snapshot) -> None:
        if snapshot.finished:
            write(snapshot)

    def speak() -> None:
        while not ended.wait(LINE_EVERY_S):
            for snapshot in current():
                write(snapshot)

    speaker = threading.Thread(target=speak, name="progress", daemon=True)
    with subscribe(keep):
        speaker.start()
        try:
            yield
        finally:
            ended.set()
            speaker.join()
