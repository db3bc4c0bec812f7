r"""Quantities: a number with a unit, equal in any unit of the same kind.

>>> check("5 km", "5000 m"), check("5 km", "5 m"), check("5 miles", r"8.05\text{ km}")
(('correct', 'same_quantity'), ('wrong', 'other_value'), ('correct', 'rounded'))

pint knows the units. A converted number may be rounded where it was converted: to the places it is
written with, three significant digits at least. In the key's own unit nothing is rounded.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from functools import lru_cache
from typing import Any

from tasks.assess.extract import strip_wrappers
from tasks.assess.verifiers import Outcome

NAME = "quantity"
VERSION = 4
LONGEST = 80
_NOISE = Decimal("1e-20")  # What is left over by dividing with 28 digits, not a tolerance.
_FEWEST_DIGITS = 3
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_FRAC = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_POWER = re.compile(r"\^\s*\{\s*(-?\d+)\s*\}")
_DEGREE = re.compile(r"\^?\s*\{?\s*\\(?:circ|degree)\s*\}?|º|˚")
_MICRO = re.compile(r"\\mu(?![A-Za-z])\s*")
_SPACE = re.compile(r"\\(?:,|;|:|!|quad|left|right| )|~")
_VALUE = re.compile(
    r"(?P<digits>[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?)(?:/(?P<below>\d+))?"
    r"(?:\s*[*xX]\s*10\s*\^\s*\(?(?P<power>[-+]?\d{1,3})\)?|[eE](?P<exponent>[-+]?\d{1,3}))?"
    r"\s*\*?\s*(?P<unit>.*)"
)
_UNIT = re.compile(r"[A-Za-zµμΩ°Å%/*^ ().\d'-]{1,50}")
_CELSIUS = re.compile(
    r"(?:°|degrees?|deg\.?)\s*(?:c|celsius|centigrade)\b|\bcelsius\b", re.IGNORECASE
)
_FAHRENHEIT = re.compile(
    r"(?:°|degrees?|deg\.?)\s*(?:f|fahrenheit)\b|\bfahrenheit\b", re.IGNORECASE
)
_KELVIN = re.compile(r"\bdegrees?\s+kelvin\b|°\s*K\b", re.IGNORECASE)
_DIVIDED = re.compile(r"\bper\b", re.IGNORECASE)
_LONG_POWER = re.compile(r"\d{3,}|(?:\^|\*\*)\s*\(?-?\d{2,}")


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact value, how many decimal places it was written with, and its unit as written."""

    value: Decimal
    places: int | None  # None for a fraction, which is rounded to nothing
    unit: str


def check(key: str, answer: str) -> Outcome:
    """Compare two quantities. An answer without a unit is wrong, as the unit is asked for."""
    if key == answer:
        return Outcome("correct", "identical")
    wanted, found = read_quantity(key), read_quantity(answer)
    if wanted is None or not wanted.unit:
        return Outcome("unverifiable", "key_not_read")
    if found is None:
        return Outcome("wrong", "no_quantity")
    if not found.unit:
        return Outcome("wrong", "no_unit")
    units = [read_unit(side.unit) for side in (wanted, found)]
    if None in units:
        if _bare(wanted.unit) != _bare(found.unit):
            return Outcome("unverifiable", "unknown_unit")
        return _say(wanted.value == found.value)
    return _compare(wanted, found, units[0], units[1])


def compare_known(key: str, answer: str) -> Outcome | None:
    """Compare two quantities whose units are both known and of one kind, else None.

    Lengths, areas and volumes are one kind here: 7 cm is not 7 cm², though units that are named in
    passing are not held against an answer else.
    """
    sides = read_quantity(key), read_quantity(answer)
    if not all(side is not None and side.unit and read_unit(side.unit) for side in sides):
        return None
    outcome = check(key, answer)
    if outcome.reason == "other_unit":
        units = [read_unit(side.unit) for side in sides if side is not None]
        is_spatial = all(dict(unit.dimensionality).keys() == {"[length]"} for unit in units)
        return outcome if is_spatial else None
    return outcome if outcome.verdict in ("correct", "wrong") else None


@lru_cache(maxsize=65_536)
def read_quantity(text: str) -> Quantity | None:
    """Read a number and the unit after it, LaTeX included; None if there is no number in front."""
    if len(text) > LONGEST:
        return None
    plain = _RAISED.sub(lambda raised: f"^{raised[0].translate(_SUPERSCRIPTS)}", text.strip())
    plain = _MICRO.sub("µ", plain)
    plain = strip_wrappers(_POWER.sub(r"^\1", _SPACE.sub(" ", plain.strip("$"))))
    plain = _DEGREE.sub("°", _FRAC.sub(r"\1/\2", plain)).replace("{,}", ",").replace("\u2212", "-")
    for command, sign in (("\\cdot", "*"), ("\\times", "*"), ("×", "*"), ("·", "*"), ("⋅", "*"),
                          ("\\Omega", "Ω"), ("\\%", "%")):  # fmt: skip
        plain = plain.replace(command, sign)
    plain = " ".join(plain.replace("{", "(").replace("}", ")").split()).removesuffix(".")
    match = _VALUE.fullmatch(plain)
    if match is None or not any(character.isdigit() for character in match["digits"]):
        return None
    digits = match["digits"].replace(",", "")
    power = int(match["power"] or match["exponent"] or 0)
    try:
        value = Decimal(digits).scaleb(power)
        if match["below"]:
            value /= Decimal(match["below"])
    except (InvalidOperation, ZeroDivisionError):
        return None
    places = None if match["below"] else len(digits.partition(".")[2]) - power
    return Quantity(value, places, match["unit"].strip())


@lru_cache(maxsize=4096)
def read_unit(text: str) -> Any:
    """Return pint's unit, or None for what is no unit it knows."""
    if not _UNIT.fullmatch(text) or _LONG_POWER.search(text):
        return None
    plain = _CELSIUS.sub("degC", _FAHRENHEIT.sub("degF", _KELVIN.sub("kelvin", text)))
    plain = _DIVIDED.sub("/", plain)
    lowered = re.sub(r"[A-Za-z]{4,}", lambda word: word[0].lower(), plain)
    for spelling in (plain, lowered.replace("degc", "degC").replace("degf", "degF")):
        try:
            return _registry().parse_units(spelling)
        except Exception:  # Of a dozen kinds, all of which say that it is no unit.
            continue
    return None


def _compare(wanted: Quantity, found: Quantity, key_unit: Any, answer_unit: Any) -> Outcome:
    registry = _registry()
    # Base units and not dimensions: a hertz is no radian a second, though both are one a second.
    bases = [registry.get_base_units(unit)[1] for unit in (key_unit, answer_unit)]
    if bases[0] != bases[1]:
        if key_unit.dimensionality == answer_unit.dimensionality:
            return Outcome("unverifiable", "other_kind_of_unit")
        is_temperature = dict(key_unit.dimensionality) == {"[temperature]": 1}
        if is_temperature and found.unit in ("C", "F"):  # coulombs and farads, to pint
            return Outcome("unverifiable", "ambiguous_unit")
        return Outcome("wrong", "other_unit")
    if key_unit == answer_unit:
        return _say(wanted.value == found.value)
    with localcontext() as context:
        context.prec = 50
        converted = registry.Quantity(wanted.value, key_unit).to(answer_unit).magnitude
        if abs(converted - found.value) <= _NOISE * max(abs(converted), abs(found.value)):
            return Outcome("correct", "same_quantity")
        if _is_rounded(converted, found):
            return Outcome("correct", "rounded")
        zero = registry.Quantity(Decimal(0), key_unit).to(answer_unit).magnitude
        if zero and converted - zero == found.value:  # 5 °C may be a rise, by 5 K.
            return Outcome("unverifiable", "temperature_difference")
    return Outcome("wrong", "other_value")


def _is_rounded(exact: Decimal, found: Quantity) -> bool:
    """Tell whether a number is another one rounded to the places that it is written with."""
    # As written: the last nought of 50.0 km is a digit that was looked at.
    if found.places is None or len(found.value.as_tuple().digits) < _FEWEST_DIGITS:
        return False
    unit = Decimal(1).scaleb(-found.places)
    try:
        rounded = {exact.quantize(unit, way) for way in (ROUND_HALF_EVEN, ROUND_HALF_UP)}
    except InvalidOperation:
        return False
    return found.value in rounded


def _bare(unit: str) -> str:
    return " ".join(unit.casefold().replace(".", " ").split()).removesuffix("s")


def _say(same: bool) -> Outcome:
    return Outcome("correct", "same_quantity") if same else Outcome("wrong", "other_value")


def _registry() -> Any:
    """Return pint's units, loaded when the first quantity is judged: that takes a second."""
    from tasks.assess.units import REGISTRY

    return REGISTRY
