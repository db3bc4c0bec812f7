"""Readings: a file that was read to its end, under the same settings, is not parsed again.

    file_id  purpose  uri          settings      digest  rows_read  rows_quarantined
    5b1e…    seed     seeds.jsonl  9c41d07a52be  e3b0…   1,400,000  12

What a row becomes depends on the file's bytes, on the source's settings, on the code that reads it
and, for responses, on the prompts that are there. All of it is in the id; the time of a file is
not, because bytes are read a hundred times faster than they are parsed and never lie. Of a file
that is skipped every usable row counts as merged: it is in the store, and rows never leave it.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

from tasks.identity import content_id, settings_digest
from tasks.ingest.files import File, Source, explain_damage, fetch
from tasks.ingest.rows import Purpose
from tasks.store import Store

_TASKS = Path(__file__).resolve().parents[1]
# Whoever changes one of these may change what a row becomes: every file is read once more.
_READERS = (
    *("ingest/*.py", "identity.py", "boxes.py", "python_source.py", "llm/reasoning.py"),
    *("assess/code_tests.py", "assess/code_blocks.py", "recipe/sources.py", "recipe/fields.py"),
)


@dataclass(frozen=True, slots=True)
class IngestCounts:
    """What became of the rows that were read: `read == new + merged + quarantined`.

    `merged` rows were there already, from another row or an earlier run.
    """

    read: int = 0
    new: int = 0
    merged: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """One file as it is now and how it would be read; rows of the same reading are the same."""

    purpose: Purpose
    uri: str
    settings: str
    digest: str
    beside: tuple[str, ...]
    readers: str

    @property
    def file_id(self) -> str:
        parts = (self.purpose, self.uri, self.settings, self.digest, *self.beside)
        return content_id("reading", self.readers, *parts)


def add_counts(one: IngestCounts, other: IngestCounts) -> IngestCounts:
    """Sum two counts."""
    return IngestCounts(
        one.read + other.read,
        one.new + other.new,
        one.merged + other.merged,
        one.quarantined + other.quarantined,
    )


def read_once(
    store: Store,
    run_id: str,
    purpose: Purpose,
    found: tuple[Source, File],
    load: Callable[[Path], Iterator[IngestCounts]],
) -> Iterator[IngestCounts]:
    """Load a file, given by its local path, unless that has been done to its end before."""
    source, file = found
    with fetch(file) as path:
        before = look_at(path)
        reading = identify_reading(path, file, source, purpose)
        if known := find_reading(store, reading):
            yield known
            return
        total = IngestCounts()
        for counts in load(path):
            total = add_counts(total, counts)
            yield counts
        if look_at(path) == before:  # Else nobody knows which bytes were read.
            record_reading(store, run_id, reading, total)


def identify_reading(
    path: Path, file: File, source: Source, purpose: Purpose, beside: Sequence[str] = ()
) -> Reading:
    """Read a file's bytes for what identifies it; `beside` is what else its rows depend on."""
    with explain_damage(file), path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    settings = source.model_dump(mode="json", exclude={"path"})
    return Reading(
        purpose=purpose,
        uri=file.uri,
        settings=settings_digest({**settings, "format": file.format}),
        digest=digest,
        beside=tuple(beside),
        readers=digest_readers(),
    )


def find_reading(store: Store, reading: Reading) -> IngestCounts | None:
    """Return what reading the file would count now, or None if it has not been read."""
    known = store.query("ingest_read_file", file_id=reading.file_id)
    if known.is_empty():
        return None
    rows, bad = known.row(0)
    return IngestCounts(read=rows, merged=rows - bad, quarantined=bad)


def record_reading(store: Store, run_id: str, reading: Reading, counts: IngestCounts) -> None:
    """Remember that a file was read to its end; to be called when all its rows are committed."""
    row = {
        "file_id": reading.file_id,
        "purpose": reading.purpose,
        "uri": reading.uri,
        "settings": reading.settings,
        "digest": reading.digest,
        "rows_read": counts.read,
        "rows_quarantined": counts.quarantined,
    }
    store.append("read_files", pl.DataFrame([row]), run_id=run_id)


def look_at(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written: its size and its time."""
    try:
        seen = os.stat(path)
    except OSError:  # What is wrong with it is said by whoever reads it.
        return (0, 0)
    return (seen.st_size, seen.st_mtime_ns)


def find_readers(folder: Path = _TASKS) -> list[Path]:
    """Return the files of the code that decides what a row becomes, wherever it lies."""
    return sorted(file for pattern in _READERS for file in folder.glob(pattern))


@cache
def digest_readers(folder: Path = _TASKS) -> str:
    """Return a hash of that code."""
    code = b"\0".join(file.read_bytes() for file in find_readers(folder))
    return hashlib.sha256(code).hexdigest()
