"""Evaluate the arithmetic a model (or a seed) gives as proof of its answer, exactly and safely.

    >>> evaluate("n0 * n1 - n2", {"n0": Fraction(12), "n1": Fraction(9), "n2": Fraction(35)})
    73

The expression is untrusted: it is parsed, never run, and every step is bounded before it is taken,
so that `9**9**9` is refused at once.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from tasks.python_source import UNREADABLE, parse_expression

MAX_CHARACTERS = 500
MAX_NODES = 200
MAX_BITS = 4096  # of a numerator or a denominator: about 1,200 decimal digits
MAX_DECIMALS = 100  # of round(x, decimals)
MAX_DIGITS = 1000  # of one number in a prompt

# Unsigned integers with or without thousands commas, and decimals. Not `x2`, `3x` or `1.2.3`.
NUMBER = re.compile(r"(?<![\w.])[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?!\w|\.[0-9])")

_FOREIGN_CHARACTER = re.compile(r"[^0-9A-Za-z_.+\-*/%(), \t\r\n]")
_WORD = re.compile(r"[\w.]+")
_LITERAL = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")


class ProgramError(ValueError):
    """The expression is not allowed, not finite or too large; the message says what and why."""


def numbers_in(text: str) -> list[Fraction]:
    """Return the numbers of a prompt in order of appearance: the values of n0, n1, …

    A number of more than `MAX_DIGITS` digits raises ProgramError.
    """
    found = [match.group().replace(",", "") for match in NUMBER.finditer(text)]
    if any(len(digits) > MAX_DIGITS for digits in found):
        raise ProgramError(f"a number of the prompt has more than {MAX_DIGITS} digits")
    return [Fraction(digits) for digits in found]


def find_numbers(text: str) -> list[Fraction]:
    """Return the numbers of a text, none where one of them is too long to be read."""
    try:
        return numbers_in(text)
    except ProgramError:
        return []


def written_forms(number: Fraction) -> set[Fraction]:
    """Return what a program may say for a number of a statement: 15% may be 0.15, 1.15 or 0.85."""
    return {number, number / 100, 1 + number / 100, 1 - number / 100}


def values_of(text: str) -> dict[str, Fraction]:
    """Return the numbers of a prompt by the names that its program has for them: n0, n1, …"""
    return {f"n{place}": value for place, value in enumerate(numbers_in(text))}


def evaluate(expression: str, variables: Mapping[str, Fraction] | None = None) -> Fraction | int:
    """Return the exact value, an `int` where it is whole.

    Allowed: decimal numbers, `variables`, + - * / // % **, parentheses and the names in
    `FUNCTIONS`. Semantics are Python's (`round` goes to even at a half); `sqrt` takes squares of
    rationals only. Everything else raises ProgramError.
    """
    known = variables or {}
    tree = _parse(expression, known)
    return _plain(_value(tree, expression, known))


def steps_of(expression: str, variables: Mapping[str, Fraction] | None = None) -> list[Fraction]:
    """Return what each operation and each function in an expression comes to, the last one first.

    Raises ProgramError as `evaluate` does.
    """
    known = variables or {}
    tree = _parse(expression, known)
    return [
        _value(node, expression, known)
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp | ast.Call)
    ]


def _parse(expression: str, known: Mapping[str, Fraction]) -> ast.expr:
    """Check length, characters and words before Python's parser sees the text, then its size."""
    if len(expression) > MAX_CHARACTERS:
        raise ProgramError(
            f"the expression has {len(expression)} characters, at most {MAX_CHARACTERS} are allowed"
        )
    foreign = _FOREIGN_CHARACTER.search(expression)
    if foreign:
        raise ProgramError(
            f"the character {foreign.group()!r} is not allowed; "
            "use numbers, + - * / // % **, parentheses and functions"
        )
    for word in _WORD.findall(expression):
        if not (_LITERAL.fullmatch(word) or word in FUNCTIONS or word in known):
            raise ProgramError(f"{_clip(word)!r} is not allowed; known are {_known_names(known)}")
    try:
        tree = parse_expression(expression.strip())
    except UNREADABLE as error:
        raise ProgramError(f"{_clip(expression)!r} is not an arithmetic expression") from error
    nodes = sum(isinstance(node, ast.expr) for node in ast.walk(tree))
    if nodes > MAX_NODES:
        raise ProgramError(f"the expression has {nodes} parts, at most {MAX_NODES} are allowed")
    return tree


def _value(node: ast.expr, source: str, known: Mapping[str, Fraction]) -> Fraction:
    match node:
        case ast.Constant(value=int() | float()):
            literal = ast.get_source_segment(source.strip(), node) or ""
            return _bounded(Fraction(literal.removesuffix(".")))
        case ast.Name(id=name) if name in known:
            return _bounded(Fraction(known[name]))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, source, known)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, source, known)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            operate = _OPERATORS[type(op)]
            return _bounded(operate(_value(left, source, known), _value(right, source, known)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            return _call(name, [_value(argument, source, known) for argument in arguments])
        case ast.Name(id=name):
            raise ProgramError(f"{name!r} is a function: call it, as in {name}(…)")
        case ast.Tuple():
            raise ProgramError("a comma outside a function call; write 1000 and not 1,000")
        case _:
            raise ProgramError(f"{type(node).__name__} is not allowed in an arithmetic expression")


def _call(name: str, arguments: list[Fraction]) -> Fraction:
    function, least, most = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise ProgramError(f"{name} takes {wanted} arguments and was given {len(arguments)}")
    return _bounded(function(*arguments))


def _plain(value: Fraction) -> Fraction | int:
    return value.numerator if value.denominator == 1 else value


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise ProgramError(f"a value needs more than {MAX_BITS} bits")
    return value


def _refuse_bits(bits: int, what: str) -> None:
    if bits > MAX_BITS:
        raise ProgramError(f"{what} would need more than {MAX_BITS} bits")


def _whole(value: Fraction, name: str, *, least: int | None = None) -> int:
    if value.denominator != 1 or (least is not None and value < least):
        wanted = "whole numbers" if least is None else f"whole numbers of at least {least}"
        raise ProgramError(f"{name} takes {wanted}, not {_clip(str(value))}")
    return value.numerator


def _divide(left: Fraction, right: Fraction) -> Fraction:
    _refuse_zero(right)
    return left / right


def _floor_divide(left: Fraction, right: Fraction) -> Fraction:
    _refuse_zero(right)
    return Fraction(left // right)


def _modulo(left: Fraction, right: Fraction) -> Fraction:
    _refuse_zero(right)
    return left % right


def _refuse_zero(divisor: Fraction) -> None:
    if divisor == 0:
        raise ProgramError("division by zero")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise ProgramError("an exponent is a whole number; write sqrt(x) for a square root")
    times = exponent.numerator
    if abs(base) in (0, 1):
        if base == 0 and times < 0:
            raise ProgramError("division by zero")
        return base ** (times if base == 0 else times % 2)
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    _refuse_bits((bits - 1) * abs(times), "a power")
    return Fraction(base**times)


def _square_root(value: Fraction) -> Fraction:
    if value < 0:
        raise ProgramError("sqrt of a negative number")
    root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    if root * root != value:
        raise ProgramError(f"sqrt takes squares of rationals; {_clip(str(value))} is not one")
    return root


def _round(value: Fraction, decimals: Fraction = Fraction(0)) -> Fraction:
    places = _whole(decimals, "round")
    if abs(places) > MAX_DECIMALS:
        raise ProgramError(f"round takes at most {MAX_DECIMALS} decimals")
    return Fraction(round(value, places))


def _gcd(*values: Fraction) -> Fraction:
    return Fraction(math.gcd(*(_whole(value, "gcd") for value in values)))


def _lcm(*values: Fraction) -> Fraction:
    return Fraction(math.lcm(*(_whole(value, "lcm") for value in values)))


def _comb(n: Fraction, k: Fraction) -> Fraction:
    total, chosen = _whole(n, "comb", least=0), _whole(k, "comb", least=0)
    _refuse_bits(total.bit_length() * max(0, min(chosen, total - chosen)), "comb")
    return Fraction(math.comb(total, chosen))


def _perm(n: Fraction, k: Fraction | None = None) -> Fraction:
    total = _whole(n, "perm", least=0)
    chosen = total if k is None else _whole(k, "perm", least=0)
    _refuse_bits(total.bit_length() * (chosen if chosen <= total else 0), "perm")
    return Fraction(math.perm(total, chosen))


def _factorial(n: Fraction) -> Fraction:
    total = _whole(n, "factorial", least=0)
    _refuse_bits(total.bit_length() * total, "factorial")
    return Fraction(math.factorial(total))


def _fraction(numerator: Fraction, denominator: Fraction = Fraction(1)) -> Fraction:
    return _divide(numerator, denominator)


def _known_names(known: Mapping[str, Fraction]) -> str:
    return _clip(", ".join([*known, *FUNCTIONS]), 200)


def _clip(text: str, width: int = 60) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.FloorDiv: _floor_divide,
    ast.Mod: _modulo,
    ast.Pow: _power,
}

# name: (function, least and most arguments)
FUNCTIONS: dict[str, tuple[Callable[..., Fraction], int, int]] = {
    "min": (min, 2, MAX_NODES),
    "max": (max, 2, MAX_NODES),
    "abs": (abs, 1, 1),
    "round": (_round, 1, 2),
    "floor": (lambda value: Fraction(math.floor(value)), 1, 1),
    "ceil": (lambda value: Fraction(math.ceil(value)), 1, 1),
    "sqrt": (_square_root, 1, 1),
    "gcd": (_gcd, 1, MAX_NODES),
    "lcm": (_lcm, 1, MAX_NODES),
    "comb": (_comb, 2, 2),
    "perm": (_perm, 1, 2),
    "factorial": (_factorial, 1, 1),
    "Fraction": (_fraction, 1, 2),
}
