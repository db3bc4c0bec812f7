"""`teachset backup FOLDER`: the store as it is at one moment, also while a run writes.

    FOLDER/catalog.sqlite  FOLDER/data/…  FOLDER/journal/…

It is laid out as the store's own folder is: to restore it, put it there. Data files are never
changed once written, so a second backup into the same folder copies what is new.
"""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cli.project import read_recipe
from cli.reading import open_reader, read_rows
from tasks.errors import InputError, StoreError
from tasks.lake.place import data_path, is_postgres, local_folder, refuse_absent
from tasks.recipe import StoreSettings
from tasks.whole_files import written_whole

_TRIES = 3


@dataclass(frozen=True, slots=True)
class BackedUp:
    """How many data files a backup has, and how many of them were copied this time."""

    files: int
    copied: int


def back_up(path: Path | None, folder: Path) -> BackedUp:
    """Copy the store of a recipe into a folder. Raises InputError or StoreError.

    A kill at any moment leaves the backup that was there before.
    """
    settings = read_recipe(path).store
    if is_postgres(settings) or "://" in data_path(settings):
        raise InputError(
            "this store's catalog or data is on a server: docs/operations.md says how to back up "
            "PostgreSQL and an object store, the catalog first."
        )
    refuse_absent(settings)
    check_target(folder, Path(settings.catalog))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _copy(settings, folder)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{folder}: the backup cannot be written: {error}") from error


def check_target(folder: Path, catalog: Path) -> None:
    """Raise InputError if the folder is the store's own or holds something else than a backup."""
    if folder.resolve() == catalog.parent.resolve():
        raise InputError(f"{folder}: is the store itself; name another folder")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "data").is_dir():
        raise InputError(f"{folder}: is neither empty nor a backup; name another folder")


def _copy(settings: StoreSettings, folder: Path) -> BackedUp:
    """Copy journal, catalog and files in this order: nothing that had arrived is in none of them.

    Segments of the backup that was there stay until its catalog is replaced: no other place has
    what they hold. A file may go while we copy if a run tidies up and keeps no snapshots: then all
    begins anew.
    """
    partial, journal = folder / ".catalog.partial", folder / "journal"
    (folder / "data").mkdir(exist_ok=True)
    journal.mkdir(exist_ok=True)
    for attempt in range(_TRIES):
        segments = _copy_journal(local_folder(settings) / "journal", journal)
        partial.unlink(missing_ok=True)
        _copy_catalog(Path(settings.catalog), partial)
        try:
            done = _copy_files(Path(data_path(settings)), folder / "data", partial)
        except FileNotFoundError:
            if attempt == _TRIES - 1:
                raise
            continue
        catalog = folder / "catalog.sqlite"
        for each in (partial, catalog):  # What read one of them may have left a log beside it.
            with closing(sqlite3.connect(each)) as copy:
                copy.execute("pragma wal_checkpoint(truncate)")
        partial.replace(catalog)
        break
    for file in journal.iterdir():
        if file.name not in segments:
            file.unlink()
    return done


def _copy_journal(source: Path, target: Path) -> set[str]:
    """Copy the segments of a journal to those of a backup, and return their names."""
    copied = set()
    for segment in source.glob("*.jsonl"):
        try:
            with written_whole(target / segment.name) as partial:
                shutil.copy2(segment, partial)
        except FileNotFoundError:
            continue  # Its rows have just been committed: they will be in the catalog.
        copied.add(segment.name)
    return copied


def _copy_catalog(source: Path, target: Path) -> None:
    """Copy a SQLite database that others write to, as of one moment; it stays one file."""
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)


def _copy_files(source: Path, target: Path, catalog: Path) -> BackedUp:
    """Copy every file that a catalog names for any snapshot and that is not there yet."""
    with open_reader(StoreSettings(catalog=str(catalog))) as connection:
        named = [row for row in read_rows(connection, "lake_files") if row["table_name"]]
    if outside := [row["path"] for row in named if not row["relative"]]:
        raise OSError(f"{outside[0]} lies outside {source}; copy it by hand")
    new = 0
    for row in named:
        there = target / row["path"]
        if there.exists() and there.stat().st_size == row["size"]:
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(there) as partial:
            shutil.copy2(source / row["path"], partial)
        new += 1
    return BackedUp(len(named), new)
