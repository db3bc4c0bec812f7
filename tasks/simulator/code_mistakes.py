"""Wrong programs that fail their tests by construction, so that nothing has to be run to be sure.

def area(w, h):            def area(w, h):
    return w * h     ->        return (w * h) + 1       (the tests expect a number)
"""

import ast
from collections.abc import Sequence

_UNFINISHED = "def {name}(*args):\n    raise NotImplementedError"
_GIVE_UP = "raise NotImplementedError"


def break_function(name: str, reference: str | None, tests: Sequence[str]) -> str:
    """Return a version of a reference solution that at least one of its tests refuses.

    What is returned is changed in a way that the tests' expected values are known to refuse: one
    too much, the last element missing, the opposite truth, or no answer at all.
    """
    unfinished = _UNFINISHED.format(name=name if name.isidentifier() else "solution")
    if reference is None:
        return unfinished
    try:
        tree = ast.parse(reference)
    except (SyntaxError, ValueError, RecursionError):
        return unfinished
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    functions = [node for node in functions if node.name == name]
    if not functions:
        return unfinished
    function = functions[-1]
    changer = _ChangeReturns(_choose_change(function, _expected_value(name, tests)))
    function.body = [changer.visit(statement) for statement in function.body]
    if not changer.changed:
        function.body = ast.parse("raise NotImplementedError").body
    return ast.unparse(ast.fix_missing_locations(tree))


class _ChangeReturns(ast.NodeTransformer):
    """Changes what a function returns, but not what functions inside it do."""

    def __init__(self, change: str) -> None:
        self.change = change
        self.changed = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        if node.value is None:
            return node
        self.changed = True
        value = ast.unparse(node.value)
        return ast.parse(self.change.format(value=value)).body[0]


def _choose_change(function: ast.FunctionDef, expected: object) -> str:
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    if any(isinstance(call, ast.Name) and call.id == function.name for call in calls):
        # A recursive function could undo the change on its way up.
        return _GIVE_UP
    if isinstance(expected, bool):
        return "return not ({value})"
    if isinstance(expected, int | float):
        return "return ({value}) + 1"
    if isinstance(expected, str | list | tuple) and expected:
        return "return ({value})[:-1]"
    return _GIVE_UP if expected is None else "result = {value}"


def _expected_value(name: str, tests: Sequence[str]) -> object:
    """Return a value that a test expects the function itself to return; None if none says so."""
    expected: object = None
    for test in tests:
        try:
            tree = ast.parse(test.strip())
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in tree.body:
            match node:
                case ast.Assert(test=ast.Call(func=ast.Name(id=called))) if called == name:
                    return True
                case ast.Assert(
                    test=ast.Compare(
                        left=ast.Call(func=ast.Name(id=called)),
                        ops=[ast.Eq() | ast.Is()],
                        comparators=[right],
                    )
                ) if called == name:
                    expected = expected or _literal(right)
    return expected


def _literal(node: ast.expr) -> object:
    try:
        value: object = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value
