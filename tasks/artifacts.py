"""Artifacts: what a person reads in the Prefect UI after a run, under keys that stay the same.

| key               | what                                                        |
|-------------------|-------------------------------------------------------------|
| quickstart-funnel | in, kept and dropped by reason, a domain a column           |
| quickstart-spend  | calls, tokens and dollars by role and model                 |
| quickstart-release| the release, its gate's verdict and how to load it          |

Stable keys give each of them a history over the nights.
"""

from collections.abc import Iterable

import polars as pl
from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from tasks.recipe import Recipe
from tasks.release.publish import Published
from tasks.store import open_store

_MOST_ROWS = 50
_OWN_COLUMNS = ("kept", "stage", "reason", "all")


def pivot_funnel(funnel: pl.DataFrame) -> pl.DataFrame:
    """Return stage, reason, a column a domain and their sum; kept first, then the largest loss."""
    if funnel.is_empty():
        return pl.DataFrame(schema={"stage": pl.String, "reason": pl.String, "all": pl.Int64})
    named = funnel.with_columns(
        pl.when(pl.col("domain").is_in(_OWN_COLUMNS))
        .then(pl.col("domain") + " (domain)")
        .otherwise(pl.col("domain").fill_null("unknown"))
    )
    by_domain = (
        named.group_by("kept", "stage", "reason", "domain")
        .agg(pl.col("prompts").sum())
        .sort("domain")
        .pivot("domain", index=["kept", "stage", "reason"], values="prompts")
        .fill_null(0)
    )
    domains = [name for name in by_domain.columns if name not in _OWN_COLUMNS]
    counted = by_domain.with_columns(pl.sum_horizontal(domains).alias("all"))
    ordered = counted.sort(["kept", "all", "reason"], descending=[True, True, False])
    return ordered.select("stage", "reason", *domains, "all")


def as_markdown(frame: pl.DataFrame) -> str:
    """Return a frame as a markdown table in which no value can be markup."""
    head = [_line(frame.columns), "|" + " --- |" * frame.width]
    return "\n".join([*head, *(_line(row) for row in frame.rows())])


@task(task_run_name="show-funnel", cache_policy=NO_CACHE)
def show_funnel(recipe: Recipe, run_id: str) -> None:
    """Leave the funnel: every prompt is in it once, kept or dropped by one reason."""
    funnel = open_store(recipe.store).query("funnel_of_policy", policy=recipe.policy_version())
    kept = funnel.filter("kept")["prompts"].sum()
    table = pivot_funnel(funnel)
    create_table_artifact(
        key=f"{recipe.name}-funnel",
        table=table.head(_MOST_ROWS).to_dicts(),
        description=(
            f"**{funnel['prompts'].sum():,} prompts, {kept:,} kept** "
            f"by policy `{recipe.policy_version()}`; run `{run_id}`."
        ),
    )


@task(task_run_name="show-spend", cache_policy=NO_CACHE)
def show_spend(recipe: Recipe, run_id: str) -> None:
    """Leave what was spent, in this run and ever."""
    store = open_store(recipe.store)
    table = store.query("spend_by_role", run_id=run_id)
    create_table_artifact(
        key=f"{recipe.name}-spend",
        table=table.head(_MOST_ROWS).to_dicts(),
        description=f"Model calls of **{recipe.name}**; `this_run` is run `{run_id}`.",
    )


@task(task_run_name="show-release", cache_policy=NO_CACHE)
def show_release(recipe: Recipe, published: Published) -> None:
    """Leave the release, the verdict of its gate and the line that loads it."""
    create_markdown_artifact(
        key=f"{recipe.name}-release",
        markdown=describe_release(published),
        description="A new release" if published.new else "Nothing new: the last release stands",
    )


def describe_release(published: Published) -> str:
    """Return the release as markdown."""
    new = "new" if published.new else "unchanged since the last run"
    return "\n".join(
        [
            f"# Release {published.release_id} (version {published.version}, {new})",
            "",
            f"- {published.pairs:,} pairs, {published.validation_pairs:,} of them for validation",
            f"- in `{published.folder}`",
            "",
            "```python",
            "from datasets import load_dataset",
            f'load_dataset("{published.folder}")',
            "```",
        ]
    )


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _escape(value: object) -> str:
    """Escape what can begin markup; `:` and `@`, because bare addresses become links."""
    text = "" if value is None else " ".join(str(value).split())
    return "".join("\\" + sign if sign in "\\`*_[]<>|#&~!:@" else sign for sign in text)
