"""Drawing: a stage's requests on some prompts, made, recorded and shown while they run.

draw(store, recipe, "sample", "student", pages, make_requests, run_id=…, tracker=…)
→ Completion(completed=7_990, failed=10, cost_usd=1.84)   # what was there is left out
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import polars as pl
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from tasks.figures import say_dollars
from tasks.llm.batch.batches import (
    at_batch_prices,
    complete_in_batches,
    count_wanted,
    has_unfinished,
)
from tasks.llm.batch.folding import BatchJob
from tasks.llm.batch.records import load_reserved
from tasks.llm.engine import complete
from tasks.llm.money import Purse, check_budget
from tasks.llm.pending import leave_out_known
from tasks.llm.request import Endpoint, Request, Stage
from tasks.llm.servers import endpoint_of
from tasks.llm.spent import load_spent
from tasks.llm.under_way import Completion
from tasks.progress import Tracker
from tasks.recipe import Recipe, Role
from tasks.store import Store

_LEFT_ALONE_S = 30.0
_LONGEST_UNDRAWN_S = 10.0
_LOGGER = logging.getLogger(__name__)


def draw(
    store: Store,
    recipe: Recipe,
    stage: Stage,
    role: Role,
    pages: Iterable[pl.DataFrame],
    make_requests: Callable[[Endpoint, pl.DataFrame], Iterable[Request]],
    *,
    run_id: str,
    tracker: Tracker,
    calls: int = 0,
) -> Completion:
    """Make the requests on pages of prompts that have no outcome yet.

    A page is a frame with a `prompt_id`; it is read when the calls before it are under way. `calls`
    is about how many there are. Raises what `engine.complete` raises.
    """
    pages = (page for page in read_in_turn(pages) if not page.is_empty())
    first = next(pages, None)
    if first is None:
        return Completion()
    pages = itertools.chain([first], pages)
    endpoint = at_batch_prices(endpoint_of(store, recipe, role))
    check_budget(recipe.budget, endpoint.settings)
    purse = purse_of(store, recipe, run_id)

    def plan(asked: Iterable[pl.DataFrame]) -> Iterator[Request]:
        for page in asked:
            requests = (replace(each, stage=stage) for each in make_requests(endpoint, page))
            yield from leave_out_known(store, endpoint, role, page["prompt_id"].to_list(), requests)

    before = Completion()
    if endpoint.settings.mode == "batch" or has_unfinished(store, endpoint, role):
        frames = list(pages)  # A batch is planned anew whenever one has ended.
        prompt_ids = [name for frame in frames for name in frame["prompt_id"].to_list()]
        job = BatchJob(store, endpoint, role, prompt_ids, run_id, purse, tracker)
        if endpoint.settings.mode == "batch":
            wanted = count_wanted(job, lambda: plan(frames))
            with _showing(role, wanted, tracker) as show:
                return complete_in_batches(job, lambda: plan(frames), show)
        before, pages = complete_in_batches(job, tuple), iter(frames)
    pending = plan(pages)
    request = next(pending, None)
    if request is None:
        return before
    with _showing(role, calls, tracker) as show:
        after = complete(
            store,
            endpoint,
            itertools.chain([request], pending),
            run_id=run_id,
            purse=purse,
            advance=lambda done, failed, cost: tracker.advance(
                done=done + failed, failed=failed, cost_usd=cost
            ),
            tick=show,
        )
    return before.plus(after)


def fetch_batches(
    store: Store, recipe: Recipe, role: Role, *, run_id: str, tracker: Tracker
) -> Completion:
    """Wait for the batches that a role has out, whoever they are about; submit nothing."""
    endpoint = at_batch_prices(endpoint_of(store, recipe, role))
    job = BatchJob(store, endpoint, role, [], run_id, purse_of(store, recipe, run_id), tracker)
    return complete_in_batches(job, tuple)


def read_in_turn(pages: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Read one page at a time in this process: each takes all cores, and two twice the memory."""
    unread = iter(pages)
    while True:
        with _READING:
            page = next(unread, None)
        if page is None:
            return
        yield page


def purse_of(store: Store, recipe: Recipe, run_id: str) -> Purse:
    """Return the purse that the whole run shares, opened with what the store has recorded."""
    with _LOCK:
        purse = _PURSES.get(run_id)
        if purse is None:
            purse = _PURSES[run_id] = Purse(
                recipe.budget, spent=load_spent(store, recipe), submitted=load_reserved(store)
            )
        return purse


@contextmanager
def _showing(role: str, calls: int, tracker: Tracker) -> Iterator[Callable[[Completion], None]]:
    """Show progress for as long as the block runs, and at its end how far it came."""
    shown = _ProgressArtifact(role, calls, tracker)
    try:
        yield shown.show
    finally:
        shown.catch_up()


class _ProgressArtifact:
    """The progress of one task run in the Prefect UI; silent outside a task run.

    It is a picture of the work and never stops it: calls under way are paid for. A picture takes
    Prefect some fifty milliseconds of processor time, so there is one a second at first, and later
    when a tenth more time has gone by or ten seconds. A server that does not take it is left alone
    for a while, since its client may try for a minute each time.
    """

    def __init__(self, role: str, calls: int, tracker: Tracker) -> None:
        self._role, self._calls, self._tracker = role, calls, tracker
        self._artifact: UUID | None = None
        self._left_alone_until = 0.0
        self._began_at = self._drawn_at = time.monotonic()
        self._to_draw: Completion | None = None
        self._is_told = False

    def show(self, so_far: Completion) -> None:
        """Tell the console and the UI how far the calls are, and what holds them back."""
        self._tracker.note(so_far.note)
        self._to_draw = so_far
        pause = min((self._drawn_at - self._began_at) / 10, _LONGEST_UNDRAWN_S)
        if time.monotonic() >= self._drawn_at + pause:
            self.catch_up()

    def catch_up(self) -> None:
        """Tell the UI what it has not been told yet."""
        now, so_far = time.monotonic(), self._to_draw
        if so_far is None or TaskRunContext.get() is None or now < self._left_alone_until:
            return
        self._drawn_at, self._to_draw = now, None
        try:
            self._draw(so_far)
        except Exception as error:
            self._left_alone_until = time.monotonic() + _LEFT_ALONE_S
            if not self._is_told:
                self._is_told = True
                why = f"{type(error).__name__} {error}".strip()
                _LOGGER.warning("%s: Prefect does not take the progress: %s", self._role, why)

    def _draw(self, so_far: Completion) -> None:
        over = so_far.completed + so_far.failed
        percent = min(100.0, round(100.0 * over / max(self._calls, over, 1), 1))
        description = self._describe(so_far, over)
        if self._artifact is None:
            created = create_progress_artifact(progress=percent, description=description)
            assert isinstance(created, UUID)
            self._artifact = created
        else:
            update_progress_artifact(self._artifact, progress=percent, description=description)

    def _describe(self, so_far: Completion, over: int) -> str:
        """Return `student: 1,200 of about 2,000 calls, 3 failed, spend $0.21; 33 at a time`."""
        total = f" of about {self._calls:,}" if self._calls > over else ""
        stage = self._tracker.snapshot()
        speed = f", {stage.rate:.1f}/s in all" if stage.rate is not None else ""
        left = f", about {stage.eta_s:.0f} s left" if stage.eta_s is not None else ""
        note = f"; {so_far.note}" if so_far.note else ""
        return (
            f"{self._role}: {over:,}{total} calls, {so_far.failed:,} failed, "
            f"spend {say_dollars(so_far.cost_usd)}{speed}{left}{note}"
        )


_PURSES: dict[str, Purse] = {}
_LOCK = threading.Lock()
_READING = threading.Lock()
