"""A simulator of one's own: started as a child process, stopped with the block, dead with us.

with start_simulator([Path("seeds/math.jsonl")], {"seed": 0}) as simulator:
    simulator.base_url  # "http://127.0.0.1:40123/v1"
"""

import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import orjson

from tasks.errors import ModelServerError

START_LIMIT_S = 20.0  # and a second a megabyte of items, of which it reads about ten a second
_STOP_LIMIT_S = 5.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulator that serves at `base_url` until it is stopped or this process ends."""

    base_url: str
    pid: int
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Stop the server; stopping it twice does no harm."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_LIMIT_S)  # It ends when its stdin closes.
        _end(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start_simulator(
    items: Sequence[Path], settings: Mapping[str, object], *, api_key_env: str | None = None
) -> RunningSimulator:
    """Start a simulator that knows these items; raise ModelServerError if it does not get ready.

    `api_key_env` names the variable with the key it is to ask for; without it any key will do.
    """
    command = [sys.executable, "-m", "tasks.simulator", "--port", "0", "--stdin-lifeline"]
    for path in items:
        command += ["--items", str(path)]
    command += ["--settings", orjson.dumps(dict(settings)).decode()]
    if api_key_env is not None:
        command += ["--api-key-env", api_key_env]
    limit_s = START_LIMIT_S + sum(path.stat().st_size for path in items if path.exists()) / 1e6
    search_path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, "PYTHONPATH": search_path},
            start_new_session=True,
        )
        line = _read_line(process, limit_s)
        try:
            ready = orjson.loads(line)
            return RunningSimulator(ready["base_url"], ready["pid"], process)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise ModelServerError(_explain(process, complaints, limit_s)) from None


def _read_line(process: subprocess.Popen[bytes], limit_s: float) -> bytes:
    """Read the child's first line, or as much of it as came within the limit."""
    assert process.stdout is not None
    deadline, line = time.monotonic() + limit_s, b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n") and selector.select(deadline - time.monotonic()):
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                break
            line += piece
    return line


def _explain(process: subprocess.Popen[bytes], complaints: IO[bytes], limit_s: float) -> str:
    """End a child that did not get ready and say why."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.0)  # Who closes its output is about to end by itself.
    code = process.poll()
    _end(process)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    complaints.seek(0)
    said = complaints.read()[-2000:].decode("utf-8", "replace").strip()
    if code is None:
        return f"the simulator was not ready within {limit_s:.0f} s. {said}".strip()
    return f"the simulator did not start (exit {process.returncode}). {said}".strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End our own child: ask, then insist."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
