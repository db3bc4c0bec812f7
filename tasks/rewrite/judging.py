"""Judging: drafts become prompts or are refused with a reason, within the room of their roots.

judge_drafts(store, recipe, run_id, drafts, shelf, tracker) → Counter(accepted=812, duplicate=31)
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from tasks.llm.pending import Range
from tasks.llm.servers import endpoint_of
from tasks.progress import Tracker
from tasks.recipe import Recipe
from tasks.recipe.players import is_confirming
from tasks.rewrite.candidate import Refusal
from tasks.rewrite.claims import claim
from tasks.rewrite.confirm import Votes, collect_votes, count_votes, weigh
from tasks.rewrite.drafts import (
    Draft,
    Shelf,
    prompt_row,
    refuse_surplus,
    take_batch,
    verdict_row,
)
from tasks.rewrite.openings import tries_of
from tasks.store import Store


def load_shelf(store: Store, asked: Range, drafts: Sequence[Draft]) -> Shelf:
    """Return the rewrites that drafts of a range must not repeat."""
    shelf = Shelf()
    fill_shelf(shelf, store, asked, [draft.prompt_id for draft in drafts])
    return shelf


def fill_shelf(shelf: Shelf, store: Store, asked: Range, prompt_ids: Iterable[str]) -> None:
    """Put on a shelf the rewrites there are of a range of roots, and those of the given ids."""
    made = store.query("rewrite_made", low=asked.low, high=asked.high, prompt_ids=list(prompt_ids))
    for name, root, response_id in made.iter_rows():
        shelf.put(name, root, response_id)


def judge_drafts(
    store: Store,
    recipe: Recipe,
    run_id: str,
    drafts: Sequence[Draft],
    shelf: Shelf,
    tracker: Tracker,
) -> Counter[str]:
    """Decide drafts, in rounds: who waited for room in a root comes next if there is still some."""
    most = recipe.rewrite.max_per_root
    # A prompt of this very response is there: an earlier version of the gates accepted it, or a run
    # that was killed before it said so.
    settled = [draft for draft in drafts if shelf.made_by.get(draft.prompt_id) == draft.response_id]
    tracker.forgo(tries_of(recipe) * len(settled))
    reasons = _settle(store, recipe, run_id, settled, shelf)
    done = {draft.response_id for draft in settled}
    waiting = [draft for draft in drafts if draft.response_id not in done]
    while waiting:
        looked_at = [(draft, refuse_surplus(draft, shelf, most)) for draft in waiting]
        surplus = [verdict_row(draft, refusal) for draft, refusal in looked_at if refusal]
        tracker.forgo(tries_of(recipe) * len(surplus))
        reasons += record_verdicts(store, run_id, surplus)
        fitting = [draft for draft, refusal in looked_at if refusal is None]
        batch, waiting = take_batch(fitting, shelf, most)
        with claim(draft.prompt_id for draft in batch) as claimed:
            # Another chunk may have made a prompt of the same text since the shelf was filled.
            fill_shelf(shelf, store, Range("", ""), claimed)
            free = claimed.difference(shelf.made_by)
            ours = [draft for draft in batch if draft.prompt_id in free]
            reasons += _decide_batch(store, recipe, run_id, ours, shelf, tracker)
        waiting = [draft for draft in batch if draft.prompt_id not in free] + waiting
    return reasons


def _settle(
    store: Store, recipe: Recipe, run_id: str, settled: Sequence[Draft], shelf: Shelf
) -> Counter[str]:
    """Decide drafts that are prompts already, by the answers there are: nothing new is asked."""
    if not settled:
        return Counter()
    candidates = {draft.prompt_id: draft.candidate for draft in settled}
    votes: Mapping[str, Votes] = {}
    if is_confirming(recipe):
        endpoint = endpoint_of(store, recipe, "reference")
        votes = count_votes(store, recipe, candidates, endpoint)
    verdicts: list[tuple[Draft, Refusal | None]] = []
    for draft in settled:
        vote = votes.get(draft.prompt_id)
        refusal = _weigh(draft, vote, recipe) if vote else None
        verdicts.append((draft, refusal))
        if refusal:
            shelf.take_off(draft.prompt_id, draft.parent.root_id)
    return record_verdicts(
        store, run_id, [verdict_row(draft, refusal) for draft, refusal in verdicts]
    )


def _weigh(draft: Draft, vote: Votes, recipe: Recipe) -> Refusal | None:
    """Return `unconfirmed` if the votes on a draft settle that."""
    if weigh(vote, recipe.rewrite.confirmations) != "unconfirmed":
        return None
    answers = recipe.rewrite.tries - vote.missing
    said = f"{vote.agreeing} of {answers} reference answers agree with "
    return Refusal("unconfirmed", said + draft.candidate.answer)


def _decide_batch(
    store: Store,
    recipe: Recipe,
    run_id: str,
    batch: Sequence[Draft],
    shelf: Shelf,
    tracker: Tracker,
) -> Counter[str]:
    """Confirm drafts and record what is decided; a draft that is open still leaves no row."""
    votes = _collect(store, recipe, run_id, batch, tracker)
    wanted = recipe.rewrite.confirmations
    verdicts: list[tuple[Draft, Refusal | None]] = []
    for draft in batch:
        vote = votes.get(draft.prompt_id)
        if vote is None or weigh(vote, wanted) == "confirmed":
            shelf.put(draft.prompt_id, draft.parent.root_id, draft.response_id)
            verdicts.append((draft, None))
        elif refusal := _weigh(draft, vote, recipe):
            verdicts.append((draft, refusal))
    accepted = [prompt_row(draft) for draft, refusal in verdicts if refusal is None]
    store.append("prompts", pl.DataFrame(accepted, infer_schema_length=None), run_id=run_id)
    return record_verdicts(
        store, run_id, [verdict_row(draft, refusal) for draft, refusal in verdicts]
    )


def _collect(
    store: Store, recipe: Recipe, run_id: str, batch: Sequence[Draft], tracker: Tracker
) -> dict[str, Votes]:
    """Return the votes on drafts by prompt id; none where nobody is asked to confirm."""
    if not batch or not is_confirming(recipe):
        return {}
    candidates = {draft.prompt_id: draft.candidate for draft in batch}
    return collect_votes(store, recipe, candidates, run_id=run_id, tracker=tracker)


def record_verdicts(store: Store, run_id: str, rows: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Append rows of `rewrites` and return how many had which reason."""
    store.append("rewrites", pl.DataFrame(rows, infer_schema_length=None), run_id=run_id)
    return Counter(str(row["reason"]) for row in rows)
