"""Manifest: what a release consists of. Its hash is the release's id, so it holds no time or place.

{"files": [{"bytes": 81231, "path": "jsonl/train-00000-of-00001.jsonl", "rows": 412, …}, …],
 "pairs": {"train": 412, "validation": 21}, "policy": "teachable@4f0c21aa9b3e", …}
"""

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import polars as pl

from tasks.recipe import Recipe
from tasks.release.card import typeless_formats
from tasks.release.facts import Facts
from tasks.release.formats import FORMATS
from tasks.release.layout import CARD, DATA_DOCS, GATE, REPORT
from tasks.release.shards import StagedFile
from tasks.release.stage import Staged
from tasks.release.verify import SPLITS, hash_file
from tasks.run import code_version

FORMAT = 2  # raise it when a reader of the manifest has to be changed


def build_manifest(recipe: Recipe, staged: Staged, folder: Path, facts: Facts) -> bytes:
    """Return the bytes of the manifest: of the card, the index and the files of every format."""
    cards = [CARD, *(f"{FORMATS[name].folder}/{CARD}" for name in typeless_formats(recipe.release))]
    files = [_describe(folder, StagedFile(path, 0, "card")) | {"rows": None} for path in cards]
    files += [_describe(folder, file) for file in staged.files]
    licences = staged.facts.group_by("source", "licence").agg(pl.col("pairs").sum())
    domains = staged.facts.group_by("domain").agg(pl.col("pairs").sum()).sort("domain")
    manifest = {
        "format": FORMAT,
        "recipe": recipe.name,
        "settings": recipe.settings_that_decide(),
        "policy": recipe.policy_version(),
        "code_version": code_version(),
        "pairs": {split: staged.count(split) for split in SPLITS},
        "domains": dict(domains.iter_rows()),
        "rows": _count_rows_of_formats(staged),
        "prompts_without_preference": dict(staged.unpaired),
        "preferences_passed_over": dict(staged.passed_over),
        "simulated": bool(staged.facts["simulated"].any()),
        "files": sorted(files, key=lambda file: str(file["path"])),
        "funnel": facts.funnel.to_dicts(),
        "models": facts.models.to_dicts(),
        "prices_per_million_tokens": facts.prices,
        "licences": licences.sort("source", "licence").to_dicts(),
        "licences_refused": facts.refused.to_dicts(),
    }
    return _to_json(manifest)


def describe_origin(
    recipe: Recipe, facts: Facts, release_id: str, folder: Path, *, run_id: str, version: int
) -> bytes:
    """Return where, when and at what cost a release was made: all that its id must not depend on.

    It has the hashes of the files that are not in the manifest for the same reason.
    """
    files = [_describe(folder, StagedFile(name, 0, "")) for name in (GATE, REPORT, DATA_DOCS)]
    origin = {
        "release_id": release_id,
        "recipe": recipe.name,
        "version": version,
        "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": run_id,
        "store": facts.snapshot,
        "python": platform.python_version(),
        "libraries": {name: version_of(name) for name in ("duckdb", "polars", "pyarrow")},
        "spend": facts.spend.to_dicts(),
        "files": [{name: file[name] for name in ("path", "sha256", "bytes")} for file in files],
    }
    return _to_json(origin)


def _describe(folder: Path, file: StagedFile) -> dict[str, Any]:
    place = folder / file.path
    return {
        "path": file.path,
        "format": file.format,
        "sha256": hash_file(place),
        "bytes": place.stat().st_size,
        "rows": file.rows,
    }


def _count_rows_of_formats(staged: Staged) -> dict[str, dict[str, int]]:
    """Return, by format and split, how many rows were written: more than pairs if some repeat."""
    rows: dict[str, dict[str, int]] = {}
    for file in staged.files:
        if file.format != "index":
            splits = rows.setdefault(file.format, dict.fromkeys(SPLITS, 0))
            splits[Path(file.path).name.partition("-")[0]] += file.rows
    return rows


def _to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
