r"""Programs that compute an answer from a problem's numbers, exactly and never by `eval`.

text     "A baker fills 12 trays with 9 rolls each and sells 35 rolls. How many are left?"
numbers  n0 = 12, n1 = 9, n2 = 35
program  "n0 * n1 - n2"  ->  73, by the steps "12 * 9 = 108" and "108 - 35 = 73"

The rewrite stage has an evaluator of its own: what tells the truth must not share the faults of
what is measured against it.
"""

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

NUMBER = re.compile(r"(?<![\w.])[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?!\w|\.[0-9])")
_VARIABLE = re.compile(r"\bn(\d+)\b")
_FRACTION = re.compile(r"(-?)\s*\\[dt]?frac\s*\{(-?\d+)\}\s*\{(-?\d+)\}")
_PLAIN = re.compile(r"-?\d+(?:\.\d+)?(?:/\d+)?")
_MASK = "\x00"
_MOST_BITS = 4096
_MOST_DIGITS = 1000
_MAX_NODES = 200

Note = Callable[[str, Fraction], Fraction]
"""Called with each step ("12 * 9", 108); what it returns is carried on: a slip can be planted."""


@dataclass(frozen=True, slots=True)
class Program:
    """A parsed program. `exact` is false when it was derived from a solution: then a rewrite is
    recognised only if it leaves the numbers that are not `used`, and which numbers are equal."""

    source: str
    tree: ast.expr
    used: frozenset[int]
    exact: bool = True


def find_numbers(text: str) -> tuple[Fraction, ...]:
    """Return the numbers of a text in order of appearance: n0, n1, …"""
    found = [digits.replace(",", "") for digits in NUMBER.findall(text)]
    return tuple(Fraction(digits if len(digits) <= _MOST_DIGITS else 0) for digits in found)


def mask_numbers(text: str) -> str:
    """Return the skeleton of a text: the same for every rewrite that only changes numbers."""
    return NUMBER.sub(_MASK, text)


def parse_number(text: str) -> Fraction | None:
    r"""Read an answer such as `3,600`, `$1/2$`, `\frac{1}{2}`, `-0.5`; None if it is no number."""
    plain = text.strip().strip("$").strip().replace(",", "").replace("\\$", "").replace("$", "")
    plain = _FRACTION.sub(r"\1\2/\3", plain)
    if len(plain) > _MOST_DIGITS or not _PLAIN.fullmatch(plain):
        return None
    top, _, bottom = plain.partition("/")
    if bottom and ("." in top or int(bottom) == 0):
        return None
    return Fraction(top) / int(bottom or 1)


def show_number(value: Fraction) -> str:
    """Write a number as people do: 12, 3.75, and 1/3 where decimals would not end."""
    if value.denominator == 1:
        return str(value.numerator)
    decimals = decimal_places(value)
    if decimals is None or decimals > 6:
        return f"{value.numerator}/{value.denominator}"
    return write_decimal(value, decimals)


def write_decimal(value: Fraction, places: int) -> str:
    """Write a number with exactly so many decimals, exactly where they suffice."""
    digits = str(round(abs(value) * 10**places)).zfill(places + 1)
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def decimal_places(value: Fraction) -> int | None:
    """Return how many decimals a number needs, None if they never end."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def parse_program(source: str, *, exact: bool = True) -> Program | None:
    """Parse one arithmetic expression over n0, n1, …; None if it is anything else."""
    if len(source) > 2_000:
        return None
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    nodes = list(ast.walk(tree))
    if len(nodes) > _MAX_NODES or not all(isinstance(node, _ALLOWED) for node in nodes):
        return None
    used = frozenset(int(found) for found in _VARIABLE.findall(source))
    return Program(source.strip(), tree, used, exact)


def evaluate(
    program: Program, numbers: Sequence[Fraction], note: Note | None = None
) -> Fraction | None:
    """Compute a program exactly; None where it has no value (division by zero, too large …)."""
    try:
        return _value(program.tree, numbers, note)
    except (ArithmeticError, ValueError, IndexError, TypeError):
        return None


def trace(program: Program, numbers: Sequence[Fraction]) -> tuple[Fraction, ...] | None:
    """Return every intermediate result in order, the answer last; None where there is no value."""
    results: list[Fraction] = []

    def note(_: str, result: Fraction) -> Fraction:
        results.append(result)
        return result

    answer = evaluate(program, numbers, note)
    return None if answer is None else (*results, answer)


def fill_in(program: Program, numbers: Sequence[Fraction]) -> str:
    """Write a program with plain numbers: "n0 * n1 - n2" becomes "14 * 8 - 31"."""

    def plain(found: re.Match[str]) -> str:
        shown = show_number(numbers[int(found[1])])
        return f"({shown})" if "/" in shown else shown

    return _VARIABLE.sub(plain, program.source)


def _value(node: ast.expr, numbers: Sequence[Fraction], note: Note | None) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Fraction(str(value))
        case ast.Name(id=name) if _VARIABLE.fullmatch(name):
            return numbers[int(name[1:])]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            inner = _value(operand, numbers, note)
            return -inner if isinstance(sign, ast.USub) else inner
        case ast.BinOp(left=left, op=operator, right=right):
            one, other = _value(left, numbers, note), _value(right, numbers, note)
            symbol, apply = _OPERATORS[type(operator)]
            result = _bounded(apply(one, other))
            return note(f"{_operand(one)} {symbol} {_operand(other)}", result) if note else result
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            values = [_value(argument, numbers, note) for argument in arguments]
            result = _bounded(Fraction(_FUNCTIONS[name](*values)))
            shown = ", ".join(map(show_number, values))
            return note(f"{name}({shown})", result) if note else result
    raise ValueError("not an arithmetic expression")


def _operand(value: Fraction) -> str:
    shown = show_number(value)
    return f"({shown})" if value < 0 or "/" in shown else shown


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_BITS:
        raise ArithmeticError("too large")
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator != 1 or bits * abs(exponent) > _MOST_BITS:
        raise ArithmeticError("exponent")
    return Fraction(base ** int(exponent))


def _root(value: Fraction) -> Fraction:
    if value < 0:
        raise ArithmeticError("root of a negative number")
    root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    if root * root != value:
        raise ArithmeticError("the root is not rational")
    return root


def _whole(value: Fraction, limit: int = 10**30) -> int:
    if value.denominator != 1 or abs(value) > limit:
        raise ArithmeticError("not a whole number within reach")
    return int(value)


_OPERATORS: dict[type[ast.operator], tuple[str, Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: ("+", lambda a, b: a + b),
    ast.Sub: ("-", lambda a, b: a - b),
    ast.Mult: ("*", lambda a, b: a * b),
    ast.Div: ("/", lambda a, b: a / b),
    ast.FloorDiv: ("//", lambda a, b: Fraction(a // b)),
    ast.Mod: ("mod", lambda a, b: a % b),
    ast.Pow: ("^", _power),
}
_FUNCTIONS: dict[str, Callable[..., Fraction | int]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "round": lambda value, digits=Fraction(0): round(value, _whole(digits, 30)),
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": _root,
    "gcd": lambda *values: math.gcd(*map(_whole, values)),
    "lcm": lambda *values: math.lcm(*map(_whole, values)),
    "comb": lambda n, k: math.comb(_whole(n, 200), _whole(k, 200)),
    "perm": lambda n, k: math.perm(_whole(n, 200), _whole(k, 200)),
    "factorial": lambda n: math.factorial(_whole(n, 200)),
    "Fraction": lambda top, bottom=Fraction(1): top / bottom,
}
_ALLOWED = (
    ast.BinOp,
    ast.UnaryOp,
    ast.Constant,
    ast.Name,
    ast.Call,
    ast.operator,
    ast.unaryop,
    ast.Load,
)
