"""Diff: what one release has that another has not.

         before  after  moved  added  removed  changed
math        141    150      2     12        3        6
code         47     47      0      0        0        0
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.errors import InputError
from tasks.release.layout import INDEX, MANIFEST
from tasks.release.verify import Place, identify_release

EXAMPLES = 10
FACTS = ("key", "pass_rate", "licence")
_PAIR = ("pair_id", "prompt_id", "domain", "split")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a release consists of."""

    release_id: str
    manifest: Mapping[str, Any]
    pairs: pl.DataFrame  # pair_id, prompt_id, domain, split
    facts: pl.DataFrame | None = None  # pair_id, and those of FACTS that its Parquet carries


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one release to another.

    A changed pair has another answer to its prompt; one that moved is of a prompt that was in the
    other split, whether its answer stayed or not.
    """

    before: str
    after: str
    domains: pl.DataFrame  # domain, before, after, moved, added, removed, changed
    settings: tuple[tuple[str, Any, Any], ...]  # path, before, after
    to_validation: int  # pairs that moved there, and to train
    to_train: int
    facts: Mapping[str, int | None]  # pairs of both with another key, …; None: not both tell
    moved: tuple[str, ...]  # a few pair_ids, as they are now
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]  # as they are now

    def total(self, column: str) -> int:
        """Return the sum of a column of `domains`."""
        return int(self.domains[column].sum())

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON-representable values."""
        return {
            "before": self.before,
            "after": self.after,
            "pairs": {name: self.total(name) for name in _COUNTS},
            "moved": {"to_validation": self.to_validation, "to_train": self.to_train},
            "facts": dict(self.facts),
            "domains": self.domains.to_dicts(),
            "settings": [
                {"setting": path, "before": before, "after": after}
                for path, before, after in self.settings
            ],
            "examples": {
                "moved": list(self.moved),
                "added": list(self.added),
                "removed": list(self.removed),
                "changed": list(self.changed),
            },
        }


def read_contents(place: Place, *, with_facts: bool = False) -> Contents:
    """Read a release's manifest and index, and what its Parquet tells of the pairs if asked for.

    Raises InputError if it has none, or cannot be read.
    """
    try:
        with place.open(MANIFEST) as file:
            content = file.read()
        manifest = json.loads(content)
        with place.open(INDEX) as file:
            pairs = pl.read_parquet(file, columns=list(_PAIR))
        facts = _read_facts(place, manifest) if with_facts else None
        return Contents(identify_release(content), manifest, pairs.select(_PAIR), facts)
    except (OSError, ValueError, LookupError, TypeError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{place.name}: expected a release, with {MANIFEST} and {INDEX}: {error}"
        ) from error


def _read_facts(place: Place, manifest: Mapping[str, Any]) -> pl.DataFrame | None:
    """Return what the release's Parquet tells of each pair; None if it carries no such thing."""
    read = []
    for file in manifest["files"]:
        if file.get("format") == "parquet":
            with place.open(file["path"]) as content:
                carried = pl.read_parquet_schema(content)
                content.seek(0)
                wanted = [name for name in ("pair_id", *FACTS) if name in carried]
                if "pair_id" not in wanted or len(wanted) == 1:
                    return None
                read.append(pl.read_parquet(content, columns=wanted).select(wanted))
    return pl.concat(read).unique("pair_id") if read else None  # Weights repeat rows.


def compare(before: Contents, after: Contents) -> Difference:
    """Return what changed between two releases."""
    gone = before.pairs.join(after.pairs, on="pair_id", how="anti")
    come = after.pairs.join(before.pairs, on="pair_id", how="anti")
    changed = come.join(before.pairs, on="prompt_id", how="semi")
    added = come.join(before.pairs, on="prompt_id", how="anti")
    removed = gone.join(after.pairs, on="prompt_id", how="anti")
    splits = before.pairs.select("prompt_id", was="split").unique("prompt_id")
    moved = after.pairs.join(splits, on="prompt_id").filter(pl.col("split") != pl.col("was"))
    tables = (before.pairs, after.pairs, moved, added, removed, changed)
    counted = zip(_COUNTS, tables, strict=True)
    domains = pl.DataFrame(schema={"domain": pl.String})
    for name, pairs in counted:
        column = pairs.group_by("domain").agg(pl.len().cast(pl.Int64).alias(name))
        domains = domains.join(column, on="domain", how="full", coalesce=True)
    return Difference(
        before=before.release_id,
        after=after.release_id,
        domains=domains.fill_null(0).sort("domain"),
        settings=tuple(
            compare_settings(before.manifest.get("settings"), after.manifest.get("settings"))
        ),
        to_validation=moved.filter(split="validation").height,
        to_train=moved.filter(split="train").height,
        facts=_count_facts(before.facts, after.facts),
        moved=_examples(moved),
        added=_examples(added),
        removed=_examples(removed),
        changed=_examples(changed),
    )


def _count_facts(before: pl.DataFrame | None, after: pl.DataFrame | None) -> dict[str, int | None]:
    """Count the pairs of both releases of which they tell different things."""
    counts: dict[str, int | None] = dict.fromkeys(FACTS)
    if before is None or after is None:
        return counts
    both = after.join(before, on="pair_id", suffix="_before")
    for name in FACTS:
        if f"{name}_before" in both.columns:
            counts[name] = both.filter(pl.col(name).ne_missing(pl.col(f"{name}_before"))).height
    return counts


def compare_settings(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, old and new value of every setting that differs; null where there is none."""
    old, new = dict(_flatten(before, "")), dict(_flatten(after, ""))
    for path in sorted({*old, *new}):
        if old.get(path) != new.get(path):
            yield path, old.get(path), new.get(path)


def _flatten(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    named: Iterable[tuple[object, Any]]
    if isinstance(value, Mapping):
        named = value.items()
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        named = enumerate(value)
    else:
        yield path, value
        return
    for name, each in named:
        yield from _flatten(each, f"{path}.{name}" if path else str(name))


def _examples(pairs: pl.DataFrame) -> tuple[str, ...]:
    return tuple(pairs["pair_id"].sort().head(EXAMPLES))


_COUNTS = ("before", "after", "moved", "added", "removed", "changed")
