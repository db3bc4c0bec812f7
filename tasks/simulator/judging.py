"""Judgements: whether an answer says what a key says, by their words, and wrong now and then.

    asked    {"key": "William Shakespeare", "answer": "Shakespeare"}
    replied  {"verdict": "correct"}

An answer is right if its words are the key's or the greater part of them. A model errs with
1 - sigmoid(skill + 0.5): 5 % of the time at skill 2.5.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from tasks.identity import normalise
from tasks.simulator.chance import stream
from tasks.simulator.models import ModelProfile

SCHEMA = "judge_verdict"


def read_judge_request(prompt: str) -> dict[str, Any] | None:
    """Return the key and the answer in a user message, None if it asks for no judgement."""
    try:
        asked = orjson.loads(prompt)
    except orjson.JSONDecodeError:
        return None
    is_asked = isinstance(asked, dict) and all(
        isinstance(asked.get(name), str) for name in ("key", "answer")
    )
    return asked if is_asked else None


def write_verdict(seed: int, model: ModelProfile, asked: Mapping[str, Any], said: str) -> str:
    """Answer a judge's request with JSON text. `said` identifies the sample."""
    chance = stream(seed, "judge", said)
    right = means_the_same(str(asked["key"]), str(asked["answer"]))
    if chance.random() < 1 / (1 + math.exp(model.skill + 0.5)):
        right = not right
    text = orjson.dumps({"verdict": "correct" if right else "wrong"}).decode()
    return text[:-1] if chance.random() < model.malformed_json else text


def means_the_same(key: str, answer: str) -> bool:
    """Compare words: the answer's are all the key's, and at least half of the key's are there."""
    wanted, given = (set(re.findall(r"\w+", normalise(text).casefold())) for text in (key, answer))
    return bool(given) and given <= wanted and 2 * len(given) >= len(wanted)
