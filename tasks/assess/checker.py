"""The child process that holds math-verify: one JSON request a line in, one JSON answer a line out.

    {"key": "\\\\frac{1}{2}", "answer": "0.5"}  ->  {"equal": true}

Run by path with `python -I`, so it imports nothing of Teachset. What a library prints goes where
complaints go: the output is for answers alone. It dies with its input pipe, and a
loop in C code that no signal reaches dies of its processor limit.
"""

import json
import logging
import os
import re
import resource
import signal
import sys
from functools import lru_cache
from typing import IO, Any

MEMORY_BYTES = 2 << 30
PROCESSOR_S = 1.5
TINY, NEAR = 1e-6, 1e-5  # Below what counts as tiny, constants differ by their share.
_DELIMITED = re.compile(r"(?<!\\)\$|\\boxed|\\\(|\\\[")
_COMMANDS = re.compile(r"\\[A-Za-z]+(?:\s*\{[A-Za-z ]*\})?")
_NAME = re.compile(r"\\?[A-Za-z]+(?:_(?:\w|\{[^{}]{1,20}\}))?(?:\([a-z]\))?")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_BOTH_SIGNS = re.compile(r"\\(?:pm|mp)(?![A-Za-z])")
# What loads most of what sympy loads lazily: a sum of fractions took 1.5 s without them, 1.0 after.
_FIRST = (
    (r"\frac{x}{2}", "$0.5x$"),
    (r"\{1, 2\}", "the answer is 3"),
    (r"(\frac{\sqrt{3}a}{b}-\frac{a}{7\pi}, 1)", r"(1, \frac{a}{b})"),
    (r"\frac{y}{9}+x=1", "y=2x+1"),
)


# Beside ANTLR 4.9, which omegaconf asks for, the grammar reads no percentage at all.
_PERCENTAGE = {"key": r"50\%", "answer": "0.5"}


class OutOfTime(BaseException):
    """Not an Exception: sympy catches those and goes on."""


def as_latex(text: str) -> str:
    """Put an answer into a box, so that all of it is read; prose and delimited text stay.

    Read raw, `2x+1` would be found to be 2 (math-verify looks for the last number in prose).
    """
    if _DELIMITED.search(text) or len(_WORDS.findall(_COMMANDS.sub(" ", text))) > 3:
        return text
    return "\\boxed{" + text + "}"


def compare(request: dict[str, Any], library: Any) -> dict[str, Any]:
    """Let math-verify compare; say apart from "not equal" that a side could not be read."""
    key, answer = (read(request[side], library) for side in ("key", "answer"))
    options = request.get("options", {})
    if library.verify(key, answer, timeout_seconds=None, **options):
        return {"equal": not are_tiny_and_apart(key, answer)}
    unread = [
        side
        for side, parsed in (("key", key), ("answer", answer))
        if all(isinstance(part, str) for part in parsed)
    ]
    shorter = {side: spread_signs(right_side(request[side])) for side in unread}
    if any(shorter[side] != request[side] for side in unread):
        return compare({**request, **shorter}, library)
    return {"equal": False, "unread": unread}


def are_tiny_and_apart(key: list[Any], answer: list[Any]) -> bool:
    """Tell two constants next to nothing, e^-40 and e^-41, which math-verify rounds to one."""
    sides = [[part for part in side if not isinstance(part, str)] for side in (key, answer)]
    if any(len(side) != 1 or not getattr(side[0], "is_number", False) for side in sides):
        return False
    try:
        one, other = (complex(side[0].evalf(15)) for side in sides)
    except (TypeError, ValueError, AttributeError):  # A percentage, or what has no value.
        return False
    largest = max(abs(one), abs(other))
    return largest < TINY and abs(one - other) > NEAR * largest


@lru_cache(maxsize=4_096)
def read(text: str, library: Any) -> list[Any]:
    """Return what math-verify reads a text as; a key is read once for all answers to it."""
    configs = [library.LatexExtractionConfig(), library.ExprExtractionConfig()]
    parsed: list[Any] = library.parse(as_latex(text), configs, parsing_timeout=None)
    return parsed


def right_side(text: str) -> str:
    r"""Return what a name is said to be (`I_{\max} = q/2` is `q/2`), else the text itself."""
    name, equals, value = text.strip().strip("$").partition("=")
    return value.strip() if equals and "=" not in value and _NAME.fullmatch(name.strip()) else text


def spread_signs(text: str) -> str:
    r"""Return `\frac{1+x}{2}, \frac{1-x}{2}` for `\frac{1\pm x}{2}`, which is not read as it is."""
    if len(_BOTH_SIGNS.findall(text)) != 1 or "," in text:
        return text
    return ", ".join(_BOTH_SIGNS.sub(sign, text) for sign in "+-")


def serve() -> None:
    """Answer requests until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(3_000)
    words = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    import math_verify

    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, _stop)
    _warm(math_verify)
    reads_percent = bool(compare(_PERCENTAGE, math_verify)["equal"])
    _say({"ready": True}, words)
    for line in sys.stdin:
        request = json.loads(line)
        reply = _answer(request, math_verify)
        is_unread = not reads_percent and reply.get("unread")
        if is_unread and any("%" in request[side] for side in ("key", "answer")):
            reply = {"failed": "percent_not_read"}
        _say(reply, words)


def _answer(request: dict[str, Any], library: Any) -> dict[str, Any]:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    ceiling = int(spent.ru_utime + spent.ru_stime) + 4
    resource.setrlimit(resource.RLIMIT_CPU, (ceiling, resource.RLIM_INFINITY))
    try:
        signal.setitimer(signal.ITIMER_PROF, PROCESSOR_S)
        try:
            return compare(request, library)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except OutOfTime:
        return {"failed": "timeout"}
    except (MemoryError, RecursionError):
        return {"failed": "too_complex"}
    except Exception as error:
        return {"failed": "checker_error", "detail": type(error).__name__}


def _stop(number: int, frame: object) -> None:
    raise OutOfTime


def _warm(library: Any) -> None:
    """Load the grammars and simplifiers that the first request would wait for, on its own clock."""
    for key, answer in _FIRST:
        compare({"key": key, "answer": answer}, library)


def _say(message: dict[str, Any], words: IO[str]) -> None:
    words.write(json.dumps(message) + "\n")
    words.flush()


if __name__ == "__main__":
    serve()
