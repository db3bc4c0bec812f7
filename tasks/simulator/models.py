"""The roster of models and the item-response model that decides what they can solve.

    P(correct) = c + (1 - c) * sigmoid(a * (θ - b))

θ is the model's `skill`, a its `discrimination`, b the item's difficulty and c the chance of a
lucky guess (1/options for choices, else 0). An item with a `level` has b = -2, -0.875, 0.25, 1.375
or 2.5 and a small jitter of its own. For an item without one b is drawn so that a student of skill
0 sees the quintiles of solve rate that Big-Math (arXiv 2502.17387) publishes for Llama-3.1-8B:
28.6 % of items solved more than four times in five, then 12.2, 10.3, 12.4 and 36.5 %.
"""

import math
from dataclasses import dataclass
from typing import Literal

from tasks.simulator.answer_key import Question
from tasks.simulator.chance import draw

DISCRIMINATION = 1.5
"""The default a, and the one with which solve rates are turned into difficulties."""
_JITTER = 0.35
_REWRITE_JITTER = 0.25
_QUINTILES = ((0.286, 0.8, 1.0), (0.122, 0.6, 0.8), (0.103, 0.4, 0.6), (0.124, 0.2, 0.4))
_EXTREME = 0.003


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """One model: how able, how dear, how wordy, and how it goes wrong.

    Prices are US dollars per million tokens. `popular_share`: how often a wrong answer is the one
    that all models of the `family` like best. `reasoning`: none, in a field of its own, or as
    <think>…</think> in the content. The `slip_*` are relative weights of ways to be wrong; the
    rest are rates, `wrong_key` to `malformed_json` those of a rewriter's faults; at
    `quotes_system` a model lets out what it was told besides the form of the answer. One with
    `dimensions` makes embeddings of so many numbers and nothing else.
    """

    skill: float = 0.0
    discrimination: float = DISCRIMINATION
    family: str = "small"
    input_price: float = 0.10
    output_price: float = 0.40
    verbosity: float = 1.0
    reasoning: Literal["none", "field", "tags"] = "none"
    reasoning_tokens: int = 300
    popular_share: float = 0.5
    slip_arithmetic: float = 4.0
    slip_misread: float = 2.0
    slip_off_by_one: float = 2.0
    slip_last_line: float = 1.0
    unboxed: float = 0.04
    other_form: float = 0.15
    wrong_key: float = 0.06
    leaked: float = 0.02
    unchanged: float = 0.03
    malformed_json: float = 0.01
    quotes_system: float = 0.02
    dimensions: int = 0

    def __post_init__(self) -> None:
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1")
        for name in _AMOUNTS:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.discrimination <= 0 or self.verbosity <= 0:
            raise ValueError("discrimination and verbosity must be above 0")
        if self.wrong_key + self.leaked + self.unchanged + self.malformed_json > 1:
            raise ValueError("wrong_key, leaked, unchanged and malformed_json exceed 1 together")
        if not any(getattr(self, name) for name in _AMOUNTS if name.startswith("slip_")):
            raise ValueError("one of the slip_* weights must be above 0")


_SHARES = (
    "popular_share",
    "unboxed",
    "other_form",
    "wrong_key",
    "leaked",
    "unchanged",
    "malformed_json",
    "quotes_system",
)
_AMOUNTS = (
    "input_price",
    "output_price",
    "reasoning_tokens",
    "dimensions",
    "slip_arithmetic",
    "slip_misread",
    "slip_off_by_one",
    "slip_last_line",
)
ROSTER: dict[str, ModelProfile] = {
    "sim-student": ModelProfile(skill=0.0),
    "sim-student-tuned": ModelProfile(skill=0.6),
    "sim-reference": ModelProfile(
        skill=2.6, family="large", input_price=1.0, output_price=4.0, unboxed=0.01
    ),
    "sim-reference-2": ModelProfile(
        skill=2.3, family="other", input_price=0.8, output_price=3.0, unboxed=0.01
    ),
    "sim-teacher": ModelProfile(
        skill=3.0,
        family="large",
        input_price=1.1,
        output_price=4.4,
        reasoning="field",
        reasoning_tokens=600,
        unboxed=0.01,
    ),
    "sim-think": ModelProfile(
        skill=2.0, family="other", input_price=0.5, output_price=2.0, reasoning="tags"
    ),
    "sim-router": ModelProfile(skill=2.5, family="other"),
    "sim-rewriter": ModelProfile(skill=2.8, family="large", input_price=1.0, output_price=4.0),
    "sim-judge": ModelProfile(skill=2.5, family="other", input_price=0.5, output_price=2.0),
    "sim-embedder": ModelProfile(
        family="other", input_price=0.02, output_price=0.0, dimensions=384
    ),
}


def difficulty(seed: int, question: Question) -> float:
    """Return b of a question; a rewrite is about as hard as its item."""
    item = question.item
    name = item.key if item else question.key
    if item and item.level is not None:
        jitter = _JITTER * (2 * draw(seed, "jitter", name) - 1)
        base = -2 + (item.level - 1) * 1.125 + jitter
    else:
        base = -_logit(solve_rate(draw(seed, "difficulty", name))) / DISCRIMINATION
    if question.is_rewrite:
        base += _REWRITE_JITTER * (2 * draw(seed, "rewrite", question.key) - 1)
    return base + question.shift


def guess_rate(question: Question) -> float:
    """Return c, the chance of being right by luck."""
    return 1 / len(question.options) if question.answer_type == "choice" else 0.0


def pass_rate(seed: int, model: ModelProfile, question: Question) -> float:
    """Return P(correct) of a model on a question: the truth that sampling estimates."""
    strength = model.discrimination * (model.skill - difficulty(seed, question))
    guess = guess_rate(question)
    return guess + (1 - guess) * _sigmoid(strength)


def solve_rate(position: float) -> float:
    """Map a place in the ranking from easy (0) to hard (1) to the solve rate at skill 0.

    Within the easiest and the hardest fifth rates crowd towards 1 and 0, as measured ones do.
    """
    for share, low, high in _QUINTILES:
        if position < share:
            inside = position / share
            rate = 1 - 0.2 * inside**2 if high == 1.0 else high - (high - low) * inside
            return min(rate, 1 - _EXTREME)
        position -= share
    remaining = 1 - sum(share for share, _, _ in _QUINTILES)
    return max(0.2 * (1 - position / remaining) ** 2, _EXTREME)


def _sigmoid(strength: float) -> float:
    if strength < -700:
        return 0.0
    return 1 / (1 + math.exp(-strength))


def _logit(rate: float) -> float:
    return math.log(rate / (1 - rate))
