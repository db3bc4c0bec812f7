"""Exact duplicates: prompts that ask the same but for case and the marks between sentences.

prompt_id  representative_id  method  score
7c1e…      03ab…              exact   1.0
"""

import polars as pl
from prefect import task

from tasks.recipe import Recipe
from tasks.store import Store, open_store

METHOD = "exact"
ROWS_AT_A_TIME = 50_000  # texts in memory at once; what is kept of each is 60 bytes
# Marks after a word and before a space end a sentence. Anywhere else they may be mathematics or
# code: 3.5, {1,2}, n!, f'(x), a:b. Operators stay, or 3 + 5 and 3 - 5 would be one problem.
_SENTENCE_MARK = r"(\S)[.,;:?…]+!*(\s|$)"
_EXCLAMATION = r"(\p{L}\p{L})!+(\s|$)"
_TYPOGRAPHY = {"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "–": "-", "−": "-", "—": "-"}


def loosen(text: pl.Expr) -> pl.Expr:
    """Return the form under which two texts ask the same, looser than `identity.normalise`."""
    return (
        text.str.normalize("NFC")
        .str.to_lowercase()
        .str.replace_many(_TYPOGRAPHY)
        .str.replace_all(_SENTENCE_MARK, "${1} ")
        .str.replace_all(_EXCLAMATION, "${1} ")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )


def loosen_choices(choices: pl.Expr) -> pl.Expr:
    """Return the same of a prompt's options, in their order; null if it has none."""
    return loosen(pl.when(choices.list.len() > 0).then(choices.list.join(" \x1f ")))


def reduce_to_forms(prompts: pl.DataFrame) -> pl.DataFrame:
    """Reduce prompts (prompt_id, kind, has_answer, text, choices) to the hash of their form."""
    form = pl.concat_str(
        loosen(pl.col("text")),
        loosen_choices(pl.col("choices")),
        separator="\x1e",
        ignore_nulls=True,
    )
    return prompts.select(
        "prompt_id",
        (pl.col("kind") != "seed").alias("is_rewrite"),
        (~pl.col("has_answer")).alias("lacks_answer"),
        form.hash(seed=1).alias("form_a"),
        form.hash(seed=2).alias("form_b"),
    )


def match_forms(forms: pl.DataFrame) -> pl.DataFrame:
    """Return a row for every prompt that is not its form's representative.

    The representative is a seed before a rewrite, then one that came with an answer, then the
    smallest id: nothing that a later stage changes, so that it stays while samples come in.
    """
    form = ["form_a", "form_b"]
    ordered = forms.sort([*form, "is_rewrite", "lacks_answer", "prompt_id"])
    return (
        ordered.with_columns(pl.col("prompt_id").first().over(form).alias("representative_id"))
        .filter(pl.col("prompt_id") != pl.col("representative_id"))
        .select(
            "prompt_id",
            "representative_id",
            pl.lit(METHOD).alias("method"),
            pl.lit(1.0).alias("score"),
        )
        .sort("prompt_id")
    )


def find_duplicates(store: Store, run_id: str) -> int:
    """Compare all prompts of the store and record what changed; return how many rows that were.

    A prompt that is no longer a duplicate gets a row that names itself.
    """
    forms = [reduce_to_forms(rows) for rows in store.stream("select_prompt_texts", ROWS_AT_A_TIME)]
    if not forms:
        return 0
    found = match_forms(pl.concat(forms))
    freed = (
        store.query("select_past_duplicates")
        .join(found, on="prompt_id", how="anti")
        .select(
            "prompt_id",
            pl.col("prompt_id").alias("representative_id"),
            pl.lit(METHOD).alias("method"),
            pl.lit(0.0).alias("score"),
        )
    )
    return store.append("duplicates", pl.concat([found, freed]), run_id=run_id)


@task(task_run_name="find-duplicates")
def mark_duplicates(recipe: Recipe, run_id: str) -> int:
    """Mark every prompt that asks what another one asks already."""
    return find_duplicates(open_store(recipe.store), run_id)
