"""A pool of warm checker processes, shared by all threads, each killed when it takes too long.

    >>> ask_checker({"key": "x^2-1", "answer": "(x-1)(x+1)"})
    {'equal': True}

Own processes and pipes instead of `multiprocessing`: a worker can be killed at any moment without
harm to the others, and its death is seen at once as the end of its pipe.
"""

import atexit
import json
import logging
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

WALL_S = 1.9
START_S = 120.0
_CHECKER = Path(__file__).with_name("checker.py")
_LOGGER = logging.getLogger(__name__)


class Worker:
    """One checker process. It is started at once and waited for only when it is first asked."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(_CHECKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # A process that is forked in between has no half of a request to send.
            start_new_session=True,
        )
        self._buffer = b""
        self._ready = False

    def wait_ready(self) -> bool:
        """Wait until the libraries are imported; False if the process did not come up."""
        if not self._ready:
            self._ready = bool((self._read_line(START_S) or {}).get("ready"))
        return self._ready

    def ask(self, request: dict[str, Any], wall_s: float) -> dict[str, Any] | None:
        """Return the answer, or None if there was none in time, none to read, or no process."""
        assert self.process.stdin is not None
        line = json.dumps(request).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self.process.stdin.fileno(), line) :]
        except OSError:
            return None
        return self._read_line(wall_s)

    def kill(self) -> None:
        """End the process now and reap it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    _LOGGER.debug("a checker's pipe was broken already")

    def _read_line(self, wall_s: float) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + wall_s
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                return None
            piece = os.read(descriptor, 65_536)
            if not piece:
                return None
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return None
        return message if isinstance(message, dict) else None


class CheckerPool:
    """At most `size` workers; a thread waits for a free one, the last used is used first."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size or os.cpu_count() or 1
        self._free: list[Worker] = []
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(self.size)
        self._closed = False

    def ask(self, request: dict[str, Any], wall_s: float = WALL_S) -> dict[str, Any]:
        """Ask any worker. A late or dead one is replaced, and the request `failed` by `timeout`."""
        with self._slots:
            worker = self._take()
            try:
                is_ready = worker.wait_ready()
                began = time.monotonic()
                answer = worker.ask(request, wall_s) if is_ready else None
            except BaseException:  # The answer that is still to come is nobody's.
                self._drop(worker)
                raise
            if answer is None:
                self._drop(worker)
                late = time.monotonic() - began >= wall_s * 0.95
                died = "timeout" if late else "checker_died"
                return {"failed": died if is_ready else "no_checker"}
            with self._lock:
                self._free.append(worker)
            return answer

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            self._closed = True
            workers, self._all, self._free = self._all, set(), []
        for worker in workers:
            worker.kill()

    def _take(self) -> Worker:
        with self._lock:
            if self._closed:
                raise RuntimeError("the checker pool is closed")
            if self._free:
                return self._free.pop()
            worker = Worker()
            self._all.add(worker)
            return worker

    def _drop(self, worker: Worker) -> None:
        """Kill a worker and start its successor, which warms up while others work."""
        worker.kill()
        with self._lock:
            self._all.discard(worker)
            if not self._closed:
                successor = Worker()
                self._all.add(successor)
                self._free.insert(0, successor)


_POOL: CheckerPool | None = None
_POOL_LOCK = threading.Lock()


def shared_pool() -> CheckerPool:
    """Return this process's pool, made at the first call."""
    global _POOL
    with _POOL_LOCK:
        if _POOL is None:
            _POOL = CheckerPool()
        return _POOL


@atexit.register
def _close_shared_pool() -> None:
    if _POOL is not None:
        _POOL.close()


def _forget_shared_pool() -> None:
    """Leave the checkers to the parent: of two processes at one pipe each reads the other's."""
    global _POOL
    _POOL = None
    _POOL_LOCK.release()


os.register_at_fork(
    before=_POOL_LOCK.acquire,
    after_in_parent=_POOL_LOCK.release,
    after_in_child=_forget_shared_pool,
)


def ask_checker(request: dict[str, Any]) -> dict[str, Any]:
    """Ask the shared pool."""
    return shared_pool().ask(request)
