"""What `teachset serve` started ends with it, also where the process that started it went first."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cli.serving import stop

STARTS_A_RUN = "sleep 60 & echo $! > run.new && mv run.new run; wait"


def _is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize("first", [None, signal.SIGKILL])
def test_no_run_outlives_what_serves_it(first: signal.Signals | None, tmp_path: Path) -> None:
    child = subprocess.Popen(
        ["sh", "-c", STARTS_A_RUN], cwd=tmp_path, stdin=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "run").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    run = int((tmp_path / "run").read_text())
    try:
        if first is not None:
            child.send_signal(first)
            child.wait(30)
        stop(child)
        assert not _is_running(run)
        stop(child)  # Nobody is left to be stopped, which is no error.
    finally:
        if _is_running(run):
            os.kill(run, signal.SIGKILL)
