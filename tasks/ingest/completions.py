"""Code tasks that are the beginning of a program, as HumanEval's are: made whole, checks called.

    prompt       "def double(x):\\n    \\"\\"\\"Twice x.\\"\\"\\"\\n"
    reference    "    return 2 * x\\n"     →  the prompt and this
    entry_point  "double"
    tests        "def check(candidate):\\n    assert candidate(2) == 4"  →  … and "check(double)"

A test that only defines a function is passed by whatever is written; without an `entry_point` that
it could be called with, the row is set aside.
"""

import ast
from collections.abc import Sequence

from tasks.python_source import UNREADABLE, parse_module

_IDLE = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Pass),
)
_CHECK = "check"


def call_check(tests: Sequence[str], entry_point: str | None) -> list[str]:
    """Return the tests with a call of `check` where they define one that nobody calls.

    Raises ValueError if nothing in them is run and there is nothing to call it with.
    """
    if any(test.lstrip().startswith("{") for test in tests):
        return list(tests)
    try:
        statements = [node for test in tests for node in parse_module(test).body]
    except UNREADABLE:
        return list(tests)
    if not all(map(_is_idle, statements)):
        return list(tests)
    checks = [node for node in statements if getattr(node, "name", None) == _CHECK]
    if not checks or entry_point is None or not entry_point.isidentifier():
        raise ValueError(
            "the tests run nothing or define what nobody calls, so that every answer passes them"
        )
    return [*tests[:-1], f"{tests[-1].rstrip()}\n\n{_CHECK}({entry_point})"]


def complete_reference(reference: str | None, text: str, entry_point: str | None) -> str | None:
    """Return a solution as a whole program, which it may be only after the prompt's text."""
    if reference is None or entry_point is None or _defines(reference, entry_point):
        return reference
    whole = text + reference
    return whole if _defines(whole, entry_point) else reference


def _is_idle(node: ast.stmt) -> bool:
    said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return said or isinstance(node, _IDLE)


def _defines(source: str, name: str) -> bool:
    try:
        return any(getattr(node, "name", None) == name for node in parse_module(source).body)
    except UNREADABLE:
        return False
