"""Page: the report as one HTML file that needs no network, no script and no other file.

Everything a stranger wrote is escaped by the template or rendered by `prose`; the page also forbids
itself scripts and requests by its content security policy.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import polars as pl

from tasks.figures import say_count, say_dollars, say_share
from tasks.recipe import Recipe
from tasks.release.diff import Contents, Difference, compare
from tasks.release.facts import Facts
from tasks.release.report.charts import draw_histogram
from tasks.release.report.figures import (
    funnel_steps,
    length_charts,
    mixture_rows,
    spend_rows,
)
from tasks.release.report.prose import render_prose
from tasks.release.report.rewrites import account_rows, sample_rows
from tasks.release.report.teachable import difficulty_charts, gap_chart, policy_rows
from tasks.release.stage import Staged
from tasks.release.verify import identify_release

_FOLDER = Path(__file__).parent
_OFFENDERS = 3  # offending pairs shown of each broken rule


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the report tells, but the gate's verdict."""

    recipe: Recipe
    facts: Facts
    staged: Staged
    manifest: bytes
    version: int
    previous: Contents | None


def write_report(story: Story, gate: Mapping[str, Any], docs: str) -> str:
    """Return the report on a release, or on an attempt if the gate did not pass it.

    `docs` is the name of the Data Docs, which lie beside it.
    """
    recipe, facts, staged = story.recipe, story.facts, story.staged
    manifest = json.loads(story.manifest)
    kept = int(facts.funnel.filter("kept")["prompts"].sum())
    prompts = int(facts.funnel["prompts"].sum())
    cost = facts.spend["cost_usd"].sum()
    unpriced = facts.spend["cost_usd"].null_count() > 0
    return _template().render(
        name=recipe.name,
        version=story.version,
        release_id=identify_release(story.manifest),
        manifest=manifest,
        passed=bool(gate["passed"]),
        simulated=bool(staged.facts["simulated"].any()),
        student=recipe.models.student.model,
        teacher=recipe.writer,
        band=recipe.select.band,
        pairs=staged.links.height,
        validation=staged.count("validation"),
        prompts=prompts,
        kept_share=kept / prompts if prompts else 0,
        cost=cost,
        unpriced=unpriced,
        pair_cost=cost / staged.links.height if staged.links.height and not unpriced else None,
        sizes=facts.sizes,
        steps=funnel_steps(facts.funnel),
        difficulty=difficulty_charts(facts.difficulty, recipe),
        gap=gap_chart(facts.gap, recipe),
        policies=policy_rows(facts.difficulty, recipe),
        mixture=mixture_rows(staged.facts, recipe.select.mixture),
        lengths=length_charts(staged.lengths),
        contamination=facts.contamination.to_dicts(),
        spend=spend_rows(facts.spend),
        rewrite_accounts=account_rows(facts.rewrites),
        routes=facts.rewrites.routes.to_dicts(),
        rewrite_samples=sample_rows(facts.rewrites),
        rubrics=facts.rubrics.to_dicts(),
        rubric_correlations=facts.correlations.to_dicts(),
        failed=_describe_broken(gate, staged),
        rules=gate["rules"],
        data_docs=docs,
        samples=_describe_samples(staged.samples),
        difference=_compare(story, manifest),
        previous=story.previous,
        prices=facts.prices,
    )


def _compare(story: Story, manifest: Mapping[str, Any]) -> Difference | None:
    if story.previous is None:
        return None
    pairs = story.staged.links.select(story.previous.pairs.columns)
    return compare(story.previous, Contents(identify_release(story.manifest), manifest, pairs))


def _describe_broken(gate: Mapping[str, Any], staged: Staged) -> list[dict[str, Any]]:
    """Return the broken rules, critical ones first, with some of the pairs that broke them."""
    broken = [rule for rule in gate["rules"] if not rule["passed"]]
    wanted = {pair_id for rule in broken for pair_id in rule["pair_ids"][:_OFFENDERS]}
    pairs = _read_pairs(staged.gated, sorted(wanted)) if wanted else {}
    return [
        {
            **rule,
            "pairs": [
                {"pair_id": pair_id, "messages": pairs.get(pair_id, [])}
                for pair_id in rule["pair_ids"][:_OFFENDERS]
            ],
        }
        for rule in sorted(broken, key=lambda rule: (rule["severity"], rule["rule"]))
    ]


def _read_pairs(folder: Path, pair_ids: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """Return the messages of some staged pairs, as the gate read them."""
    files = sorted((folder / "data").glob("*.parquet"))  # A folder's name is no pattern.
    staged = pl.scan_parquet(files, glob=False)
    found = staged.filter(pl.col("pair_id").is_in(list(pair_ids))).select("pair_id", "messages")
    return dict(found.collect(engine="streaming").iter_rows())


def _describe_samples(samples: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the samples, the domains taking turns so that the first ones show them all."""
    turns = samples.with_columns(pl.int_range(pl.len()).over("domain").alias("turn"))
    return [
        {
            **row,
            "question": render_prose(row["question"] or ""),
            "reasoning": render_prose(row["reasoning"]) if row["reasoning"] else None,
            "content": render_prose(row["content"] or ""),
        }
        for row in turns.sort("turn", "domain").iter_rows(named=True)
    ]


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(_FOLDER),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"count": say_count, "dollars": say_dollars, "share": say_share}
    environment.globals |= {"draw_histogram": draw_histogram}
    return environment.get_template("report.html.jinja")
