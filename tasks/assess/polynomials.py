r"""Exact values: fractions of polynomials over the rational numbers in letters, π, i and roots.

    1/√3 + i   {(): 1, (i, √3): 1} / {(√3): 1}
    √3/3 + i   {(√3): 1, (i): 3} / {(): 3}

Letters, π, i and the roots of different primes are independent of one another, so two values are
equal exactly if nothing is left of their difference, multiplied out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

MOST_TERMS = 48
MOST_POWER = 32
MOST_BITS = 1_024
MOST_UNDER_ROOT = 1_000_000
TINY = 1e-3  # Below it a distance is a share of the value.

Monomial = tuple[tuple[str, int], ...]
Polynomial = Mapping[Monomial, Fraction]


class TooLargeError(Exception):
    """The value has more terms or digits than is worth a look, or there is no such value."""


@dataclass(frozen=True, slots=True)
class Value:
    """A fraction of two polynomials, and whether a decimal was written in it."""

    top: Polynomial
    bottom: Polynomial
    decimal: bool = False

    def __add__(self, other: "Value") -> "Value":
        top = _add(_multiply(self.top, other.bottom), _multiply(other.top, self.bottom))
        return Value(top, _multiply(self.bottom, other.bottom), self.decimal or other.decimal)

    def __neg__(self) -> "Value":
        return Value({term: -count for term, count in self.top.items()}, self.bottom, self.decimal)

    def __mul__(self, other: "Value") -> "Value":
        top, bottom = _multiply(self.top, other.top), _multiply(self.bottom, other.bottom)
        return Value(top, bottom, self.decimal or other.decimal)

    def __truediv__(self, other: "Value") -> "Value":
        if not other.top:
            raise TooLargeError
        return self * Value(other.bottom, other.top, other.decimal)

    def __pow__(self, power: int) -> "Value":
        if abs(power) > MOST_POWER or (power == 0 and not self.top):
            raise TooLargeError
        result = constant(1)
        for _ in range(abs(power)):
            result = result * self
        return constant(1) / result if power < 0 else result

    def rational(self) -> Fraction | None:
        """Return the value if it is a rational number."""
        if any(term for side in (self.top, self.bottom) for term in side):
            return None
        return self.top.get((), Fraction(0)) / self.bottom[()]

    def is_letter(self) -> bool:
        """Tell whether it is a letter and nothing else."""
        terms = [*self.top.items(), *self.bottom.items()]
        names = [name for term, _ in terms for name, power in term if power == 1]
        whole = len(terms) == 2 and all(count == 1 for _, count in terms)
        return whole and self.bottom.keys() == {()} and len(names) == 1 and names[0] != "π"

    def is_constant(self) -> bool:
        """Tell whether no letter stands in it that may be anything."""
        return all(
            atom in ("π", "i") or atom[0] == "√"
            for side in (self.top, self.bottom)
            for term in side
            for atom, _ in term
        )


def constant(number: Fraction | int, *, decimal: bool = False) -> Value:
    """Return a rational number as a value."""
    return Value({(): Fraction(number)} if number else {}, {(): Fraction(1)}, decimal)


def atom(name: str) -> Value:
    """Return a letter, π or i as a value."""
    return Value({((name, 1),): Fraction(1)}, {(): Fraction(1)})


def square_root(value: Value) -> Value:
    """Return the root of a rational number that is not negative: whole times roots of primes."""
    number = value.rational()
    if number is None or number < 0 or value.decimal:
        raise TooLargeError
    left = number.numerator * number.denominator
    if left > MOST_UNDER_ROOT:
        raise TooLargeError
    whole, primes, divisor = 1, [], 2
    while divisor * divisor <= left:
        while left % (divisor * divisor) == 0:
            left //= divisor * divisor
            whole *= divisor
        if left % divisor == 0:
            left //= divisor
            primes.append(divisor)
        divisor += 1
    primes += [left] if left > 1 else []
    if left == 0:
        return constant(0)
    term = tuple(sorted((f"√{prime}", 1) for prime in primes))
    return Value({term: Fraction(whole, number.denominator)}, {(): Fraction(1)})


def is_same(left: Value, right: Value) -> bool:
    """Tell whether two values are one."""
    return not (left + -right).top


def are_apart(left: Value, right: Value, distance: float) -> bool:
    """Tell whether two constants differ by at least so much, rounding of ours aside.

    Of tiny ones it is the share that counts: 10^-19 is not 10^-20, though both are next to nothing.
    """
    (one, size_of_one), (other, size_of_other) = approximate(left), approximate(right)
    largest = max(abs(one), abs(other))
    if largest < TINY:
        distance *= largest
    return abs(one - other) >= max(distance, 1e-9 * (size_of_one + size_of_other))


def approximate(value: Value) -> tuple[complex, float]:
    """Return a constant as a floating-point number, and how large it was while being added up."""
    try:
        (top, size), (bottom, divisor_size) = _sum(value.top), _sum(value.bottom)
        # A divisor that almost cancels out makes all digits of the quotient doubtful.
        if abs(bottom) < 1e-6 * divisor_size:
            return 0, math.inf
        return top / bottom, size / abs(bottom)
    except OverflowError:
        return 0, math.inf


def _sum(polynomial: Polynomial) -> tuple[complex, float]:
    parts = []
    for term, count in polynomial.items():
        part = complex(float(count))
        for name, power in term:
            base = 1j if name == "i" else math.pi if name == "π" else math.sqrt(int(name[1:]))
            part *= base**power
        parts.append(part)
    return sum(parts, 0j), sum(map(abs, parts))


def _add(left: Polynomial, right: Polynomial) -> Polynomial:
    total = dict(left)
    for term, count in right.items():
        total[term] = total.get(term, Fraction(0)) + count
    return _bounded(total)


def _multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    if len(left) * len(right) > MOST_TERMS * MOST_TERMS:
        raise TooLargeError
    total: dict[Monomial, Fraction] = {}
    for one, first in left.items():
        for other, second in right.items():
            term, factor = _join(one, other)
            total[term] = total.get(term, Fraction(0)) + first * second * factor
    return _bounded(total)


def _join(left: Monomial, right: Monomial) -> tuple[Monomial, int]:
    """Multiply two terms; a root times itself is a number again.

    Whether i is the imaginary unit depends on what stands beside it, so i² is not multiplied out.
    """
    if not (left and right):
        return left or right, 1
    powers = dict(left)
    for name, power in right:
        powers[name] = powers.get(name, 0) + power
    factor = 1
    for name, power in list(powers.items()):
        if power > 1 and name == "i":
            raise TooLargeError
        if power > 1 and name[0] == "√":
            factor *= int(name[1:])
            powers[name] = power - 2
        if powers[name] > MOST_POWER:
            raise TooLargeError
    return tuple(sorted((name, power) for name, power in powers.items() if power)), factor


def _bounded(terms: dict[Monomial, Fraction]) -> Polynomial:
    left = {term: count for term, count in terms.items() if count}
    if len(left) > MOST_TERMS or any(
        max(count.numerator.bit_length(), count.denominator.bit_length()) > MOST_BITS
        for count in left.values()
    ):
        raise TooLargeError
    return left
