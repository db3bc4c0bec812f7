"""Rated: what judges say of prompts and of what teachers wrote, as evidence for a decision.

prompt_id  rubric  objection    objection_below  response_objection
3c7b…      3.7     null         null             null
90c2…      2.0     low_clarity  drop             null
d01b…      4.1     null         null             over_refusal   (of every response)

A rating ranks prompts that no measured rate tells apart; it never stands for a rate.
"""

import polars as pl

from tasks.rate.rubrics import judges_of, rubrics_of
from tasks.recipe import Recipe
from tasks.select.dropping import drop
from tasks.store import Store

BELOW_THE_BAR = "below_the_bar"
_NEEDS_REVIEW = "needs_review"


def add_ratings(store: Store, recipe: Recipe, evidence: pl.DataFrame) -> pl.DataFrame:
    """Add what was rated and objected to; nothing where no rubric is in force."""
    if not any(settings.rubrics or settings.guidelines for settings in recipe.domains.values()):
        return evidence
    ranking = [applied for applied in rubrics_of(recipe, "prompt") if applied.rubric.ranks]
    ranks = store.recall(
        "select_ranks",
        templates=[applied.template for applied in ranking],
        votes=[applied.rubric.votes for applied in ranking],
        judges=judges_of(recipe),
    )
    return (
        evidence.join(ranks, on="prompt_id", how="left")
        .join(store.recall("select_objections"), on="prompt_id", how="left")
        .join(
            store.recall("select_response_objections", writer=recipe.writer),
            on="prompt_id",
            how="left",
        )
        .sort("prompt_id")
    )


def drop_objected_prompts(prompts: pl.DataFrame) -> pl.DataFrame:
    """Drop what judges found unfit to be asked, or set it aside for people."""
    if "objection" not in prompts.columns:
        return prompts
    objected, detail = pl.col("objection").is_not_null(), pl.col("objection_detail")
    reviewed = pl.col("objection_below") == _NEEDS_REVIEW
    return prompts.pipe(drop, objected & reviewed, "rate", _NEEDS_REVIEW, detail).pipe(
        drop, objected, "rate", BELOW_THE_BAR, detail
    )


def drop_objected_responses(prompts: pl.DataFrame) -> pl.DataFrame:
    """Drop prompts of which every response of the teacher is objected to, for the commonest."""
    if "response_objection" not in prompts.columns:
        return prompts
    objection = pl.col("response_objection")
    for reason in sorted(prompts["response_objection"].drop_nulls().unique()):
        prompts = prompts.pipe(
            drop, objection == reason, "teach", reason, pl.col("response_detail"), even_frozen=True
        )
    return prompts
