"""Tidy: what the store no longer needs goes, as far as the recipe allows; no row is lost.

files  bytes       snapshots  bodies  orphans
412    88,020,311  380        0       0        before
31     74,113,870  45         0       0        after

Small files are merged, snapshots older than `store.keep_snapshots_days` expire with the files that
only they need, raw bodies of servers older than `store.keep_raw_bodies_days` are emptied.
"""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.errors import StoreError
from tasks.lake.data_files import ORPHANED_AFTER, is_old, place
from tasks.lake.place import data_path, find_neighbours
from tasks.progress import track
from tasks.recipe import Recipe
from tasks.store import Store, open_store

_REWRITE_FROM = 0.1  # share of deleted rows from which a file is written anew
_BODIES = "update {table} set raw_body = null where raw_body is not null and created_at < $before"


_REWRITE = "call ducklake_rewrite_data_files('lake', '{table}', delete_threshold => $share)"


@dataclass(frozen=True, slots=True)
class Size:
    """How large a store is: data files of the current snapshot, their bytes, snapshots kept."""

    files: int
    bytes: int
    snapshots: int


@dataclass(frozen=True, slots=True)
class Tidied:
    """What tidying came to."""

    before: Size
    after: Size
    bodies: int
    orphans: int


def tidy_store(store: Store, *, orphans: bool = False) -> Tidied:
    """Merge, expire, empty and remove what the store's settings say. For the only writer.

    Files that no snapshot names are removed where the data folder is the store's own, that is,
    where `store.data` is not set and no other catalog lies beside; elsewhere only with `orphans`:
    another store may have its files there.
    """
    before = measure(store)
    bodies = empty_raw_bodies(store)
    store.recount()
    store.compact()
    own_folder = store.settings.data is None and not find_neighbours(store.settings)
    removed = remove_orphans(store) if orphans or own_folder else 0
    return Tidied(before, measure(store), bodies, removed)


def measure(store: Store) -> Size:
    """Return how large the store is."""
    files, size = store.query("lake_size").row(0)
    return Size(files, size, store.sql("from ducklake_snapshots('lake')").height)


def empty_raw_bodies(store: Store) -> int:
    """Empty what servers answered word for word, where it is older than the recipe keeps it.

    The answers themselves stay. Returns how many bodies went; their bytes go with the snapshots.
    """
    days = store.settings.keep_raw_bodies_days
    if days is None:
        return 0
    before = datetime.now(UTC) - timedelta(days=days)
    bodies = int(store.query("tidy_raw_bodies", before=before)["bodies"][0])
    if bodies:
        with _everything_in_files(store):
            for table in ("responses", "failures"):
                store.execute(_BODIES.format(table=table), {"before": before})
                store.execute(_REWRITE.format(table=table), {"share": _REWRITE_FROM})
    return bodies


def remove_orphans(store: Store) -> int:
    """Remove files that a killed process wrote and no snapshot names; return how many."""
    folder = data_path(store.settings)
    if glob.has_magic(folder):
        return _remove_unnamed(store, folder)
    call = "call ducklake_delete_orphaned_files('lake', older_than => $before, dry_run => $dry)"
    parameters = {"before": datetime.now(UTC) - ORPHANED_AFTER}
    found = store.sql(call, {**parameters, "dry": True}).height
    if found:
        store.execute(call, {**parameters, "dry": False})
    return found


def _remove_unnamed(store: Store, folder: str) -> int:
    """Remove the orphans below a folder whose name is a pattern, too.

    DuckLake looks for them by that pattern: in `runs[1]` it finds the files of the store in `runs1`
    and removes them all, for this catalog names none of them.
    """
    if "://" in folder:
        raise StoreError(
            f"store.data: {folder} holds one of the signs * ? [, by which DuckLake would look for "
            "what no snapshot names in other places, too; remove it yourself"
        )
    named = {place(folder, row) for row in store.query("lake_files").iter_rows(named=True)}
    orphans = [
        file
        for file in Path(os.path.abspath(folder)).rglob("*.parquet")
        if str(file) not in named and is_old(datetime.fromtimestamp(file.stat().st_mtime, UTC))
    ]
    for file in orphans:
        file.unlink()
    return len(orphans)


@contextmanager
def _everything_in_files(store: Store) -> Iterator[None]:
    """Keep no rows in the catalog itself: DuckLake 1.0 cannot commit an update of such rows where a
    column of numbers is null in all of them (it asks whether text is a number)."""
    store.execute("call ducklake_flush_inlined_data('lake')")
    store.execute("set ducklake_default_data_inlining_row_limit = 0")
    try:
        yield
    finally:
        store.execute("reset ducklake_default_data_inlining_row_limit")


@task(task_run_name="tidy-store", cache_policy=NO_CACHE)
def tidy_store_task(recipe: Recipe, *, orphans: bool) -> Tidied:
    """Tidy the store of a recipe."""
    with track("tidy"):
        return tidy_store(open_store(recipe.store), orphans=orphans)
