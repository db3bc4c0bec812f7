"""Parcel: a published release on its way, its files in the order in which they may be seen.

Parcel("quickstart-3f9c01d2a4b7", files=(ParcelFile("data/train-00000-of-00001.parquet", …), …))
"""

import json
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import PublishError
from tasks.release.layout import MANIFEST
from tasks.release.verify import Folder, hash_file, verify_release

_LAST = (MANIFEST,)  # A release that has its manifest has everything.


@dataclass(frozen=True, slots=True)
class ParcelFile:
    """One file of a release, as its folder has it."""

    path: str  # within the release
    source: Path
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A release whose every hash was found right a moment ago."""

    name: str  # of its folder, which ends in its id
    release_id: str
    recipe: str
    version: int
    pairs: int
    files: tuple[ParcelFile, ...]  # the manifest last


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of bringing a parcel to a target: where it is, and what of it had to be sent."""

    place: str
    uploaded: int
    bytes_uploaded: int


def pack(folder: Path, recipe: str, version: int) -> Parcel:
    """Return a release's files with their hashes. Raises PublishError if it is damaged."""
    verified = verify_release(Folder(folder))
    if verified.faults:
        raise PublishError(
            f"{folder}: is not published any further, it is not what was released: "
            f"{'; '.join(verified.faults[:3])}. Remove the folder and run again: it is made anew."
        )
    listed = json.loads((folder / MANIFEST).read_bytes())["files"]
    known = {str(file["path"]): str(file["sha256"]) for file in listed}  # Recomputed just now.
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    ordered = sorted(paths, key=lambda path: (path in _LAST, path))
    files = tuple(
        ParcelFile(
            path,
            folder / path,
            known.get(path) or hash_file(folder / path),
            (folder / path).stat().st_size,
        )
        for path in ordered
    )
    return Parcel(folder.name, verified.release_id, recipe, version, verified.pairs, files)
