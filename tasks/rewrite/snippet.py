"""Snippets: a program whose output is asked for, made of a seed's own code and one call of it.

    compose("def double(x):\\n    return 2 * x", "double(4)")
    → "What does this program print? Give the exact output.\\n\\n```python\\ndef double(x): …"

Nothing is run here; a call is a name and plain values, whatever a model writes.
"""

import ast
import json
from collections.abc import Sequence

from tasks.python_source import UNREADABLE, parse_module

MOST_CALL_CHARACTERS = 200
MOST_CODE_CHARACTERS = 3_000
_QUESTION = "What does this program print? Give the exact output."


class SnippetError(ValueError):
    """The code or the call cannot be used; the message says why."""


def tidy_code(code: str) -> str:
    """Return code without comments and docstrings, which may tell what it gives.

    Raises SnippetError if it is no Python or defines no function.
    """
    tree = _parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            _drop_docstring(node)
    if not functions_in(tree):
        raise SnippetError("the code defines no function")
    try:
        tidy = ast.unparse(tree)
    except RecursionError as error:
        raise SnippetError("the code is nested too deeply") from error
    if len(tidy) > MOST_CODE_CHARACTERS:
        raise SnippetError(f"the code has {len(tidy)} characters, at most {MOST_CODE_CHARACTERS}")
    return tidy


def read_call(text: str, code: str) -> str:
    """Return a call of one of the code's functions in Python's own spelling.

    Raises SnippetError unless it is a single call with plain values.
    """
    if len(text) > MOST_CALL_CHARACTERS:
        raise SnippetError(f"the call has {len(text)} characters, at most {MOST_CALL_CHARACTERS}")
    body = _parse(text.strip()).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise SnippetError("not a single expression")
    call = body[0].value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise SnippetError("not a call of a function by its name")
    known = functions_in(_parse(code))
    if call.func.id not in known:
        raise SnippetError(f"{call.func.id[:60]!r} is not defined there; known: {', '.join(known)}")
    for value in (*call.args, *(keyword.value for keyword in call.keywords)):
        try:
            ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
            raise SnippetError("an argument is not a plain value") from error
    if any(keyword.arg is None for keyword in call.keywords):
        raise SnippetError("an argument is not a plain value")
    return ast.unparse(call)


def values_in(call: str) -> list[object]:
    """Return the arguments of a call that `read_call` returned, and what they hold."""
    (statement,) = parse_module(call).body
    return [
        ast.literal_eval(node)
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.UnaryOp)
    ]


def make_program(code: str, call: str) -> str:
    """Return the program that is shown and run."""
    return f"{code}\n\nprint({call})"


def compose(code: str, call: str) -> str:
    """Return the statement of a task."""
    return f"{_QUESTION}\n\n```python\n{make_program(code, call)}\n```"


def functions_in(tree: ast.Module) -> list[str]:
    """Return the names of the functions that a module defines."""
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def parameters_of(code: str, name: str) -> list[str]:
    """Return the names of a function's parameters; of one defined twice the later is called."""
    defined = [
        [argument.arg for argument in node.args.args]
        for node in parse_module(code).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    return defined[-1] if defined else []


def tested_function(code: str, tests: Sequence[str]) -> str | None:
    """Return the one function of the code that tests speak of; None if it is none or several.

    >>> tested_function("def double(x): …", ["assert double(2) == 4", '{"call": "double", …}'])
    'double'
    """
    named: set[str] = set()
    for test in tests:
        if test.lstrip().startswith("{"):
            named.add(str(json.loads(test).get("call")))
            continue
        try:
            nodes = ast.walk(_parse(test))
        except SnippetError:
            return None
        named |= {node.id for node in nodes if isinstance(node, ast.Name)}
    found = named.intersection(functions_in(_parse(code)))
    return found.pop() if len(found) == 1 else None


def _parse(code: str) -> ast.Module:
    try:
        return parse_module(code)
    except UNREADABLE as error:
        raise SnippetError("not Python") from error


def _drop_docstring(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module,
) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        empty: list[ast.stmt] = [] if isinstance(node, ast.Module) else [ast.Pass()]
        node.body = node.body[1:] or empty
