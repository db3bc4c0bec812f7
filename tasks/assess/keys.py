"""Keys: the answer that responses are checked against, and whether it may be believed.

    prompt_id  answer  answer_type  source     votes  samples  share  trusted
    3c7b…      1/2     number       plurality  3      4        0.75   false

A gold or computed answer is the key. Without one the reference model's samples vote, over meanings
and not over spellings: 1/2, 0.5 and \\frac12 are three votes for one answer.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.assess.extract import extract_answer
from tasks.assess.grade import same_answer
from tasks.assess.verifiers.choice import letter_of
from tasks.identity import content_id
from tasks.recipe import Recipe, SelectSettings
from tasks.store import Store, open_store

CHUNK = 20_000
MIN_SAMPLES = 3
_KEY_SCHEMA = {
    "key_id": pl.String,
    "prompt_id": pl.String,
    "answer": pl.String,
    "answer_type": pl.String,
    "source": pl.String,
    "votes": pl.Int32,
    "samples": pl.Int32,
    "share": pl.Float64,
    "trusted": pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class Plurality:
    """The most voted answer; None if nobody answered or if two answers share the first place."""

    answer: str | None
    votes: int
    samples: int
    share: float


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
    leaders = [answer for count, answer in votes if count == most]
    return Plurality(leaders[0] if len(leaders) == 1 else None, most, samples, most / samples)


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


def gold_keys(rows: pl.DataFrame) -> pl.DataFrame:
    """Make trusted keys of rows with prompt_id, answer, answer_type and source."""
    ids = [
        _key_id(*row)
        for row in rows.select("prompt_id", "answer", "answer_type", "source").iter_rows()
    ]
    return rows.with_columns(
        pl.Series("key_id", ids, dtype=pl.String),
        votes=pl.lit(None, pl.Int32),
        samples=pl.lit(None, pl.Int32),
        share=pl.lit(None, pl.Float64),
        trusted=pl.lit(True),
    ).select(list(_KEY_SCHEMA))


def plurality_keys(answers: pl.DataFrame, min_share: float) -> pl.DataFrame:
    """Make keys of rows with prompt_id, answer_type and the answer of one reference sample each."""
    rows = []
    voters = answers.group_by("prompt_id", "answer_type").agg("answer").sort("prompt_id")
    for prompt_id, answer_type, votes in voters.iter_rows():
        result = plurality(votes, partial(same_answer, answer_type))
        if result.answer is None:
            continue
        rows.append(
            {
                "key_id": _key_id(prompt_id, result.answer, answer_type, "plurality"),
                "prompt_id": prompt_id,
                "answer": result.answer,
                "answer_type": answer_type,
                "source": "plurality",
                "votes": result.votes,
                "samples": result.samples,
                "share": result.share,
                "trusted": result.share >= min_share and result.samples >= MIN_SAMPLES,
            }
        )
    return pl.DataFrame(rows, schema=_KEY_SCHEMA)


def derive_keys(store: Store, settings: SelectSettings, run_id: str) -> int:
    """Append the keys that are new or whose trust changed; return how many."""
    gold = gold_keys(store.query("assess_pending_gold_keys"))
    appended = store.append("keys", gold, run_id=run_id)
    answers = [_extract_votes(chunk) for chunk in store.stream("assess_reference_answers", CHUNK)]
    if answers:
        voted = plurality_keys(pl.concat(answers), settings.min_key_share)
        appended += store.append("keys", voted, run_id=run_id)
        # A later sample may have made a tie of a majority: its answer is not believed any more.
        believed = store.query("assess_trusted_pluralities")
        tied = believed.join(voted, on="prompt_id", how="anti").with_columns(trusted=pl.lit(False))
        appended += store.append("keys", tied, run_id=run_id)
    return appended


def _extract_votes(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the answers alone: whole responses of all samples would not fit into memory."""
    return rows.select("prompt_id", "answer_type").with_columns(
        pl.Series("answer", list(_votes(rows)), dtype=pl.String)
    )


def _votes(rows: pl.DataFrame) -> Iterable[str | None]:
    for row in rows.iter_rows(named=True):
        finished = row["finish_reason"] != "length"
        answer = extract_answer(row["content"] or "", row["answer_type"], finished=finished)
        if row["answer_type"] == "choice" and answer is not None:
            answer = letter_of(answer, row["choices"])
        yield answer


def _key_id(prompt_id: str, answer: str | None, answer_type: str, source: str) -> str:
    return content_id("key", prompt_id, answer, answer_type, source)


@task(task_run_name="derive-keys", cache_policy=NO_CACHE)
def derive_keys_task(recipe: Recipe, run_id: str) -> int:
    """Derive the keys that are missing or changed; return how many."""
    return derive_keys(open_store(recipe.store), recipe.select, run_id)
