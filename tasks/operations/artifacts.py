"""Artifacts: what a person reads in the Prefect UI after a run, under keys that stay the same.

| key               | what                                                        |
|-------------------|-------------------------------------------------------------|
| quickstart-report | the whole outcome of a run on one page                      |
| quickstart-funnel | in, kept and dropped by reason, a domain a column           |
| quickstart-difficulty | pass rates by domain, the reference beside the student, other policies |
| quickstart-explore, quickstart-reprofile | what a sample, or another checkpoint, has shown |
| quickstart-spend  | calls, tokens and dollars by role and model                 |
| quickstart-gate   | the gate's verdict, a rule a row                            |
| quickstart-ingest-gate, quickstart-responses-gate | the same after these stages |
| quickstart-release| the release, its pages and how to load it                   |
| quickstart-folder | a link to the release                                       |
| quickstart-page-report, quickstart-page-docs | links to what `teachset serve` shows of it |
| quickstart-targets| where it was published besides its folder                   |

Stable keys give each of them a history over the nights.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.cache_policies import NO_CACHE

from tasks.errors import GateFailed
from tasks.figures import say_dollars
from tasks.operations.pages import Page, link_refusal, link_release
from tasks.recipe import Recipe
from tasks.release.distribute import Publication
from tasks.release.publish import Published
from tasks.store import open_store

_MOST_ROWS = 50
_PAIRS = 3
_JUDGED = {"ingest": "prompts", "responses": "responses"}
_OWN_COLUMNS = ["kept", "outcome", "all"]


def pivot_funnel(funnel: pl.DataFrame) -> pl.DataFrame:
    """Return outcome, a column a domain and their sum: what came in, what was kept, each loss.

    The largest loss comes first.
    """
    if funnel.is_empty():
        return pl.DataFrame(schema={"outcome": pl.String, "all": pl.Int64})
    dropped = pl.format("{}: {}", "stage", "reason")
    domain = pl.col("domain").fill_null("unknown")
    taken = domain.is_in(_OWN_COLUMNS)
    by_domain = (
        funnel.with_columns(
            pl.when("kept").then(pl.lit("kept")).otherwise(dropped).alias("outcome"),
            pl.when(taken).then(domain + " (domain)").otherwise(domain).alias("domain"),
        )
        .group_by("kept", "outcome", "domain")
        .agg(pl.col("prompts").sum())
        .sort("domain")
        .pivot("domain", index=["kept", "outcome"], values="prompts")
        .fill_null(0)
    )
    domains = [name for name in by_domain.columns if name not in ("kept", "outcome")]
    counted = by_domain.with_columns(pl.sum_horizontal(domains).alias("all"))
    ordered = counted.sort(["kept", "all", "outcome"], descending=[True, True, False])
    came_in = ordered.select(pl.lit("in").alias("outcome"), pl.col(*domains, "all").sum())
    return pl.concat([came_in, ordered.select("outcome", *domains, "all")])


def tabulate_gate(gate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row a rule of a gate's verdict, the broken ones first."""
    rules = sorted(gate["rules"], key=lambda rule: (rule["passed"], rule["severity"]))
    return [
        {
            "rule": rule["rule"],
            "severity": rule["severity"],
            "verdict": "passed" if rule["passed"] else "failed",
            "found": rule["found"],
            "example": rule["detail"] or "",
            "pairs": ", ".join(rule["pair_ids"][:_PAIRS]),
        }
        for rule in rules
    ]


def as_markdown(frame: pl.DataFrame) -> str:
    """Return a frame as a markdown table in which no value can be markup."""
    aligned = ["--:" if kind.is_numeric() else "---" for kind in frame.dtypes]
    rows = (map(_escape, row) for row in frame.rows())
    return "\n".join(map(_line, [map(_escape, frame.columns), aligned, *rows]))


@task(task_run_name="show-funnel", cache_policy=NO_CACHE)
def show_funnel(recipe: Recipe, run_id: str) -> None:
    """Leave the funnel: every prompt is in it once, kept or dropped by one reason."""
    funnel = _read_funnel(recipe)
    create_table_artifact(
        key=f"{recipe.name}-funnel",
        table=pivot_funnel(funnel).head(_MOST_ROWS).to_dicts(),
        description=(
            f"**{say_funnel(funnel)}** by policy `{recipe.policy_version()}`. Run `{run_id}`."
        ),
    )


@task(task_run_name="show-spend", cache_policy=NO_CACHE)
def show_spend(recipe: Recipe, run_id: str) -> None:
    """Leave what was spent, in this run and ever."""
    spend = _read_spend(recipe, run_id)
    create_table_artifact(
        key=f"{recipe.name}-spend",
        table=spend.head(_MOST_ROWS).to_dicts(),
        description=f"**{say_spend(spend)}** Calls of models, by role. Run `{run_id}`.",
    )


@task(task_run_name="show-gate", cache_policy=NO_CACHE)
def show_gate(recipe: Recipe, gate: Mapping[str, Any]) -> None:
    """Leave the gate's verdict, rule by rule."""
    create_table_artifact(
        key=f"{recipe.name}-gate",
        table=tabulate_gate(gate),
        description=f"**{say_gate(gate)}** A critical rule that fails stops the release.",
    )


def show_verdict(recipe: Recipe, suite: str, gate: Mapping[str, Any]) -> None:
    """Leave the verdict of a gate on the way, rule by rule. Called within a task."""
    create_table_artifact(
        key=f"{recipe.name}-{suite}-gate",
        table=tabulate_gate(gate),
        description=f"**{say_gate(gate)}** A critical rule that fails stops the run.",
    )


@contextmanager
def refusal_shown(recipe: Recipe) -> Iterator[None]:
    """Leave the gate's verdict also where it stops the release."""
    try:
        yield
    except GateFailed as error:
        if error.verdict is not None:
            show_gate(recipe, error.verdict)
            show_refusal(recipe, error.verdict)
        raise


@task(task_run_name="show-refusal", cache_policy=NO_CACHE)
def show_refusal(recipe: Recipe, gate: Mapping[str, Any]) -> None:
    """Leave links to what a closed gate has left to read, where that is shown."""
    _link_pages(recipe, link_refusal(recipe.name, Path(recipe.release.folder)), say_gate(gate))


@task(task_run_name="show-release", cache_policy=NO_CACHE)
def show_release(recipe: Recipe, published: Published) -> None:
    """Leave the release, the line that loads it and links to its folder and its pages."""
    said = say_release(published)
    pages = link_release(recipe.name, published.folder)
    create_markdown_artifact(
        key=f"{recipe.name}-release", markdown=describe_release(published, pages), description=said
    )
    _link_pages(recipe, pages, said)
    create_link_artifact(
        key=f"{recipe.name}-folder",
        link=published.folder.as_uri(),
        link_text=str(published.folder),
        description=f"{said} A browser may refuse to open a local folder: copy its path instead.",
    )


def show_publications(recipe: Recipe, publications: Sequence[Publication]) -> None:
    """Leave where the release was published besides its folder, if the recipe names any place.

    Called within a flow.
    """
    if publications:
        create_table_artifact(
            key=f"{recipe.name}-targets",
            table=[asdict(publication) for publication in publications],
            description=f"**{say_publications(publications)}**",
        )


@task(task_run_name="show-report", cache_policy=NO_CACHE)
def show_report(recipe: Recipe, run_id: str, published: Published | None) -> None:
    """Leave the whole outcome of a run on one page; it may have been told not to publish."""
    funnel, spend = _read_funnel(recipe), _read_spend(recipe, run_id)
    outcome = "No release was asked for." if published is None else say_release(published)
    parts = [
        f"# {outcome}" if published is None else describe_release(published),
        "",
        f"## {say_funnel(funnel)}",
        "",
        as_markdown(pivot_funnel(funnel).head(_MOST_ROWS)),
        "",
        f"## {say_spend(spend)}",
        "",
        as_markdown(spend.head(_MOST_ROWS)),
    ]
    create_markdown_artifact(
        key=f"{recipe.name}-report",
        markdown="\n".join(parts),
        description=f"{outcome} {say_funnel(funnel)}.",
    )


def describe_release(published: Published, pages: Sequence[Page] = ()) -> str:
    """Return the release as markdown, with links to its pages."""
    links = [f"- [{page.title}]({page.address})" for page in pages]
    return "\n".join(
        [
            f"# {say_release(published)}",
            "",
            f"- Id `{published.release_id}`, {published.validation_pairs:,} of its pairs are for "
            "validation",
            f"- {say_gate(published.gate)}",
            *links,
            f"- Folder `{published.folder}`",
            "",
            "```python",
            "from datasets import load_dataset",
            f'load_dataset("{published.folder}")',
            "```",
        ]
    )


def say_release(published: Published) -> str:
    """Return one line on the release."""
    news = "new" if published.new else "nothing new, it stands"
    return f"Release {published.version}: {published.pairs:,} pairs ({news})."


def say_publications(publications: Sequence[Publication]) -> str:
    """Return one line on the targets of a release."""
    new = sum(publication.new for publication in publications)
    return f"Published to {len(publications)} target(s), {new} of them new for this release."


def say_funnel(funnel: pl.DataFrame) -> str:
    """Return one line on what was kept and dropped."""
    total, kept = int(funnel["prompts"].sum()), int(funnel.filter("kept")["prompts"].sum())
    return f"{total:,} prompts: {kept:,} kept, {total - kept:,} dropped"


def say_spend(spend: pl.DataFrame) -> str:
    """Return one line on the dollars of a run and of all runs; an unknown price is no zero."""
    this_run = spend.filter(pl.col("calls_this_run") > 0)["cost_usd_this_run"]
    return f"{_say_dollars(this_run)} in this run, {_say_dollars(spend['cost_usd'])} ever."


def say_gate(gate: Mapping[str, Any]) -> str:
    """Return one line on a gate's verdict."""
    failed = [rule["severity"] for rule in gate["rules"] if not rule["passed"]]
    critical = failed.count("critical")
    judged = _JUDGED.get(gate.get("suite", "release"), "pairs")
    return (
        f"Gate {'passed' if gate['passed'] else 'closed'}: {len(gate['rules'])} rules over "
        f"{gate['rows']:,} {judged}, {critical} critical failed, {len(failed) - critical} warnings."
    )


def _link_pages(recipe: Recipe, pages: Sequence[Page], said: str) -> None:
    for page in pages:
        create_link_artifact(
            key=f"{recipe.name}-page-{page.key}",
            link=page.address,
            link_text=page.title,
            description=f"{said} Shown while `teachset serve` runs.",
        )


def _read_funnel(recipe: Recipe) -> pl.DataFrame:
    return open_store(recipe.store).recall("funnel_of_policy", policy=recipe.policy_version())


def _read_spend(recipe: Recipe, run_id: str) -> pl.DataFrame:
    return open_store(recipe.store).recall("spend_by_role", run_id=run_id)


def _say_dollars(costs: pl.Series) -> str:
    known = say_dollars(float(costs.sum()))
    return known if costs.null_count() == 0 else f"{known} and an unknown cost"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _escape(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}"
    text = "" if value is None else " ".join(str(value).split())
    # `:` and `@`, because a bare address becomes a link.
    return "".join("\\" + sign if sign in "\\`*_[]<>|#&~!:@" else sign for sign in text)
