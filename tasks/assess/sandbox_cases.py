"""What runs inside the sandbox for calls and for programs that read and write.

The parent sends one JSON line with the code and the cases; each case is run in a process of its
own, and what it printed or returned goes back as one JSON line. What was expected is not known.
This file travels as text and imports nothing of Teachset.
"""

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any


def limit(limits: dict[str, int]) -> None:
    """Set hard limits, which no code run after this can raise again."""
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))


def drop_user(user: int) -> None:
    """Give up root, where the parent is root: the process limit does not count for root."""
    if user:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)


def run_case(
    code: str, case: dict[str, Any], seconds: float, most: int, nothing: int
) -> dict[str, Any]:
    """Run one case in a child and return what came of it."""
    given = os.memfd_create("input")
    os.write(given, case.get("input", "").encode())
    os.lseek(given, 0, os.SEEK_SET)
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        for descriptor, number in (
            (given, 0),
            (nothing if case.get("call") else into, 1),
            (nothing, 2),
        ):
            os.dup2(descriptor, number)
        _become(code, case, into)
    os.close(into)
    os.close(given)
    said, ended = _read(out, time.monotonic() + seconds, most)
    os.close(out)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if ended == "done" and not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0):
        ended = {21: "raised", 22: "memory"}.get(os.waitstatus_to_exitcode(status), "ended_early")
    return {"ended": ended, "said": said.decode("utf-8", "replace")}


def _become(code: str, case: dict[str, Any], into: int) -> None:
    """Run the code as a program, or call its function and write down what it returns."""
    names: dict[str, Any] = {"__name__": "__main__" if not case.get("call") else "response"}
    try:
        try:
            exec(compile(code, "response.py", "exec"), names)
        except SystemExit as left:
            if case.get("call") or left.code not in (None, 0):
                raise
        if case.get("call"):
            returned = names[case["call"]](*case["arguments"], **(case.get("keywords") or {}))
            text = json.dumps(returned).encode()
            while text:
                text = text[os.write(into, text) :]
        sys.stdout.flush()
    except MemoryError:
        os._exit(22)
    except BaseException:
        os._exit(21)
    os._exit(0)


def _read(out: int, deadline: float, most: int) -> tuple[bytes, str]:
    said = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([out], [], [], left)[0]:
            return said, "time_limit"
        piece = os.read(out, 65_536)
        if not piece:
            return said, "done"
        said += piece
        if len(said) > most:
            return b"", "output_limit"


def main() -> None:
    source = os.fdopen(os.dup(0), "r", encoding="utf-8")
    says = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    work = json.loads(source.readline())
    drop_user(work["user"])
    os.chdir("/tmp")
    limit(work["limits"])
    results = []
    for case in work["cases"]:
        results.append(run_case(work["code"], case, work["seconds"], work["most"], nothing))
        if results[-1]["ended"] != "done":
            break
    text = json.dumps(results).encode() + b"\n"
    while text:
        text = text[os.write(says, text) :]
    os._exit(0)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
