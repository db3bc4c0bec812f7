"""Wrong answers, wrong as models are: a slip carried through, a misread number, off by one.

    right  12 * 9 = 108; 108 - 35 = 73
    wrong  12 * 9 = 118; 118 - 35 = 83        (kind "arithmetic")
    wrong  13 * 9 = 117; 117 - 35 = 82        (kind "misread")

A mistake is never right by accident: its value differs from the answer's.
"""

from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Literal

from tasks.identity import normalise
from tasks.simulator.answer_key import Question
from tasks.simulator.code_mistakes import break_function
from tasks.simulator.models import ModelProfile
from tasks.simulator.programs import Program, decimal_places, evaluate, parse_number, show_number

Kind = Literal["arithmetic", "misread", "off_by_one", "last_line"]
_KINDS: tuple[Kind, ...] = ("arithmetic", "misread", "off_by_one", "last_line")
_OPPOSITES = (
    ("yes", "no"),
    ("true", "false"),
    ("safe", "unsafe"),
    ("comply", "refuse"),
    ("increases", "decreases"),
    ("increase", "decrease"),
    ("higher", "lower"),
    ("positive", "negative"),
    ("north", "south"),
)
_TERMS = (
    *("energy", "mass", "force", "velocity", "acceleration", "momentum", "pressure", "density"),
    *("temperature", "charge", "current", "voltage", "frequency", "wavelength", "entropy"),
    *("oxygen", "hydrogen", "nitrogen", "carbon", "helium", "sodium", "iron", "copper"),
    *("nucleus", "mitochondria", "ribosome", "chloroplast", "membrane", "enzyme", "protein"),
    *("photosynthesis", "respiration", "osmosis", "diffusion", "evaporation", "condensation"),
    *("gravity", "friction", "Mercury", "Jupiter", "the liver", "the heart", "the lungs"),
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer, the steps that lead to it (if they can be shown), and its kind."""

    answer: str
    kind: Kind
    steps: tuple[str, ...] = ()


def make_mistake(question: Question, model: ModelProfile, chance: Random) -> Mistake:
    """Return a wrong answer to a question."""
    weights = [getattr(model, f"slip_{kind}") for kind in _KINDS]
    kind = chance.choices(_KINDS, weights)[0]
    if question.answer_type == "choice":
        return Mistake(_wrong_letter(question, chance), kind)
    if question.answer_type == "code" and question.item:
        item = question.item
        return Mistake(break_function(question.answer, item.reference, item.tests), kind)
    right = parse_number(question.answer)
    if right is None:
        return Mistake(_wrong_text(question.answer, chance), kind)
    return _wrong_number(question, right, kind, chance)


def solve_steps(program: Program, numbers: tuple[Fraction, ...]) -> tuple[str, ...]:
    """Write a program's evaluation down step by step: "12 * 9 = 108", "108 - 35 = 73"."""
    steps: list[str] = []

    def note(shown: str, result: Fraction) -> Fraction:
        steps.append(f"{shown} = {show_number(result)}")
        return result

    evaluate(program, numbers, note)
    return tuple(steps)


def _wrong_number(question: Question, right: Fraction, kind: Kind, chance: Random) -> Mistake:
    program, numbers = question.program, question.numbers
    if program and kind == "arithmetic":
        steps, value = _slip_in_a_step(program, numbers, chance)
        if value is not None and value != right:
            return Mistake(show_number(value), kind, steps)
    if program and kind == "misread" and program.used:
        misread = list(numbers)
        place = chance.choice(sorted(program.used))
        misread[place] = _near(misread[place], chance)
        value = evaluate(program, misread)
        if value is not None and value != right:
            return Mistake(show_number(value), kind, solve_steps(program, tuple(misread)))
    unit = Fraction(1, 10 ** (decimal_places(right) or 0))
    if kind == "off_by_one":
        down = chance.random() < 0.5 and right > unit
        return Mistake(show_number(right - unit if down else right + unit), kind)
    return Mistake(show_number(_near(right, chance)), kind)


def _slip_in_a_step(
    program: Program, numbers: tuple[Fraction, ...], chance: Random
) -> tuple[tuple[str, ...], Fraction | None]:
    """Work a program through with one wrong result, carried on into the later steps."""
    planned = chance.randrange(max(len(solve_steps(program, numbers)), 1))
    steps: list[str] = []

    def note(shown: str, result: Fraction) -> Fraction:
        if len(steps) == planned:
            result = _near(result, chance)
        steps.append(f"{shown} = {show_number(result)}")
        return result

    value = evaluate(program, numbers, note)
    return tuple(steps), value


def _near(value: Fraction, chance: Random) -> Fraction:
    """Return another number that a careless reader or reckoner could take for this one."""
    if value.denominator != 1:
        unit = Fraction(1, 10 ** (decimal_places(value) or 0))
        return value + unit * chance.choice((1, 2, 5, 10))
    options = [value + step for step in (1, 2, 10, -1, -2, -10)]
    digits = str(abs(value.numerator))
    if len(digits) > 1:
        swapped = Fraction(int(digits[:-2] + digits[-1] + digits[-2]))
        options += [swapped if value > 0 else -swapped, value + 100]
    if value:
        options.append(value * 2)
    allowed = [option for option in options if option != value and (option > 0 or value <= 0)]
    return chance.choice(allowed)


def _wrong_letter(question: Question, chance: Random) -> str:
    letters = [chr(ord("A") + place) for place in range(max(len(question.options), 2))]
    return chance.choice([letter for letter in letters if letter != question.answer])


def _wrong_text(right: str, chance: Random) -> str:
    """Return another word, or another formula: one digit or one sign is changed."""
    plain = normalise(right).lower()
    for one, other in _OPPOSITES:
        if plain in (one, other):
            return other if plain == one else one
    places = [place for place, sign in enumerate(right) if sign.isdigit()]
    if places and len(right) <= 200:
        place = chance.choice(places)
        digit = (int(right[place]) + chance.choice((1, 2, 3))) % 10 or 4
        digit = digit if str(digit) != right[place] else 5
        return f"{right[:place]}{digit}{right[place + 1 :]}"
    if "\\" in right or any(sign in right for sign in "+^="):
        changed = right.replace("+", "-", 1) if "+" in right else f"2{right}"
        return changed if changed != right else f"{right}+1"
    others = [term for term in _TERMS if term.lower() not in plain and plain not in term.lower()]
    return chance.choice(others)
