"""Votes: the answers of a model's samples, counted by meaning and not by spelling.

["1/2", "0.5", r"\\frac12", "2", None]  →  Plurality("0.5", votes=3, samples=4, share=0.75,
                                                      runner_up=1)
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from tasks.assess.extract import extract_answer
from tasks.assess.verdicts import same_answer
from tasks.assess.verifiers.choice import letter_of
from tasks.store import Store

CHUNK = 20_000

_COUNTS = ("votes", "runner_up", "samples", "drawn", "voting")
_SCHEMA = {
    **dict.fromkeys(("prompt_id", "voter", "answer"), pl.String),
    **dict.fromkeys(_COUNTS, pl.Int32),
    "form": pl.String,
}
VOTING = 4  # Raise it with any change of how answers are found, joined or counted.


@dataclass(frozen=True, slots=True)
class Plurality:
    """The most voted answer; None if nobody answered or if two answers share the first place."""

    answer: str | None
    votes: int
    samples: int
    share: float
    runner_up: int = 0


def plurality(answers: Sequence[str | None], same: Callable[[str, str], bool]) -> Plurality:
    """Count votes by meaning, whatever the order of the samples.

    A class of equivalent answers goes by its most frequent spelling, then the shortest, then the
    first in the alphabet. An absent answer (None) is no sample.
    """
    spellings = Counter(answer for answer in answers if answer is not None)
    ranked = sorted(spellings, key=lambda answer: (-spellings[answer], len(answer), answer))
    classes = group_equivalent(ranked, same)
    samples = spellings.total()
    votes = sorted(
        ((sum(spellings[one] for one in members), members[0]) for members in classes), reverse=True
    )
    if not votes:
        return Plurality(None, 0, 0, 0.0)
    most = votes[0][0]
    runner_up = votes[1][0] if len(votes) > 1 else 0
    answer = votes[0][1] if runner_up < most else None
    return Plurality(answer, most, samples, most / samples, runner_up)


def group_equivalent(ranked: Sequence[str], same: Callable[[str, str], bool]) -> list[list[str]]:
    """Join answers into classes; two are in one if a chain of equivalences leads between them."""
    classes: list[list[str]] = []
    for answer in ranked:
        joined = [members for members in classes if any(same(member, answer) for member in members)]
        merged = [member for members in joined for member in members] + [answer]
        classes = [members for members in classes if members not in joined] + [
            sorted(merged, key=ranked.index)
        ]
    return classes


def extract_votes(rows: pl.DataFrame) -> pl.DataFrame:
    """Replace content, finish_reason and choices by `answer`, null where a sample states none.

    The answers alone: whole responses of all samples would not fit into memory.
    """
    return rows.drop("content", "finish_reason", "choices").with_columns(
        pl.Series("answer", list(_find_answers(rows)), dtype=pl.String)
    )


def count_votes(answers: pl.DataFrame, voter: str) -> pl.DataFrame:
    """Return a row a prompt of the table `votes`.

    `answers` has a row a sample: prompt_id, answer_type, form and answer.
    """
    rows = []
    asked = ("prompt_id", "answer_type", "form")
    voters = answers.group_by(asked).agg("answer").sort("prompt_id")
    for prompt_id, answer_type, form, given in voters.iter_rows():
        result = plurality(given, partial(same_answer, answer_type))
        row = (result.answer, result.votes, result.runner_up, result.samples, len(given))
        rows.append((prompt_id, voter, *row, VOTING, form))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def record_votes(store: Store, voter: str, model: str | None, run_id: str) -> int:
    """Append the votes on every prompt whose samples have changed; return how many prompts."""
    recorded = 0
    rest: pl.DataFrame | None = None
    for chunk in store.stream("assess_votes", CHUNK, voter=voter, model=model, voting=VOTING):
        answers = extract_votes(chunk)
        answers = answers if rest is None else pl.concat([rest, answers])
        # The samples of the last prompt may go on in the next chunk.
        last = pl.col("prompt_id") == answers["prompt_id"][-1]
        rest = answers.filter(last)
        recorded += store.append("votes", count_votes(answers.filter(~last), voter), run_id=run_id)
    if rest is not None:
        recorded += store.append("votes", count_votes(rest, voter), run_id=run_id)
    return recorded


def _find_answers(rows: pl.DataFrame) -> Iterable[str | None]:
    wanted = rows.select("content", "finish_reason", "answer_type", "choices")
    for content, finish_reason, answer_type, choices in wanted.iter_rows():
        finished = finish_reason != "length"
        answer = extract_answer(content or "", answer_type, finished=finished)
        if answer_type == "choice" and answer is not None:
            answer = letter_of(answer, choices)
        yield answer
