r"""Tests of code: asserts, calls of a function, and programs that read and write.

"assert double(2) == 4"
{"call": "mean", "arguments": [[1, 2, 4]], "returns": 2.3333333333, "tolerance": 1e-9}
{"input": "3 4\n", "output": "7\n"}
{"input": "6\n", "checker": "def check(input, output): return int(output) in (2, 3)"}

What a call should return and a program should print is compared out here and never enters the
sandbox, so a program cannot know it. docs/seeds.md has the fields.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tasks.assess.code_blocks import names_used

MOST_TESTS = 1_000
_FIELDS = {
    "input": str,
    "output": str,
    "call": str,
    "arguments": list,
    "keywords": dict,
    "tolerance": int | float,
    "checker": str,
}


@dataclass(frozen=True, slots=True)
class CodeCase:
    """One run of a program on an input, or one call of a function."""

    call: str | None = None
    arguments: Sequence[Any] = ()
    keywords: Mapping[str, Any] | None = None
    input: str = ""
    expected: Any = None  # what is printed or returned; unused where only the checker decides
    is_expected: bool = False
    tolerance: float | None = None
    checker: str | None = None


def split_tests(tests: Sequence[str]) -> tuple[list[str], list[CodeCase]]:
    """Return the asserts and the cases. Raises ValueError for a case that nothing can decide."""
    asserts = [test for test in tests if not test.lstrip().startswith("{")]
    cases = [read_case(json.loads(test)) for test in tests if test.lstrip().startswith("{")]
    return asserts, cases


@lru_cache(maxsize=4_096)
def names_tested(tests: tuple[str, ...]) -> frozenset[str]:
    """Return the names that tests call or use; none of what cannot be read, or only reads input."""
    try:
        asserts, cases = split_tests(tests)
    except (ValueError, RecursionError):
        return frozenset()
    calls = {case.call for case in cases if case.call}
    return names_used(asserts) | calls


def read_case(test: Any) -> CodeCase:
    """Read one case. Raises ValueError that says what is wrong with it."""
    if not isinstance(test, dict):
        raise ValueError("expected an object")
    if unknown := sorted(test.keys() - _FIELDS.keys() - {"returns"}):
        raise ValueError(f"`{unknown[0]}` is no field of a test")
    for name, kind in _FIELDS.items():
        value = test.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise ValueError(f"`{name}` is {value!r:.60}, which is of another type")
    is_call = test.get("call") is not None
    if is_call == ("input" in test or "output" in test):
        raise ValueError("expected either `call` or `input` with `output`")
    expected = "returns" if is_call else "output"
    if expected not in test and test.get("checker") is None:
        raise ValueError(f"`{expected}` is missing, and there is no `checker`")
    if is_call and not str(test["call"]).isidentifier():
        raise ValueError(f"`call` is {test['call']!r:.60}, expected the name of a function")
    tolerance = test.get("tolerance")
    if tolerance is not None and not 0 <= tolerance < 1:
        raise ValueError(f"`tolerance` is {tolerance}, expected 0 to 1")
    return CodeCase(
        call=test.get("call"),
        arguments=tuple(test.get("arguments") or ()),
        keywords=test.get("keywords"),
        input=test.get("input") or "",
        expected=test.get(expected),
        is_expected=expected in test,
        tolerance=tolerance,
        checker=test.get("checker"),
    )


def write_tests(value: Any) -> list[str]:
    """Write tests as data sets have them as the texts of `prompts.tests`.

    A list of asserts and cases, or APPS's object of `inputs`, `outputs` and `fn_name`. Raises
    ValueError for what is neither.
    """
    if isinstance(value, dict) and "inputs" in value:
        value = _read_apps(value)
    listed = value if isinstance(value, list | tuple) else [value]
    if len(listed) > MOST_TESTS:
        raise ValueError(f"there are {len(listed)} tests, expected at most {MOST_TESTS}")
    written = []
    for test in listed:
        if isinstance(test, str):
            written.append(test)
        else:
            case = _leave_out_nulls(test) if isinstance(test, Mapping) else test
            read_case(case)
            written.append(json.dumps(case, ensure_ascii=False))
    split_tests(written)
    return written


def _leave_out_nulls(test: Mapping[str, Any]) -> dict[str, Any]:
    """Return a test without what is null: in a table every test has the fields of all others.

    But a call may return None.
    """
    is_call = test.get("call") is not None
    return {
        name: value
        for name, value in test.items()
        if value is not None or (name == "returns" and is_call)
    }


def is_printed(case: CodeCase, printed: str) -> bool:
    """Compare what a program printed, line by line without trailing space; numbers may be close."""
    wanted, found = (_lines(text) for text in (str(case.expected), printed))
    if wanted == found:
        return True
    if case.tolerance is None:
        return False
    words = [" ".join(lines).split() for lines in (wanted, found)]
    return len(words[0]) == len(words[1]) and all(
        one == other or _is_close(_number(one), _number(other), case.tolerance)
        for one, other in zip(*words, strict=True)
    )


def is_returned(wanted: Any, found: Any, tolerance: float | None) -> bool:
    """Compare what a call returned, as JSON: 4 is 4.0 and a tuple a list, but true is not 1."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return wanted == found or (tolerance is not None and _is_close(wanted, found, tolerance))
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(
            is_returned(one, other, tolerance) for one, other in zip(wanted, found, strict=True)
        )
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(
            is_returned(wanted[name], found[name], tolerance) for name in wanted
        )
    return type(wanted) is type(found) and bool(wanted == found)


def ask_checker(case: CodeCase, result: Any) -> str:
    """Return the assert that asks a case's checker; what the program made is a literal in it."""
    given = [list(case.arguments), result] if case.call else [case.input, result]
    if case.is_expected:
        given.append(case.expected)
    return f"import json\nassert check(*json.loads({json.dumps(given)!r})) is True"


def _read_apps(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    inputs, outputs, name = value["inputs"], value.get("outputs"), value.get("fn_name")
    if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
        raise ValueError("`inputs` and `outputs` are no lists of one length")
    if name:
        return [
            {"call": name, "arguments": given, "returns": wanted}
            for given, wanted in zip(inputs, outputs, strict=True)
        ]
    return [
        {"input": given, "output": wanted} for given, wanted in zip(inputs, outputs, strict=True)
    ]


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _is_close(wanted: float, found: float, tolerance: float) -> bool:
    try:
        return math.isclose(wanted, found, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:
        return False
