r"""Labelled answers: responses of which people say whether they are right, to measure verifiers on.

{"id": "number-001", "kind": "number", "answer_type": "number", "key": "1/2",
 "response": "\\boxed{0.5}", "label": "correct"}

`label` is correct, wrong, or unverifiable where nobody could tell. `kind` is what figures are
counted by; `choices`, `tests` and `finish_reason` (stop) are there where a case needs them. The
shipped set is seeds/verdicts/cases.jsonl.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from tasks.assess.grade import grade_chunk
from tasks.assess.verdicts import Memory, Verdict
from tasks.errors import InputError
from tasks.recipe import AnswerType

SHIPPED = Path(__file__).resolve().parents[2] / "seeds" / "verdicts" / "cases.jsonl"
Label = Literal["correct", "wrong", "unverifiable"]
Finding = Literal["right", "false_positive", "false_negative", "abstained"]
FINDINGS: tuple[Finding, ...] = get_args(Finding)
_COLUMNS: dict[str, Any] = {
    "answer_type": pl.String,
    "key_answer": pl.String,
    "content": pl.String,
    "finish_reason": pl.String,
    "tests": pl.List(pl.String),
    "choices": pl.List(pl.String),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled response."""

    id: str
    kind: str
    answer_type: str
    key: str | None
    response: str
    label: Label
    choices: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Judged:
    """A case, the verdict on it, and how the verdict compares with the label."""

    case: Case
    verdict: Verdict
    finding: Finding


def read_cases(file: Path = SHIPPED) -> list[Case]:
    """Read labelled cases from JSON lines. Raises InputError that names file, line and field."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as UTF-8 text: {error}") from error
    cases = [
        _read_case(f"{file}, line {number}", line)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not cases:
        raise InputError(f"{file}: there is no case in it; expected one JSON object a line")
    return cases


def judge_cases(cases: Sequence[Case]) -> list[Judged]:
    """Grade the cases as stored responses are graded, and compare with their labels."""
    rows = [
        (
            case.answer_type,
            case.key,
            case.response,
            case.finish_reason,
            list(case.tests),
            list(case.choices),
        )
        for case in cases
    ]
    verdicts = grade_chunk(pl.DataFrame(rows, schema=_COLUMNS, orient="row"), Memory())
    return [
        Judged(case, verdict, find(case.label, verdict.verdict))
        for case, verdict in zip(cases, verdicts, strict=True)
    ]


def find(label: Label, verdict: str) -> Finding:
    """Compare a verdict with a label; to decide what nobody can tell is as bad as deciding wrong.

    >>> find("wrong", "correct"), find("correct", "unverifiable"), find("unverifiable", "truncated")
    ('false_positive', 'abstained', 'right')
    """
    decided = verdict in ("correct", "wrong")
    if not decided:
        return "right" if label == "unverifiable" else "abstained"
    if verdict == label:
        return "right"
    return "false_positive" if verdict == "correct" else "false_negative"


def count_findings(judged: Sequence[Judged]) -> pl.DataFrame:
    """Return a row a kind, in the order of the cases, and one of `all`: kind, cases, findings."""
    rows = pl.DataFrame(
        {"kind": [one.case.kind for one in judged], "finding": [one.finding for one in judged]}
    )
    counts = [pl.len().alias("cases")] + [
        (pl.col("finding") == finding).sum().alias(finding) for finding in FINDINGS
    ]
    by_kind = rows.group_by("kind", maintain_order=True).agg(counts)
    return pl.concat([by_kind, rows.select(pl.lit("all").alias("kind"), *counts)])


def list_misses(judged: Sequence[Judged]) -> Iterator[dict[str, Any]]:
    """Yield what is not right, with the reason of the verdict."""
    for one in judged:
        if one.finding != "right":
            yield {
                "id": one.case.id,
                "finding": one.finding,
                "label": one.case.label,
                "key": one.case.key,
                "extracted": one.verdict.extracted,
                "verdict": one.verdict.verdict,
                "reason": one.verdict.reason,
            }


def _read_case(place: str, line: str) -> Case:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{place}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError(f"{place}: expected a JSON object")
    allowed = {"answer_type": get_args(AnswerType), "label": get_args(Label)}
    for name, known in allowed.items():
        if row.get(name) not in known:
            raise InputError(f"{place}: {name} is {row.get(name)!r}, expected {', '.join(known)}")
    if not isinstance(row.get("response"), str):
        raise InputError(f"{place}: response is missing; expected the text of a model's answer")
    for name in ("choices", "tests"):
        texts = row.get(name) or []
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise InputError(f"{place}: {name} is no list of texts")
    key = row.get("key")
    if not isinstance(key, str | None) or (key is None and row["answer_type"] != "code"):
        raise InputError(f"{place}: key is {key!r}, expected the right answer as a text")
    return Case(
        id=str(row.get("id") or place.rpartition(" ")[2]),
        kind=str(row.get("kind") or row["answer_type"]),
        answer_type=row["answer_type"],
        key=key,
        response=row["response"],
        label=row["label"],
        choices=tuple(row.get("choices") or ()),
        tests=tuple(row.get("tests") or ()),
        finish_reason=str(row.get("finish_reason") or "stop"),
    )
