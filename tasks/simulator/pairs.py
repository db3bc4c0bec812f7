"""Pairs: whether two problems are the same in other words, by their spelling and their numbers.

    asked    {"first": "Janet's ducks lay 16 eggs …", "second": "Each day 16 eggs are laid by …"}
    replied  {"reason": "same numbers, and 0.71 of the words", "same": true}

Two are the same if they are the same item, or if they have the same numbers and are spelt alike. A
model errs with 1 - sigmoid(skill + 0.5): 5 % of the time at skill 2.5.
"""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.chance import stream
from tasks.simulator.conversation import err
from tasks.simulator.models import ModelProfile
from tasks.simulator.programs import find_numbers
from tasks.simulator.spelling import embed

SCHEMA = "same_problem"
_ALIKE = 0.4
_DIMENSIONS = 384


def read_pair_request(prompt: str) -> dict[str, Any] | None:
    """Return the two problems in a user message, None if it asks for no comparison."""
    try:
        asked = orjson.loads(prompt)
    except orjson.JSONDecodeError:
        return None
    is_asked = isinstance(asked, dict) and all(
        isinstance(asked.get(name), str) for name in ("first", "second")
    )
    return asked if is_asked else None


def write_comparison(
    seed: int, model: ModelProfile, key: AnswerKey, asked: Mapping[str, Any], said: str
) -> str:
    """Answer a judge's request with JSON text. `said` identifies the sample."""
    chance = stream(seed, "pair", said)
    same, reason = compare(key, str(asked["first"]), str(asked["second"]))
    if err(chance, model):
        same, reason = not same, "it looks so"
    text = orjson.dumps({"reason": reason, "same": same}).decode()
    return text[:-1] if chance.random() < model.malformed_json else text


def compare(key: AnswerKey, first: str, second: str) -> tuple[bool, str]:
    """Return whether two problems are the same, and why."""
    numbers = [sorted(find_numbers(text)) for text in (first, second)]
    if numbers[0] != numbers[1]:
        return False, "the numbers differ"
    one, other = key.find(first).item, key.find(second).item
    if one is not None and other is not None and one.key == other.key:
        return True, "one is the other in other words"
    alike = math.fsum(
        left * right
        for left, right in zip(embed(first, _DIMENSIONS), embed(second, _DIMENSIONS), strict=True)
    )
    same = alike >= _ALIKE
    return same, f"{'the same' if numbers[0] else 'no'} numbers, and words alike to {alike:.2f}"
