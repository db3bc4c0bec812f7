"""Preferences: pairs of a right and a wrong answer, both as fit for release as any response.

prompt_id  chosen                    rejected                  chosen_id  rejected_id
9f2c…      [{assistant, It is 4.}]   [{assistant, It is 5.}]   9c…        41…

A wrong answer is trained on as well: it holds no benchmark's item, no secret, no person's number
and no loop either. Of eleven million samples two a prompt are released, so the two that would be
are looked at, and where one of them is unfit the next two, until both are fit. What was found is
kept in `text_faults` and `contamination`, as of a teacher's responses, and is not looked for again.
"""

from typing import Any

import polars as pl

from tasks.recipe import Recipe
from tasks.select.contamination import Quotations, tell_of_findings
from tasks.select.texts import find_faults_in, name_text_rules, text_rules
from tasks.store import Store

_SIDES = ("chosen", "rejected")


class FitPairs:
    """The preference pairs of a recipe, range by range of the prompts' ids."""

    def __init__(self, store: Store, recipe: Recipe, run_id: str, validation_below: str) -> None:
        self._store, self._recipe, self._run_id = store, recipe, run_id
        self._rules = text_rules(recipe)
        self._tainted = store.recall("tainted_by_release")
        benchmarks = [benchmark.name for benchmark in recipe.benchmarks]
        self._quotations = Quotations(store, recipe.select.contamination, benchmarks, run_id)
        settings = recipe.release
        self._asked: dict[str, Any] = {
            "policy": recipe.policy_version(),
            "student": recipe.models.student.model,
            "writer": recipe.writer,
            "roles": list(settings.preference.roles),
            "with_reasoning": settings.reasoning != "drop",
            "max_length_ratio": settings.preference.max_length_ratio,
            "validation_below": validation_below,
            "text_rules": name_text_rules(recipe, self._rules),
            **self._quotations.asked,
        }

    def pick(self, low: str, high: str) -> pl.DataFrame:
        """Return rows of sql/queries/release_preferences.sql; what they hold is fit for release."""
        rows = pending = self._ask(low, high, None)
        while again := self._look_at(pending.filter(pl.col("missing").is_null())):
            pending = self._ask(low, high, again)
            others = rows.filter(~pl.col("prompt_id").is_in(again))
            rows = pl.concat([others, pending]).sort("prompt_id")
        return rows

    def tell(self) -> None:
        """Announce what was found in benchmarks, if anything."""
        new = self._quotations.new
        tell_of_findings(self._store, self._recipe, self._run_id, self._tainted, new)

    def _ask(self, low: str, high: str, among: list[str] | None) -> pl.DataFrame:
        return self._store.query(
            "release_preferences", low=low, high=high, among=among, **self._asked
        )

    def _look_at(self, pairs: pl.DataFrame) -> list[str]:
        """Look at the answers that nobody has looked at; return the prompts where one is unfit."""
        answers = pl.concat([_answers(pairs, side) for side in _SIDES])
        unjudged = answers.filter(~pl.col("judged"))
        faulty = pl.Series("text_id", [], dtype=pl.String)
        if not unjudged.is_empty():
            faulty = find_faults_in(self._store, unjudged, self._recipe, self._rules, self._run_id)
        quoting = self._quotations.find(_as_searched(answers.filter(~pl.col("compared"))))
        unfit = answers.filter(pl.col("text_id").is_in(pl.concat([faulty, quoting]).implode()))
        return unfit["prompt_id"].unique().sort().to_list()


def _answers(pairs: pl.DataFrame, side: str) -> pl.DataFrame:
    return pairs.select(
        "prompt_id",
        pl.col(f"{side}_id").alias("text_id"),
        "text",
        "choices",
        "answer_type",
        "domain",
        pl.col(f"{side}_content").alias("content"),
        pl.col(f"{side}_reasoning").alias("reasoning"),
        pl.col(f"{side}_judged").alias("judged"),
        pl.col(f"{side}_compared").alias("compared"),
    )


def _as_searched(answers: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that sql/queries/select_unscreened_responses.sql has of these answers."""
    return answers.select(
        "text_id",
        "prompt_id",
        pl.col("text_id").alias("response_id"),
        pl.concat_str("reasoning", "content", separator=" ", ignore_nulls=True).alias("text"),
        pl.lit(None, pl.List(pl.String)).alias("choices"),
    )
