"""Keys: the answer that responses are checked against, and whether it may be believed.

    prompt_id  answer  answer_type  source     votes  samples  share  trusted
    3c7b…      1/2     number       plurality  3      4        0.75   false

What people said in a review comes first, then a gold or computed answer. Without one the
reference's samples vote, and the vote is believed from a share that is fixed or calibrated, or
where a second model agrees. docs/teachable.md has the rules.
"""

import logging
from collections.abc import Mapping

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.assess.calibrate import min_shares
from tasks.assess.verdicts import same_answer
from tasks.assess.votes import extract_votes, record_votes
from tasks.identity import content_id
from tasks.recipe import Recipe, SelectSettings
from tasks.settled import unless_settled
from tasks.store import Store, open_store

CHUNK = 20_000
MIN_SAMPLES = 3
MIN_CONFIRMING = 2
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
    "voter": pl.String,
    "confirmer": pl.String,
    "confirming": pl.Int32,
    "confirmations": pl.Int32,
}
_LOGGER = logging.getLogger(__name__)


def gold_keys(rows: pl.DataFrame) -> pl.DataFrame:
    """Make trusted keys of rows with prompt_id, answer, answer_type and source."""
    ids = [
        _key_id(*row)
        for row in rows.select("prompt_id", "answer", "answer_type", "source").iter_rows()
    ]
    keys = rows.with_columns(pl.Series("key_id", ids, dtype=pl.String), trusted=pl.lit(True))
    return _fill_in(keys).select(list(_KEY_SCHEMA))


def plurality_keys(votes: pl.DataFrame) -> pl.DataFrame:
    """Make keys, with their domain, of rows of sql/queries/assess_pluralities.sql with a leader.

    Nobody believes them yet.
    """
    led = votes.drop_nulls("answer").sort("prompt_id")
    ids = [
        _key_id(prompt_id, answer, answer_type, "plurality")
        for prompt_id, answer, answer_type in led.select(
            "prompt_id", "answer", "answer_type"
        ).iter_rows()
    ]
    keys = led.with_columns(
        pl.Series("key_id", ids, dtype=pl.String),
        source=pl.lit("plurality"),
        share=pl.col("votes") / pl.col("samples"),
        trusted=pl.lit(False),
    )
    return _fill_in(keys).select(*_KEY_SCHEMA, "domain")


def trust(keys: pl.DataFrame, shares: Mapping[str | None, float | None]) -> pl.DataFrame:
    """Say which keys are believed, by the share that their domain asks for or by confirmation.

    A confirmer's samples confirm a key if at least two of them and more than half give its answer.
    `shares` maps a domain to the smallest share, None (the domain) to that of all others; a share
    of None is out of reach.
    """
    asked = {domain: 2.0 if share is None else share for domain, share in shares.items()}
    least = pl.col("domain").replace_strict(
        {name: share for name, share in asked.items() if name is not None},
        default=asked[None],
        return_dtype=pl.Float64,
    )
    agreed = (pl.col("confirming") >= MIN_CONFIRMING) & (
        pl.col("confirming") * 2 > pl.col("confirmations")
    )
    enough = pl.col("samples") >= MIN_SAMPLES
    believed = enough & ((pl.col("share") >= least) | agreed.fill_null(False))
    return keys.with_columns(trusted=believed)


def count_confirmations(answers: pl.DataFrame, confirmer: str) -> pl.DataFrame:
    """Return prompt_id, confirmer, confirming and confirmations, a row a prompt that was asked.

    `answers` has a row a sample of the confirmer: prompt_id, voted, answer_type and answer.
    """
    given = answers.drop_nulls("answer")
    kinds = given.select("answer_type", "voted", "answer")
    agreeing = [same_answer(*row) for row in kinds.iter_rows()]
    return (
        given.with_columns(pl.Series("agrees", agreeing, dtype=pl.Boolean))
        .group_by("prompt_id")
        .agg(
            pl.lit(confirmer).alias("confirmer"),
            pl.col("agrees").sum().cast(pl.Int32).alias("confirming"),
            pl.len().cast(pl.Int32).alias("confirmations"),
        )
        .sort("prompt_id")
    )


def derive_keys(
    store: Store,
    settings: SelectSettings,
    run_id: str,
    *,
    student: str | None = None,
    confirmer: str | None = None,
) -> int:
    """Append the keys that are new or whose trust changed; return how many.

    The reference votes, or the student of that name; `confirmer` names the second model.
    """
    appended = store.append("keys", gold_keys(store.query("assess_pending_reviews")), run_id=run_id)
    gold = gold_keys(store.query("assess_pending_gold_keys"))
    appended += store.append("keys", gold, run_id=run_id)
    if student is not None:
        _LOGGER.warning(
            "keys are voted for by the student %s itself: where it disagrees with itself, which "
            "is where prompts are kept, such keys are often wrong (docs/teachable.md)",
            student,
        )
    voter = "reference" if student is None else "student"
    record_votes(store, voter, student, run_id)
    keys = plurality_keys(store.query("assess_pluralities", voter=voter))
    shares = min_shares(store, settings, voter, run_id)
    believed = trust(_add_confirmations(store, keys, confirmer), shares).drop("domain")
    appended += store.append("keys", believed, run_id=run_id)
    # A later sample may have made a tie of a majority: its answer is not believed any more.
    return appended + store.append(
        "keys", store.query("assess_tied_keys", voter=voter), run_id=run_id
    )


def _add_confirmations(store: Store, keys: pl.DataFrame, confirmer: str | None) -> pl.DataFrame:
    """Fill in what the confirmer said of each answer; what an earlier one said does not count."""
    chunks = [
        extract_votes(chunk)
        for chunk in store.stream("assess_confirmations", CHUNK, confirmer=confirmer)
    ]
    if confirmer is None or not chunks:
        return keys
    voted = keys.select("prompt_id", pl.col("answer").alias("voted"))
    counted = count_confirmations(pl.concat(chunks).join(voted, on="prompt_id"), confirmer)
    return (
        keys.drop("confirmer", "confirming", "confirmations")
        .join(counted, on="prompt_id", how="left", maintain_order="left")
        .select(keys.columns)
    )


def _fill_in(keys: pl.DataFrame) -> pl.DataFrame:
    """Add the columns of `keys` that are not there, as nulls."""
    absent = [name for name in _KEY_SCHEMA if name not in keys.columns]
    return keys.with_columns(pl.lit(None, _KEY_SCHEMA[name]).alias(name) for name in absent)


def _key_id(prompt_id: str, answer: str | None, answer_type: str, source: str) -> str:
    return content_id("key", prompt_id, answer, answer_type, source)


def derive_recipe_keys(store: Store, recipe: Recipe, run_id: str) -> int:
    """Derive the keys as the recipe says who votes and who confirms; return how many changed."""
    by_student = recipe.sample.keys_by == "student"
    confirmer = recipe.models.confirmer
    return derive_keys(
        store,
        recipe.select,
        run_id,
        student=recipe.models.student.model if by_student else None,
        confirmer=confirmer.model if confirmer else None,
    )


@task(task_run_name="derive-keys", cache_policy=NO_CACHE)
def derive_keys_task(recipe: Recipe, run_id: str) -> int:
    """Derive the keys that are missing or changed; return how many."""
    store = open_store(recipe.store)
    return unless_settled(
        store, recipe, run_id, "derive-keys", lambda: derive_recipe_keys(store, recipe, run_id)
    )
