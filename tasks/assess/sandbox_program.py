"""What runs inside the sandbox: the response's code, then each assert, under hard limits.

The parent sends one JSON line with the code and the tests; the word that must be said at the end
comes only after the last assert, so that a program that leaves early, by `exit(0)` or by printing
something, cannot pass. This file travels as text and imports nothing of Teachset.
"""

import json
import os
import resource
import sys


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
    place = "the program"
    try:
        names = {"__name__": "__main__"}
        exec(compile(work.pop("code"), "response.py", "exec"), names)
        for number, test in enumerate(work.pop("tests"), 1):
            place = "test " + str(number)
            exec(compile(test, place, "exec"), names)
    except AssertionError:
        verdict = {"failed": "test_failed", "place": place}
    except MemoryError:
        verdict = {"failed": "memory", "place": place}
    except BaseException as error:
        verdict = {"failed": "raised", "place": place, "error": type(error).__name__[:60]}
    else:
        verdict = {"passed": source.readline().strip()}
    os.write(says, json.dumps(verdict).encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
