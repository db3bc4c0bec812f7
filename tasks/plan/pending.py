"""Pending: the calls that a run would make now, found as the stages find them.

prompt_id  template  calls  size  message_bytes
3c7b…      solve@1   8      31    118
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from tasks.assess.judging import pending_judgements, plan_judgements
from tasks.llm.pending import EVERYTHING, leave_out_known, split_ids
from tasks.llm.request import Endpoint, Request
from tasks.llm.servers import identify_endpoint
from tasks.messages import render_prompt
from tasks.rate.ratings import Subject, pending_subjects, plan_ratings
from tasks.rate.rubrics import rubrics_of
from tasks.recipe import ModelSettings, Recipe, Role
from tasks.rewrite.confirm import Votes, choose_tries, count_votes, is_open, plan_confirmations
from tasks.rewrite.drafts import Draft, Shelf, read_responses, refuse_surplus
from tasks.rewrite.judging import load_shelf
from tasks.rewrite.openings import plan_openings, tries_of
from tasks.rewrite.rounds import plan_follow_ups
from tasks.rewrite.router import doubtful_seeds, plan_placements
from tasks.rewrite.stage import parent_filter, read_replies
from tasks.sample import SampledRole, count_wanted, plan_samples, read_page, samples_of
from tasks.store import Store

ROWS_AT_A_TIME = 5_000
SCHEMA = {
    "prompt_id": pl.String,
    "template": pl.String,
    "calls": pl.Int64,
    "size": pl.Float64,
    "message_bytes": pl.Float64,
}
MakeRequests = Callable[[Sequence[Mapping[str, Any]]], Iterable[Request]]


def pending_rewrites(store: Store, recipe: Recipe) -> pl.DataFrame:
    """Return the calls that the rewriter has still to answer, those after its replies included."""
    settings = recipe.models.rewriter
    if settings is None:
        return pl.DataFrame(schema=SCHEMA)
    endpoint = identify_endpoint(recipe, settings)
    rows = store.stream(
        "rewrite_parents", ROWS_AT_A_TIME, **parent_filter(store, recipe, EVERYTHING)
    )

    def make_requests(parents: Sequence[Mapping[str, Any]]) -> Iterator[Request]:
        openings = list(plan_openings(parents, endpoint, recipe))
        yield from (request for _, request in openings)
        ids = [row["prompt_id"] for row in parents]
        yield from (request for _, request in plan_follow_ups(store, openings, endpoint, ids))

    return count_requests(store, endpoint, "rewriter", rows, make_requests)


def pending_placements(store: Store, recipe: Recipe) -> pl.DataFrame:
    """Return the seeds that the router has still to place."""
    settings = recipe.models.router
    if settings is None:
        return pl.DataFrame(schema=SCHEMA)
    return count_requests(
        store,
        identify_endpoint(recipe, settings),
        "router",
        doubtful_seeds(store, recipe, EVERYTHING),
        partial(plan_placements, settings=settings),
    )


def pending_samples(store: Store, recipe: Recipe, role: SampledRole) -> pl.DataFrame:
    """Return the samples that are still to be drawn on the prompts there are."""
    settings: ModelSettings | None = getattr(recipe.models, role)
    if settings is None:
        return pl.DataFrame(schema=SCHEMA)
    pages = count_wanted(store, recipe, role).prompts // ROWS_AT_A_TIME + 1
    rows = (read_page(store, recipe, role, part) for part in split_ids(pages))
    return _count_samples(store, recipe, role, rows, samples_of(recipe, role))


def pending_lessons(store: Store, recipe: Recipe, prompts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the teacher's responses that are still to be drawn on given prompts."""
    return _count_samples(store, recipe, "teacher", prompts, recipe.teach.samples)


def find_open_drafts(store: Store, recipe: Recipe) -> list[Draft]:
    """Return the rewrites that were paid for, passed the gates and are not decided yet."""
    rows = read_replies(store, EVERYTHING)
    drafts = [draft for draft in read_responses(rows) if isinstance(draft, Draft)]
    shelf: Shelf = load_shelf(store, EVERYTHING, drafts)
    most = recipe.rewrite.max_per_root
    return [draft for draft in drafts if refuse_surplus(draft, shelf, most) is None]


def count_open_votes(store: Store, recipe: Recipe, drafts: Sequence[Draft]) -> dict[str, Votes]:
    """Return what the reference said of drafts so far, by prompt id, of those that are open."""
    settings = recipe.models.reference
    if settings is None or not tries_of(recipe) or not drafts:
        return {}
    candidates = {draft.prompt_id: draft.candidate for draft in drafts}
    votes = count_votes(store, recipe, candidates, identify_endpoint(recipe, settings))
    return {name: vote for name, vote in votes.items() if is_open(vote, recipe)}


def pending_confirmations(
    store: Store, recipe: Recipe, drafts: Sequence[Draft], votes: Mapping[str, Votes]
) -> pl.DataFrame:
    """Return the reference's answers that are asked for next, of drafts that are open."""
    settings, chosen = recipe.models.reference, choose_tries(votes, recipe)
    if settings is None or not chosen:
        return pl.DataFrame(schema=SCHEMA)
    endpoint = identify_endpoint(recipe, settings)
    candidates = {draft.prompt_id: draft.candidate for draft in drafts if draft.prompt_id in votes}
    rows = [
        {"prompt_id": name, "text": candidate.text, "choices": None}
        for name, candidate in candidates.items()
    ]

    def make_requests(asked: Sequence[Mapping[str, Any]]) -> Iterator[Request]:
        some = {row["prompt_id"]: candidates[row["prompt_id"]] for row in asked}
        for request in plan_confirmations(some, endpoint, tries_of(recipe)):
            if (request.prompt_id, request.sample_index) in chosen:
                yield request

    pages = [pl.DataFrame(rows, schema_overrides={"choices": pl.List(pl.String)})]
    return count_requests(store, endpoint, "reference", pages, make_requests)


def pending_verdicts(store: Store, recipe: Recipe) -> pl.DataFrame:
    """Return the judge's calls on answers that are graded already."""
    settings = recipe.models.judge
    if settings is None:
        return pl.DataFrame(schema=SCHEMA)
    roles = ("reference", "student", "teacher")
    rows = pending_judgements(store, recipe, roles, EVERYTHING)
    return count_requests(
        store, identify_endpoint(recipe, settings), "judge", rows, plan_judgements
    )


def pending_ratings(store: Store, recipe: Recipe, rates: Subject) -> pl.DataFrame:
    """Return the votes that the recipe's judge has still to give on what there is."""
    settings = recipe.models.judge
    if settings is None:
        return pl.DataFrame(schema=SCHEMA)
    endpoint = identify_endpoint(recipe, settings)
    counted = [
        count_requests(
            store,
            endpoint,
            "judge",
            pending_subjects(store, recipe, applied, EVERYTHING),
            partial(plan_ratings, applied),
        )
        for applied in rubrics_of(recipe, rates)
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *counted])


def _count_samples(
    store: Store, recipe: Recipe, role: Role, prompts: Iterable[pl.DataFrame], samples: int
) -> pl.DataFrame:
    settings: ModelSettings | None = getattr(recipe.models, role)
    if settings is None:
        return pl.DataFrame(schema=SCHEMA)
    endpoint = identify_endpoint(recipe, settings)
    return count_requests(
        store,
        endpoint,
        role,
        prompts,
        lambda rows: plan_samples(rows, endpoint, role, samples, recipe),
    )


def count_requests(
    store: Store,
    endpoint: Endpoint,
    role: Role,
    prompts: Iterable[pl.DataFrame],
    make_requests: MakeRequests,
) -> pl.DataFrame:
    """Count the requests without an outcome by prompt and template.

    Only what was asked before is looked up: the keys of a new prompt need not be computed.
    """
    asked = set(store.query("plan_asked", role=role)["prompt_id"].to_list())
    counted = [
        _count_chunk(store, endpoint, role, rows.to_dicts(), asked, make_requests)
        for rows in prompts
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *counted])


def count_texts(texts: Iterable[pl.DataFrame], template: str) -> pl.DataFrame:
    """Count texts as requests are counted, where nobody is asked."""
    counted = [
        (row["prompt_id"], template, 1, _size_of(row), _size_of(row))
        for page in texts
        for row in page.iter_rows(named=True)
    ]
    return pl.DataFrame(counted, schema=SCHEMA, orient="row")


def _count_chunk(
    store: Store,
    endpoint: Endpoint,
    role: Role,
    rows: Sequence[Mapping[str, Any]],
    asked: set[str],
    make_requests: MakeRequests,
) -> pl.DataFrame:
    old = [row for row in rows if row["prompt_id"] in asked]
    new = [row for row in rows if row["prompt_id"] not in asked]
    requests: list[Iterable[Request]] = [make_requests(new)]
    if old:
        names = [row["prompt_id"] for row in old]
        requests.append(leave_out_known(store, endpoint, role, names, make_requests(old)))
    sizes = {row["prompt_id"]: _size_of(row) for row in rows}
    counts: dict[tuple[str, str], list[float]] = {}
    for request in (request for some in requests for request in some):
        key = (request.prompt_id, request.template)
        if key not in counts:
            counts[key] = [0.0, float(sum(len(text.encode()) for _, text in request.messages))]
        counts[key][0] += 1
    return pl.DataFrame(
        [
            (prompt_id, template, int(calls), sizes[prompt_id], message_bytes)
            for (prompt_id, template), (calls, message_bytes) in counts.items()
        ],
        schema=SCHEMA,
        orient="row",
    )


def _size_of(row: Mapping[str, Any]) -> float:
    """Return the bytes of a prompt with its options, as sql/queries/plan_calls.sql counts them."""
    return float(len(render_prompt(row["text"], row["choices"]).encode()))
