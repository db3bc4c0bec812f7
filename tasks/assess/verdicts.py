"""Verdicts: what the verifiers say of a response, against its key; nothing but Python is needed.

>>> decide("number", "1/2", "Half of it.\nFinal answer: \\boxed{0.5}")
Verdict(verdict='correct', extracted='0.5', reason='numeric', verifier='math', version=6)

No store, no recipe and no Prefect are imported here: a trainer asks the same verifiers (`reward`).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple

from tasks.assess.code_tests import names_tested
from tasks.assess.extract import extract_answer
from tasks.assess.pool import shared_pool
from tasks.assess.verifiers import (
    Outcome,
    VerdictName,
    choice,
    code,
    date,
    math,
    quantity,
    structure,
    text,
)

MOST_REMEMBERED = 500_000
CHECKS_A_CHECKER = 150  # Its start takes some four seconds of processor time, a check 5 to 15 ms.
MOST_STORED = 2_000
NOT_RUN: Final = 0  # The version of a verdict that is no verdict: it is asked for again next time.
VERIFIERS: Mapping[str, tuple[str, int]] = {
    "number": (math.NAME, math.VERSION),
    "expression": (math.NAME, math.VERSION),
    "choice": (choice.NAME, choice.VERSION),
    "text": (text.NAME, text.VERSION),
    "date": (date.NAME, date.VERSION),
    "quantity": (quantity.NAME, quantity.VERSION),
    "json": (structure.NAME, structure.VERSION),
    "code": (code.NAME, code.VERSION),
}
_NOT_RUN_REASONS = frozenset({"no_sandbox", "no_checker"})
_CHECKS: Mapping[str, Callable[[str, str], Outcome]] = {
    "text": text.check,
    "date": date.check,
    "quantity": quantity.check,
    "json": structure.check,
}


@dataclass(frozen=True, slots=True)
class Question:
    """Everything a verdict on an extracted answer depends on."""

    answer_type: str
    key: str | None
    tests: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


class Asked(NamedTuple):
    """A response, and the question that it answers."""

    question: Question
    content: str | None
    finish_reason: str | None = "stop"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verifier's word on one response."""

    verdict: VerdictName
    extracted: str | None
    reason: str
    verifier: str
    version: int


class Memory:
    """What was decided in this run; the oldest is forgotten, so that the memory has a bound."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self.most = most
        self.known: OrderedDict[tuple[Question, str], Outcome] = OrderedDict()

    def decide(self, asked: Iterable[tuple[Question, str]]) -> dict[tuple[Question, str], Outcome]:
        """Return an outcome for every distinct question and answer asked."""
        wanted = list(dict.fromkeys(asked))
        new = [pair for pair in wanted if pair not in self.known]
        outcomes = {pair: self.known[pair] for pair in wanted if pair in self.known}
        outcomes.update(zip(new, judge_all(new), strict=True))
        self.known.update((pair, outcomes[pair]) for pair in new)
        while len(self.known) > self.most:
            self.known.popitem(last=False)
        return outcomes


def decide(
    answer_type: str,
    key: str | None,
    content: str | None,
    finish_reason: str | None = "stop",
    *,
    tests: Sequence[str] | None = None,
    choices: Sequence[str] | None = None,
) -> Verdict:
    """Grade one response: find its answer, then compare it with the key or run it on the tests."""
    question = make_question(answer_type, key, tests, choices)
    found = find_answer(answer_type, content, finish_reason, question.tests)
    outcome = found if isinstance(found, Outcome) else judge(question, found)
    return _verdict(answer_type, found, outcome)


def make_question(
    answer_type: str,
    key: str | None,
    tests: Sequence[str] | None,
    choices: Sequence[str] | None,
) -> Question:
    """Leave out what nothing depends on, so that two questions that are one are equal."""
    return Question(
        answer_type,
        key,
        tuple(tests or ()) if answer_type == "code" else (),
        tuple(choices or ()) if answer_type == "choice" else (),
    )


def decide_all(asked: Iterable[Asked], memory: Memory) -> list[Verdict]:
    """Grade many, in order; what the memory knows, and what recurs, is not decided again."""
    pairs = [
        (question, find_answer(question.answer_type, content, finish_reason, question.tests))
        for question, content, finish_reason in asked
    ]
    outcomes = memory.decide(
        (question, answer) for question, answer in pairs if isinstance(answer, str)
    )
    return [
        _verdict(
            question.answer_type,
            answer,
            outcomes[question, answer] if isinstance(answer, str) else answer,
        )
        for question, answer in pairs
    ]


def find_answer(
    answer_type: str,
    content: str | None,
    finish_reason: str | None,
    tests: tuple[str, ...] = (),
) -> str | Outcome:
    """Return the answer of a response, or the verdict on one that has none.

    The tests of code say which of several blocks is meant.
    """
    if answer_type == "open":
        return Outcome("unverifiable", "open")
    cut_off = finish_reason == "length"
    if content is None or not content.strip():
        return Outcome("truncated", "cut_off") if cut_off else Outcome("unverifiable", "empty")
    names = names_tested(tests) if answer_type == "code" else frozenset()
    extracted = extract_answer(content, answer_type, finished=not cut_off, names=names)
    if extracted is not None:
        return extracted
    if cut_off:
        return Outcome("truncated", "cut_off")
    if finish_reason == "content_filter":
        return Outcome("unverifiable", "content_filter")
    return Outcome("wrong", "no_answer")


def judge(question: Question, answer: str) -> Outcome:
    """Let the verifier of the answer type compare an extracted answer with the key."""
    return _judge_fast(question, answer) or _judge_slowly(question, answer)


def judge_all(pairs: Sequence[tuple[Question, str]]) -> list[Outcome]:
    """Judge many; those that need a process of their own run side by side."""
    outcomes = [_judge_fast(question, answer) for question, answer in pairs]
    slow = [index for index, outcome in enumerate(outcomes) if outcome is None]
    if not slow:
        return [outcome for outcome in outcomes if outcome is not None]
    with ThreadPoolExecutor(_count_workers(pairs, slow), thread_name_prefix="verifier") as threads:
        judged = dict(
            zip(slow, threads.map(lambda index: _judge_slowly(*pairs[index]), slow), strict=True)
        )
    return [outcome or judged[index] for index, outcome in enumerate(outcomes)]


def _count_workers(pairs: Sequence[tuple[Question, str]], slow: Sequence[int]) -> int:
    """Return how many to ask at a time: another checker costs as much as the checks it would do."""
    symbolic = sum(pairs[index][0].answer_type != "code" for index in slow)
    wanted = len(slow) - symbolic + symbolic // CHECKS_A_CHECKER
    return max(1, min(shared_pool().size, wanted))


def same_answer(answer_type: str, left: str, right: str) -> bool:
    """Tell whether two answers of a type are one answer, whichever of them is the key."""
    if answer_type in ("number", "expression"):
        return math.is_same(left, right)
    if answer_type == "choice":
        return choice.check(left, right).verdict == "correct"
    compare = _CHECKS[answer_type]
    return all(compare(*pair).verdict == "correct" for pair in ((left, right), (right, left)))


def _judge_fast(question: Question, answer: str) -> Outcome | None:
    """Return the verdict where no process of its own is needed for it."""
    if question.answer_type == "code":
        return None
    if question.key is None:
        return Outcome("unverifiable", "no_key")
    if question.answer_type == "choice":
        return choice.check(question.key, answer, question.choices or None)
    if compare := _CHECKS.get(question.answer_type):
        return compare(question.key, answer)
    return math.decide_fast(question.key, answer)


def _judge_slowly(question: Question, answer: str) -> Outcome:
    if question.answer_type == "code":
        return code.check(question.tests, answer)
    assert question.key is not None
    return math.decide_symbolic(question.key, answer)


def _verdict(answer_type: str, found: str | Outcome, outcome: Outcome) -> Verdict:
    name, version = VERIFIERS.get(answer_type, ("none", NOT_RUN))
    if outcome.reason in _NOT_RUN_REASONS:
        version = NOT_RUN
    extracted = found[:MOST_STORED] if isinstance(found, str) else None
    return Verdict(outcome.verdict, extracted, outcome.reason, name, version)
