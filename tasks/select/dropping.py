"""Dropping: how a prompt gets its reason, and how those without one are ranked."""

import polars as pl

KEPT = "kept"  # the reason of what nothing has dropped
MIDDLE = 0.5  # where a prompt teaches most: its pass rate varies most


def drop(
    prompts: pl.DataFrame,
    condition: pl.Expr,
    stage: str,
    reason: str | pl.Expr,
    detail: pl.Expr,
    *,
    even_frozen: bool = False,
) -> pl.DataFrame:
    """Drop the prompts that the condition holds for and that no earlier reason has dropped.

    What was decided of a frozen prompt stands, but for reasons that are about `even_frozen` ones.
    """
    hit = pl.col("reason").is_null() & condition.fill_null(False)
    if not even_frozen:
        hit &= ~pl.col("frozen")
    said = pl.lit(reason) if isinstance(reason, str) else reason
    return prompts.with_columns(
        pl.when(hit).then(pl.lit(stage)).otherwise("stage").alias("stage"),
        pl.when(hit).then(said).otherwise("reason").alias("reason"),
        pl.when(hit).then(detail).otherwise("detail").alias("detail"),
    )


def rank_open(prompts: pl.DataFrame, group: str, order: list[str]) -> pl.DataFrame:
    """Number the prompts still undecided within their group, 1 first; the others get null.

    Frozen ones come before all others. A rubric's score tells apart what the order leaves equal,
    and what has no rate comes last.
    """
    rated = pl.col("rubric") if "rubric" in prompts.columns else pl.lit(None, dtype=pl.Float64)
    *first, last = order
    # Rounded, or 2 of 3 were nearer to the middle than 1 of 3 by the last bit.
    distance = (pl.col("pass_rate") - MIDDLE).abs().round(9)
    ranks = (
        prompts.filter(pl.col("reason").is_null() & pl.col(group).is_not_null())
        .select(
            "prompt_id",
            group,
            "frozen",
            (pl.col("kind") != "seed").alias("is_rewrite"),
            distance.fill_null(1.0).alias("distance"),
            (-rated).fill_null(0.0).alias("unrated"),
            pl.col("anchor").is_not_null().alias("is_anchor"),
        )
        .sort("frozen", *first, "unrated", last, descending=[True, *(False for _ in [*order, ""])])
        .select("prompt_id", pl.int_range(1, pl.len() + 1).over(group).alias("rank"))
    )
    return prompts.drop("rank", strict=False).join(ranks, on="prompt_id", how="left")
