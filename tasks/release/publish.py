"""Publish: stage, gate, then one rename; a reader sees a whole release or none.

    releases/quickstart-3f9c01d2a4b7/   releases/latest -> quickstart-3f9c01d2a4b7

The order is files, rename, `latest`, rows of the store, so that a kill at any moment leaves what
the next run either throws away (a staging folder) or completes (the link, the rows).
"""

import errno
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.errors import GateFailed, InputError, RecipeError, StoreError, is_full_disk
from tasks.events import announce, announce_closed_gate
from tasks.identity import content_id
from tasks.in_force import note_in_force
from tasks.progress import track
from tasks.recipe import Recipe
from tasks.release.card import write_cards
from tasks.release.diff import Contents, read_contents
from tasks.release.facts import gather_facts
from tasks.release.gate import check_gate, pass_gate
from tasks.release.kin import record_kin
from tasks.release.layout import (
    DATA_DOCS,
    GATE,
    LATEST,
    MANIFEST,
    ORIGIN,
    REFUSED,
    REFUSED_DOCS,
    REPORT,
)
from tasks.release.manifest import build_manifest, describe_origin
from tasks.release.report.page import Story, write_report
from tasks.release.stage import Staged, stage_pairs
from tasks.release.verify import Folder, identify_release, is_complete
from tasks.settled import find_settled, settling
from tasks.store import Store, open_store

STAGING, LOCK = ".staging-", ".lock"
_NEXT_LATEST = ".latest-"
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True, slots=True)
class Published:
    """A release as it can be seen. It is new unless files and rows were all there already."""

    release_id: str
    folder: Path
    version: int
    pairs: int
    validation_pairs: int
    new: bool
    gate: Mapping[str, Any]


def release(store: Store, recipe: Recipe, run_id: str) -> Published:
    """Publish what the policy keeps, or find that it is published already.

    Raises GateFailed, GateBroken or, where the folder cannot be written, StoreError; nothing of the
    attempt is then to be seen.
    """
    folder = Path(recipe.release.folder)
    if "://" in recipe.release.folder:
        raise RecipeError(f"release.folder: expected a folder, found {recipe.release.folder}")
    check_gate(recipe)
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            remove_leftovers(folder)
            refuse_foreign_latest(folder / LATEST)
            if (known := _find_settled(store, recipe)) is not None:
                _point_latest(known.folder)
                note_in_force(store, "release", known.release_id, run_id, recipe.name)
                return known
            staging = folder / f"{STAGING}{secrets.token_hex(6)}"
            staging.mkdir()
            try:
                with settling(store, recipe, run_id, _name_stage(recipe)) as is_through:
                    published = _publish(store, recipe, run_id, staging)
                    is_through(published.release_id)
                return published
            finally:
                shutil.rmtree(staging, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed runs left behind. Only for who holds the folder's lock."""
    for path in folder.glob(f"{STAGING}*"):
        shutil.rmtree(path)
    for path in folder.glob(f"{_NEXT_LATEST}*"):
        path.unlink()


def refuse_foreign_latest(latest: Path) -> None:
    """Raise StoreError if something of the user's stands where the link would be put."""
    if latest.exists() and not latest.is_symlink():
        raise StoreError(
            f"{latest}: is there and is no link; it is kept for a link to the newest release. "
            "Move it elsewhere and run again. Nothing was published."
        )


@task(task_run_name="release", cache_policy=NO_CACHE)
def publish_release(recipe: Recipe, run_id: str) -> Published:
    """Stage, gate and publish the kept pairs, and tell what came of it."""
    with track("release") as tracker:
        try:
            published = release(open_store(recipe.store), recipe, run_id)
        except GateFailed as error:
            announce_closed_gate(recipe, run_id, "release", error)
            raise
        tracker.advance(published.pairs)
    if published.new:
        announce(
            recipe,
            "release.published",
            run_id,
            release_id=published.release_id,
            version=published.version,
            pairs=published.pairs,
            validation_pairs=published.validation_pairs,
        )
    return published


def _publish(store: Store, recipe: Recipe, run_id: str, staging: Path) -> Published:
    record_kin(store, run_id)
    staged = stage_pairs(store, recipe, staging, run_id)
    facts = gather_facts(store, recipe, run_id, staged.facts["teacher"].unique())
    write_cards(recipe, staged, facts, staging)
    manifest = build_manifest(recipe, staged, staging, facts)
    release_id = identify_release(manifest)
    target = staging.with_name(f"{recipe.name}-{release_id}")
    past = store.query("release_versions", recipe=recipe.name)
    version = _number(past, release_id)
    found = is_complete(target, manifest)
    (staging / MANIFEST).write_bytes(manifest)
    story = Story(recipe, facts, staged, manifest, version, _find_previous(past, target))
    with _told_by_report(story, staging):
        docs = staging / DATA_DOCS
        gate = pass_gate(store, recipe, staged.gated, release_id, run_id, known=found, docs=docs)
    if not found:
        _write_json(staging / GATE, gate)
        (staging / REPORT).write_text(write_report(story, gate, DATA_DOCS), encoding="utf-8")
        if staged.gated != staging:
            shutil.rmtree(staged.gated)  # It was there for the gate, and for what the report shows.
        origin = describe_origin(recipe, facts, release_id, staging, run_id=run_id, version=version)
        (staging / ORIGIN).write_bytes(origin)
        _make_visible(staging, target)
    _point_latest(target)
    for name in (REFUSED, REFUSED_DOCS):
        target.with_name(name).unlink(missing_ok=True)
    gate = json.loads((target / GATE).read_text(encoding="utf-8"))
    known = release_id in past["release_id"]
    if not known:
        row = {
            "release_id": release_id,
            "version": version,
            "recipe": recipe.name,
            "policy": recipe.policy_version(),
            "folder": str(target),
            "gate": json.dumps(gate, sort_keys=True),
        }
        _record(store, run_id, staged, row)
    note_in_force(store, "release", release_id, run_id, recipe.name)
    return Published(
        release_id=release_id,
        folder=target,
        version=version,
        pairs=staged.links.height,
        validation_pairs=staged.count("validation"),
        new=not found or not known,
        gate=gate,
    )


def _name_stage(recipe: Recipe) -> str:
    """Name the stage with the words of the user's own files that the gate reads."""
    settings = recipe.release
    files = sorted(Path(settings.rules).glob("*.sql")) if settings.rules is not None else []
    files += [Path(file) for file in (settings.suite, settings.gate.tokenizer) if file is not None]
    words = [(str(file), file.read_bytes().hex()) for file in files if file.is_file()]
    return f"release by {content_id(words)[:12]}"


def _find_settled(store: Store, recipe: Recipe) -> Published | None:
    """Return the release that was published of just these rows, if it still lies there whole."""
    settled = find_settled(store, recipe, _name_stage(recipe))
    if settled is None or settled.outcome is None:
        return None
    recorded = store.query("release_published", release_id=settled.outcome)
    target = Path(recipe.release.folder, f"{recipe.name}-{settled.outcome}")
    try:
        manifest = (target / MANIFEST).read_bytes()
    except OSError:
        return None
    is_it = identify_release(manifest) == settled.outcome and is_complete(target, manifest)
    if recorded.is_empty() or not is_it:
        return None
    version, pairs, validation_pairs = recorded.row(0)
    gate = json.loads((target / GATE).read_text(encoding="utf-8"))
    return Published(settled.outcome, target, version, pairs, validation_pairs, False, gate)


def _number(past: pl.DataFrame, release_id: str) -> int:
    """Return the version that a release has or will have."""
    known = past.filter(release_id=release_id)
    if not known.is_empty():
        return int(known["version"][0])
    return int(max(past["version"].to_list(), default=0)) + 1


def _find_previous(past: pl.DataFrame, target: Path) -> Contents | None:
    """Return the newest other release that still lies beside the new one."""
    for release_id in past.sort("version", descending=True)["release_id"]:
        folder = target.with_name(f"{target.name.rpartition('-')[0]}-{release_id}")
        if folder != target and folder.is_dir():
            with suppress(InputError):
                return read_contents(Folder(folder))
    return None


@contextmanager
def _told_by_report(story: Story, staging: Path) -> Iterator[None]:
    """Leave a report on why the gate was closed, if it closes."""
    try:
        yield
    except GateFailed as error:
        if error.verdict is None:
            raise
        report = staging.with_name(REFUSED)
        (staging / DATA_DOCS).replace(staging.with_name(REFUSED_DOCS))
        report.write_text(write_report(story, error.verdict, REFUSED_DOCS), encoding="utf-8")
        raise GateFailed(f"{error}\n  report: {report}", error.verdict) from None


def _make_visible(staging: Path, target: Path) -> None:
    """Bring the staged files to the disk, then give them their name at once."""
    for path in (*staging.rglob("*"), staging):
        _sync(path)
    if target.exists():  # The same release, but damaged: it goes the way of all staging folders.
        target.rename(staging.with_name(f"{staging.name}-damaged"))
    staging.rename(target)
    _sync(target.parent)
    for path in target.parent.glob(f"{STAGING}*-damaged"):
        shutil.rmtree(path, ignore_errors=True)


def _point_latest(target: Path) -> None:
    """Make `latest` lead to a release, at one stroke."""
    latest = target.with_name(LATEST)
    if latest.is_symlink() and os.readlink(latest) == target.name:
        return
    link = target.with_name(f"{_NEXT_LATEST}{secrets.token_hex(6)}")
    link.symlink_to(target.name, target_is_directory=True)
    link.replace(latest)
    _sync(target.parent)


def _record(store: Store, run_id: str, staged: Staged, row: Mapping[str, Any]) -> None:
    """Record a release, what it holds first."""
    release_id = pl.lit(row["release_id"]).alias("release_id")
    store.append("release_pairs", staged.links.drop("domain").with_columns(release_id))
    if not staged.preferences.is_empty():
        store.append("release_preferences", staged.preferences.with_columns(release_id))
    counted = {
        "pairs": staged.links.height,
        "validation_pairs": staged.count("validation"),
        "simulated": bool(staged.facts["simulated"].any()),
    }
    store.append("releases", pl.DataFrame([{**row, **counted}]), run_id=run_id)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process publishes into the folder; a dead process holds no lock."""
    with (folder / LOCK).open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn a refusal of the file system into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        if is_full_disk(error):
            reason = "the disk is full; free some space and run again"
        elif error.errno in _FORBIDDEN:
            reason = "it cannot be written by this user; change release.folder or its permissions"
        else:
            reason = "it cannot be used as the folder of releases"
        raise StoreError(f"{folder}: {reason}. Nothing was published: {error}") from error
