"""Python source as a tree: models' programs are read here, by one thread at a time.

>>> parse_expression("12 * 9 - 35")
<ast.BinOp object at …>

CPython before 3.11.8 and 3.12.2 counts how deep the trees of all threads are in one number
(gh-106905): two threads that parse at once end with "AST constructor recursion depth mismatch".
"""

import ast
import os
import threading

_ONE_AT_A_TIME = threading.Lock()
# Else a process that is forked while a thread parses would wait for that thread for ever.
os.register_at_fork(
    before=_ONE_AT_A_TIME.acquire,
    after_in_parent=_ONE_AT_A_TIME.release,
    after_in_child=_ONE_AT_A_TIME.release,
)
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What source that is no Python, or no sane one, raises."""


def parse_module(source: str) -> ast.Module:
    """Return the tree of a whole program. Raises one of `UNREADABLE`."""
    with _ONE_AT_A_TIME:
        return ast.parse(source)


def parse_expression(source: str) -> ast.expr:
    """Return the tree of a single expression. Raises one of `UNREADABLE`."""
    with _ONE_AT_A_TIME:
        return ast.parse(source, mode="eval").body
