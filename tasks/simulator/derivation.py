"""Programs derived from worked solutions with calculator annotations, as GSM8K has them.

    text      "Natalia sold clips to 48 of her friends in April, and then she sold half as many …"
    solution  "… 48/2 = <<48/2=24>>24 clips in May. … 48+24 = <<48+24=72>>72 clips altogether …"
    program   "n0+(n0/2)"

A program is derived only if each operand can be traced to one number of the text, to an earlier
result or to a constant that a word of the text explains; otherwise there is none.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from tasks.simulator.programs import Program, evaluate, find_numbers, parse_number, parse_program

_ANNOTATION = re.compile(r"<<([^<>=]+)=([^<>=]+)>>")
_LITERAL = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")
_WORD = re.compile(r"[a-z]+")
_ALWAYS = frozenset(map(Fraction, (1, 2, 100)))
_EXPLAINED: dict[str, tuple[str, ...]] = {
    "0": ("zero", "none"),
    "3": ("three", "triple", "tripled", "thrice", "third", "thirds", "yard", "yards", "triangle"),
    "4": ("four", "quarter", "quarters", "fourth", "fourths", "square", "quadruple", "month"),
    "5": ("five", "fifth", "fifths", "nickel", "nickels", "weekday", "weekdays"),
    "6": ("six", "sixth", "sixths"),
    "7": ("seven", "seventh", "week", "weeks", "weekly"),
    "8": ("eight", "eighth", "eighths"),
    "9": ("nine", "ninth"),
    "10": ("ten", "tenth", "tenths", "dime", "dimes", "decade", "decades"),
    "11": ("eleven",),
    "12": ("twelve", "dozen", "dozens", "year", "years", "yearly", "foot", "feet", "annual"),
    "15": ("fifteen", "quarter"),
    "16": ("sixteen", "pound", "pounds"),
    "20": ("twenty", "score"),
    "24": ("day", "days", "daily", "hours"),
    "25": ("quarter", "quarters"),
    "30": ("thirty", "month", "months", "half"),
    "50": ("fifty",),
    "52": ("year", "years", "weeks", "yearly"),
    "60": ("hour", "hours", "minute", "minutes", "sixty", "hourly"),
    "365": ("year", "years"),
    "1000": ("thousand", "kilometer", "kilometers", "kilogram", "kilograms", "liter", "liters"),
    "0.5": ("half", "halves"),
    "0.25": ("quarter", "quarters", "fourth"),
    "0.75": ("quarters", "fourths"),
    "0.01": ("percent", "cent", "cents", "penny", "pennies"),
    "0.05": ("nickel", "nickels"),
    "0.1": ("dime", "dimes", "tenth"),
}
_CONSTANTS = {
    word: frozenset(Fraction(number) for number, words in _EXPLAINED.items() if word in words)
    for word in {word for words in _EXPLAINED.values() for word in words}
}


def derive_program(text: str, solution: str, answer: str) -> Program | None:
    """Derive a program from a solution's annotations; None unless traced and giving `answer`."""
    target = parse_number(answer)
    steps = _ANNOTATION.findall(solution)
    if target is None or not steps or len(steps) > 12:
        return None
    numbers = find_numbers(text)
    constants = _ALWAYS.union(*(_CONSTANTS.get(word, ()) for word in _WORD.findall(text.lower())))
    results: list[tuple[Fraction, str]] = []
    for left, right in steps:
        traced = _trace_operands(left, numbers, results, constants)
        program = parse_program(traced, exact=False) if traced else None
        stated = parse_number(right)
        if program is None or stated is None or evaluate(program, numbers) != stated:
            return None
        results.append((stated, f"({traced})"))
    final = [source for value, source in results if value == target]
    return parse_program(final[-1][1:-1], exact=False) if final else None


def keeps_pattern(program: Program, before: Sequence[Fraction], after: Sequence[Fraction]) -> bool:
    """Say whether new numbers leave all that a derived program cannot tell apart as it was."""
    if program.exact:
        return True
    traced = {before[index] for index in program.used}
    renamed: dict[Fraction, Fraction] = {}
    for old, new in zip(before, after, strict=True):
        if renamed.setdefault(old, new) != new or (old not in traced and old != new):
            return False
    return True


def _trace_operands(
    expression: str,
    numbers: Sequence[Fraction],
    results: Sequence[tuple[Fraction, str]],
    constants: frozenset[Fraction],
) -> str | None:
    traced: list[str] = []
    end = 0
    cleaned = expression.replace("$", "").replace("x", "*").strip()
    for literal in _LITERAL.finditer(cleaned):
        operand = _trace_operand(Fraction(literal[0].replace(",", "")), numbers, results, constants)
        if operand is None:
            return None
        traced += [cleaned[end : literal.start()], operand]
        end = literal.end()
        if cleaned[end : end + 1] == "%":
            traced.append("/100")
            end += 1
    return "".join([*traced, cleaned[end:]])


def _trace_operand(
    value: Fraction,
    numbers: Sequence[Fraction],
    results: Sequence[tuple[Fraction, str]],
    constants: frozenset[Fraction],
) -> str | None:
    in_text = [index for index, number in enumerate(numbers) if number == value]
    earlier = [source for result, source in results if result == value]
    if in_text and earlier:
        return None
    if earlier:
        return earlier[-1]
    if in_text:
        return f"n{in_text[0]}"
    percent = [index for index, number in enumerate(numbers) if number == value * 100]
    if value < 1 and len(percent) == 1:
        return f"(n{percent[0]}/100)"
    if value in constants:
        shown = str(float(value)) if value.denominator > 1 else str(value.numerator)
        return shown
    return None
