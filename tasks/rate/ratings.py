"""Ratings: judges are asked about prompts and responses on the rubrics in force, each vote once.

rubric          prompt_id  response_id  judge      vote  scores
safety.conduct  3c7b…      c2aa…        sim-judge  0     {"compliance": 5, "leak": false, …}
math.quality    3c7b…      null         sim-judge  2     {"clarity": 4, "completeness": 5, …}
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import orjson
import polars as pl

from tasks.identity import content_id, share_bound
from tasks.llm.drawing import draw
from tasks.llm.pending import EVERYTHING, Range
from tasks.llm.request import Endpoint, Messages, Request, identify
from tasks.llm.servers import endpoint_of
from tasks.progress import active
from tasks.rate.rubrics import Applied, ask, mean_score, read_scores, rubrics_of, schema_of, screen
from tasks.recipe import Recipe
from tasks.store import Store

Subject = Literal["prompt", "response"]
_ROWS_AT_A_TIME = 20_000


def plan_ratings(applied: Applied, rows: Iterable[Mapping[str, Any]]) -> Iterator[Request]:
    """Yield a request per vote on rows of sql/queries/rate_prompts.sql or rate_responses.sql."""
    schema = schema_of(applied.rubric)
    shown: set[tuple[str, Messages]] = set()  # Two samples may say the same; it is rated once.
    for row in rows:
        messages = ask(applied, row)
        if screen(applied, row) is None and (row["prompt_id"], messages) not in shown:
            shown.add((row["prompt_id"], messages))
            for vote in range(applied.rubric.votes):
                yield Request(row["prompt_id"], "judge", applied.template, messages, vote, schema)


def pending_subjects(
    store: Store, recipe: Recipe, applied: Applied, part: Range
) -> Iterator[pl.DataFrame]:
    """Yield what this recipe's judge has still to rate on a rubric; `recipe` is of one judge."""
    assert recipe.models.judge is not None
    asked: dict[str, Any] = {
        "template": applied.template,
        "judge": recipe.models.judge.model,
        "votes": applied.rubric.votes,
        "domain": applied.domain,
        "share_below": share_bound(applied.rubric.share),
        "low": part.low,
        "high": part.high,
    }
    if applied.rubric.rates == "prompt":
        asked["keyless"] = applied.rubric.only == "keyless"
        yield from store.stream("rate_prompts", _ROWS_AT_A_TIME, **asked)
    else:
        asked["writer"] = recipe.writer
        yield from store.stream("rate_responses", _ROWS_AT_A_TIME, **asked)


def count_ratings(store: Store, recipe: Recipe, rates: Subject) -> int:
    """Count about how many calls the judges have still to answer."""
    return sum(
        applied.rubric.votes * page.height
        for applied in rubrics_of(recipe, rates)
        for each in recipe.of_each_judge()
        for page in pending_subjects(store, each, applied, EVERYTHING)
    )


def rate_range(store: Store, recipe: Recipe, run_id: str, rates: Subject, asked: Range) -> int:
    """Have every judge rate what it has not rated in a range; return how many ratings are new."""
    return sum(
        _rate_rows(store, each, run_id, applied, page)
        for applied in rubrics_of(recipe, rates)
        for each in recipe.of_each_judge()
        for part in asked.parts()
        for page in list(pending_subjects(store, each, applied, part))
    )


def _rate_rows(
    store: Store, recipe: Recipe, run_id: str, applied: Applied, pending: pl.DataFrame
) -> int:
    rows, votes = pending.to_dicts(), applied.rubric.votes
    planned = sum(1 for _ in plan_ratings(applied, rows))
    active("rate").forgo(votes * len(rows) - planned)  # Screened, or the same as another.
    draw(
        store,
        recipe,
        "rate",
        "judge",
        [pending.select("prompt_id").unique(maintain_order=True)],
        lambda endpoint, _: plan_ratings(applied, rows),
        run_id=run_id,
        tracker=active("rate"),
        calls=planned,
    )
    ratings = list(_read_ratings(store, endpoint_of(store, recipe, "judge"), applied, rows))
    frame = pl.DataFrame(ratings, schema=_SCHEMA, orient="row")
    return store.append("ratings", frame, run_id=run_id)


def _read_ratings(
    store: Store, endpoint: Endpoint, applied: Applied, rows: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield a row of `ratings` per vote that was given, and per subject that was not shown."""
    waiting: dict[str, list[tuple[Mapping[str, Any], int]]] = {}
    for row in rows:
        if (why := screen(applied, row)) is not None:
            for vote in range(applied.rubric.votes):
                yield _rating(endpoint, applied, row, vote) | {"screened": why}
        for request in plan_ratings(applied, [row]):
            asked = identify(endpoint, request).reuse_key
            waiting.setdefault(asked, []).append((row, request.sample_index))
    said = store.query("judge_words", prompt_ids=list({row["prompt_id"] for row in rows}))
    for reuse_key, content, reply_id, simulated in said.iter_rows():
        if reuse_key not in waiting:
            continue
        scores = read_scores(applied.rubric, content)
        for row, vote in waiting.pop(reuse_key) if scores is not None else ():
            yield _rating(endpoint, applied, row, vote) | {
                "scores": orjson.dumps(scores, option=orjson.OPT_SORT_KEYS).decode(),
                "score": mean_score(applied.rubric, [scores or {}]),
                "reply_id": reply_id,
                "simulated": simulated,
            }


def _rating(
    endpoint: Endpoint, applied: Applied, row: Mapping[str, Any], vote: int
) -> dict[str, Any]:
    subject = (row["prompt_id"], row["response_id"])
    judge = endpoint.settings.model
    return {
        "rating_id": content_id("rating", *subject, applied.template, judge, vote),
        "prompt_id": subject[0],
        "response_id": subject[1],
        "rubric": applied.source,
        "template": applied.template,
        "judge": judge,
        "vote": vote,
    }


_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("rating_id", "prompt_id", "response_id"), pl.String),
    **dict.fromkeys(("rubric", "template", "judge"), pl.String),
    "vote": pl.Int32,
    "scores": pl.String,
    "score": pl.Float64,
    "screened": pl.String,
    "reply_id": pl.String,
    "simulated": pl.Boolean,
}
