"""Text faults: which texts break a rule that would close the gate, found before they get there.

text_id  rule     detail
c2aa…    looping  7 times and then we add the four apples to the other four

Great Expectations is not needed for it, and not imported.
"""

import polars as pl

from expectations.duckdb_source import open_database
from expectations.lengths import fill_token_counts
from expectations.measuring import measure, set_variables
from expectations.text_rules import TextRules

_MEASURED = (
    *("prompt_id", "root_id", "response_id", "domain", "kind", "answer_type", "key_source"),
    *("teacher", "split"),
)
FAULTS = {"text_id": pl.String, "rule": pl.String, "detail": pl.String}


def find_faults(texts: pl.DataFrame, rules: TextRules) -> pl.DataFrame:
    """Return text_id, rule and detail: a row for each text that breaks one, the first it breaks.

    `texts` has text_id, messages and, if the recipe keeps it apart, reasoning. Raises GateBroken if
    a rule cannot be evaluated.
    """
    if texts.is_empty():
        return pl.DataFrame(schema=FAULTS)
    on_pairs = rules.on_pairs()
    length, names = rules.on_length(), ", ".join(rule.name for rule in on_pairs)
    with open_database() as database:
        connection = database.connection
        connection.from_arrow(_as_pairs(texts, rules).to_arrow()).create("pairs")
        set_variables(
            connection, rules.limits, rules.guidelines, rules.told_in_private, rules.reasoning
        )
        database.confine(None)
        measure(connection, on_pairs)
        fill_token_counts(connection, rules.limits.tokenizer, rules.limits.max_tokens)
        # A rule's name is its file's, of letters, digits and _ only.
        said = (
            f"from (select pair_id, {names} from measured) unpivot (detail for rule in ({names}))"
        )
        too_long = f"select pair_id, '{length.name}' as rule, detail from ({length.statement})"
        found = [connection.execute(said).pl(), connection.execute(too_long).pl()]
    faults = pl.concat(part.select("pair_id", "rule", "detail") for part in found)
    first = faults.sort("pair_id", "rule", "detail").unique("pair_id", maintain_order=True)
    return first.rename({"pair_id": "text_id"})


def _as_pairs(texts: pl.DataFrame, rules: TextRules) -> pl.DataFrame:
    """Return texts as the pairs that are measured, of whose prompts nothing is said."""
    nothing = [pl.lit(None, pl.String).alias(name) for name in _MEASURED]
    kept = ["messages", "reasoning"] if rules.reasoning == "field" else ["messages"]
    return texts.select(
        pl.col("text_id").alias("pair_id"),
        *kept,
        *nothing,
        pl.lit(None, pl.Float64).alias("pass_rate"),
        pl.lit(None, pl.Boolean).alias("simulated"),
    )
