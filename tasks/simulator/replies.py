r"""What a model writes when it is asked a problem: steps and a boxed answer, right or wrong.

12 * 9 = 108
108 - 35 = 73
The answer is \boxed{73}.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from tasks.simulator.answer_key import Question
from tasks.simulator.chance import draw, stream
from tasks.simulator.mistakes import Mistake, make_mistake, solve_steps
from tasks.simulator.models import ModelProfile, pass_rate
from tasks.simulator.programs import decimal_places, parse_number, show_number

_OPENINGS = (
    "Let's solve this step by step.",
    "We work through the problem one step at a time.",
    "First, collect what is given.",
    "Let me break this down.",
    "To find the answer, we go through the quantities in order.",
)
_CLOSINGS = (
    "The answer is {final}.",
    "Therefore, the answer is {final}.",
    "So the final answer is {final}.",
    "Hence we get {final}.",
)
_PADDING = (
    "It helps to keep track of the units here.",
    "This follows directly from what is given.",
    "Each quantity is used exactly once.",
    "We can now use this in the next step.",
    "This agrees with a rough estimate.",
)
_FIRST_THOUGHT = "Okay, let me read the question again and list what is given."
_THOUGHTS = (
    ("Wait,", "Hmm,", "So", "Now", "Alternatively,", "To be careful,", "Then again,", "Next,"),
    ("I should check", "let me recompute", "I could estimate", "let me write down", "I compare"),
    ("the last step", "what is asked", "the units", "the quantities given", "each term", "the sum"),
    ("before going on.", "from the other side.", "once more.", "with rough numbers.", "in order."),
    ("", " It agrees.", " That looks right.", " No surprise there.", " Good.", " It still holds."),
)
_ANNOTATION = re.compile(r"<<[^<>]*>>|\n?####[^\n]*$")


@dataclass(frozen=True, slots=True)
class Text:
    """What a model says, and what it thought before it said it (empty if it does not reason)."""

    content: str
    reasoning: str = ""


def write_reply(seed: int, name: str, model: ModelProfile, question: Question, said: str) -> Text:
    """Answer a question as a model would; the same sample `said`, the same text.

    A question that no item explains has an imaginary answer, so that models still agree on it.
    """
    question = _imagine(seed, question) if question.item is None else question
    chance = stream(seed, name, said)
    right = chance.random() < pass_rate(seed, model, question)
    mistake = None if right else _pick_mistake(seed, model, question, chance)
    steps = _write_steps(question, mistake)
    reasoning = _think(model, steps, chance) if model.reasoning != "none" else ""
    if question.answer_type == "code":
        return Text(_write_code(question, mistake), reasoning)
    if question.answer_type == "open":
        return Text("\n".join(steps), reasoning)
    if question.answer_type == "json":
        value = mistake.answer if mistake else question.answer
        return Text("\n".join([*steps, "", "```json", value, "```"]), reasoning)
    lines = [chance.choice(_OPENINGS), *steps]
    while len(lines) < model.verbosity * (2 + len(steps)):
        lines.insert(chance.randrange(1, len(lines) + 1), chance.choice(_PADDING))
    answer = mistake.answer if mistake else _pick_form(question, model, chance)
    if chance.random() < model.unboxed:
        plain = answer.removeprefix(r"\text{").removesuffix("}") if r"\text" in answer else answer
        return Text("\n".join([*lines, f"The answer is {plain}."]), reasoning)
    closing = chance.choice(_CLOSINGS).format(final=rf"\boxed{{{answer}}}")
    return Text("\n".join([*lines, closing]), reasoning)


def _pick_mistake(seed: int, model: ModelProfile, question: Question, chance: Random) -> Mistake:
    """Make a mistake: the one most popular in the model's family, or one of its own."""
    if chance.random() < model.popular_share:
        chance = stream(seed, "popular", model.family, question.key)
    return make_mistake(question, model, chance)


def _imagine(seed: int, question: Question) -> Question:
    """Give an unknown question an answer that is a function of its text."""
    place = draw(seed, "imagined", question.key)
    if question.options:
        answer, kind = chr(ord("A") + int(place * len(question.options))), "choice"
    else:
        answer, kind = str(1 + int(place * 999)), "number"
    return Question(question.key, None, question.text, answer, kind, question.options)


def _write_steps(question: Question, mistake: Mistake | None) -> list[str]:
    if mistake and mistake.steps:
        return list(mistake.steps)
    item = question.item
    fits = item and (not question.is_rewrite or question.program is None)
    if item and item.solution and fits:
        solution = _ANNOTATION.sub("", item.solution).strip()
        if mistake and mistake.kind != "last_line":
            solution = _replace_last(solution, question.answer, mistake.answer)
        return solution.split("\n")
    if question.program:
        return list(solve_steps(question.program, question.numbers))
    return ["We use the relation between the quantities in the statement."]


def _replace_last(text: str, old: str, new: str) -> str:
    """Put a wrong answer where a text says the right one last, not where it is part of a number."""
    places = list(re.finditer(rf"(?<![\w.,]){re.escape(old)}(?!\w|[.,]\d)", text))
    if not places:
        return text
    return f"{text[: places[-1].start()]}{new}{text[places[-1].end() :]}"


def _write_code(question: Question, mistake: Mistake | None) -> str:
    item = question.item
    right = item.reference if item and item.reference else f"def {question.answer}(*args):\n    ..."
    code = mistake.answer if mistake else right
    return f"Here is a function that does this.\n\n```python\n{code.rstrip()}\n```"


def _think(model: ModelProfile, steps: list[str], chance: Random) -> str:
    """Think aloud for about as many tokens as the model does, longer now and then."""
    wanted = int(4 * model.reasoning_tokens * chance.lognormvariate(-0.125, 0.5))
    lines = [_FIRST_THOUGHT, *steps]
    length = sum(map(len, lines))
    while length < wanted:
        lead, act, thing, manner, verdict = [chance.choice(parts) for parts in _THOUGHTS]
        lines.append(f"{lead} {act} {thing} {manner}{verdict}")
        length += len(lines[-1])
    return "\n".join(lines)


def _pick_form(question: Question, model: ModelProfile, chance: Random) -> str:
    """Write a right answer in its usual form, or in another one that means the same."""
    if chance.random() >= model.other_form:
        return question.answer
    if question.answer_type == "choice":
        return rf"\text{{{question.answer}}}"
    value = parse_number(question.answer)
    forms = _other_forms(value) if value is not None else []
    forms = [form for form in forms if form != question.answer]
    return chance.choice(forms) if forms else question.answer


def _other_forms(value: Fraction) -> list[str]:
    sign, size = ("-" if value < 0 else ""), abs(value)
    if size.denominator == 1:
        return [f"{sign}{size.numerator:,}", f"{sign}{size.numerator}.0"]
    forms = [
        f"{sign}{size.numerator}/{size.denominator}",
        rf"{sign}\frac{{{size.numerator}}}{{{size.denominator}}}",
    ]
    return [*forms, show_number(value)] if decimal_places(value) is not None else forms
