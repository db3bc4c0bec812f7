"""Card: the README.md of a release, in the Hugging Face form, so that a folder explains itself.

---
pretty_name: quickstart
configs: [{config_name: parquet, data_files: [{split: train, path: data/train-*.parquet}]}]
---
# quickstart
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import yaml

from tasks.recipe import Recipe, ReleaseSettings
from tasks.release.contaminated import tell_of_contamination
from tasks.release.facts import Facts
from tasks.release.formats import FORMATS, columns_of, loaded_by_name
from tasks.release.layout import CARD, DATA_DOCS, GATE, INDEX, MANIFEST, ORIGIN, REPORT
from tasks.release.markdown import escape, link, table
from tasks.release.stage import Staged
from tasks.release.verify import SPLITS

_KNOWN_LICENCES = frozenset(
    {
        *("mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "odc-by"),
        *("cc-by-3.0", "cc-by-sa-3.0", "bsd-3-clause", "bsd-2-clause", "gpl-3.0", "openrail"),
    }
)
_OF_THE_HUB = re.compile(r"hf://datasets/(?P<name>[\w.-]+/[\w.-]+)")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_cards(recipe: Recipe, staged: Staged, facts: Facts, folder: Path) -> None:
    """Write the release's card, and one into the folder of each format without types of its own."""
    (folder / CARD).write_text(write_card(recipe, staged, facts), encoding="utf-8")
    for name in typeless_formats(recipe.release):
        text = write_format_card(name, staged, recipe.release)
        (folder / FORMATS[name].folder / CARD).write_text(text, encoding="utf-8")


def typeless_formats(settings: ReleaseSettings) -> list[str]:
    """Return the formats whose files do not say what types their columns have."""
    return [name for name in settings.formats if FORMATS[name].container == "jsonl"]


def write_card(recipe: Recipe, staged: Staged, facts: Facts) -> str:
    """Return the card. Everything that came from data or a recipe is escaped."""
    band = recipe.select.band
    sections = [
        f"# {escape(recipe.name)}",
        _introduce(staged),
        f"Prompts were kept where `{_code(recipe.models.student.model)}` solves them at a rate "
        f"from {band.low:g} to {band.high:g}{_exceptions(recipe)}. "
        f"Policy: `{_code(recipe.policy_version())}`.",
        "## Pairs",
        table(
            ("split", "domain", "kind", "key", "pairs"),
            _count(staged, "split", "domain", "kind", "key_source"),
        ),
        "## Formats",
        table(("configuration", "split", "rows"), _count_rows(recipe, staged)),
        _explain_rows(recipe, staged),
        f"```python\n{_usage(recipe)}\n```",
        "## What became of every prompt",
        table(("stage", "reason", "domain", "prompts"), _count_funnel(facts.funnel)),
        "## Contamination",
        *tell_of_contamination(recipe, facts),
        "## Models",
        table(("role", "model", "simulated"), facts.models.iter_rows()),
        "## Sources and licences",
        table(("source", "licence", "pairs"), _count(staged, "source", "licence")),
        *_name_refused(facts),
        f"Read from: {', '.join(_name_files(recipe))}.",
        "## Provenance",
        f"{link(MANIFEST, MANIFEST)} has the hash of every file, the settings, models, prices and "
        f"counts; {link(GATE, GATE)} the verdict of every rule that guarded the door, and "
        f"{link('the Data Docs', DATA_DOCS)} the same as Great Expectations tells it; "
        f"{link(INDEX, INDEX)} the ids of every pair; {link(ORIGIN, ORIGIN)} when, by which run "
        f"and from which snapshot of the store it was made; {link('the report', REPORT)} is for "
        "reading. `teachset verify` recomputes every hash and count.",
    ]
    header = yaml.safe_dump(_describe(recipe, staged), sort_keys=True, allow_unicode=True)
    return f"---\n{header}---\n\n" + "\n\n".join(filter(None, sections)) + "\n"


def write_format_card(name: str, staged: Staged, settings: ReleaseSettings) -> str:
    """Return the card of one format's own folder: how its files are split and typed."""
    described = {
        "configs": [_configure(name, staged, folder="")],
        "dataset_info": _describe_columns(name, settings),
    }
    header = yaml.safe_dump(described, sort_keys=True, allow_unicode=True)
    return f"---\n{header}---\n\nThe format `{name}` of the release one folder up.\n"


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
    return (f" ({listed})" if listed else "") + _frozen(recipe) + _anchors(recipe)


def _frozen(recipe: Recipe) -> str:
    """Say which domains have the band of the release that they were frozen with."""
    frozen = ", ".join(escape(domain) for domain in recipe.select.freeze)
    return f", of {frozen} as they were released before" if frozen else ""


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
    """Return the YAML header: what `load_dataset` and the hub read."""
    total = staged.links.height
    formats = loaded_by_name(recipe.release)
    return {
        "pretty_name": recipe.name,
        "license": _licences(staged.facts["licence"].to_list()),
        "task_categories": ["text-generation"],
        "annotations_creators": ["machine-generated"],
        "size_categories": [next((name for top, name in _SIZES if total < top), "n>1M")],
        "tags": ["teachset", *(["simulated"] if staged.facts["simulated"].any() else [])],
        "configs": [
            _configure(name, staged) | ({"default": True} if name == formats[0] else {})
            for name in formats
        ],
        # Without its types a JSONL column that begins with nulls could not be loaded.
        "dataset_info": [_describe_columns(name, recipe.release) for name in formats],
    }


def _describe_columns(name: str, settings: ReleaseSettings) -> dict[str, Any]:
    columns = columns_of(name, settings).items()
    features = [{"name": column, **_describe_type(kind)} for column, kind in columns]
    return {"config_name": name, "features": features}


def _configure(name: str, staged: Staged, folder: str | None = None) -> dict[str, Any]:
    form = FORMATS[name]
    paths = [file.path for file in staged.files if file.format == name]
    splits = [split for split in SPLITS if any(f"/{split}-" in path for path in paths)]
    prefix = f"{form.folder}/" if folder is None else folder
    pattern = f"{prefix}{{}}-*.{form.container}"
    files = [{"split": split, "path": pattern.format(split)} for split in splits]
    return {"config_name": name, "data_files": files}


def _describe_type(kind: pa.DataType) -> dict[str, Any]:
    """Return an Arrow type as the header of a card has it."""
    if pa.types.is_list(kind):
        inner = _describe_type(kind.value_type)
        return {"list": inner.get("struct") or inner["dtype"]}
    if pa.types.is_struct(kind):
        return {"struct": [{"name": each.name, **_describe_type(each.type)} for each in kind]}
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind))}


def _licences(declared: Iterable[str | None]) -> list[str]:
    """Return the licences as the Hugging Face hub names them; `other` for what it does not know."""
    names = {name.lower() for joined in declared for name in (joined or "unknown").split(", ")}
    return sorted({name if name in _KNOWN_LICENCES else "other" for name in names}) or ["other"]


def _count(staged: Staged, *columns: str) -> Iterable[Sequence[object]]:
    return staged.facts.group_by(columns).agg(pl.col("pairs").sum()).sort(columns).iter_rows()


def _count_funnel(funnel: pl.DataFrame) -> Iterable[Sequence[object]]:
    order = ["stage", "reason", "domain"]
    return funnel.group_by(order).agg(pl.col("prompts").sum()).sort(order).iter_rows()


def _usage(recipe: Recipe) -> str:
    first, *named = loaded_by_name(recipe.release)
    apart = [name for name in recipe.release.formats if name not in (first, *named)]
    folder = '"path/to/this/folder'
    lines = [
        "from datasets import load_dataset",
        "",
        f'load_dataset({folder}", split="train")  # {first}',
        *(f'load_dataset({folder}", "{name}", split="train")' for name in named),
        *(f'load_dataset({folder}/{FORMATS[name].folder}", split="train")' for name in apart),
    ]
    return "\n".join(lines)


def _count_rows(recipe: Recipe, staged: Staged) -> Iterator[Sequence[object]]:
    for name in recipe.release.formats:
        for split in SPLITS:
            rows = sum(
                file.rows
                for file in staged.files
                if file.format == name and f"/{split}-" in file.path
            )
            if rows:
                yield name, split, rows


def _explain_rows(recipe: Recipe, staged: Staged) -> str:
    """Say why a format has more or fewer rows than there are pairs."""
    said = []
    weights = recipe.release.weights
    if weights.domains or weights.sources:
        epochs = ", ".join(
            f"{escape(name)} {weight:g}"
            for name, weight in sorted({**weights.domains, **weights.sources}.items())
        )
        how = "rows are repeated" if weights.repeats else "the field `weight` says so"
        said.append(f"Epochs of the pairs to train on: {epochs}, of others 1; {how}.")
    if staged.unpaired:
        said.append(f"Kept prompts without a preference pair: {_list(staged.unpaired)}.")
    if staged.passed_over:
        said.append(
            "Kept prompts whose two answers nearest in length were passed over for what one of "
            f"them holds: {_list(staged.passed_over)}."
        )
    return " ".join(said)


def _list(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{escape(why)} {count:,}" for why, count in reasons.items())


def _name_files(recipe: Recipe) -> Iterator[str]:
    """Yield what the seeds were read from: links to what is public, of others the last name only.

    Whose folders they lay in is nobody's business, and an address may hold a key.
    """
    for path in dict.fromkeys(seed.path for seed in recipe.seeds):
        plain = path.partition("?")[0].rstrip("/")
        if dataset := _OF_THE_HUB.match(plain):
            name = dataset["name"]
            yield link(plain, f"https://huggingface.co/datasets/{name}")
        elif plain.startswith(("http://", "https://")) and "@" not in plain:
            yield link(plain, plain)
        else:
            yield escape(plain.rpartition("/")[2])


def _name_refused(facts: Facts) -> Iterator[str]:
    if not facts.refused.is_empty():
        yield "Set aside for their licence:"
        yield table(("source", "licence", "prompts"), facts.refused.iter_rows())
