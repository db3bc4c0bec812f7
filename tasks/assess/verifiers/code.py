"""Code: the response's program must pass the prompt's tests, in a sandbox or not at all."""

import builtins
import json
from collections.abc import Sequence

from tasks.assess.code_tests import (
    CodeCase,
    ask_checker,
    is_printed,
    is_returned,
    split_tests,
)
from tasks.assess.sandbox import (
    CaseResult,
    Run,
    run_cases,
    run_tests,
    sandbox_works,
    warn_without_sandbox,
)
from tasks.assess.verifiers import Outcome

NAME = "code"
VERSION = 4
LONGEST = 100_000
_ENDINGS = frozenset({"raised", "memory", "time_limit", "output_limit", "ended_early"})
_CHOKED = (
    *("AttributeError", "IndexError", "KeyError", "OverflowError"),
    *("TypeError", "ValueError", "ZeroDivisionError"),
)
_EXCEPTIONS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
_ENDED_EARLY = Outcome("wrong", "ended_early")
_FAILED = Outcome("wrong", "test_failed")


def check(tests: Sequence[str], answer: str) -> Outcome:
    """Run the answer against the tests; `no_sandbox` where there is nothing safe to run it in."""
    if not tests:
        return Outcome("unverifiable", "no_tests")
    if len(answer) > LONGEST:
        return Outcome("unverifiable", "too_long")
    try:
        asserts, cases = split_tests(tests)
    except (ValueError, RecursionError):
        return Outcome("unverifiable", "bad_tests")
    if not sandbox_works():
        warn_without_sandbox("code answers are left unverifiable (grading them calls no model)")
        return Outcome("unverifiable", "no_sandbox")
    if asserts and not (run := run_tests(answer, asserts)).passed:
        return Outcome("wrong", _reason_of(run))
    return _check_cases(answer, cases) if cases else Outcome("correct", "passed")


def _reason_of(run: Run) -> str:
    """Say what was raised, if it is an exception of Python's own: a program names its own freely.

    A NameError in every answer says that nobody was told what the tests call.
    """
    error = run.detail.rsplit(" ", 1)[-1]
    return f"raised_{error}" if run.reason == "raised" and error in _EXCEPTIONS else run.reason


def _check_cases(answer: str, cases: Sequence[CodeCase]) -> Outcome:
    """Run all cases in one sandbox and compare what they print and return out here."""
    asked = [
        {"call": case.call, "arguments": list(case.arguments), "keywords": case.keywords}
        if case.call
        else {"input": case.input}
        for case in cases
    ]
    results = run_cases(answer, asked)
    for case, result in zip(cases, results, strict=False):
        outcome = _judge_case(case, result)
        if outcome.verdict != "correct":
            return outcome
    return Outcome("correct", "passed") if len(results) == len(cases) else _ENDED_EARLY


def _judge_case(case: CodeCase, result: CaseResult) -> Outcome:
    if result.ended != "done":
        return Outcome("wrong", result.ended if result.ended in _ENDINGS else "ended_early")
    made: object = result.said
    if case.call:
        try:
            made = json.loads(result.said)
        except (ValueError, RecursionError):
            return _ENDED_EARLY
    if case.checker is not None:
        run = run_tests(case.checker, [ask_checker(case, made)])
        if run.passed:
            return Outcome("correct", "passed")
        # A checker may choke on what it cannot read; one that does not run at all decides nothing.
        if run.reason == "test_failed" or run.detail.endswith(_CHOKED):
            return _FAILED
        return Outcome("unverifiable", "checker_failed")
    if case.call:
        same = is_returned(case.expected, made, case.tolerance)
    else:
        same = is_printed(case, str(made))
    return Outcome("correct", "passed") if same else _FAILED
