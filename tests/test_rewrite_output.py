"""Predicted outputs: what may be called, what is shown, and that the sandbox gives the key."""

from dataclasses import replace
from typing import Any

import pytest

from tasks.assess.sandbox import run_program, sandbox_works
from tasks.assess.verdicts import decide
from tasks.rewrite.acceptance import NOT_DECIDED, VERSION, find_refusal, version_of
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.snippet import SnippetError, compose, read_call, tidy_code
from tasks.rewrite.strategies import predict_output

CODE = '''"""Says 7."""
import random

BASE = 2

def power(n):
    """power(3) gives 8."""
    total = 1  # 8 in the end
    for _ in range(n):
        total *= BASE
    return total

def pick(items):
    return random.choice(items)

def letters(text):
    found = set(text)
    return found

def tell(n):
    for place in range(n):
        print(place)
    return n
'''
SEED = Parent(
    prompt_id="p",
    root_id="p",
    domain="code",
    text="Write a Python function `power(n)` that returns 2 to the power of n.",
    choices=(),
    answer="power",
    answer_type="code",
    reference=CODE,
)
needs_sandbox = pytest.mark.skipif(not sandbox_works(), reason="bubblewrap does not work here")


def test_the_shown_code_tells_nothing_beside_the_code() -> None:
    tidy = tidy_code(CODE)
    assert "gives 8" not in tidy
    assert "in the end" not in tidy
    assert "Says 7" not in tidy
    assert tidy_code("def f():\n    'Nothing.'") == "def f():\n    pass"
    shown = compose("def f(x):\n    return x", "f(3)")
    assert shown.endswith("```python\ndef f(x):\n    return x\n\nprint(f(3))\n```")


@pytest.mark.parametrize(
    "code",
    [
        *("", "x = 1", "def f(:", "def f(): pass\n" * 300),
        f"def f():\n    return {' + '.join(['1'] * 900)}",  # read by Python, too deep to be written
    ],
)
def test_code_without_a_function_or_too_long_is_not_used(code: str) -> None:
    with pytest.raises(SnippetError):
        tidy_code(code)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("power( 3 )", "power(3)"),
        ("power(-3)  # gives 8", "power(-3)"),
        ("power(n=[1, (2, 'a'), {'b': None}])", "power(n=[1, (2, 'a'), {'b': None}])"),
        ("power(power(2))", None),
        ("power(2 ** 9999999)", None),
        ("power(x)", None),
        ("power(*[1])", None),
        ("power(**{})", None),
        ("pow(2, 3)", None),
        ("BASE.real()", None),
        ("__import__('os').system('true')", None),
        ("power(1); power(2)", None),
        ("power(lambda: 1)", None),
        ("power", None),
        ("power(" + "1," * 200 + ")", None),
        ("power(" + "(" * 180, None),
    ],
)
def test_a_call_is_a_known_name_and_plain_values(call: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(SnippetError):
            read_call(call, CODE)
    else:
        assert read_call(call, CODE) == expected


def outcome(call: str, parent: Parent = SEED) -> tuple[str, str]:
    """Return the key, or the reason of the refusal, with what is said of it."""
    read = predict_output.read({"valid": True, "call": call}, parent)
    refusal = (
        read if isinstance(read, Refusal) else find_refusal(predict_output.GATES, read, parent)
    )
    if refusal:
        return refusal.reason, refusal.detail
    assert isinstance(read, Candidate)
    return read.answer, read.answer_type


@needs_sandbox
@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("power(5)", ("32", "number")),
        ("power()", ("program_failed", "raised the program TypeError")),
        ("power(0)", ("easier", "power(0) gives the code nothing to work on")),
        ("power(1)", ("2", "number")),
        ("power(999)", ("too_long", "2001 steps, 3 to 600 are asked")),
        ("pick([1, 2, 3])", ("easier", "1 steps, 3 to 600 are asked")),
        ("tell(3)", ("bad_answer", "the output is not one line of at most 100")),
        ("eval('1')", ("bad_call", None)),
    ],
)
def test_the_key_is_what_the_shown_program_prints(call: str, expected: tuple[str, Any]) -> None:
    found = outcome(call)
    assert found[0] == expected[0]
    assert expected[1] is None or found[1] == expected[1]


@needs_sandbox
def test_what_differs_between_two_runs_has_no_key() -> None:
    code = "def order(text):\n    a = 1\n    b = 2\n    return list(set(text.split()))"
    words = " ".join(f"word{n}" for n in range(12))
    assert outcome(f"order({words!r})", replace(SEED, reference=code))[0] == "unsteady"


@needs_sandbox
def test_an_output_that_stands_in_the_call_or_can_be_guessed_is_refused() -> None:
    body = "    a = 1\n    b = 2\n    return"
    code = f"def keep(x):\n{body} x\n\ndef yes(x):\n{body} x > 0"
    seed = replace(SEED, reference=code)
    assert outcome("keep([3, 1])", seed)[0] == "answer_leaked"
    spaced = replace(seed, reference=f"def keep(x):\n{body} [3, 1]")
    assert outcome("keep('[3,1 ]')", spaced)[0] == "answer_leaked"
    assert outcome("keep('3 and 1')", spaced) == ("[3, 1]", "text")
    assert outcome("yes(3)", seed)[0] == "easier"


@needs_sandbox
def test_words_that_are_printed_are_a_key_in_quotes() -> None:
    body = "    a = 1\n    b = 2\n    return"
    code = f"def loud(x):\n{body} x.upper()\n\ndef stars(x):\n{body} '*' * len(x)"
    seed = replace(SEED, reference=code)
    assert outcome("loud('ab_c')", seed) == ("'AB_C'", "text")
    assert outcome("stars('abc')", seed) == ("'***'", "text")
    assert outcome("loud('AB')", seed)[0] == "answer_leaked"
    assert decide("text", "'AB_C'", r"It prints \boxed{AB\_C}.").verdict == "correct"
    assert decide("text", "'AB_C'", r"It prints \boxed{ab_c}.").verdict == "wrong"


@needs_sandbox
def test_a_call_with_one_element_leaves_nothing_to_follow() -> None:
    code = "def count(a, b=''):\n    x = len(a)\n    y = len(b)\n    return 10 * x + y"
    seed = replace(SEED, reference=code)
    for call in ("count('D')", "count('a', '')", "count([[7]])"):
        assert outcome(call, seed)[0] == "easier"
    assert outcome("count('a', 'bc')", seed) == ("12", "number")
    assert outcome("count([[7, 8]])", seed) == ("10", "number")


@needs_sandbox
def test_a_program_says_what_it_prints_and_no_more_than_so_much() -> None:
    run = run_program("def f(n):\n    return n + 1\n\nprint('a', f(1))\nprint('b')")
    assert (run.passed, run.printed, run.steps) == (True, "a 2\nb\n", 1)
    assert run_program("print('x' * 2_000)").reason == "too_long"
    assert run_program("raise SystemExit").passed is False


@pytest.mark.usefixtures("no_sandbox")
def test_without_a_sandbox_nothing_is_asked_and_nothing_decided() -> None:
    assert predict_output.applies(SEED) is False
    assert outcome("power(5)")[0] == "no_sandbox"
    assert (version_of("no_sandbox"), version_of("easier")) == (NOT_DECIDED, VERSION)
