"""Verify: whether the files of a release are what was published, wherever they lie.

Verified(release_id="3f9c01d2a4b7", pairs=433, faults=("README.md: is missing",))

Light on purpose: it is what a reader of releases needs, and only that.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

import polars as pl
import pyarrow.parquet as pq

from tasks.errors import InputError
from tasks.release.layout import DATA_DOCS, GATE, INDEX, MANIFEST, ORIGIN, REPORT

SPLITS = ("train", "validation")
ID_DIGITS = 12
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Verified:
    """What a release says of itself, and in what its files differ from that."""

    release_id: str
    pairs: int
    faults: tuple[str, ...]


class Place(Protocol):
    """Where the files of a release lie: a folder, a bucket, a revision of a repository."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def releases(self) -> Collection[str]:
        """By which names the release is known there; one of them ends in its id."""

    def sizes(self) -> Mapping[str, int]:
        """Return the bytes of every file of the release, by its path."""

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open one of these files to be read from any point. Raises OSError or InputError."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A release on this machine. What a link leads out of it is no file of it."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def releases(self) -> Collection[str]:
        return (self.path.resolve().name,)

    def sizes(self) -> Mapping[str, int]:
        home = self.path.resolve()
        return {
            path.relative_to(self.path).as_posix(): path.stat().st_size
            for path in self.path.rglob("*")
            if path.is_file() and path.resolve().is_relative_to(home)
        }

    def open(self, path: str) -> BinaryIO:
        return (self.path / path).open("rb")


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


def verify_release(place: Place) -> Verified:
    """Recompute every hash and count of a release, one file after the other.

    Raises InputError if it has no manifest, or if its place cannot be read.
    """
    sizes = place.sizes()
    if MANIFEST not in sizes:
        raise InputError(f"{place.name}: there is no {MANIFEST}, so it is not a release")
    with _opened(place, MANIFEST) as file:
        content = file.read()
    try:
        return _verify(place, sizes, json.loads(content), identify_release(content))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{place.name}/{MANIFEST}: not the manifest of a release: {error!r}"
        ) from error


@contextmanager
def _opened(place: Place, path: str) -> Iterator[BinaryIO]:
    """Open a file of a release. Raises InputError naming the one that cannot be read."""
    try:
        with place.open(path) as file:
            yield file
    except OSError as error:
        raise InputError(f"{place.name}/{path}: this file cannot be read: {error!r}") from error


def hash_file(file: Path) -> str:
    """Return a file's SHA-256."""
    with file.open("rb") as content:
        return hash_content(content)


def hash_content(content: BinaryIO) -> str:
    """Return the SHA-256 of what is left of an open file, a piece at a time."""
    digest = hashlib.sha256()
    while piece := content.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _verify(
    place: Place, sizes: Mapping[str, int], manifest: dict[str, Any], release_id: str
) -> Verified:
    listed = {str(file["path"]): file for file in manifest["files"]}
    pairs = sum(manifest["pairs"].values())
    faults = []
    if not any(name.endswith(f"-{release_id}") for name in place.releases):
        faults.append(f"{MANIFEST}: was changed, or its place renamed: its id is {release_id}")
    for path, file in listed.items():
        faults += _compare(place, sizes, path, file)
    faults += _recount(place, manifest, sizes)
    faults += _compare_origin(place, sizes, release_id)
    known = {*listed, MANIFEST, GATE, ORIGIN, REPORT, DATA_DOCS}
    faults += [f"{path}: is not in the manifest" for path in sorted(sizes) if path not in known]
    return Verified(release_id, pairs, tuple(faults))


def _recount(place: Place, manifest: dict[str, Any], sizes: Mapping[str, int]) -> list[str]:
    """Return which of the manifest's own numbers its files do not bear out."""
    if INDEX not in sizes:
        return []  # That the index is missing is said already.
    try:
        with place.open(INDEX) as file:
            pairs = pl.read_parquet(file)
        counted = {
            "pairs": dict.fromkeys(SPLITS, 0) | dict(pairs["split"].value_counts().iter_rows()),
            "domains": dict(pairs["domain"].value_counts().iter_rows()),
        }
        twice = pairs.height - pairs["pair_id"].n_unique()
    except (OSError, pl.exceptions.PolarsError):
        return []  # That the index was changed is said already.
    faults = [f"{INDEX}: {twice} pairs are listed twice"] if twice else []
    rows: dict[str, dict[str, int]] = {}
    for listed in manifest["files"]:
        if listed.get("format") not in ("card", "index", None):
            splits = rows.setdefault(listed["format"], dict.fromkeys(SPLITS, 0))
            splits[Path(listed["path"]).name.partition("-")[0]] += listed["rows"]
    for name, found in (*counted.items(), ("rows", rows)):
        if (said := manifest.get(name)) != found:
            faults.append(f"{MANIFEST}: says {name} {said}, its files have {found}")
    return faults


def _compare_origin(place: Place, sizes: Mapping[str, int], release_id: str) -> list[str]:
    """Return in what the verdict, the report and the origin differ from what was published."""
    try:
        if ORIGIN not in sizes:
            raise FileNotFoundError(ORIGIN)
        with _opened(place, ORIGIN) as file:
            origin = json.load(file)
        named, files = origin["release_id"], {str(file["path"]): file for file in origin["files"]}
        faults = [] if named == release_id else [f"{ORIGIN}: is of the release {named}"]
        # Releases of older versions have no Data Docs.
        docs = [DATA_DOCS] if DATA_DOCS in files or DATA_DOCS in sizes else []
        for name in (GATE, REPORT, *docs):
            faults += _compare(place, sizes, name, files[name])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return [f"{ORIGIN}: is missing or was changed"]
    return faults


def _compare(place: Place, sizes: Mapping[str, int], path: str, file: dict[str, Any]) -> list[str]:
    """Return what is wrong with one listed file; a path that leaves the release is not followed."""
    route = PurePosixPath(path)
    if route.is_absolute() or ".." in route.parts:
        return [f"{path}: lies outside the release"]
    if path not in sizes:
        return [f"{path}: is missing"]
    if sizes[path] != file["bytes"]:
        return [f"{path}: its content was changed"]
    with _opened(place, path) as content:
        if hash_content(content) != file["sha256"]:
            return [f"{path}: its content was changed"]
        content.seek(0)
        if file.get("rows") is not None and (rows := _count_rows(path, content)) != file["rows"]:
            return [f"{path}: has {rows} rows, the manifest says {file['rows']}"]
    return []


def _count_rows(path: str, content: BinaryIO) -> int:
    if path.endswith(".parquet"):
        return int(pq.read_metadata(content).num_rows)
    return sum(1 for _ in content)
