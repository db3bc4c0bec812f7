"""A notebook on a project's store: where the prompts went, how hard they are, what nights cost.

    marimo edit notebooks/store.py                        # recipes/quickstart.yaml
    marimo edit notebooks/store.py -- --recipe mine.yaml
    marimo export html notebooks/store.py --output store.html -- --recipe mine.yaml

It only reads, also while a run writes.
"""

import marimo

app = marimo.App(width="medium", app_title="Teachset: a store")


@app.cell
def _setup():
    import os
    import sys
    from pathlib import Path

    import altair as alt
    import marimo as mo

    root = Path(__file__).resolve().parents[1]
    sys.path.insert(0, str(root))
    from cli.reading import open_reader
    from tasks.recipe import load_recipe

    asked = mo.cli_args().get("recipe") or os.environ.get("TEACHSET_RECIPE")
    recipe = load_recipe(Path(str(asked)) if asked else root / "recipes" / "quickstart.yaml", ())

    def ask(name):
        """Answer one of the questions in sql/adhoc/."""
        statement = (root / "sql" / "adhoc" / f"{name}.sql").read_text(encoding="utf-8")
        with open_reader(recipe.store) as connection:
            return connection.sql(statement).pl()

    mo.md(f"# {recipe.name}\n\nThe store is `{recipe.store.catalog}`.")
    return alt, ask, mo


@app.cell
def _funnel(alt, ask, mo):
    funnel = ask("funnel")
    funnel_chart = (
        alt.Chart(funnel)
        .mark_bar()
        .encode(
            x=alt.X("prompts:Q").title("prompts"),
            y=alt.Y("reason:N").sort("-x").title(None),
            color=alt.Color("kind:N").title(None),
            tooltip=["kind", "stage", "reason", "prompts"],
        )
        .properties(width=560)
    )
    mo.vstack([mo.md("## Where the prompts went"), funnel_chart])
    return


@app.cell
def _difficulty(alt, ask, mo):
    rates = ask("pass_rates")
    rates_chart = (
        alt.Chart(rates)
        .mark_bar()
        .encode(
            x=alt.X("pass_rate_from:O").title("share that the student solves, from"),
            y=alt.Y("prompts:Q").title("prompts"),
            color=alt.Color("domain:N").title(None),
            tooltip=["domain", "pass_rate_from", "prompts"],
        )
        .properties(width=560)
    )
    domains = ask("difficulty_by_domain")
    mo.vstack([mo.md("## How hard they are"), rates_chart, domains])
    return


@app.cell
def _spend(alt, ask, mo):
    spend = ask("spend_by_day")
    spend_chart = (
        alt.Chart(spend)
        .mark_line(point=True)
        .encode(
            x=alt.X("day:T").title(None),
            y=alt.Y("usd:Q").title("US dollars a day"),
            tooltip=["day", "calls", "usd", "usd_so_far"],
        )
        .properties(width=560)
    )
    mo.vstack([mo.md("## What it costs"), spend_chart])
    return


@app.cell
def _failures(ask, mo):
    failures = ask("failures_recent")
    mo.vstack([mo.md("## What failed lately"), failures])
    return


if __name__ == "__main__":
    app.run()
