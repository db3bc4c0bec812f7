"""Text rules: those of the gate's rules that a response alone can break, as a recipe has them.

TextRules(limits=Limits(…), guidelines=("You are …",), reasoning="think").digest()
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from expectations.expected import Limits
from expectations.measuring import read_rule_text
from expectations.rules import VARIABLES, Rule, adjust, read_rules

# Rules on single pairs that are about the prompt, its key and its seed, not about what was said.
_OF_PROMPTS = ("impossible_pass_rate", "missing_key", "unknown_licence", "wrong_verdict")
_OF_LENGTH = "too_long"


@dataclass(frozen=True, slots=True)
class TextRules:
    """How the recipe wants the rules on texts to be."""

    limits: Limits
    guidelines: Sequence[str]
    reasoning: str
    told_in_private: Sequence[str] = ()

    def on_pairs(self) -> list[Rule]:
        """Return the rules on single texts that close the gate, however few pairs break them.

        A rule that every pair may break (`allow: 1`) is none.
        """
        rules = adjust(read_rules("pair"), self.limits.severity, self.limits.allow)
        return [
            rule
            for rule in rules
            if rule.name not in _OF_PROMPTS and rule.severity == "critical" and rule.allowed < 1
        ]

    def on_length(self) -> Rule:
        """Return the rule on a conversation's length."""
        return next(rule for rule in read_rules("release") if rule.name == _OF_LENGTH)

    def digest(self) -> str:
        """Return a digest of everything that a finding depends on."""
        said = {rule.name: rule.statement for rule in (*self.on_pairs(), self.on_length())}
        read = ("measured_pairs", *VARIABLES)
        told = [said, *(read_rule_text(name) for name in read), asdict(self)]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
