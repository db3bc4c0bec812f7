"""Calls, programs that read and write, tolerances and checkers, and who tries to cheat them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assess import sandbox
from tasks.assess.code_tests import CodeCase, is_printed, is_returned, read_case, write_tests
from tasks.assess.verifiers import code

needs_sandbox = pytest.mark.skipif(
    not sandbox.sandbox_works(), reason="bubblewrap is missing or not allowed on this machine"
)
SUMS = [{"input": "3 4\n", "output": "7\n"}, {"input": "10 -2\n", "output": "8"}]
CALLS = [
    {"call": "double", "arguments": [2], "returns": 4},
    {"call": "double", "arguments": [], "keywords": {"x": 0.1}, "returns": 0.2},
]
ROOTS = [{"call": "root", "arguments": [2], "returns": 1.41421356, "tolerance": 1e-6}]
FACTOR = [
    {
        "input": "91\n",
        "checker": "def check(input, output):\n"
        "    n, d = int(input), int(output)\n    return 1 < d < n and n % d == 0",
    }
]
SHUFFLED = [
    {
        "call": "order",
        "arguments": [[3, 1]],
        "returns": [1, 3],
        "checker": "def check(arguments, returned, expected):\n"
        "    return sorted(returned) == expected",
    }
]
ADD = "a, b = map(int, input().split())\nprint(a + b)"
EQUAL_TO_ALL = (
    "class Any(int):\n    def __eq__(self, other): return True\ndef double(x): return Any()"
)
FORGED = (
    "import os, json\n"
    "for number in range(3, 30):\n"
    "    line = json.dumps([{'ended': 'done', 'said': '7'}] * 2) + '\\n'\n"
    "    try: os.write(number, line.encode())\n"
    "    except OSError: pass\n"
    "os._exit(0)"
)


@needs_sandbox
@pytest.mark.parametrize(
    ("tests", "program", "outcome"),
    [
        (SUMS, ADD, ("correct", "passed")),
        (SUMS, "import sys\nprint(sum(map(int, sys.stdin.read().split())), end='')\nsys.exit()",
         ("correct", "passed")),
        (SUMS, "print(7)", ("wrong", "test_failed")),
        (SUMS, "print(int(input()))", ("wrong", "raised")),
        (SUMS, "import os\nos._exit(3)", ("wrong", "ended_early")),
        (SUMS, "while True: print('x' * 100_000)", ("wrong", "output_limit")),
        (SUMS, FORGED, ("wrong", "test_failed")),
        (CALLS, "def double(x): return 2 * x", ("correct", "passed")),
        (CALLS, "def double(x): return x + 2", ("wrong", "test_failed")),
        (CALLS, "def triple(x): return 3 * x", ("wrong", "raised")),
        (CALLS, "def double(x): return {x}", ("wrong", "raised")),
        (CALLS, EQUAL_TO_ALL, ("wrong", "test_failed")),
        (ROOTS, "def root(x): return x ** 0.5", ("correct", "passed")),
        (ROOTS, "def root(x): return 1.4142", ("wrong", "test_failed")),
        (FACTOR, "print(13)", ("correct", "passed")),
        (FACTOR, "print(91)", ("wrong", "test_failed")),
        (FACTOR, "print(\"7'''; raise SystemExit\")", ("wrong", "test_failed")),
        ([{"input": "", "checker": "def check(i, o): return nobody(o)"}], "print(7)",
         ("unverifiable", "checker_failed")),
        (SHUFFLED, "def order(xs): return tuple(xs)", ("correct", "passed")),
        ([*CALLS, "assert double(5) == 10"], "def double(x): return 2 * x", ("correct", "passed")),
        ([*CALLS, "assert double(5) == 11"], "def double(x): return 2 * x",
         ("wrong", "test_failed")),
        (['{"call": "double"}'], "def double(x): return 2 * x", ("unverifiable", "bad_tests")),
    ],
)  # fmt: skip
def test_programs_are_judged_by_what_they_print_and_return(
    tests: list[Any], program: str, outcome: tuple[str, str]
) -> None:
    written = [test if isinstance(test, str) else json.dumps(test) for test in tests]
    assert code.check(written, program) == outcome


@needs_sandbox
def test_each_case_has_a_process_of_its_own_and_an_end() -> None:
    counting = "seen = []\ndef count(x):\n    seen.append(x)\n    return len(seen)"
    case = {"call": "count", "arguments": [1]}
    results = sandbox.run_cases(counting, [case, case])
    assert [(result.ended, result.said) for result in results] == [("done", "1")] * 2
    sleeping = "import time\ntime.sleep(60)"
    assert sandbox.run_cases(sleeping, [{"input": ""}], wall_s=1.0)[0].ended == "time_limit"


@needs_sandbox
def test_what_is_expected_is_not_in_the_sandbox() -> None:
    looking = (
        "import gc\ndef find():\n    secret = 'expected' + ' here'\n"
        "    held = [o for o in gc.get_objects() if type(o) in (dict, list)]\n"
        "    return [o for o in held if secret in repr(o)][:1] != []"
    )
    test = {
        "call": "find",
        "returns": "expected here",  # no number, which an address in a repr may hold
        "checker": "def check(arguments, returned, expected): return returned is False",
    }
    assert code.check([json.dumps(test)], looking) == ("correct", "passed")


@pytest.mark.parametrize(
    ("expected", "printed", "tolerance", "same"),
    [
        ("7\n", "7", None, True),
        ("1 2 \n3\n", "1 2\n3\n\n", None, True),
        ("1 2\n", "1\n2\n", None, False),
        ("0.333333", "0.3333334", None, False),
        ("0.333333 yes", "0.3333334 yes", 1e-6, True),
        ("0.333333 yes", "0.3333334 no", 1e-6, False),
        ("nan", "nan", 1e-6, True),
        ("1", "nan", 1e-6, False),
    ],
)
def test_what_is_printed(expected: str, printed: str, tolerance: float | None, same: bool) -> None:
    assert is_printed(CodeCase(expected=expected, tolerance=tolerance), printed) is same


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(JSON, JSON)
def test_a_value_equals_itself_alone(one: Any, other: Any) -> None:
    assert is_returned(one, json.loads(json.dumps(one)), None)
    assert is_returned(one, other, None) == (json.dumps(one) == json.dumps(other))


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e-3))
def test_a_tolerance_is_relative_or_absolute_and_no_wider(value: float, tolerance: float) -> None:
    scale = max(1.0, abs(value)) * tolerance
    assert is_returned(value, value + scale * 0.9, tolerance)
    assert not is_returned(value, value + scale * 2.1, tolerance)
    assert is_returned([value], [value], None)


def test_tests_are_taken_as_data_sets_have_them() -> None:
    assert write_tests("assert f(1) == 1") == ["assert f(1) == 1"]
    assert write_tests({"inputs": ["1\n"], "outputs": ["2\n"]}) == [
        '{"input": "1\\n", "output": "2\\n"}'
    ]
    assert write_tests({"fn_name": "f", "inputs": [[1]], "outputs": [2]}) == [
        '{"call": "f", "arguments": [1], "returns": 2}'
    ]


def test_what_is_null_in_a_test_is_not_there() -> None:
    every = dict.fromkeys(("call", "arguments", "returns", "input", "output", "checker"))
    assert write_tests(
        [every | {"call": "f", "arguments": [1]}, every | {"input": "1", "output": "2"}]
    ) == [
        '{"call": "f", "arguments": [1], "returns": null}',
        '{"input": "1", "output": "2"}',
    ]
    with pytest.raises(ValueError, match="`output` is missing"):
        write_tests({"input": "1", "output": None})


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ({"call": "f", "input": "1", "returns": 1}, "either `call` or `input`"),
        ({"input": "1"}, "`output` is missing"),
        ({"call": "f(1)", "returns": 1}, "expected the name of a function"),
        ({"call": "f", "returns": 1, "tolerance": 2}, "expected 0 to 1"),
        ({"call": "f", "returns": 1, "arguments": 1}, "of another type"),
        ({"call": "f", "return": 1}, "`return` is no field"),
        (1, "expected an object"),
    ],
)
def test_a_case_that_nothing_can_decide_is_refused(test: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        read_case(test)
