"""What a model is asked: the messages of a prompt, by answer type, under a versioned template.

(("system", "… put the final answer in \\boxed{} …"), ("user", "What is 2 + 2?"))
"""

from collections.abc import Sequence
from string import ascii_uppercase
from typing import cast

from tasks.recipe import AnswerType, DomainSettings, ModelSettings

SOLVE_TEMPLATE = "solve@1"  # Raise the version with any change below: it is part of every key.
_THINK = "Think step by step, then give the final answer"
_INSTRUCTIONS = {
    "number": f"{_THINK} as a number inside \\boxed{{}}.",
    "expression": f"{_THINK} as a mathematical expression inside \\boxed{{}}.",
    "choice": f"{_THINK}, the letter of the right option, inside \\boxed{{}}.",
    "text": f"{_THINK}, as short as it can be, inside \\boxed{{}}.",
    "date": f"{_THINK}, one date such as 2024-03-05, inside \\boxed{{}}.",
    "quantity": f"{_THINK}, a number with its unit, inside \\boxed{{}}.",
    "json": f"{_THINK} as one JSON value in a ```json block.",
    "code": "Write the code that is asked for in one ```python block. It will be run as it is.",
    "open": "Answer helpfully, accurately and safely.",
}


def solve_messages(
    text: str,
    choices: Sequence[str] | None,
    answer_type: str,
    settings: ModelSettings,
    domain: DomainSettings | None = None,
    *,
    with_guidelines: bool = False,
) -> tuple[tuple[str, str], ...]:
    """Return the messages that ask a model for an answer in the form a program can check.

    A domain may have an instruction of its own, and guidelines that only a teacher is told.
    """
    guidelines = domain.guidelines if domain and with_guidelines else None
    told = (settings.system_prompt, guidelines, instruction_of(answer_type, domain))
    return ("system", join_told(*told)), ("user", render_prompt(text, choices))


def instruction_of(answer_type: str, domain: DomainSettings | None = None) -> str:
    """Return the sentence that says in which form the answer is wanted."""
    own = domain.instructions.get(cast("AnswerType", answer_type)) if domain else None
    return own or _INSTRUCTIONS[answer_type]


def join_told(*parts: str | None) -> str:
    """Return what a model is told as one text: what there is of it, a blank line between."""
    return "\n\n".join(part for part in parts if part)


def render_prompt(text: str, choices: Sequence[str] | None) -> str:
    """Return a prompt as one text: the options, if there are any, one a line after a blank line."""
    if not choices:
        return text
    options = (
        f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False)
    )
    return "\n".join([text, "", *options])
