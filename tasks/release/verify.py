"""Verify: whether the files of a release are what was published.

Verified(release_id="3f9c01d2a4b7", pairs=433, faults=("README.md: is missing",))

Light on purpose: it is what a reader of releases needs, and only that.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from tasks.errors import InputError
from tasks.release.layout import DATA_DOCS, GATE, INDEX, MANIFEST, ORIGIN, REPORT

SPLITS = ("train", "validation")
ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Verified:
    """What a release says of itself, and in what its files differ from that."""

    release_id: str
    pairs: int
    faults: tuple[str, ...]


def identify_release(manifest: bytes) -> str:
    """Return the id of the release that has this manifest."""
    return hashlib.sha256(manifest).hexdigest()[:ID_DIGITS]


def is_complete(folder: Path, manifest: bytes) -> bool:
    """Tell whether a release with this manifest lies in `folder`, every file of its size."""
    try:
        if (folder / MANIFEST).read_bytes() != manifest:
            return False
        if not all((folder / name).is_file() for name in (GATE, ORIGIN, REPORT)):
            return False
        listed = json.loads(manifest)["files"]
        return all((folder / file["path"]).stat().st_size == file["bytes"] for file in listed)
    except OSError:
        return False


def verify_release(folder: Path) -> Verified:
    """Recompute every hash and count of a release. Raises InputError if it has no manifest."""
    try:
        content = (folder / MANIFEST).read_bytes()
        return _verify(folder, json.loads(content), identify_release(content))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder / MANIFEST}: not the manifest of a release: {error!r}"
        ) from error


def _verify(folder: Path, manifest: dict[str, Any], release_id: str) -> Verified:
    listed = {str(file["path"]): file for file in manifest["files"]}
    pairs = sum(manifest["pairs"].values())
    faults = []
    if not folder.resolve().name.endswith(f"-{release_id}"):
        faults.append(f"{MANIFEST}: was changed, or its folder renamed: its id is {release_id}")
    for path, file in listed.items():
        faults += _compare(folder, path, file)
    faults += _recount(folder, manifest)
    faults += _compare_origin(folder, release_id)
    known = {*listed, MANIFEST, GATE, ORIGIN, REPORT, DATA_DOCS}
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    faults += [f"{path}: is not in the manifest" for path in sorted(found) if path not in known]
    return Verified(release_id, pairs, tuple(faults))


def _recount(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Return which of the manifest's own numbers its files do not bear out."""
    try:
        pairs = pl.read_parquet(folder / INDEX)
        counted = {
            "pairs": dict.fromkeys(SPLITS, 0) | dict(pairs["split"].value_counts().iter_rows()),
            "domains": dict(pairs["domain"].value_counts().iter_rows()),
        }
    except (OSError, pl.exceptions.PolarsError):
        return []  # That the index is missing or was changed is said already.
    faults = []
    if (twice := pairs.height - pairs["pair_id"].n_unique()) > 0:
        faults.append(f"{INDEX}: {twice} pairs are listed twice")
    rows: dict[str, dict[str, int]] = {}
    for file in manifest["files"]:
        if file.get("format") not in ("card", "index", None):
            splits = rows.setdefault(file["format"], dict.fromkeys(SPLITS, 0))
            splits[Path(file["path"]).name.partition("-")[0]] += file["rows"]
    for name, found in (*counted.items(), ("rows", rows)):
        if (said := manifest.get(name)) != found:
            faults.append(f"{MANIFEST}: says {name} {said}, its files have {found}")
    return faults


def _compare_origin(folder: Path, release_id: str) -> list[str]:
    """Return in what the verdict, the report and the origin differ from what was published."""
    try:
        origin = json.loads((folder / ORIGIN).read_bytes())
        named, files = origin["release_id"], {str(file["path"]): file for file in origin["files"]}
        faults = [] if named == release_id else [f"{ORIGIN}: is of the release {named}"]
        # Releases of older versions have no Data Docs.
        docs = [DATA_DOCS] if DATA_DOCS in files or (folder / DATA_DOCS).exists() else []
        for name in (GATE, REPORT, *docs):
            faults += _compare(folder, name, files[name])
    except (OSError, ValueError, KeyError, TypeError):
        return [f"{ORIGIN}: is missing or was changed"]
    return faults


def _compare(folder: Path, path: str, file: dict[str, Any]) -> list[str]:
    """Return what is wrong with one listed file; a path that leaves the folder is not followed."""
    place = folder / path
    if not place.resolve().is_relative_to(folder.resolve()):
        return [f"{path}: lies outside the release"]
    if not place.is_file():
        return [f"{path}: is missing"]
    if hash_file(place) != file["sha256"]:
        return [f"{path}: its content was changed"]
    if file.get("rows") is not None and (rows := _count_rows(place)) != file["rows"]:
        return [f"{path}: has {rows} rows, the manifest says {file['rows']}"]
    return []


def hash_file(file: Path) -> str:
    """Return a file's SHA-256."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _count_rows(file: Path) -> int:
    if file.suffix == ".parquet":
        return int(pq.read_metadata(file).num_rows)
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
