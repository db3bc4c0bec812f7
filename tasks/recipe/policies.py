"""Policies: selection rules by name, each with the source that it follows.

    select: {policy: phi4-pts}      # keeps pass rates from 0.2 to 0.8

A preset sets the rule that its source publishes and nothing beside it; what a source leaves open,
such as the key's share, is Teachset's own default. No preset claims to be Microsoft's threshold for
Phi-4-reasoning: that report publishes none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Preset:
    """A named rule; `version` is raised whenever its settings change."""

    version: int
    source: str
    rule: str
    settings: Mapping[str, Any]


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "teachable": Preset(
            1,
            "Teachset's own default",
            "1 to 6 of 8 and a trusted key",
            {"band": {"low": 0.125, "high": 0.75}},
        ),
        "phi4-pts": Preset(
            1,
            "Phi-4 (arXiv 2412.08905), the band of its pivotal token search",
            "0.2 to 0.8; published for another step than the choice of prompts",
            {"band": {"low": 0.2, "high": 0.8}},
        ),
        "qwen25math": Preset(
            1,
            "Qwen2.5-Math (arXiv 2409.12122), the queries of its reinforcement learning",
            "2 to 5 of 8",
            {"band": {"low": 0.25, "high": 0.625}},
        ),
        "skywork": Preset(
            1,
            "Skywork-OR1 (arXiv 2505.22312)",
            "neither none nor all of the samples right",
            {"band": {"low": 0.001, "high": 0.999}},
        ),
        "olmo3": Preset(
            1,
            "Olmo 3 (arXiv 2512.13961)",
            "at most 5 of 8",
            {"band": {"low": 0.0, "high": 0.625}},
        ),
        "none": Preset(
            1,
            "the control: no choice by difficulty",
            "every rate",
            {"band": {"low": 0.0, "high": 1.0}, "min_samples": 1},
        ),
    }
)
