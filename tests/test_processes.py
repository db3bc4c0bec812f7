"""Whether a process is there means the same to whoever asks."""

import os
import subprocess
import sys

import pytest

from cli.processes import is_alive


def test_a_process_is_there_until_it_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert is_alive(process.pid)
    assert not is_alive(process.pid)
    assert is_alive(os.getpid())


def test_somebody_else_s_is_there_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(process_id: int, signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", forbid)
    assert is_alive(1)
