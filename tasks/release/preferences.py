"""Preferences: pairs of a right and a wrong answer, without those that break a rule on texts.

prompt_id  chosen                    rejected                  chosen_id  rejected_id
9f2c…      [{assistant, It is 4.}]   [{assistant, It is 5.}]   9c…        41…
"""

from collections.abc import Mapping

import polars as pl

from expectations.text_rules import TextRules


def leave_out_unfit(
    pairs: pl.DataFrame, rules: TextRules
) -> tuple[pl.DataFrame, Mapping[str, int]]:
    """Return the pairs of which both answers are fit, and by rule how many are not.

    A wrong answer is trained on as well: it holds no secret, no person's number and no loop either.
    """
    from expectations.text_faults import find_faults  # Wanted only where this format is.

    sides = [
        pairs.select(
            pl.col("prompt_id").alias("text_id"),
            pl.concat_list("prompt", side).alias("messages"),
            pl.col(f"{side}_reasoning").alias("reasoning"),
        )
        for side in ("chosen", "rejected")
    ]
    faults = find_faults(pl.concat(sides), rules)
    fit = pairs.join(
        faults, left_on="prompt_id", right_on="text_id", how="anti", maintain_order="left"
    )
    return fit, dict(faults["rule"].value_counts().iter_rows())
