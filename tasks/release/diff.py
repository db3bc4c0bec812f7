"""Diff: what one release has that another has not.

         before  after  added  removed  changed
math        141    150     12        3        6
code         47     47      0        0        0
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tasks.errors import InputError
from tasks.release.layout import INDEX, MANIFEST
from tasks.release.verify import identify_release

EXAMPLES = 10
_PAIR = ("pair_id", "prompt_id", "domain")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a release consists of."""

    release_id: str
    manifest: Mapping[str, Any]
    pairs: pl.DataFrame  # pair_id, prompt_id, domain


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one release to another. A changed pair has another answer to its prompt."""

    before: str
    after: str
    domains: pl.DataFrame  # domain, before, after, added, removed, changed
    settings: tuple[tuple[str, Any, Any], ...]  # path, before, after
    added: tuple[str, ...]  # a few pair_ids
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
            "domains": self.domains.to_dicts(),
            "settings": [
                {"setting": path, "before": before, "after": after}
                for path, before, after in self.settings
            ],
            "examples": {
                "added": list(self.added),
                "removed": list(self.removed),
                "changed": list(self.changed),
            },
        }


def read_contents(folder: Path) -> Contents:
    """Read a release's manifest and index. Raises InputError if it has none."""
    try:
        content = (folder / MANIFEST).read_bytes()
        pairs = pl.read_parquet(folder / INDEX, columns=list(_PAIR), glob=False)
        return Contents(identify_release(content), json.loads(content), pairs.select(_PAIR))
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{folder}: expected a release, with {MANIFEST} and {INDEX}: {error}"
        ) from error


def compare(before: Contents, after: Contents) -> Difference:
    """Return what changed between two releases."""
    gone = before.pairs.join(after.pairs, on="pair_id", how="anti")
    come = after.pairs.join(before.pairs, on="pair_id", how="anti")
    changed = come.join(before.pairs, on="prompt_id", how="semi")
    added = come.join(before.pairs, on="prompt_id", how="anti")
    removed = gone.join(after.pairs, on="prompt_id", how="anti")
    counted = zip(_COUNTS, (before.pairs, after.pairs, added, removed, changed), strict=True)
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
        added=_examples(added),
        removed=_examples(removed),
        changed=_examples(changed),
    )


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


_COUNTS = ("before", "after", "added", "removed", "changed")
