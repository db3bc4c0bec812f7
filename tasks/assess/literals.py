"""Literals: what a Python program prints, compared as values and with their case.

>>> same_literal("[3, 1, 2]", "[3,1,2]"), same_literal("['a']", "('a',)"), same_literal("Nile", "x")
(True, False, None)
>>> same_literal("'HELLO'", "HELLO"), same_literal("'HELLO'", "hello"), write_literal("it's")
(True, False, "'it\\\\'s'")
"""

import ast
import re
from functools import lru_cache
from typing import Any

from tasks.assess.extract import measure_depth, strip_wrappers
from tasks.python_source import UNREADABLE, parse_expression

LONGEST = 2_000
DEEPEST = 40
_ENDS = {"[": "]", "(": ")", "{": "}", "'": "'"}
_UNREAD = object()
_SPACING = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\[,;!]")
_ESCAPED = re.compile(r"\\([_{}#%&$])")
_NO_ESCAPE = re.compile(r"\\(?![\\'\"abfnrtvxuUN0-7\n])")  # Python would warn of it.
_CURLY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})


def same_literal(key: str, answer: str) -> bool | None:
    """Tell whether an answer is the value that the key is; None where the key is no literal.

    A literal is a list, tuple, dictionary, set or text in single quotes as Python writes them. Such
    a text may be answered without its quotes, but not in another case. Words, numbers, True, False,
    None and what stands in double quotes, as titles do, are none.
    """
    wanted = _read(key.strip())
    if wanted is _UNREAD:
        return None
    said = _clean(answer)
    if isinstance(wanted, str):
        quoted = said.translate(_CURLY)
        inside = said[1:-1] if quoted[:1] == quoted[-1:] and quoted[:1] in ("'", '"') else said
        if wanted in (answer, answer.strip(), said, inside):
            return True
    found = _read(said)
    if found is _UNREAD:
        found = _read(said.translate(_CURLY))
    return found is not _UNREAD and _canonical(wanted) == _canonical(found)


def write_literal(printed: str) -> str:
    """Return the key for what a program prints: itself if it is a literal, else in quotes."""
    if _read(printed) is not _UNREAD:
        return printed
    written = repr(printed)
    return written if written[0] == "'" else "'{}'".format(written[1:-1].replace("'", "\\'"))


@lru_cache(maxsize=16_384)
def _read(text: str) -> Any:
    if len(text) > LONGEST or len(text) < 2 or _ENDS.get(text[0]) != text[-1]:
        return _UNREAD
    if measure_depth(text) > DEEPEST or _NO_ESCAPE.search(text.replace("\\\\", "")):
        return _UNREAD
    try:
        value = ast.literal_eval(parse_expression(text))
    except (*UNREADABLE, TypeError):
        return _UNREAD
    return value if isinstance(value, list | tuple | dict | set | str) else _UNREAD


def _clean(answer: str) -> str:
    r"""Take off what a box, LaTeX and markdown put around an output: `\text{}`, `\_`, backticks."""
    plain = strip_wrappers(_SPACING.sub("", answer.strip().strip("`")))
    return _ESCAPED.sub(r"\1", plain).strip().strip("`").strip()


def _canonical(value: Any) -> Any:
    """Return a value that is equal only to its own kind: True is not 1, nor is 1.0."""
    if isinstance(value, dict):
        return "dict", frozenset((_canonical(key), _canonical(held)) for key, held in value.items())
    if isinstance(value, set):
        return "set", frozenset(map(_canonical, value))
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(map(_canonical, value))
    return type(value).__name__, repr(value)
