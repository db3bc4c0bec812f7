"""What a function returns for which call, read off the tests of a code problem; nothing is run.

tests   assert pascal_row(4) == [1, 4, 6, 4, 1]
known   {"pascal_row(4)": "[1, 4, 6, 4, 1]"}
"""

import ast
import re
from collections.abc import Sequence

_BLOCK = re.compile(r"```python\n(.*?)\n```", re.DOTALL)
_DULL = frozenset({"True", "False", "None", "[]", "()", "{}", ""})


def read_calls(tests: Sequence[str]) -> dict[str, str]:
    """Return what is printed for each call that a test compares with a plain value."""
    known: dict[str, str] = {}
    for test in tests:
        try:
            (statement,) = ast.parse(test).body
            if not isinstance(statement, ast.Assert):
                continue
            compared = statement.test
            if not isinstance(compared, ast.Compare) or not isinstance(compared.ops[0], ast.Eq):
                continue
            value = ast.literal_eval(compared.comparators[0])
        except (ValueError, SyntaxError):
            continue
        if _is_plain(compared.left) and len(compared.ops) == 1:
            known.setdefault(ast.unparse(compared.left), str(value))
    return known


def choose_call(tests: Sequence[str], variant: int) -> str | None:
    """Return a call whose output is worth asking for; None if there are not so many."""
    worth = [
        call
        for call, printed in read_calls(tests).items()
        if printed not in _DULL and printed not in call and "\n" not in printed
    ]
    return worth[-1 - variant] if variant < len(worth) else None


def split_program(prompt: str) -> tuple[str, str] | None:
    """Return the form of the code that a prompt shows and the call whose result it prints."""
    found = _BLOCK.search(prompt)
    if found is None or "print" not in prompt:
        return None
    try:
        tree = ast.parse(found[1])
    except (SyntaxError, ValueError, RecursionError):
        return None
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr) or not isinstance(last.value, ast.Call):
        return None
    printing = last.value
    if ast.unparse(printing.func) != "print" or len(printing.args) != 1:
        return None
    tree.body = tree.body[:-1]
    return _form(tree), ast.unparse(printing.args[0])


def form_of(code: str) -> str | None:
    """Return the form of a code: the same whatever its comments and docstrings are."""
    try:
        return _form(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError):
        return None


def _is_plain(call: ast.expr) -> bool:
    """Say whether this is a call with plain values."""
    if not isinstance(call, ast.Call) or call.keywords:
        return False
    try:
        return all(ast.literal_eval(value) is not ast for value in call.args)
    except (ValueError, TypeError):
        return False


def _form(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)
