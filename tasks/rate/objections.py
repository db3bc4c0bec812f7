"""Objections: what is wrong with a prompt or a response by the votes of the judges, and whose word.

prompt_id  response_id  source          reason        detail
3c7b…      c2aa…        safety.conduct  over_refusal  0 of 1 votes find no fault: over_refusal 1
90c2…      null         math.quality    low_clarity   1 of 6 votes find no fault: low_clarity 5

Votes are weighed anew whenever the bar has moved, without asking anybody. Where nothing is wrong
the reason is null; what a rubric of yesterday objected to is taken back.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import orjson
import polars as pl

from tasks.identity import content_id, share_bound
from tasks.rate.guidelines import scan_version
from tasks.rate.ratings import Subject
from tasks.rate.rubrics import Applied, judges_of, rubrics_of, weigh
from tasks.recipe import Recipe
from tasks.store import Store

NOT_RATED = "not_rated"
VERIFIER, VERSION = "rubric", 1


def withdraw_outdated(store: Store, recipe: Recipe, run_id: str) -> int:
    """Take back what was objected to by rubrics, bars and guidelines that are not in force now."""
    applied = [*rubrics_of(recipe, "prompt"), *rubrics_of(recipe, "response")]
    in_force = [*(each.version for each in applied), *filter(None, [scan_version(recipe)])]
    outdated = store.query("rate_outdated", versions=in_force)
    nothing = pl.lit(None, dtype=pl.String)
    return store.append(
        "objections", outdated.with_columns(reason=nothing, detail=nothing), run_id=run_id
    )


def object_to(store: Store, recipe: Recipe, run_id: str, rates: Subject) -> int:
    """Weigh the votes on all subjects of rubrics in force; return how many objections are new."""
    return sum(
        store.append("objections", pl.DataFrame(rows, schema=_SCHEMA), run_id=run_id)
        for applied in rubrics_of(recipe, rates)
        if (rows := list(_weigh_all(store, recipe, applied)))
    )


def give_keys(store: Store, recipe: Recipe, run_id: str) -> int:
    """Make a rubric the key of the prompts that nothing else can check, where a domain says so."""
    given = 0
    for applied in rubrics_of(recipe, "response"):
        if not _is_key(recipe, applied):
            continue
        prompt_ids = store.query("rate_keyless", domain=applied.domain)["prompt_id"]
        keys = pl.DataFrame({"prompt_id": prompt_ids}).with_columns(
            pl.Series(
                "key_id",
                [content_id("key", name, applied.version, "open", VERIFIER) for name in prompt_ids],
                dtype=pl.String,
            ),
            answer=pl.lit(applied.version),
            answer_type=pl.lit("open"),
            source=pl.lit(VERIFIER),
            trusted=pl.lit(True),
        )
        given += store.append("keys", keys, run_id=run_id)
    return given


def withdraw_keys(store: Store, recipe: Recipe, run_id: str) -> int:
    """Believe no rubric as a key whose domain names none any more; return how many there were."""
    keyed = [each.domain for each in rubrics_of(recipe, "response") if _is_key(recipe, each)]
    withdrawn = store.query("rate_withdrawn_keys", domains=keyed, frozen=list(recipe.select.freeze))
    return store.append("keys", withdrawn, run_id=run_id)


def grade_by_rubric(store: Store, recipe: Recipe, run_id: str) -> int:
    """Grade the responses whose key is a rubric: `correct` is what it does not object to."""
    graded = 0
    for applied in rubrics_of(recipe, "response"):
        if _is_key(recipe, applied):
            rows = store.query("rate_verdicts", source=applied.source, version=applied.version)
            grades = rows.with_columns(verifier=pl.lit(VERIFIER), version=pl.lit(VERSION, pl.Int32))
            graded += store.append("grades", grades, run_id=run_id)
    return graded


def _is_key(recipe: Recipe, applied: Applied) -> bool:
    keyless = recipe.domain(applied.domain).keyless
    return keyless is not None and applied.source == f"{applied.domain}.{keyless}"


def _weigh_all(store: Store, recipe: Recipe, applied: Applied) -> Iterator[dict[str, Any]]:
    """Yield a row of `objections` for every subject that has votes, or should have."""
    asked: dict[str, Any] = {
        "template": applied.template,
        "judges": judges_of(recipe),
        "votes": applied.rubric.votes,
    }
    votes = store.query("rate_votes", **asked).iter_rows()
    for subject, cast in groupby(votes, key=lambda row: (row[0], row[1])):
        yield _row(applied, subject, *_weigh_one(applied, [row[2:] for row in cast]))
    if applied.rubric.rates == "response" and applied.rubric.objects():
        unrated = store.query(
            "rate_unrated",
            **asked,
            writer=recipe.writer,
            domain=applied.domain,
            share_below=share_bound(applied.rubric.share),
        )
        for subject in unrated.iter_rows():
            yield _row(applied, subject, NOT_RATED, "no judge's reply so far")


def _weigh_one(
    applied: Applied, cast: Sequence[tuple[str | None, str | None]]
) -> tuple[str | None, str]:
    """Return reason and detail; what was not shown to its judge is objected to for that.

    A rubric without a bar, which only ranks, has nothing to object to.
    """
    screened = next((why for _, why in cast if why is not None), None)
    if screened is not None:
        return screened if applied.rubric.objects() else None, "was not shown to a judge"
    weighed = weigh(applied.rubric, [orjson.loads(scores) for scores, _ in cast if scores])
    return weighed.reason, weighed.detail


def _row(
    applied: Applied, subject: Iterable[str | None], reason: str | None, detail: str
) -> dict[str, Any]:
    prompt_id, response_id = subject
    return {
        "prompt_id": prompt_id,
        "response_id": response_id,
        "source": applied.source,
        "version": applied.version,
        "reason": reason,
        "detail": detail,
        "below": applied.rubric.below,
    }


_SCHEMA = {
    name: pl.String
    for name in ("prompt_id", "response_id", "source", "version", "reason", "detail", "below")
}
