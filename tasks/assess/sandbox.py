"""Run a stranger's Python in bubblewrap: no network, no files of the host, hard limits.

    >>> run_tests("def double(x): return 2 * x", ["assert double(2) == 4"])
    Run(passed=True, reason='passed', detail='')

Bubblewrap is the sandbox of Flatpak: one small program that needs no daemon and works for ordinary
users where user namespaces are allowed. Where it does not work nothing is run at all.
"""

import json
import os
import secrets
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

WALL_S = 10.0
MOST_OUTPUT = 4_096
LIMITS = {
    "RLIMIT_CPU": 5,
    "RLIMIT_AS": 1 << 29,
    "RLIMIT_NPROC": 8,
    "RLIMIT_FSIZE": 1 << 24,
    "RLIMIT_NOFILE": 64,
    "RLIMIT_CORE": 0,
}
_DISK_BYTES = 1 << 25
_FIRST_USER = 1_000_000
_PROGRAM = Path(__file__).with_name("sandbox_program.py")


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended: `passed`, or a reason code and where."""

    passed: bool
    reason: str
    detail: str = ""
    printed: str = ""  # by `run_program` alone, as is the number of lines run inside functions
    steps: int = 0


def run_tests(code: str, tests: list[str], *, wall_s: float = WALL_S) -> Run:
    """Run the code, then each assert. Raises RuntimeError where there is no sandbox."""
    if not sandbox_works():
        raise RuntimeError("no sandbox: bubblewrap (`bwrap`) is missing or not allowed here")
    return _run(code, tests, wall_s)


def run_program(code: str, *, wall_s: float = WALL_S) -> Run:
    """Run a program and return what it prints, in how many steps.

    Raises RuntimeError where there is no sandbox.
    """
    if not sandbox_works():
        raise RuntimeError("no sandbox: bubblewrap (`bwrap`) is missing or not allowed here")
    return _run(code, [], wall_s, print_out=True)


@cache
def sandbox_works() -> bool:
    """Tell, by trying it once, whether code can be run safely on this machine."""
    if not sys.platform.startswith("linux") or shutil.which("bwrap") is None:
        return False
    return _run("import os", ["assert os.getuid() != 0"], WALL_S).passed


def _run(code: str, tests: list[str], wall_s: float, *, print_out: bool = False) -> Run:
    word = secrets.token_hex(16)
    # Of its own for each run, since the process limit counts a user's processes.
    user = _FIRST_USER + secrets.randbelow(1 << 24) if os.geteuid() == 0 else 0
    asked = {"code": code, "tests": tests, "user": user, "limits": LIMITS, "print": print_out}
    work = json.dumps(asked)
    process = subprocess.Popen(
        _command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        start_new_session=True,
    )
    try:
        said, late = _converse(process, f"{work}\n{word}\n".encode(), wall_s)
    finally:
        _end(process)
    return _judge(said, late, word)


def _converse(process: subprocess.Popen[bytes], text: bytes, wall_s: float) -> tuple[bytes, bool]:
    """Feed the program and read what it says, at most so long and so much of it."""
    assert process.stdin is not None and process.stdout is not None
    with process.stdin as into, process.stdout as out:
        os.set_blocking(into.fileno(), False)
        said, deadline = b"", time.monotonic() + wall_s
        while len(said) <= MOST_OUTPUT and b"\n" not in said:
            left = deadline - time.monotonic()
            if left <= 0:
                return said, True
            writing = [into] if text else []
            readable, writable, _ = select.select([out], writing, [], left)
            try:
                if writable:
                    text = text[os.write(into.fileno(), text[:65_536]) :]
            except OSError:
                text = b""
            if readable:
                piece = os.read(out.fileno(), 4_096)
                if not piece:
                    break
                said += piece
    return said, False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it leave by itself, so that it reaps its children; else kill its whole namespace."""
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _judge(said: bytes, late: bool, word: str) -> Run:
    if late:
        return Run(False, "time_limit")
    try:
        verdict: Any = json.loads(said)
    except ValueError:
        return Run(False, "ended_early")
    if not isinstance(verdict, dict):
        return Run(False, "ended_early")
    if verdict.get("passed") == word:
        steps = str(verdict.get("steps", ""))
        printed = str(verdict.get("printed", ""))
        return Run(True, "passed", printed=printed, steps=int(steps) if steps.isdigit() else 0)
    if verdict.get("failed") in {"test_failed", "memory", "raised", "too_long"}:
        detail = " ".join(str(verdict.get(name, ""))[:60] for name in ("place", "error"))
        return Run(False, str(verdict["failed"]), detail.strip())
    return Run(False, "ended_early")


@cache
def _command() -> list[str]:
    """Return the bwrap call; a root parent keeps only what is needed to become somebody else."""
    python = Path(sys.base_prefix).resolve()
    command = ["bwrap", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
    command += ["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    command += ["--unshare-cgroup-try"]
    if os.geteuid() == 0:
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    for folder in ("/usr", "/lib", "/lib64", "/bin"):
        if Path(folder).is_symlink():
            command += ["--symlink", os.readlink(folder), folder]
        elif Path(folder).is_dir():
            command += ["--ro-bind", folder, folder]
    # At a path of its own: the folders above a user's Python are often closed to others.
    command += ["--ro-bind", str(python), "/python", "--setenv", "LD_LIBRARY_PATH", "/python/lib"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += ["--perms", "1777", "--size", str(_DISK_BYTES), "--tmpfs", "/tmp"]
    command += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", "/"]
    command += ["--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/tmp"]
    interpreter = f"/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    command += [interpreter, "-I", "-S", "-B", "-c", _PROGRAM.read_text(encoding="utf-8")]
    return command
