"""Review: prompts whose key nobody may believe go out to people, and their answers come back.

{"prompt_id": "3c7b…", "domain": "math", "answer_type": "number", "prompt": "What is …",
 "choices": null, "votes": [{"role": "reference", "answer": "12", "votes": 3}, …],
 "answer": null, "refuse": null, "reviewer": null, "note": null}

A person fills in `answer`, or says in `refuse` why there can be none, and the row becomes a key of
source gold. What was said before stays; a row that cannot be used is quarantined with its reason.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from tasks.assess.keys import gold_keys
from tasks.assess.numbers import read_number
from tasks.assess.verifiers import structure
from tasks.assess.verifiers.choice import letter_of
from tasks.assess.verifiers.date import read_dates
from tasks.assess.verifiers.quantity import read_quantity
from tasks.assess.votes import extract_votes
from tasks.errors import InputError
from tasks.ingest.answers import tidy_answer, write_answer
from tasks.ingest.files import File
from tasks.ingest.json_rows import read_json_lines
from tasks.ingest.rows import (
    Fault,
    QuarantinedRow,
    RawRow,
    find_unstorable,
    frame_quarantined,
    quarantine_row,
    read_text,
)
from tasks.store import Store
from tasks.whole_files import write_whole

MOST_VOTES = 6  # different answers of a role that a reviewer is shown
LONGEST_ANSWER = 2_000
_NOBODY = "missing_reviewer"
_SIGN = re.compile(r"[\w\d]")
_COLUMNS = ("prompt_id", "answer", "refusal", "reviewer", "note", "uri")


@dataclass(frozen=True, slots=True)
class Review:
    """What one person said of one prompt; a row of `reviews`."""

    prompt_id: str
    answer: str | None
    refusal: str | None
    reviewer: str
    note: str | None
    uri: str
    row_number: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's rows: taken, how many of those are new, left blank, set aside.

    `reasons` says how many were set aside for which reason, the commonest first.
    """

    taken: int
    new: int
    blank: int
    quarantined: int
    reasons: Mapping[str, int] = field(default_factory=dict)


def open_reviews(samples: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield a row a prompt of rows of sql/queries/review_open.sql, for a person to fill in."""
    answered = extract_votes(samples)
    by = ["prompt_id", "domain", "answer_type", "text"]
    choices = dict(samples.select("prompt_id", "choices").iter_rows())
    grouped = answered.group_by(by, maintain_order=True).agg("role", "answer")
    for prompt_id, domain, answer_type, text, roles, answers in grouped.iter_rows():
        votes = Counter(
            (role, answer)
            for role, answer in zip(roles, answers, strict=True)
            if answer is not None
        )
        ranked = sorted(votes, key=lambda vote: (vote[0] != "reference", -votes[vote], vote[1]))
        yield {
            "prompt_id": prompt_id,
            "domain": domain,
            "answer_type": answer_type,
            "prompt": text,
            "choices": choices[prompt_id],
            "votes": [
                {"role": vote[0], "answer": vote[1], "votes": votes[vote]}
                for vote in ranked[:MOST_VOTES]
            ],
            "answer": None,
            "refuse": None,
            "reviewer": None,
            "note": None,
        }


def export_reviews(store: Store, file: Path) -> int:
    """Write the prompts that need a review, whole or not at all; return how many there are.

    Raises InputError if the file cannot be written.
    """
    rows = list(open_reviews(store.query("review_open")))
    lines = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    write_whole(file, lines)
    return len(rows)


def import_reviews(store: Store, file: Path, reviewer: str | None, run_id: str) -> Imported:
    """Take people's answers as keys.

    `reviewer` stands for rows that name nobody. Rows without an answer and a refusal are blank.
    Raises InputError if the file as a whole cannot be read, or if nobody is named in all of it.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file; `teachset review --export` writes one to fill in")
    rows = list(read_json_lines(file, File(str(file), file.name, "jsonl")))
    ids = [str(row.values.get("prompt_id")) for row in rows if not row.fault]
    known = store.query("review_prompts", prompt_ids=ids)
    prompts = {row["prompt_id"]: row for row in known.iter_rows(named=True)}
    parsed = [parse_review(row, prompts, reviewer) for row in rows]
    reviews, bad = refuse_contradictions(rows, parsed)
    reasons = Counter(row.reason for row in bad)
    if not reviews and reasons[_NOBODY]:
        raise InputError(
            f"{file}: {reasons[_NOBODY]:,} rows do not say who answered; name the person in "
            "`reviewer`, or of all of them with --reviewer NAME. Nothing was taken"
        )
    store.append("quarantine", frame_quarantined(bad), run_id=run_id)
    new = store.append("reviews", _frame(reviews), run_id=run_id)
    store.append("keys", gold_keys(store.query("assess_pending_reviews")), run_id=run_id)
    blank = sum(row is None for row in parsed)
    return Imported(len(reviews), new, blank, len(bad), dict(reasons.most_common()))


def parse_review(
    row: RawRow, prompts: Mapping[str, Mapping[str, Any]], reviewer: str | None
) -> Review | QuarantinedRow | None:
    """Make a review of a row; None if it was left blank, quarantined if it cannot be used."""
    made = row.fault or _read_review(row, prompts, reviewer)
    return quarantine_row(row, "review", made) if isinstance(made, Fault) else made


def refuse_contradictions(
    rows: Sequence[RawRow], parsed: Iterable[Review | QuarantinedRow | None]
) -> tuple[list[Review], list[QuarantinedRow]]:
    """Return the usable reviews and the rows set aside: of two different words the first stands."""
    reviews: dict[str, Review] = {}
    bad: list[QuarantinedRow] = []
    for row, made in zip(rows, parsed, strict=True):
        if isinstance(made, QuarantinedRow):
            bad.append(made)
        elif made is not None:
            first = reviews.setdefault(made.prompt_id, made)
            if (first.answer, first.refusal) != (made.answer, made.refusal):
                detail = (
                    f"row {first.row_number} says {first.answer or first.refusal!r} of the same "
                    "prompt; leave one of them out"
                )
                bad.append(quarantine_row(row, "review", Fault("conflicting_review", detail)))
    return list(reviews.values()), bad


def _read_review(
    row: RawRow, prompts: Mapping[str, Mapping[str, Any]], reviewer: str | None
) -> Review | Fault | None:
    prompt_id = read_text(row.values, "prompt_id")
    if prompt_id is None or prompt_id not in prompts:
        return Fault("unknown_prompt", f"the store has no prompt with the id {prompt_id!r}")
    written = write_answer(row.values.get("answer"))
    refusal, note = read_text(row.values, "refuse"), read_text(row.values, "note")
    if isinstance(written, Fault):
        return written
    if written is None and refusal is None:
        return None
    if written is not None and refusal is not None:
        return Fault("bad_review", "`answer` and `refuse` exclude each other; empty one of them")
    name = read_text(row.values, "reviewer") or reviewer
    if name is None:
        return Fault(_NOBODY, "say who answered: in `reviewer` or with --reviewer")
    if fault := find_unstorable(written, refusal, name, note):
        return fault
    answer = None if written is None else _read_answer(written, prompts[prompt_id])
    if isinstance(answer, Fault):
        return answer
    return Review(prompt_id, answer, refusal, name, note, row.uri, row.row_number)


def _read_answer(written: str, prompt: Mapping[str, Any]) -> str | Fault:
    """Return the answer as a key, or why a response could never be checked against it."""
    answer_type, choices = prompt["answer_type"], prompt["choices"]
    if answer_type in ("open", "code"):
        return Fault(
            "not_reviewable", f"a prompt of type {answer_type} is not checked by an answer"
        )
    if len(written) > LONGEST_ANSWER:
        return Fault("unreadable_answer", f"expected at most {LONGEST_ANSWER} characters")
    if answer_type == "choice":
        letter = letter_of(written, choices)
        last = chr(ord("A") + len(choices or ()) - 1)
        if letter is None or not "A" <= letter <= last:
            return Fault("unreadable_answer", f"expected a letter from A to {last}")
        return letter
    answer = tidy_answer(written) if answer_type == "number" else written
    if not _is_readable(answer, answer_type):
        return Fault("unreadable_answer", f"{answer[:200]!r} cannot be read as {answer_type}")
    return answer


def _is_readable(answer: str, answer_type: str) -> bool:
    """Tell whether the verifier of the type can do anything with an answer as its key."""
    if answer_type == "number":
        return read_number(answer) is not None
    if answer_type == "date":
        return len(read_dates(answer)) == 1
    if answer_type == "quantity":
        quantity = read_quantity(answer)
        return quantity is not None and quantity.unit != ""
    if answer_type == "json":
        return structure.check("null", answer).reason != "not_json"
    return _SIGN.search(answer) is not None


def _frame(reviews: Sequence[Review]) -> pl.DataFrame:
    columns = {name: [getattr(review, name) for review in reviews] for name in _COLUMNS}
    numbers = pl.Series("row_number", [review.row_number for review in reviews], dtype=pl.Int64)
    return pl.DataFrame(columns, schema=dict.fromkeys(_COLUMNS, pl.String)).with_columns(numbers)
