"""Run a stranger's Python in bubblewrap: no network, no files of the host, hard limits.

    >>> run_tests("def double(x): return 2 * x", ["assert double(2) == 4"])
    Run(passed=True, reason='passed', detail='', printed='', steps=0)

Bubblewrap is the sandbox of Flatpak: one small program that needs no daemon and works for ordinary
users where user namespaces are allowed. Where it does not work nothing is run at all.
"""

import json
import logging
import os
import secrets
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from tasks.assess.said import warn_once

WALL_S = 10.0
CASE_S = 5.0
CASES_WALL_S = 30.0
MOST_OUTPUT = 4_096
MOST_PRINTED = 1 << 18
MOST_RESULTS = 1 << 22
LIMITS = {
    "RLIMIT_CPU": 5,
    "RLIMIT_AS": 1 << 29,
    "RLIMIT_NPROC": 8,
    "RLIMIT_FSIZE": 1 << 24,
    "RLIMIT_NOFILE": 64,
    "RLIMIT_CORE": 0,
}
_THROUGH = b"through\n"  # what sandbox_program says when all asserts held
_DISK_BYTES = 1 << 25
_FIRST_USER = 1_000_000
_PROGRAM = Path(__file__).with_name("sandbox_program.py")
_CASES = Path(__file__).with_name("sandbox_cases.py")
_NO_BUBBLEWRAP = "bubblewrap (`bwrap`) is missing or not allowed here"
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended: `passed`, or a reason code and where."""

    passed: bool
    reason: str
    detail: str = ""
    printed: str = ""  # by `run_program` alone, as is the number of lines run inside functions
    steps: int = 0


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case ended (`done`, or why not) and what was printed, or returned as JSON."""

    ended: str
    said: str


def run_tests(code: str, tests: list[str], *, wall_s: float = WALL_S) -> Run:
    """Run the code, then each assert. Raises RuntimeError where there is no sandbox."""
    _require_sandbox()
    return _run(code, tests, wall_s)


def run_cases(
    code: str, cases: Sequence[Mapping[str, Any]], *, wall_s: float = CASES_WALL_S
) -> list[CaseResult]:
    """Run the code on each case, up to the first that does not end well.

    A case is `input`, or `call` with `arguments` and `keywords`. Raises RuntimeError where there is
    no sandbox.
    """
    _require_sandbox()
    work = {"cases": list(cases), "seconds": min(CASE_S, wall_s), "most": MOST_PRINTED}
    said, late = _exchange(_CASES, code, work, "", wall_s, MOST_RESULTS)
    if late:
        return [CaseResult("time_limit", "")]
    try:
        results = [CaseResult(str(each["ended"]), str(each["said"])) for each in json.loads(said)]
    except (ValueError, TypeError, KeyError):
        return [CaseResult("ended_early", "")]
    return results[: len(cases)]


def run_program(code: str, *, wall_s: float = WALL_S) -> Run:
    """Run a program and return what it prints, in how many steps.

    Raises RuntimeError where there is no sandbox.
    """
    _require_sandbox()
    return _run(code, [], wall_s, print_out=True)


@cache
def sandbox_works() -> bool:
    """Tell, by trying it once, whether code can be run safely on this machine."""
    if not sys.platform.startswith("linux") or shutil.which("bwrap") is None:
        return False
    return _run("import os", ["assert os.getuid() != 0"], WALL_S).passed


def warn_without_sandbox(left: str) -> None:
    """Say, once, what is left undone where code cannot be run."""
    warn_once(_LOGGER, say_without_sandbox(left))


def say_without_sandbox(left: str) -> str:
    """Say what is left undone where code cannot be run, and how to mend that."""
    install = "Install it (`apt install bubblewrap`) and run again."
    return f"{left}: {_NO_BUBBLEWRAP}. {install}"


def _require_sandbox() -> None:
    if not sandbox_works():
        raise RuntimeError(f"no sandbox: {_NO_BUBBLEWRAP}")


def _run(code: str, tests: list[str], wall_s: float, *, print_out: bool = False) -> Run:
    word = secrets.token_hex(16)
    work = {"tests": tests, "print": print_out}
    said, late = _exchange(_PROGRAM, code, work, word, wall_s, MOST_OUTPUT)
    return _judge(said, late, word)


def _exchange(
    program: Path, code: str, work: Mapping[str, Any], word: str, wall_s: float, most: int
) -> tuple[bytes, bool]:
    """Run one of our programs in a new sandbox, hand it its work and return what it says."""
    # Of its own for each run, since the process limit counts a user's processes.
    user = _FIRST_USER + secrets.randbelow(1 << 24) if os.geteuid() == 0 else 0
    line = json.dumps({"code": code, "user": user, "limits": LIMITS, **work})
    process = subprocess.Popen(
        _command(program),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        start_new_session=True,
    )
    try:
        return _converse(process, f"{line}\n".encode(), f"{word}\n".encode(), wall_s, most)
    finally:
        _end(process)


def _converse(
    process: subprocess.Popen[bytes], text: bytes, word: bytes, wall_s: float, most: int
) -> tuple[bytes, bool]:
    """Feed the program and read what it says, at most so long and so much of it.

    The word comes when it says that it is through: before, the program under test could read it.
    """
    assert process.stdin is not None and process.stdout is not None
    with process.stdin as into, process.stdout as out:
        os.set_blocking(into.fileno(), False)
        said, deadline = b"", time.monotonic() + wall_s
        while len(said) <= most and b"\n" not in said:
            left = deadline - time.monotonic()
            if left <= 0:
                return said, True
            ready = _wait(out, into if text else None, left)
            try:
                if into.fileno() in ready:
                    text = text[os.write(into.fileno(), text[:65_536]) :]
            except OSError:
                text = b""
            if out.fileno() in ready:
                piece = os.read(out.fileno(), 65_536)
                if not piece:
                    break
                said += piece
                if said.startswith(_THROUGH):
                    said, text, word = said.removeprefix(_THROUGH), text + word, b""
    return said, False


def _wait(out: IO[bytes], into: IO[bytes] | None, seconds: float) -> set[int]:
    """Return which of the pipes something can be done with; `select` knows no files above 1,024."""
    poll = select.poll()
    poll.register(out, select.POLLIN)
    if into is not None:
        poll.register(into, select.POLLOUT)
    return {descriptor for descriptor, _ in poll.poll(seconds * 1_000)}


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
def _command(program: Path) -> list[str]:
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
    command += [interpreter, "-I", "-S", "-B", "-c", program.read_text(encoding="utf-8")]
    return command
