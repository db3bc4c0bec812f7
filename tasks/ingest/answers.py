r"""Answers: found in what a dataset calls its answer, tidied, and told apart by type.

"… 48+24 = 72 clips.\n#### 72"   pattern hash    →  "72"         number
"so it is \boxed{\frac{1}{2}}."  pattern boxed   →  "\frac{1}{2}" expression
2, with four choices             an index from 0 →  "C"          choice
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any, get_args

from tasks.boxes import find_boxes
from tasks.identity import normalise
from tasks.ingest.rows import Fault, write_number
from tasks.recipe import AnswerType

ANSWER_TYPES: tuple[str, ...] = get_args(AnswerType)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HASH = re.compile(r"####[ \t]*(.*)")
_LATEX_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}|,\\!|\\,)(?=\d{3}(?!\d))")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_DOLLAR = re.compile(r"^\\?\$\s*(?=[\d.+-])")
_POINT_ZERO = re.compile(r"(?<=\d)\.0*$")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_FRACTION = re.compile(r"[+-]?\d+\s*/\s*\d+")
_LATEX = re.compile(r"[\\^_{}$]")
_COMMAND = re.compile(r"\\[A-Za-z]{2}")
_WORD = re.compile(r"[^\W\d_]{2,}")
_FUNCTIONS = frozenset(("sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "sqrt", "pi"))
_LETTER = re.compile(r"[(\[]?\s*([A-Za-z])\s*[)\].:]?")
_LEVEL = re.compile(r"(?:level\s*)?([1-5])(?:\.0+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of a choice and, where the data names them, their labels (`A`, `1`, …)."""

    texts: tuple[str, ...]
    labels: tuple[str, ...] = ()


def extract_answer(text: str, pattern: str) -> str | None:
    """Find the answer in a worked solution by `hash`, `boxed` or a regular expression."""
    if pattern == "boxed":
        return _find_boxed(text)
    expression = _HASH if pattern == "hash" else re.compile(pattern)
    last = None
    for last in expression.finditer(text):  # noqa: B007 - the last match counts
        pass
    return (last[1] or "").strip() or None if last else None


def describe_pattern(pattern: str) -> str:
    """Say in words what a pattern looks for."""
    known = {"hash": "`#### ` and the answer", "boxed": r"a `\boxed{…}` with balanced braces"}
    return known.get(pattern, f"a match of `{pattern}`")


def write_answer(value: Any) -> str | Fault | None:
    """Write an answer of any JSON or Parquet type as text; None if there is none."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return write_number(value)
    return Fault(
        "bad_answer",
        f"expected a text or a number as the answer, found {describe_value(value)}; name the "
        "right part with a dotted path such as `answer.0`",
    )


def tidy_answer(answer: str) -> str:
    r"""Write a number plainly: no thousands separators, dollar signs or `.0`; leave others alone.

    >>> tidy_answer("10{,}000"), tidy_answer("$1,234$"), tidy_answer("142.0"), tidy_answer("1, 2")
    ('10000', '1234', '142', '1, 2')
    """
    plain = answer.strip()
    if plain.isascii() and plain.isdecimal():
        return plain
    plain = _LATEX_THOUSANDS.sub("", plain).replace("\u2212", "-")
    if plain.count("$") == 2 and plain[0] == plain[-1] == "$" and len(plain) > 2:
        plain = plain[1:-1].strip()
    bare = _DOLLAR.sub("", plain)
    if _THOUSANDS.fullmatch(bare):
        bare = bare.replace(",", "")
    if _NUMBER.fullmatch(bare):
        return _POINT_ZERO.sub("", bare).removeprefix("+")
    return plain


def infer_answer_type(
    answer: str | None, choices: Choices | None, tests: Sequence[str] | None
) -> str:
    """Guess the type of an answer that came without one."""
    if choices:
        return "choice"
    if tests:
        return "code"
    if answer is None:
        return "open"
    tidied = tidy_answer(answer)
    if _NUMBER.fullmatch(tidied) or _FRACTION.fullmatch(tidied):
        return "number"
    return "expression" if _is_symbolic(tidied) else "text"


def _is_symbolic(text: str) -> bool:
    """Tell an expression from prose and from code, by signs and by the length of its words."""
    if "\n" in text:
        return _COMMAND.search(text) is not None
    if _LATEX.search(text):
        return True
    words = [word for word in _WORD.findall(text) if word.lower() not in _FUNCTIONS]
    if any(sign in text for sign in "+*="):
        return all(len(word) <= 3 for word in words)  # products of variables: ab + ac
    return not words and any(sign.isdigit() or sign in "-/<>()[]" for sign in text)


def same_answer(one: str, other: str) -> bool:
    """Tell whether two gold answers say the same: 1/2 and 0.5 do, `x` and `y` do not."""
    if one == other:
        return True
    one, other = normalise(tidy_answer(one)), normalise(tidy_answer(other))
    if one == other:
        return True
    value = _read_value(one)
    return value is not None and value == _read_value(other)


def read_choices(value: Any) -> Choices | Fault | None:
    """Read options given as a list, as an object by label, or as lists `text` and `label`."""
    labels: Sequence[Any] = ()
    if _is_map(value):
        value = dict(value)
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        value, labels = value["text"], value.get("label") or ()
    elif isinstance(value, Mapping):
        value = _leave_out_empty_end(value)
        labels, value = list(value), list(value.values())
    if value is None or value in ([], ""):
        return None
    if not isinstance(value, list | tuple):
        return _bad_choices(f"found {describe_value(value)}")
    texts = [write_answer(option) for option in value]
    if not 2 <= len(texts) <= len(LETTERS):
        return _bad_choices(f"found {len(texts)} options")
    if labels and len(labels) != len(texts):
        return _bad_choices(f"found {len(texts)} options and {len(labels)} labels")
    names = labels or range(1, len(texts) + 1)
    for name, text, option in zip(names, texts, value, strict=True):
        if not isinstance(text, str):
            found = "nothing" if text is None else describe_value(option)
            return _bad_choices(f"found {found} as option {name}")
    return Choices(tuple(map(str, texts)), tuple(str(label).strip() for label in labels))


def _is_map(value: Any) -> bool:
    """Tell the pairs as which a Parquet map is read; no list of JSON has tuples."""
    return isinstance(value, list) and all(
        isinstance(pair, tuple) and isinstance(pair[0], str) for pair in value
    )


def _leave_out_empty_end(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options up to the last that is there: a table has a column for every label.

    One that is empty before it stays: without it an index would mean another option.
    """
    there = [at for at, option in enumerate(options.values()) if write_answer(option) is not None]
    return dict(islice(options.items(), there[-1] + 1 if there else 0))


def find_letter(value: Any, choices: Choices) -> str | Fault:
    """Return the letter of the right option: from a label, an index, a letter or its very text.

    An integer is an index from 0. A text is tried as a label, a letter, an option and an index, in
    that order.
    """
    count = len(choices.texts)
    wanted = write_answer(value)
    if not isinstance(wanted, str):
        return wanted or Fault("answer_not_in_choices", "the answer is empty")
    if wanted in choices.labels:
        return LETTERS[choices.labels.index(wanted)]
    is_index = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_index:
        letter = _LETTER.fullmatch(wanted)
        if letter and (at := LETTERS.index(letter[1].upper())) < count:
            return LETTERS[at]
        options = [normalise(text).casefold() for text in choices.texts]
        if (text := normalise(wanted).casefold()) in options:
            return LETTERS[options.index(text)]
    if wanted.isdecimal() and wanted.isascii() and int(wanted) < count:
        return LETTERS[int(wanted)]
    return Fault(
        "answer_not_in_choices",
        f"expected a letter A to {LETTERS[count - 1]}, an index 0 to {count - 1} or the text of an "
        f"option, found {wanted[:80]!r}",
    )


def read_level(value: Any) -> int | None:
    """Return a difficulty from 1 to 5, given as a number or as `Level 3`; None for other scales."""
    written = write_answer(value)
    found = _LEVEL.fullmatch(written) if isinstance(written, str) else None
    return int(found[1]) if found else None


def describe_value(value: Any) -> str:
    """Name the kind of a value in the words of JSON."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return f"an object with {', '.join(list(map(str, value))[:5]) or 'nothing in it'}"
    kinds = {str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _read_value(text: str) -> Fraction | None:
    plain = text.replace(" ", "")
    if not (_NUMBER.fullmatch(plain) or _FRACTION.fullmatch(plain)):
        return None  # Fraction would take 1e3000000 as well, and write it out.
    try:
        return Fraction(plain)
    except (ValueError, ZeroDivisionError):
        return None


def _find_boxed(text: str) -> str | None:
    """Return what the box that begins last holds."""
    last = max(find_boxes(text), default=None)
    return last.text or None if last else None


def _bad_choices(found: str) -> Fault:
    return Fault(
        "bad_choices",
        f"expected 2 to {len(LETTERS)} options as a list of texts or an object of label and text, "
        + found,
    )
