"""Confirmation: a second model solves a candidate, and only what it solves to the key is believed.

candidate  answers of the reference  agreeing  outcome
4c1d…      81, 81                    2 of 2    confirmed: a third could not change it
77b2…      81, 79, 81                2 of 3    confirmed
90aa…      60, 60                    0 of 2    refused: unconfirmed

Answers are asked for in rounds, each of as many as cannot settle a candidate before the last of
them is there: nobody is asked for an answer that would change nothing. What was said is found in
the store, so a run that was cut between two rounds goes on with the next.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Set
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
from tasks.rewrite.openings import draws_all_tries
from tasks.store import Store

Outcome = Literal["confirmed", "unconfirmed", "open"]
Try = tuple[str, int]  # A candidate's prompt id and a sample index.


@dataclass(frozen=True, slots=True)
class Votes:
    """What the reference said; `missing` tries may get an outcome, those `unasked` by a call."""

    agreeing: int
    missing: int = 0
    unasked: tuple[int, ...] = ()


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
    """Have the reference solve the candidates until each is settled; count who agrees, by id.

    A try that fails for now is not made twice in a run: others may settle its candidate, and if
    they do not, the next run makes it again.
    """
    endpoint = endpoint_of(store, recipe, "reference")
    votes, waiting = count_votes(store, recipe, candidates, endpoint), candidates
    made: set[Try] = set()
    for number in itertools.count():
        chosen = choose_tries({name: votes[name] for name in waiting}, recipe, made)
        # The first round is drawn even if it is empty: it waits for the batches of an earlier run.
        if number and not chosen:
            break
        _draw_tries(store, recipe, waiting, chosen, run_id, tracker)
        made |= chosen
        votes |= count_votes(store, recipe, waiting, endpoint)
        waiting = {name: waiting[name] for name in waiting if is_open(votes[name], recipe)}
    tracker.forgo(recipe.rewrite.tries * len(candidates) - len(made))
    return votes


def choose_tries(
    votes: Mapping[str, Votes], recipe: Recipe, made: Collection[Try] = ()
) -> set[Try]:
    """Return the tries of the next round, of candidates that are open and without those made."""
    chosen: set[Try] = set()
    for name, vote in votes.items():
        if is_open(vote, recipe):
            left = [index for index in vote.unasked if (name, index) not in made]
            chosen.update((name, index) for index in left[: next_tries(vote, recipe)])
    return chosen


def next_tries(votes: Votes, recipe: Recipe) -> int:
    """Return how many tries an open candidate is given in a round.

    All that are left where `draws_all_tries` says so. Otherwise as many as are needed to settle it
    one way or the other, whichever takes fewer: it cannot be settled before the last of them.
    """
    if draws_all_tries(recipe):
        return len(votes.unasked)
    return fewest_to_settle(votes.agreeing, votes.missing, recipe.rewrite.confirmations)


def count_votes(
    store: Store, recipe: Recipe, candidates: Mapping[str, Candidate], endpoint: Endpoint
) -> dict[str, Votes]:
    """Count who agrees among the answers there are, by the candidates' prompt ids."""
    tries, prompt_ids = recipe.rewrite.tries, list(candidates)
    planned = list(plan_confirmations(candidates, endpoint, tries))
    asked = {identify(endpoint, request).reuse_key for request in planned}
    verdicts = list(_grade_answers(store, candidates, asked))
    agreeing = Counter(name for name, verdict in verdicts if verdict.verdict == "correct")
    not_run = Counter(name for name, verdict in verdicts if verdict.version == NOT_RUN)
    unasked: dict[str, list[int]] = {name: [] for name in prompt_ids}
    for request in leave_out_known(store, endpoint, "reference", prompt_ids, planned):
        unasked[request.prompt_id].append(request.sample_index)
    return {
        name: Votes(agreeing[name], not_run[name] + len(indices), tuple(indices))
        for name, indices in unasked.items()
    }


def weigh(votes: Votes, confirmations: int) -> Outcome:
    """Say what the votes amount to; `open` if the missing ones could still change it."""
    if votes.agreeing >= confirmations:
        return "confirmed"
    return "open" if votes.agreeing + votes.missing >= confirmations else "unconfirmed"


def is_open(votes: Votes, recipe: Recipe) -> bool:
    """Say whether the tries without an outcome could still change what the votes amount to."""
    return weigh(votes, recipe.rewrite.confirmations) == "open"


def fewest_to_settle(agreeing: int, missing: int, confirmations: int) -> int:
    """Return the fewest answers that can settle an open candidate, for it or against it.

    >>> fewest_to_settle(agreeing=0, missing=3, confirmations=2)
    2
    >>> fewest_to_settle(agreeing=1, missing=1, confirmations=2)
    1
    """
    return min(confirmations - agreeing, agreeing + missing - confirmations + 1)


def _draw_tries(
    store: Store,
    recipe: Recipe,
    candidates: Mapping[str, Candidate],
    chosen: Set[Try],
    run_id: str,
    tracker: Tracker,
) -> None:
    """Have the reference answer the chosen tries, and wait for what is still out in batches."""
    tries = recipe.rewrite.tries
    draw(
        store,
        recipe,
        "rewrite",
        "reference",
        [pl.DataFrame({"prompt_id": list(candidates)}, schema={"prompt_id": pl.String})],
        lambda endpoint, _: (
            request
            for request in plan_confirmations(candidates, endpoint, tries)
            if (request.prompt_id, request.sample_index) in chosen
        ),
        run_id=run_id,
        tracker=tracker,
        calls=len(chosen),
    )


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
