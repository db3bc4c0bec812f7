"""Manifest: what a release consists of. Its hash is the release's id, so it holds no time or place.

{"files": [{"bytes": 81231, "path": "train.jsonl", "rows": 412, "sha256": "9c…"}, …],
 "pairs": {"train": 412, "validation": 21}, "policy": "teachable@4f0c21aa9b3e", …}
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from tasks.errors import InputError
from tasks.recipe import Recipe
from tasks.release.formats import SPLITS
from tasks.release.stage import Staged
from tasks.run import code_version

MANIFEST, GATE, CARD = "manifest.json", "gate.json", "README.md"
FORMAT = 1  # raise it when a reader of the manifest has to be changed
ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Verified:
    """What a release says of itself, and in what its files differ from that."""

    release_id: str
    pairs: int
    faults: tuple[str, ...]


def build_manifest(
    recipe: Recipe, staged: Staged, folder: Path, funnel: pl.DataFrame, models: pl.DataFrame
) -> bytes:
    """Return the bytes of the manifest: of the card, and of the files in the formats asked for."""
    rows = {file.path: file.rows for file in staged.files if file.format in recipe.release.formats}
    paths = sorted([CARD, *rows])
    licences = staged.facts.group_by("source", "licence").agg(pl.col("pairs").sum())
    manifest = {
        "format": FORMAT,
        "recipe": recipe.name,
        "settings": recipe.settings_that_decide(),
        "policy": recipe.policy_version(),
        "code_version": code_version(),
        "pairs": {split: staged.count(split) for split in SPLITS},
        "simulated": bool(staged.facts["simulated"].any()),
        "files": [_describe(folder, path, rows.get(path)) for path in paths],
        "funnel": funnel.to_dicts(),
        "models": models.to_dicts(),
        "licences": licences.sort("source", "licence").to_dicts(),
    }
    return (json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def identify_release(manifest: bytes) -> str:
    """Return the id of the release that has this manifest."""
    return hashlib.sha256(manifest).hexdigest()[:ID_DIGITS]


def is_complete(folder: Path, manifest: bytes) -> bool:
    """Tell whether a release with this manifest lies in `folder`, every file of its size."""
    try:
        if (folder / MANIFEST).read_bytes() != manifest or not (folder / GATE).is_file():
            return False
        listed = json.loads(manifest)["files"]
        return all((folder / file["path"]).stat().st_size == file["bytes"] for file in listed)
    except OSError:
        return False


def verify_release(folder: Path) -> Verified:
    """Recompute every hash and count of a release. Raises InputError if there is no manifest."""
    try:
        content = (folder / MANIFEST).read_bytes()
        manifest = json.loads(content)
        listed = {str(file["path"]): file for file in manifest["files"]}
        pairs = sum(manifest["pairs"].values())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / MANIFEST}: not the manifest of a release: {error!r}"
        ) from error
    release_id = identify_release(content)
    faults = []
    if not folder.resolve().name.endswith(f"-{release_id}"):
        faults.append(f"{MANIFEST}: was changed, or its folder renamed: its id is {release_id}")
    for path, file in listed.items():
        faults += _compare(folder, path, file)
    known = {*listed, MANIFEST, GATE}
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    faults += [f"{path}: is not in the manifest" for path in sorted(found) if path not in known]
    return Verified(release_id, pairs, tuple(faults))


def _describe(folder: Path, path: str, rows: int | None) -> dict[str, Any]:
    file = folder / path
    return {"path": path, "sha256": _hash(file), "bytes": file.stat().st_size, "rows": rows}


def _compare(folder: Path, path: str, file: dict[str, Any]) -> list[str]:
    """Return what is wrong with one listed file; a path that leaves the folder is not followed."""
    place = folder / path
    if not place.resolve().is_relative_to(folder.resolve()):
        return [f"{path}: lies outside the release"]
    if not place.is_file():
        return [f"{path}: is missing"]
    if _hash(place) != file["sha256"]:
        return [f"{path}: its content was changed"]
    if file["rows"] is not None and (rows := _count_rows(place)) != file["rows"]:
        return [f"{path}: has {rows} rows, the manifest says {file['rows']}"]
    return []


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _count_rows(file: Path) -> int:
    if file.suffix == ".parquet":
        return int(pq.read_metadata(file).num_rows)
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
