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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task

from tasks.errors import GateFailed, RecipeError, StoreError
from tasks.progress import track
from tasks.recipe import Band, Recipe
from tasks.release.card import write_card
from tasks.release.formats import duckdb_types
from tasks.release.manifest import (
    CARD,
    GATE,
    MANIFEST,
    build_manifest,
    identify_release,
    is_complete,
)
from tasks.release.stage import Staged, stage_pairs
from tasks.store import Store, open_store

STAGING, LATEST, LOCK = ".staging-", "latest", ".lock"
_NEXT_LATEST = ".latest-"
_FULL = (errno.ENOSPC, errno.EDQUOT)
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
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            remove_leftovers(folder)
            refuse_foreign_latest(folder / LATEST)
            staging = folder / f"{STAGING}{secrets.token_hex(6)}"
            staging.mkdir()
            try:
                return _publish(store, recipe, run_id, staging)
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


@task(task_run_name="release")
def publish_release(recipe: Recipe, run_id: str) -> Published:
    """Stage, gate and publish the kept pairs."""
    with track("release") as tracker:
        published = release(open_store(recipe.store), recipe, run_id)
        tracker.advance(published.pairs)
        return published


def _publish(store: Store, recipe: Recipe, run_id: str, staging: Path) -> Published:
    staged = stage_pairs(store, recipe, staging)
    funnel = store.query("funnel_of_policy", policy=recipe.policy_version())
    models = store.query("release_models")
    (staging / CARD).write_text(write_card(recipe, staged, funnel, models), encoding="utf-8")
    manifest = build_manifest(recipe, staged, staging, funnel, models)
    release_id = identify_release(manifest)
    target = staging.with_name(f"{recipe.name}-{release_id}")
    found = is_complete(target, manifest)
    if not found:
        gate = _pass_gate(store, recipe, staging, funnel)
        if "parquet" not in recipe.release.formats:
            shutil.rmtree(staging / "data")  # It was there for the gate only.
        _write_json(staging / GATE, gate)
        (staging / MANIFEST).write_bytes(manifest)
        _make_visible(staging, target)
    _point_latest(target)
    gate = json.loads((target / GATE).read_text(encoding="utf-8"))
    version, recorded = _record(store, recipe, run_id, release_id, staged, target, gate)
    return Published(
        release_id=release_id,
        folder=target,
        version=version,
        pairs=staged.links.height,
        validation_pairs=staged.count("validation"),
        new=not found or recorded,
        gate=gate,
    )


def _pass_gate(store: Store, recipe: Recipe, staging: Path, funnel: pl.DataFrame) -> dict[str, Any]:
    """Return the gate's verdict. Raises GateFailed if a critical rule was broken."""
    from expectations.gate import Expected, RuleResult, run_gate  # Seconds to import.

    expected = Expected(
        columns=duckdb_types(with_reasoning=recipe.release.reasoning == "field"),
        band=_edges(recipe.select.band),
        domain_bands={name: _edges(band) for name, band in recipe.select.domains.items()},
        prompts=int(store.query("release_prompt_count")["prompts"][0]),
        kept=int(funnel.filter("kept")["prompts"].sum()),
        dropped=int(funnel.filter(~pl.col("kept"))["prompts"].sum()),
        flagged=frozenset(store.query("release_flagged_prompts")["prompt_id"]),
        anchors=frozenset(
            store.query("release_anchors", policy=recipe.policy_version())["prompt_id"]
        ),
        min_pairs=recipe.release.min_pairs,
        only_correct=recipe.teach.only_correct,
    )
    result = run_gate(staging, expected)

    def describe(rule: RuleResult) -> str:
        pairs = f" (pairs {', '.join(rule.pair_ids[:3])})" if rule.pair_ids else ""
        return f"{rule.rule}: {rule.found:,} found, e.g. {rule.detail}{pairs}"

    if not result.passed:
        reasons = "\n  ".join(describe(rule) for rule in result.failed_critical)
        raise GateFailed(
            f"nothing was published: {len(result.failed_critical)} critical rule(s) failed over "
            f"{result.rows:,} pairs\n  {reasons}{describe_losses(store, funnel)}",
            result.as_json(),
        )
    return result.as_json()


def describe_losses(store: Store, funnel: pl.DataFrame) -> str:
    """Say on lines of their own why most prompts were set aside and why calls failed."""
    dropped = funnel.filter(~pl.col("kept")).group_by("stage", "reason").agg(pl.sum("prompts"))
    lines = [
        f"{prompts:,} prompts were set aside by {stage}: {reason}"
        for stage, reason, prompts in dropped.sort("prompts", "reason", descending=True).rows()[:3]
    ]
    lines += [
        f"{calls:,} calls to {model} as {role} failed: {message[:300]}"
        for role, model, message, calls in store.query("release_failed_calls").rows()
    ]
    return "".join(f"\n  {line}" for line in lines)


def _edges(band: Band) -> tuple[float, float]:
    return band.low, band.high


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


def _record(
    store: Store,
    recipe: Recipe,
    run_id: str,
    release_id: str,
    staged: Staged,
    target: Path,
    gate: Mapping[str, Any],
) -> tuple[int, bool]:
    """Record the release, its pairs first; return its version and whether it was not there yet."""
    past = store.query("release_versions", recipe=recipe.name)
    known = past.filter(release_id=release_id)
    if not known.is_empty():
        return int(known["version"][0]), False
    version = max(past["version"].to_list(), default=0) + 1
    store.append("release_pairs", staged.links.with_columns(pl.lit(release_id).alias("release_id")))
    row = {
        "release_id": release_id,
        "version": version,
        "recipe": recipe.name,
        "policy": recipe.policy_version(),
        "folder": str(target),
        "pairs": staged.links.height,
        "validation_pairs": staged.count("validation"),
        "gate": json.dumps(gate, sort_keys=True),
        "simulated": bool(staged.facts["simulated"].any()),
    }
    store.append("releases", pl.DataFrame([row]), run_id=run_id)
    return version, True


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
    with (folder / LOCK).open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn a refusal of the file system into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            reason = "the disk is full; free some space and run again"
        elif error.errno in _FORBIDDEN:
            reason = "it cannot be written by this user; change release.folder or its permissions"
        else:
            reason = "it cannot be used as the folder of releases"
        raise StoreError(f"{folder}: {reason}. Nothing was published: {error}") from error
