"""Rewrites that need wit, as the simulated rewriter writes them: from what is known of a seed.

    asked    {"strategy": "decompose", "problem": "Of the 30 members of a club …", "step": 1, …}
    replied  {"valid": true, "problem": "In a club 18 members play football …", "program": "18 + 14
              - 6", "answer": "26", "rest": "30 - step"}

What is not known is declined, as a model declines what it cannot do. A draft of `self_revision` may
have a fault, which the rewriter finds when it is asked to judge it.
"""

from collections.abc import Mapping
from random import Random
from typing import Any

from tasks.identity import normalise
from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.derived import load_derived
from tasks.simulator.outputs import form_of
from tasks.simulator.paraphrases import describe_task

_NOTHING: Mapping[str, Mapping[str, object]] = {
    "proof_to_answer": {"valid": False, "problem": "", "program": "", "answer": ""},
    "multi_part": {"valid": False, "part": "", "problem": "", "program": "", "answer": ""},
    "decompose": {"valid": False, "problem": "", "program": "", "answer": "", "rest": ""},
    "self_revision": {
        "valid": False, "problem": "", "answer": "", "answer_type": "text", "faults": [],
    },
    "word_problem": {"valid": False, "problem": "", "call": "", "answer": ""},
    "code_to_tests": {"valid": False, "function": "", "calls": []},
    "instruction_reversal": {"valid": False, "problem": ""},
}  # fmt: skip
STRATEGIES = frozenset(_NOTHING)
_DRAFTED_BADLY = 0.4  # the share of drafts with a fault, which the first round mends
_FAULTS = (
    (" Roughly will do.", "one answer: the form leaves several answers open"),
    (" See the figure above for the rest.", "complete: it refers to a figure that is not there"),
    (" Explain why.", "short: it asks for an explanation as well"),
)


def derive(key: AnswerKey, asked: Mapping[str, Any], chance: Random) -> dict[str, object]:
    """Return the reply to a request of one of `STRATEGIES`, sound or declined."""
    strategy, variant = str(asked["strategy"]), int(asked.get("variant") or 0)
    if strategy == "instruction_reversal":
        return _describe_code(key, str(asked.get("code") or ""), variant)
    problem = normalise(str(asked.get("problem") or ""))
    known = load_derived().get((problem, strategy, variant))
    if known is None:
        return dict(_NOTHING[strategy])
    said, item = known.said, known.item
    reply: dict[str, object] = {"valid": True, "problem": item.text, "answer": item.answer}
    if strategy == "self_revision":
        reply |= {"answer_type": item.answer_type, "faults": []}
        return _draft(reply, asked, chance)
    if strategy == "code_to_tests":
        return {"valid": True, "function": item.answer, "calls": list(said["calls"])}
    if strategy == "word_problem":
        return reply | {"call": said["call"]}
    if strategy == "multi_part":
        reply["part"] = str(asked.get("part") or "")
    if strategy == "decompose":
        reply["rest"] = said["rest"]
    return reply | {"program": said["program"]}


def _draft(reply: dict[str, object], asked: Mapping[str, Any], chance: Random) -> dict[str, object]:
    """Write a draft, with a fault now and then; in a later round say what was wrong with it.

    What a draft said is not looked up: a judge that is strict finds something to say of a sound one
    as well, and repeats it.
    """
    mistake, found = chance.choice(_FAULTS)
    if not asked.get("round"):
        if chance.random() < _DRAFTED_BADLY:
            reply["problem"] = f"{reply['problem']}{mistake}"
    elif asked["round"] == 1 and chance.random() < _DRAFTED_BADLY:
        reply["faults"] = [found]
    return reply


def _describe_code(key: AnswerKey, code: str, variant: int) -> dict[str, object]:
    """Say what a known solution does in other words than its own task has."""
    item = key.item_of_code(form_of(code) or "")
    worded = describe_task(item.text, variant) if item else None
    if worded is None:
        return dict(_NOTHING["instruction_reversal"])
    return {"valid": True, "problem": worded}
