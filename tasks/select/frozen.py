"""Frozen: domains whose rows stay as a release has them, whatever is added beside them.

prompt_id  domain  frozen  past_kept  past_reason  reason
9f2c…      math    true    true       kept         null           (kept, as it was)
b07d…      math    true    false      too_easy     too_easy
11aa…      math    true    null       null         domain_frozen  (it came in later)
"""

import polars as pl

from tasks.select.dropping import KEPT, drop


def settle_frozen(prompts: pl.DataFrame) -> pl.DataFrame:
    """Decide on frozen prompts as it was decided then; what has come in since is set aside.

    An anchor stays one, so that it is not taken for a prompt of the band.
    """
    if "past_kept" not in prompts.columns:
        return prompts
    was_kept = pl.col("past_kept").fill_null(False)
    stands = pl.col("frozen") & pl.col("reason").is_null()
    dropped = stands & ~was_kept
    anchor = stands & was_kept & (pl.col("past_reason") != KEPT)
    past = {
        name: pl.coalesce(f"past_{name}", pl.lit(new))
        for name, new in (("stage", "select"), ("reason", "domain_frozen"))
    }
    return prompts.with_columns(
        pl.when(dropped).then(past["stage"]).otherwise("stage").alias("stage"),
        pl.when(dropped).then(past["reason"]).otherwise("reason").alias("reason"),
        pl.when(dropped).then("past_detail").otherwise("detail").alias("detail"),
        pl.when(anchor).then("past_reason").otherwise("anchor").alias("anchor"),
    )


def drop_twins_of_frozen(prompts: pl.DataFrame) -> pl.DataFrame:
    """Drop what is the same task as a kept frozen prompt, though it would stand for both."""
    if "past_kept" not in prompts.columns:
        return prompts
    cluster = pl.coalesce("duplicate_of", "prompt_id")
    taken = (
        prompts.filter(pl.col("frozen"), pl.col("past_kept"))
        .select(cluster.alias("cluster"), pl.col("prompt_id").alias("frozen_twin"))
        .sort("cluster", "frozen_twin")
        .unique("cluster", keep="first", maintain_order=True)
    )
    detail = pl.format("of {}, whose domain is frozen", "frozen_twin")
    return (
        prompts.with_columns(cluster=cluster)
        .join(taken, on="cluster", how="left", maintain_order="left")
        .pipe(drop, pl.col("frozen_twin").is_not_null(), "duplicates", "twin_of_frozen", detail)
        .drop("cluster", "frozen_twin")
    )
