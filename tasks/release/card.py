"""Card: the README.md of a release, in the Hugging Face form, so that a folder explains itself.

---
pretty_name: quickstart
configs: [{config_name: default, data_files: [{split: train, path: data/train-*.parquet}]}]
---
# quickstart
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import yaml

from tasks.recipe import Recipe
from tasks.release.stage import Staged

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&])")
_KNOWN_LICENCES = frozenset(
    {
        *("mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "odc-by"),
        *("cc-by-3.0", "cc-by-sa-3.0", "bsd-3-clause", "bsd-2-clause", "gpl-3.0", "openrail"),
    }
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(recipe: Recipe, staged: Staged, funnel: pl.DataFrame, models: pl.DataFrame) -> str:
    """Return the card. Everything that came from data or a recipe is escaped."""
    band = recipe.select.band
    sections = [
        f"# {escape(recipe.name)}",
        _introduce(staged),
        f"Prompts were kept where `{_code(recipe.models.student.model)}` solves them at a rate "
        f"from {band.low:g} to {band.high:g}{_exceptions(recipe)}. "
        f"Policy: `{_code(recipe.policy_version())}`.",
        "## Pairs",
        _table(
            ("split", "domain", "kind", "key", "pairs"),
            _count(staged, "split", "domain", "kind", "key_source"),
        ),
        "## What became of every prompt",
        _table(("stage", "reason", "domain", "prompts"), _count_funnel(funnel)),
        "## Models",
        _table(("role", "model", "simulated"), models.iter_rows()),
        "## Sources and licences",
        _table(("source", "licence", "pairs"), _count(staged, "source", "licence")),
        "## Use",
        f"```python\n{_usage(recipe)}\n```",
        "`manifest.json` has the hash of every file, the recipe and the counts; `gate.json` the "
        "verdict of every rule that guarded the door.",
    ]
    header = yaml.safe_dump(_describe(recipe, staged), sort_keys=True, allow_unicode=True)
    return f"---\n{header}---\n\n" + "\n\n".join(filter(None, sections)) + "\n"


def escape(text: object) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def _code(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


def _introduce(staged: Staged) -> str:
    total = staged.links.height
    text = (
        f"{total:,} prompt–response pairs, {staged.count('validation'):,} of them for validation."
    )
    simulated = int(staged.facts.filter("simulated")["pairs"].sum())
    if simulated:
        text += (
            f"\n\n> **Simulated.** {simulated:,} of the pairs were made by simulated models: they "
            "show how the road is travelled and teach nothing. Do not train on them."
        )
    return text


def _exceptions(recipe: Recipe) -> str:
    own = (
        f"{escape(domain)}: {band.low:g} to {band.high:g}"
        for domain, band in sorted(recipe.select.domains.items())
    )
    listed = ", ".join(own)
    return (f" ({listed})" if listed else "") + _anchors(recipe)


def _anchors(recipe: Recipe) -> str:
    """Say how much may lie outside the band on purpose, and whose word the keys are."""
    select = recipe.select
    said = ""
    if select.hard_share:
        said += (
            f", and up to {select.hard_share:.0%} of a domain below it that the reference solves"
        )
    if select.easy_share:
        said += f", up to {select.easy_share:.0%} of a domain above it"
    if recipe.sample.keys_by == "student":
        said += ". Keys that no source gave were voted for by that same model and are often wrong"
    return said


def _describe(recipe: Recipe, staged: Staged) -> dict[str, Any]:
    splits = [split for split in ("train", "validation") if split == "train" or staged.count(split)]
    pattern = "data/{}-*.parquet" if "parquet" in recipe.release.formats else "{}.jsonl"
    total = staged.links.height
    return {
        "pretty_name": recipe.name,
        "license": _licences(staged.facts["licence"].to_list()),
        "task_categories": ["text-generation"],
        "size_categories": [next((name for top, name in _SIZES if total < top), "n>1M")],
        "tags": ["teachset", *(["simulated"] if staged.facts["simulated"].any() else [])],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": pattern.format(name)} for name in splits],
            }
        ],
    }


def _licences(declared: Iterable[str | None]) -> list[str]:
    """Return the licences as the Hugging Face hub names them; `other` for what it does not know."""
    names = {name.lower() for joined in declared for name in (joined or "unknown").split(", ")}
    return sorted({name if name in _KNOWN_LICENCES else "other" for name in names}) or ["other"]


def _count(staged: Staged, *columns: str) -> Iterable[Sequence[object]]:
    return staged.facts.group_by(columns).agg(pl.col("pairs").sum()).sort(columns).iter_rows()


def _count_funnel(funnel: pl.DataFrame) -> Iterable[Sequence[object]]:
    order = ["stage", "reason", "domain"]
    return funnel.group_by(order).agg(pl.col("prompts").sum()).sort(order).iter_rows()


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else escape(value)


def _usage(recipe: Recipe) -> str:
    return (
        "from datasets import load_dataset\n\n"
        'pairs = load_dataset("path/to/this/folder", split="train")\n'
        'pairs[0]["messages"]  # as TRL and OpenAI expect them'
    )
