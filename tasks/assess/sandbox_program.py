"""What runs inside the sandbox: the response's code, then each assert, under hard limits.

The parent sends one JSON line with the code and the tests. When the last assert is through this
says so, and only then is it sent the word that it must say at the end: a program that leaves early,
by `exit(0)` or by printing something, or that looks for the word where this keeps it, cannot pass.

Program and asserts share a process, and a program written against this file can cheat: it may say
itself that it is through and wait for the word, or return what is equal to everything. What must
hold against such a program is a case of `sandbox_cases`, whose expected value never comes in here.
This file travels as text and imports nothing of Teachset.
"""

import io
import json
import os
import resource
import sys

MOST_PRINTED = 1_000


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


class Paper(io.StringIO):
    """What a program prints, of bounded length."""

    def write(self, text: str) -> int:
        if self.tell() + len(text) > MOST_PRINTED:
            raise OverflowError("too long")
        return super().write(text)


def count_steps() -> list[int]:
    """Count, from now on, the lines of the program that are run inside its functions."""
    steps = [0]

    def note(frame, event, _):  # type: ignore[no-untyped-def]
        if frame.f_code.co_filename != "response.py" or frame.f_code.co_name == "<module>":
            return None if event == "call" and frame.f_code.co_name != "<module>" else note
        steps[0] += event == "line"
        return note

    sys.settrace(note)
    return steps


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
    paper = Paper()
    steps = [0]
    if work["print"]:
        sys.stdout = paper
        steps = count_steps()
    try:
        names = {"__name__": "__main__"}
        exec(compile(work.pop("code"), "response.py", "exec"), names)
        for number, test in enumerate(work.pop("tests"), 1):
            place = "test " + str(number)
            exec(compile(test, place, "exec"), names)
    except AssertionError:
        verdict = {"failed": "test_failed", "place": place}
    except OverflowError:
        verdict = {"failed": "too_long", "place": place}
    except MemoryError:
        verdict = {"failed": "memory", "place": place}
    except BaseException as error:
        verdict = {"failed": "raised", "place": place, "error": type(error).__name__[:60]}
    else:
        os.write(says, b"through\n")
        word = source.readline().strip()
        verdict = {"passed": word, "printed": paper.getvalue(), "steps": str(steps[0])}
    os.write(says, json.dumps(verdict).encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
