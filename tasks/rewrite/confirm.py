"""Confirmation: a second model solves a candidate, and only what it solves to the key is believed.

candidate  answers of the reference  agreeing  outcome
4c1d…      81, 81, 79                2 of 3    confirmed
90aa…      60, 60, 60                0 of 3    refused: unconfirmed
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Literal

import polars as pl

from tasks.assess.verdicts import NOT_RUN, Verdict, decide
from tasks.llm.drawing import draw
from tasks.llm.pending import leave_out_known
from tasks.llm.request import Endpoint, Request, identify
from tasks.llm.servers import endpoint_of
from tasks.messages import SOLVE_TEMPLATE, solve_messages
from tasks.progress import Tracker
from tasks.recipe import Recipe
from tasks.rewrite.candidate import Candidate
from tasks.store import Store

Outcome = Literal["confirmed", "unconfirmed", "open"]


@dataclass(frozen=True, slots=True)
class Votes:
    """What the reference said; `missing` tries may get an outcome in a later run."""

    agreeing: int
    missing: int = 0


def plan_confirmations(
    candidates: Mapping[str, Candidate], endpoint: Endpoint, tries: int
) -> Iterator[Request]:
    """Yield the solve requests on candidates, by their prompt ids."""
    for prompt_id, candidate in candidates.items():
        messages = solve_messages(candidate.text, None, candidate.answer_type, endpoint.settings)
        for index in range(tries):
            yield Request(prompt_id, "reference", SOLVE_TEMPLATE, messages, index)


def collect_votes(
    store: Store,
    recipe: Recipe,
    candidates: Mapping[str, Candidate],
    *,
    run_id: str,
    tracker: Tracker,
) -> dict[str, Votes]:
    """Have the reference solve the candidates and count who agrees, by their prompt ids."""
    tries = recipe.rewrite.tries
    prompt_ids = list(candidates)
    draw(
        store,
        recipe,
        "rewrite",
        "reference",
        [pl.DataFrame({"prompt_id": prompt_ids}, schema={"prompt_id": pl.String})],
        lambda endpoint, _: plan_confirmations(candidates, endpoint, tries),
        run_id=run_id,
        tracker=tracker,
        calls=tries * len(prompt_ids),
    )
    return count_votes(store, recipe, candidates)


def count_votes(
    store: Store, recipe: Recipe, candidates: Mapping[str, Candidate]
) -> dict[str, Votes]:
    """Count who agrees among the answers there are, by the candidates' prompt ids."""
    tries, prompt_ids = recipe.rewrite.tries, list(candidates)
    endpoint = endpoint_of(store, recipe, "reference")
    planned = list(plan_confirmations(candidates, endpoint, tries))
    missing = list(leave_out_known(store, endpoint, "reference", prompt_ids, planned))
    asked = {identify(endpoint, request).reuse_key for request in planned}
    verdicts = list(_grade_answers(store, candidates, asked))
    agreeing = Counter(name for name, verdict in verdicts if verdict.verdict == "correct")
    unheard = Counter(request.prompt_id for request in missing)
    unheard.update(name for name, verdict in verdicts if verdict.version == NOT_RUN)
    return {name: Votes(agreeing[name], unheard[name]) for name in prompt_ids}


def weigh(votes: Votes, confirmations: int) -> Outcome:
    """Say what the votes amount to; `open` if the missing ones could still change it."""
    if votes.agreeing >= confirmations:
        return "confirmed"
    return "open" if votes.agreeing + votes.missing >= confirmations else "unconfirmed"


def _grade_answers(
    store: Store, candidates: Mapping[str, Candidate], asked: Set[str]
) -> Iterator[tuple[str, Verdict]]:
    """Yield a verdict per try that was answered, the finished answer where there are two."""
    answers = store.query("role_replies", role="reference", prompt_ids=list(candidates))
    seen: set[str] = set()
    for row in answers.iter_rows(named=True):
        if row["reuse_key"] not in asked or row["reuse_key"] in seen:
            continue
        seen.add(row["reuse_key"])
        candidate = candidates[row["prompt_id"]]
        verdict = decide(
            candidate.answer_type,
            candidate.answer,
            row["content"],
            row["finish_reason"],
            tests=candidate.tests,
        )
        yield row["prompt_id"], verdict
