"""Routes as the simulated router gives them: by a task's words and options, wrong now and then.

    asked    {"task": "Establish that the square of an odd number is odd.", "options": [], …}
    replied  {"route": "proof", "sure": true}

It knows more words than the rules that ask it, and no more than words. A model errs with
1 - sigmoid(skill + 0.5), 5 % of the time at skill 2.5, and is not sure of what no word tells.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from tasks.simulator.chance import stream
from tasks.simulator.conversation import err
from tasks.simulator.models import ModelProfile

SCHEMA = "route"
_NOTHING_TOLD = "open"
_DOUBTS = 0.2  # the share of tasks without a telling word that it is not sure of
_TELLING: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (route, re.compile(words, re.IGNORECASE))
    for route, words in (
        (
            "proof",
            r"\b(?:prove|proof|show (?:that|why)|establish|demonstrate|deduce|derive|verify)\b",
        ),
        (
            "code",
            r"```|\b(?:function|program|script|code|algorithm|sql|query|html|css|java\w*|python"
            r"|c\+\+|regex\w*|regular expression|unit tests?)\b",
        ),
        ("multi_part", r"\?[^?]{5,}\?|\(b\)|\b(?:and|then) (?:also )?(?:find|compute|determine)\b"),
        ("choice", r"\bA[.)]\s.+\bB[.)]\s|\bwhich of (?:the following|these)\b"),
        ("true_false", r"^(?:is|are|was|does|do|did|can|will) |\btrue or false\b|\byes or no\b"),
        (
            "numeric",
            r"\bhow (?:many|much|old|far|long)\b|\b(?:calculate|compute|evaluate)\b"
            r"|\d\s*[+*/-]\s*\d",
        ),
        ("expression", r"\b(?:simplify|factori[sz]e|expand|differentiate|integrate)\b"),
        ("text", r"\b(?:what is the (?:name|capital|synonym|antonym)|who|when did|translate)\b"),
        (
            "open",
            r"\b(?:explain|describe|write|discuss|suggest|give|list|compare|create|summari[sz]e)\b",
        ),
    )
)


def read_route_request(prompt: str) -> dict[str, Any] | None:
    """Return the task in a user message, None if nobody asks what kind of task it is."""
    try:
        asked = orjson.loads(prompt)
    except orjson.JSONDecodeError:
        return None
    is_asked = isinstance(asked, dict) and isinstance(asked.get("task"), str)
    return asked if is_asked and isinstance(asked.get("options"), list) else None


def write_route(seed: int, model: ModelProfile, asked: Mapping[str, Any], said: str) -> str:
    """Answer a router's request with JSON text. `said` identifies the sample."""
    chance = stream(seed, "route", said)
    route = route_of_words(str(asked["task"]), has_options=bool(asked["options"]))
    sure = route is not None or chance.random() >= _DOUBTS
    if err(chance, model):
        route = chance.choice([other for other, _ in _TELLING if other != route])
    text = orjson.dumps({"route": route or _NOTHING_TOLD, "sure": sure}).decode()
    return text[:-1] if chance.random() < model.malformed_json else text


def route_of_words(task: str, *, has_options: bool) -> str | None:
    """Return the first route that a word of the task tells; None if none does."""
    if has_options:
        return "choice"
    return next((route for route, telling in _TELLING if telling.search(task)), None)
