"""Grade: what a verifier says of a response, against the key of its prompt.

    response_id  key_id  verifier  version  verdict  extracted  reason   attempt
    c2aa…        91f0…   math      1        correct  0.50       numeric  1

Identical questions are decided once; a response that was graded by the present version is never
graded again, unless the clock decided it. `truncated` and `unverifiable` are verdicts of their own
and never count as wrong.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from tasks.assess.verdicts import VERIFIERS, Asked, Memory, Verdict, decide_all, make_question
from tasks.progress import active, track
from tasks.recipe import Recipe
from tasks.store import Store, open_store

CHUNK = 20_000
PLACE: Final = ("prompt_id", "role", "model", "completion_tokens")  # Of the response, for counting.
ATTEMPTS = 3  # A verdict that the clock gave is looked at in so many runs, then it stands.
LATE_REASONS: Final = ("checker_died", "time_limit", "timeout")
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class GradeCounts:
    """What a grading run did: verdicts on `graded` responses."""

    graded: int = 0
    late: int = 0  # that ran out of time, and are tried again in a later run
    verdicts: dict[str, int] = field(default_factory=dict)

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Count verdicts."""
        for verdict in verdicts:
            self.graded += 1
            self.late += verdict.reason in LATE_REASONS
            self.verdicts[verdict.verdict] = self.verdicts.get(verdict.verdict, 0) + 1


def grade_responses(store: Store, roles: Sequence[str], run_id: str) -> GradeCounts:
    """Grade every response of the roles that has a key and no grade of the present version."""
    counts, memory = GradeCounts(), Memory()
    tracker = active(_stage(roles))
    pending = store.stream(
        "assess_pending_grades",
        CHUNK,
        roles=list(roles),
        answer_types=list(VERIFIERS),
        names=[name for name, _ in VERIFIERS.values()],
        versions=[version for _, version in VERIFIERS.values()],
        late_reasons=list(LATE_REASONS),
        attempts=ATTEMPTS,
        run_id=run_id,
    )
    for chunk in pending:
        verdicts = grade_chunk(chunk, memory)
        store.append("grades", _frame(chunk, verdicts), run_id=run_id)
        counts.add(verdicts)
        tracker.advance(len(verdicts))
        _LOGGER.info("graded %d responses, %d distinct", counts.graded, len(memory.known))
    if counts.late:
        _LOGGER.warning(
            "%d verdicts ran out of time; they are tried again in later runs, %d times in all",
            counts.late,
            ATTEMPTS,
        )
    return counts


def _stage(roles: Sequence[str]) -> str:
    """Return the name under which grading shows its progress."""
    return f"grade {' and '.join(roles)}"


def grade_chunk(rows: pl.DataFrame, memory: Memory) -> list[Verdict]:
    """Grade rows of answer_type, key_answer, content, finish_reason, tests, choices, in order."""
    return decide_all(
        (
            Asked(
                make_question(row["answer_type"], row["key_answer"], row["tests"], row["choices"]),
                row["content"],
                row["finish_reason"],
            )
            for row in rows.iter_rows(named=True)
        ),
        memory,
    )


def _frame(rows: pl.DataFrame, verdicts: Sequence[Verdict]) -> pl.DataFrame:
    columns: dict[str, list[Any]] = {
        name: [getattr(verdict, name) for verdict in verdicts]
        for name in ("verifier", "version", "verdict", "extracted", "reason")
    }
    types = {name: pl.Int32 if name == "version" else pl.String for name in columns}
    return rows.select("response_id", "key_id", "attempt", *PLACE).with_columns(
        pl.Series(name, values, dtype=types[name]) for name, values in columns.items()
    )


def _name_run() -> str:
    return _stage(task_run.parameters["roles"]).replace(" ", "-")


@task(task_run_name=_name_run, cache_policy=NO_CACHE)
def grade_task(recipe: Recipe, run_id: str, roles: Sequence[str]) -> GradeCounts:
    """Grade what is ungraded of some roles' responses."""
    with track(_stage(roles)):
        return grade_responses(open_store(recipe.store), roles, run_id)
