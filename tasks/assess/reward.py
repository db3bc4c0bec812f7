r"""Reward: the verdict on a response as a number, for trainers that draw responses of their own.

    {"answer_type": "number", "ground_truth": "4", "choices": null, "tests": null, …}

>>> reward(["It is \\boxed{4}.", "It is \\boxed{5}.", ""], ["number"] * 3, ["4"] * 3)
[1.0, 0.0, None]

The rows are those of the release format `rl`, and the verdicts are the ones that their pass rates
were measured by (docs/releases.md). It runs in a trainer's process: in threads and forked workers,
without a store, a recipe or an event loop.
"""

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tasks.assess.said import warn_once
from tasks.assess.verdicts import VERIFIERS, Asked, Memory, Verdict, decide_all, make_question
from tasks.llm.reasoning import read_message, split_reasoning

_REWARDS: Mapping[str, float] = {"correct": 1.0, "wrong": 0.0}
_COLUMNS = ("answer_type", "ground_truth", "tests", "choices")  # What a verdict depends on.
_UNKNOWN = "open"  # The type whose answers nothing checks.
_FAULTS: Mapping[str, str] = {  # Of the rows or the machine, and never of what a model wrote.
    "open": f"`answer_type` is none of {', '.join(VERIFIERS)}",
    "no_key": "`ground_truth` is missing, or no text",
    "no_tests": "the `tests` of a code problem are missing",
    "bad_tests": "the `tests` of a code problem cannot be read",
    "no_checker": "math-verify cannot be started; is it installed beside this Python?",
    "percent_not_read": "math-verify reads no percentage beside ANTLR 4.9 (docs/releases.md)",
}
_LOGGER = logging.getLogger(__name__)


def reward(
    completions: Sequence[Any],
    answer_type: Sequence[Any],
    ground_truth: Sequence[Any],
    tests: Sequence[Any] | None = None,
    choices: Sequence[Any] | None = None,
    *,
    completion_ids: Sequence[Sequence[int]] | None = None,
    end_tokens: int | Collection[int] | None = None,
    **_: Any,
) -> list[float | None]:
    """Score completions as TRL asks for it: 1.0 for a correct one, 0.0 for a wrong one.

    What is truncated or unverifiable is None, TRL's word for no reward. A completion is a text or a
    list of messages. It was cut off if its last token is none of `end_tokens`, which `partial`
    binds; without them that is not known, and it is judged as if it had ended.
    """
    nothing = [None] * len(completions)
    rows = zip(
        completions,
        answer_type,
        ground_truth,
        tests if tests is not None else nothing,
        choices if choices is not None else nothing,
        completion_ids if completion_ids is not None else nothing,
        strict=True,
    )
    ends = {end_tokens} if isinstance(end_tokens, int) else end_tokens
    asked = [_ask(*told, cut_off=_is_cut_off(ids, ends)) for *told, ids in rows]
    return [_REWARDS.get(verdict) for verdict in _judge(asked)]


def compute_score(
    data_source: object,
    solution_str: object,
    ground_truth: object,
    extra_info: object = None,
    *,
    undecided: float = 0.0,
    **_: Any,
) -> float:
    """Score a response as verl asks for it, to a row of `to_verl`.

    verl knows no response without a reward: what is truncated or unverifiable gets `undecided`,
    which is that of a wrong answer unless `reward_kwargs` says otherwise.
    """
    row = _read_row(ground_truth)
    if row is None:
        _warn("`ground_truth` is none that `to_verl` wrote")
        return undecided
    told = [row.get(name) for name in _COLUMNS]
    (verdict,) = _judge([_ask(solution_str, *told, cut_off=False)])
    return _REWARDS.get(verdict, undecided)


def to_verl(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of `rl` as verl reads it: all that its verdict depends on is one text.

    In columns of their own a list that is null in every row would have no type in Parquet.
    """
    known = {name: row[name] for name in _COLUMNS if row.get(name) is not None}
    return {
        "data_source": row.get("source") or "teachset",
        "prompt": row["prompt"],
        "ability": row.get("domain") or "",
        "reward_model": {"style": "rule", "ground_truth": json.dumps(known, ensure_ascii=False)},
    }


def _judge(asked: Sequence[Asked]) -> list[str]:
    """Return the verdicts. A training run of days does not end for a process that cannot start."""
    try:
        verdicts = decide_all(asked, Memory())
    except Exception:
        if len(asked) > 1:
            return [verdict for each in asked for verdict in _judge([each])]
        _LOGGER.exception("a completion is left without a reward")
        return ["unverifiable"]
    return [_note_fault(verdict).verdict for verdict in verdicts]


def _note_fault(verdict: Verdict) -> Verdict:
    if verdict.verdict == "unverifiable" and verdict.reason in _FAULTS:
        _warn(_FAULTS[verdict.reason])
    return verdict


def _warn(fault: str) -> None:
    warn_once(_LOGGER, f"completions are left without a reward: {fault}")


def _ask(
    completion: Any, answer_type: Any, key: Any, tests: Any, choices: Any, *, cut_off: bool
) -> Asked:
    is_known = isinstance(answer_type, str) and answer_type in VERIFIERS
    question = make_question(
        answer_type if is_known else _UNKNOWN,
        key if isinstance(key, str) else None,
        _read_texts(tests),
        _read_texts(choices),
    )
    return Asked(question, _read_content(completion), "length" if cut_off else "stop")


def _read_content(completion: Any) -> str | None:
    """Return the answer of a text or of the last message of a model, its thoughts taken out."""
    if isinstance(completion, str):
        return split_reasoning(completion)[1]
    if isinstance(completion, Sequence):
        for message in reversed(completion):
            if isinstance(message, Mapping) and message.get("role", "assistant") == "assistant":
                return read_message(message)[1]
    return None


def _read_texts(values: Any) -> list[str] | None:
    """Return texts as a list, whether they were one or an array of NumPy; None for what is none."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        return None
    texts = list(values)
    return texts if all(isinstance(text, str) for text in texts) else None


def _read_row(text: Any) -> Mapping[str, Any] | None:
    """Return what `to_verl` wrote, None if it is that of somebody else."""
    try:
        row = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and "answer_type" in row else None


def _is_cut_off(ids: Sequence[int] | None, ends: Collection[int] | None) -> bool:
    return ids is not None and ends is not None and len(ids) > 0 and ids[-1] not in ends
