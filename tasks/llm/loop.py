"""The event loop on which every model call of this process is made, in a thread of its own.

run_on_loop(client.files.list())     # from any thread; returns what the coroutine returns
"""

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

_TICK_S = 1.0
_OBJECTS_BEFORE_A_COLLECTION = 10_000  # Python's own is 700, or 2,000 in newer ones.
T = TypeVar("T")


def _ignore() -> None:
    """Check nothing."""


def run_on_loop(work: Coroutine[Any, Any, T], check: Callable[[], None] = _ignore) -> T:
    """Run a coroutine on the loop of all calls and wait for it in this thread.

    `check` is called about once a second; an exception of it cancels the coroutine.
    """
    future: Future[T] = asyncio.run_coroutine_threadsafe(work, event_loop())
    try:
        while not wait([future], timeout=_TICK_S).done:
            check()
        return future.result()
    finally:
        future.cancel()


def event_loop() -> asyncio.AbstractEventLoop:
    """Return the one loop on which every call of this process is made, whoever asks first."""
    with _LOOP_LOCK:
        if not _LOOP:
            _collect_less_often()
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="model-calls", daemon=True).start()
            _LOOP.append(loop)
        return _LOOP[0]


def _collect_less_often() -> None:
    """Have Python's collector of cycles look seldom, and at what is made from now on.

    It goes through all that the calls in flight hold, again and again: a sixth of a call's
    processor time. What there is at a process's first call, its modules above all, stays anyway.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(max(gc.get_threshold()[0], _OBJECTS_BEFORE_A_COLLECTION))


_LOOP: list[asyncio.AbstractEventLoop] = []
_LOOP_LOCK = threading.Lock()
