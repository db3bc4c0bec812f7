"""Multiple choice: the letter counts; an answer that spells out an option counts as its letter.

>>> check("B", "b"), check("B", "Paris", ["Rome", "Paris"])
(Outcome(verdict='correct', reason='identical'), Outcome(verdict='correct', reason='option_text'))
"""

import re
from collections.abc import Sequence

from tasks.assess.verifiers import Outcome
from tasks.assess.verifiers.text import is_same_text

NAME = "choice"
VERSION = 4
_LETTER = re.compile(r"[(\[]?\s*([A-Za-z])\s*[)\]]?[.:]?")


def check(key: str, answer: str, choices: Sequence[str] | None = None) -> Outcome:
    """Compare letters. A key or answer that is an option's text is replaced by its letter."""
    key_letter, answer_letter = letter_of(key, choices), letter_of(answer, choices)
    if key_letter is None:
        return Outcome("unverifiable", "key_is_no_option")
    if answer_letter is None:
        return Outcome("wrong", "no_such_option")
    if key_letter != answer_letter:
        return Outcome("wrong", "other_option")
    spelled = _LETTER.fullmatch(answer.strip()) is None
    return Outcome("correct", "option_text" if spelled else "identical")


def letter_of(text: str, choices: Sequence[str] | None = None) -> str | None:
    """Return the letter that a text names, itself or by the text of exactly one option."""
    if choices:
        # Exactly first: two options may differ in nothing that the rule for texts looks at.
        for is_named in (_is_written, is_same_text):
            named = [index for index, choice in enumerate(choices) if is_named(choice, text)]
            if len(named) == 1:
                return chr(ord("A") + named[0])
    match = _LETTER.fullmatch(text.strip())
    if match is None:
        return None
    letter = match.group(1).upper()
    return letter if not choices or ord(letter) - ord("A") < len(choices) else None


def _is_written(choice: str, text: str) -> bool:
    return choice.split() == text.split()
