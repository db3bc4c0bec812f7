r"""Read an answer as exact algebra, where it plainly is some: sums, products, powers, roots, π, i.

    >>> same_value(r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt3}"), same_value("6+9i", "12")
    (True, False)

It spares most wrong answers and most other spellings the milliseconds of the symbolic checker.
What math-verify reads in a way of its own (`2 3`, `1/2x`, `5m`, `x(x+1)`, capital letters) is not
read here, but left to it; `5(2)` and `(5)(2)`, which it adds up, are products here.
"""

import re
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from tasks.assess.numbers import close_thin_spaces, read_number
from tasks.assess.polynomials import (
    TooLargeError,
    Value,
    are_apart,
    atom,
    constant,
    is_same,
    square_root,
)

LONGEST = 200
# math-verify rounds to six places where a side is a decimal. Exact values that differ are two.
NEAR = 1e-5
_DROPPED = re.compile(r"\\(?:left|right|displaystyle|[,!;: ])")
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)$")
# No letter that is a unit (math-verify drops the m of `5m`), none that names a function, no e.
_TOKEN = re.compile(
    r"(?P<number>\d{1,15}(?:\.\d{1,15})?(?![\d.])|\.\d{1,15}(?![\d.]))"
    r"|\\(?P<command>frac|sqrt|pi|cdot|times)(?![A-Za-z])|(?P<letter>[abiknpqruvwxyzABPQRXYZ])"
    r"|(?P<mark>[-+*/^(){}])|\s+"
)
_COMMAND = re.compile(r"\\[A-Za-z]+")
_LETTER = re.compile(r"[A-Za-z]")
# At the end, letters after a space or beside each other may be a unit.
_LETTERS_LAST = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}$|[\w)}]\s+[A-Za-z]+$")
_LIST = re.compile(r"\(((?:[^()\[\],]|\([^()\[\],]*\))+(?:,(?:[^()\[\],]|\([^()\[\],]*\))+)+)\)")
_INTERVAL = re.compile(r"[\[(]([^()\[\],]+),([^()\[\],]+)[\])]")
_NAMED = re.compile(r"\s*[abknpqruvwxyzABPQRXYZ]\s*=(?P<value>[^=<>]+)")
_MATRIX = re.compile(r"\\begin\{([pb]matrix)\}(?:(?!\\begin|\\end).)*(?:&|\\\\)[^\\]*\\end\{\1\}")
_THOUSANDS = re.compile(r"\d,\d{3}(?!\d)")
_INFINITE = re.compile(r"[-+]?\s*\\infty")


class UnreadError(Exception):
    """The text is not plainly algebra."""


def same_value(key: str, answer: str) -> bool | None:
    """Tell whether two texts are one value, or one list of values; None where that is not plain."""
    if max(len(key), len(answer)) > LONGEST:
        return None
    if ("=" in key) != ("=" in answer):
        key, answer = _take_value(key), _take_value(answer)
    wanted, found = read_value(key), read_value(answer)
    if wanted is not None and found is not None:
        return _compare(wanted, found)
    for read, compare in ((read_list, _compare_lists), (read_set, _compare_sets)):
        left, right = read(key), read(answer)
        if left and right:
            return compare(left, right)
    if (wanted is not None and is_compound(answer)) or (found is not None and is_compound(key)):
        return False
    return None


@lru_cache(maxsize=65_536)
def read_value(text: str) -> Value | None:
    """Return the value that a text plainly is, else None."""
    if (number := read_number(text)) is not None:
        if number.percent or number.unit or _LETTER.search(_COMMAND.sub("", text)):
            return None
        return constant(number.value, decimal=number.decimal)
    plain = _normalise(text)
    if not plain or _LETTERS_LAST.search(plain):
        return None
    try:
        return _Reader(plain).read()
    except (UnreadError, TooLargeError):
        return None


@lru_cache(maxsize=65_536)
def read_list(text: str) -> tuple[Value, ...]:
    """Return the values of a list in round brackets; none of `(1,234)`, which may be a number."""
    match = _LIST.fullmatch(_normalise(text))
    if match is None or _THOUSANDS.search(match[1]):
        return ()
    return _read_parts(match[1])


@lru_cache(maxsize=65_536)
def read_set(text: str) -> tuple[Value, ...]:
    r"""Return the values of `1, 2` or `\{1, 2\}`, of two at least."""
    plain = _normalise(text)
    if plain.startswith("\\{") and plain.endswith("\\}"):
        plain = plain[2:-2]
    return () if "," not in plain or _THOUSANDS.search(plain) else _read_parts(plain)


def is_compound(text: str) -> bool:
    """Tell a list of several values, an interval or a matrix, none of which is ever one number."""
    if read_list(text):
        return True
    if values := read_set(text):
        return any(_compare(values[0], value) is False for value in values[1:])
    plain = _normalise(text)
    if _MATRIX.fullmatch(text.strip()):
        return True
    if (ends := _INTERVAL.fullmatch(plain)) is None or _THOUSANDS.search(plain):
        return False
    low, high = (read_value(end.strip()) for end in ends.groups())
    if low is not None and high is not None:
        return not is_same(low, high)  # [5, 5] is the set of 5
    endless = [bool(_INFINITE.fullmatch(end.strip())) for end in ends.groups()]
    return all(
        value is not None or is_endless
        for value, is_endless in zip((low, high), endless, strict=True)
    ) and any(endless)


def _compare(wanted: Value, found: Value) -> bool | None:
    try:
        if is_same(wanted, found):
            # math-verify compares a lone letter by its name alone: `2x-x` is not `x` to it.
            return None if wanted.is_letter() or found.is_letter() else True
        constant_both = wanted.is_constant() and found.is_constant()
        if constant_both and are_apart(wanted, found, NEAR):
            return False
    except TooLargeError:
        return None
    return None if wanted.decimal or found.decimal else False


def _read_parts(text: str) -> tuple[Value, ...]:
    values = [read_value(part.strip()) for part in re.split(r",(?![^()]*\))", text)]
    known = tuple(value for value in values if value is not None)
    return known if len(known) == len(values) else ()


def _compare_lists(left: tuple[Value, ...], right: tuple[Value, ...]) -> bool | None:
    if len(left) != len(right):
        return False
    same = [_compare(*pair) for pair in zip(left, right, strict=True)]
    return False if False in same else None if None in same else True


def _take_value(text: str) -> str:
    """Return 5 for `x = 5`; a name that only one side gives is left out, as math-verify does."""
    named = _NAMED.fullmatch(_normalise(text))
    return named["value"].strip() if named else text


@lru_cache(maxsize=65_536)
def _normalise(text: str) -> str:
    plain = text.strip().replace("\u2212", "-").replace("\\dfrac", "\\frac")
    plain = plain.replace("\\tfrac", "\\frac")
    if len(plain) > 2 and plain[0] == plain[-1] == "$":
        plain = plain[1:-1]
    return _DEGREES.sub("", _DROPPED.sub("", close_thin_spaces(plain)).strip()).strip()


def _compare_sets(left: tuple[Value, ...], right: tuple[Value, ...]) -> bool | None:
    """Tell whether each value of a set is in the other; None if one is near to a value there."""
    pairs = [[_compare(one, other) for other in right] for one in left]
    sides = [*pairs, *zip(*pairs, strict=True)]
    if all(True in found for found in sides):
        return True
    return False if any(all(same is False for same in found) for found in sides) else None


class _Reader:
    """A recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise UnreadError
            position = match.end()
            if match.lastgroup:
                self.tokens.append((match.lastgroup, match[match.lastgroup]))
        for (kind, token), (next_kind, next_token) in pairwise(self.tokens):
            # math-verify adds the numbers of `2 3`, and calls x of `x(x+1)` a function. It adds
            # those of `5(2)` too, which is a product; `0.1(6)` may be a repeating decimal.
            ended = kind in ("number", "letter") or token in (")", "}", "pi")
            if next_kind == "number" and ended:
                raise UnreadError
            if next_token == "(" and (kind == "letter" or token == "pi" or "." in token):
                raise UnreadError
        self.place = 0

    def read(self) -> Value:
        value = self._sum()
        if self.place < len(self.tokens):
            raise UnreadError
        return value

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self.place += 1
        return token

    def _expect(self, mark: str) -> None:
        if self._take() != ("mark", mark):
            raise UnreadError

    def _sum(self) -> Value:
        total = self._product()
        while self._peek() in (("mark", "+"), ("mark", "-")):
            sign = self._take()[1]
            part = self._product()
            total = total + (part if sign == "+" else -part)
        return total

    def _product(self) -> Value:
        sign = self._peek()
        if sign in (("mark", "+"), ("mark", "-")):
            self.place += 1
        total, divided = self._power(), False
        while True:
            kind, token = last = self._peek()
            if last in (("mark", "*"), ("command", "cdot"), ("command", "times")):
                self.place += 1
                total, divided = total * self._power(), False
            elif last == ("mark", "/"):
                if divided:
                    raise UnreadError
                self.place += 1
                total, divided = total / self._power(), True
            elif kind == "letter" or token in ("sqrt", "pi", "(", "frac"):
                # `1/2x` is 1/(2x) to math-verify, and `3\frac12` may be a mixed number.
                factor = self._power()
                if divided or token == "frac":
                    raise UnreadError
                total = total * factor
            else:
                break
        return -total if sign == ("mark", "-") else total

    def _power(self) -> Value:
        base = self._factor()
        if self._peek() != ("mark", "^"):
            return base
        self.place += 1
        if self._peek() == ("mark", "{"):
            exponent = self._group().rational()
        else:
            kind, token = self._take()
            if kind != "number" or len(token) != 1:  # `x^10` is x^1·0 to TeX
                raise UnreadError
            exponent = constant(int(token)).rational()
        if exponent is None or exponent.denominator != 1 or self._peek() == ("mark", "^"):
            raise UnreadError
        return base ** int(exponent)

    def _group(self) -> Value:
        self._expect("{")
        value = self._sum()
        self._expect("}")
        return value

    def _factor(self) -> Value:
        kind, token = self._take()
        if kind == "number":
            return constant(Fraction(token), decimal="." in token)
        if kind == "letter":
            return atom(token.lower())  # math-verify takes X for x
        if token == "pi":
            return atom("π")
        if token == "(":
            value = self._sum()
            self._expect(")")
            return value
        if token == "sqrt":
            return square_root(self._argument())
        if token == "frac":
            top = self._argument()
            return top / self._argument()
        raise UnreadError

    def _argument(self) -> Value:
        """Read what a command takes: a group, or one digit."""
        if self._peek() == ("mark", "{"):
            return self._group()
        kind, token = self._take()
        if kind != "number" or "." in token or not 1 <= len(token) <= 2:
            raise UnreadError
        if len(token) == 2:  # `\frac12` and `\sqrt12`: the first digit alone belongs here
            self.place -= 1
            self.tokens[self.place] = ("number", token[1])
        return constant(int(token[0]))
