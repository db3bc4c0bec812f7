"""House-keeping: what may go goes, every row stays; a backup taken beside a run is whole."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.backup import back_up, check_target
from cli.main import app
from cli.project import ROOT
from tasks.errors import InputError, StoreError
from tasks.llm.journal import Journal, fold_in
from tasks.recipe import Recipe, StoreSettings
from tasks.store import Store, close_stores, open_store
from tasks.tidy import remove_orphans, tidy_store
from tests.conftest import MakeRecipe
from tests.test_store_processes import APPENDER

LONG_AGO = datetime.now(UTC) - timedelta(days=40)


def _reopen(store: Store, **settings: object) -> Store:
    close_stores()
    return open_store(store.settings.model_copy(update=settings))


def _append(store: Store, name: str, rows: int) -> None:
    store.append("prompts", pl.DataFrame({"prompt_id": [f"{name}-{row}" for row in range(rows)]}))


@pytest.mark.slow
def test_tidying_merges_and_expires_and_no_row_goes(store: Store) -> None:
    store = _reopen(store, keep_snapshots_days=0)
    for index in range(5):
        _append(store, str(index), 100)
    answer = {"response_id": "a", "content": "4", "raw_body": "{…}"}
    store.append("responses", pl.DataFrame([answer]))
    everything = "select * from prompts order by prompt_id"
    rows = store.sql(everything)
    done = tidy_store(store)
    assert (done.before.files, done.bodies, done.orphans) == (5, 0, 0)
    # Of prompts, and of migrations and the response, which were in the catalog itself.
    assert done.after.files == 3
    assert done.after.snapshots == 1 < done.before.snapshots
    assert store.sql(everything).equals(rows)
    assert store.sql("select raw_body from responses").rows() == [("{…}",)]
    again = tidy_store(store)
    assert (again.after.files, again.after.bytes) == (done.after.files, done.after.bytes)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 300])  # In the catalog itself, and in files.
def test_old_raw_bodies_go_if_they_are_not_to_be_kept_and_nothing_else(
    store: Store, rows: int
) -> None:
    body = "x" * 1_000
    for table in ("responses", "failures"):
        ids = {"response_id": [f"{table}-{row}" for row in range(2 * rows)]}
        frame = pl.DataFrame(ids | {"raw_body": [body] * 2 * rows, "model": ["m"] * 2 * rows})
        times = pl.Series("created_at", [LONG_AGO] * rows + [datetime.now(UTC)] * rows)
        store.cursor().register("given", frame.with_columns(times))
        store.execute(f"insert into {table} by name select * from given")
    kept = "select count(*), count(raw_body), count(model) from "
    assert tidy_store(store).bodies == 0
    store = _reopen(store, keep_raw_bodies_days=30)
    assert tidy_store(store).bodies == 2 * rows
    for table in ("responses", "failures"):
        assert store.sql(kept + table).row(0) == (2 * rows, rows, 2 * rows)
    assert tidy_store(store).bodies == 0


@pytest.mark.slow
def test_orphans_go_when_they_are_old_and_the_folder_is_our_own(tmp_path: Path) -> None:
    declared = StoreSettings(catalog=str(tmp_path / "catalog.sqlite"), data=str(tmp_path / "data"))
    store = open_store(declared)
    _append(store, "a", 100)
    folder = tmp_path / "data" / "main" / "prompts"
    old, young = folder / "old.parquet", folder / "young.parquet"
    for file in (old, young):
        file.write_bytes(b"x")
    os.utime(old, (LONG_AGO.timestamp(),) * 2)
    assert tidy_store(store).orphans == 0 and old.exists()  # Another store's, for all we know.
    assert tidy_store(store, orphans=True).orphans == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert remove_orphans(store) == 0
    os.utime(young, (LONG_AGO.timestamp(),) * 2)
    assert tidy_store(_reopen(store, data=None)).orphans == 1
    assert not young.exists()


def test_a_folder_named_like_a_pattern_is_tidied_and_no_other(
    tmp_path: Path, empty_store: Path
) -> None:
    def files(name: str) -> set[Path]:
        return set((tmp_path / name / "data").rglob("*.parquet"))

    stores = {}
    for name in ("runs1", "runs[1]"):
        shutil.copytree(empty_store, tmp_path / name)
        stores[name] = open_store(StoreSettings(catalog=str(tmp_path / name / "catalog.sqlite")))
    for store in stores.values():
        _append(store, "a", 100)
    orphan = tmp_path / "runs[1]" / "data" / "main" / "prompts" / "orphan.parquet"
    young = orphan.with_name("young.parquet")
    before = {name: files(name) for name in stores}
    for file in (orphan, young):
        file.write_bytes(b"x")
    for file in {*before["runs1"], *before["runs[1]"], orphan}:
        os.utime(file, (LONG_AGO.timestamp(),) * 2)
    assert remove_orphans(stores["runs[1]"]) == 1
    assert files("runs[1]") == before["runs[1]"] | {young}
    assert files("runs1") == before["runs1"]  # DuckLake would have removed them all.


def _backup(tmp_path: Path, recipe: Recipe) -> Callable[[], tuple[int, int]]:
    file = tmp_path / "recipe.json"
    file.write_text(recipe.model_dump_json(exclude_defaults=True))

    def back() -> tuple[int, int]:
        done = back_up(file, tmp_path / "kept" / "backup")
        return done.files, done.copied

    return back


def test_a_backup_is_laid_out_like_a_store_and_grows_by_what_is_new(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    back = _backup(tmp_path, make_recipe())
    _append(store, "a", 100)
    _append(store, "single", 1)
    journal = Journal(store, "run-1")
    journal.add("responses", {"response_id": "paid", "content": "4"})
    assert back() == (1, 1)
    _append(store, "b", 100)
    assert back() == (2, 1)
    close_stores()
    folder = tmp_path / "kept" / "backup"
    assert sorted(path.name for path in folder.iterdir()) == ["catalog.sqlite", "data", "journal"]
    restored = open_store(StoreSettings(catalog=str(folder / "catalog.sqlite")))
    assert restored.sql("select count(*) from prompts").item() == 201
    assert fold_in(restored) == 1  # What had arrived and was not in the store yet is not lost.
    assert restored.sql("select response_id from responses").rows() == [("paid",)]
    assert store.settings.catalog != restored.settings.catalog


@pytest.mark.slow
def test_a_backup_that_fails_leaves_the_one_before_with_its_journal(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    back = _backup(tmp_path, make_recipe())
    _append(store, "a", 100)
    Journal(store, "run-1").add("responses", {"response_id": "paid", "content": "4"})
    back()
    fold_in(store)  # The store has no segment any more; the backup's catalog lacks the answer.
    _append(store, "b", 100)
    files = Path(store.settings.catalog).parent.rglob("*.parquet")
    newest = max(files, key=lambda file: file.stat().st_ctime)
    newest.rename(tmp_path / "gone")
    with pytest.raises(StoreError, match=r"the backup cannot be written: .*No such file"):
        back()
    kept = StoreSettings(catalog=str(tmp_path / "kept" / "backup" / "catalog.sqlite"))
    restored = open_store(kept)
    assert restored.sql("select count(*) from prompts").item() == 100
    assert fold_in(restored) == 1

    (tmp_path / "gone").rename(newest)
    assert back() == (2, 1)
    close_stores()
    assert open_store(kept).sql("select response_id from responses").rows() == [("paid",)]
    assert not list((tmp_path / "kept" / "backup" / "journal").iterdir())


def test_a_backup_goes_nowhere_else(store: Store, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    catalog = Path(store.settings.catalog)
    with pytest.raises(InputError, match="is the store itself"):
        check_target(catalog.parent, catalog)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_text("")
    with pytest.raises(InputError, match="is neither empty nor a backup"):
        check_target(tmp_path / "mine", catalog)
    with pytest.raises(InputError, match="is a file"):
        check_target(catalog, catalog)
    absent = make_recipe(store={"catalog": "none/catalog.sqlite"})
    with pytest.raises(StoreError, match="there is no store here yet"):
        _backup(tmp_path, absent)()
    elsewhere = make_recipe(store={"catalog": "postgresql://me@db/lake", "data": "s3://b/lake"})
    with pytest.raises(InputError, match="the catalog first"):
        _backup(tmp_path, elsewhere)()


@pytest.mark.slow
def test_backups_taken_while_a_run_writes_are_whole(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe()
    back = _backup(tmp_path, recipe)
    writer = subprocess.Popen(
        [sys.executable, "-c", APPENDER, recipe.store.catalog, "run", "100000", "40"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert writer.stdout is not None
        for _ in range(4):
            acknowledged = int(writer.stdout.readline())
            time.sleep(1)
            files, _ = back()
            folder = tmp_path / "kept" / "backup"
            assert files > 0
            restored = StoreSettings(catalog=str(folder / "catalog.sqlite"))
            found = open_store(restored).sql(
                "select split_part(prompt_id, '-', 2)::int as number, count(*)::int as rows "
                "from prompts group by all order by all"
            )
            assert found.rows() == [(number, 40) for number in range(found.height)]
            assert found.height > acknowledged
            close_stores()
            (folder / "catalog.sqlite-wal").unlink(missing_ok=True)
    finally:
        writer.kill()
        writer.wait()
    moved = make_recipe(store={"catalog": str(folder / "catalog.sqlite")})
    (tmp_path / "moved.json").write_text(moved.model_dump_json(exclude_defaults=True))
    told = CliRunner().invoke(app, ["doctor", "--json", str(tmp_path / "moved.json")])
    store_of = [row for row in json.loads(told.stdout) if row["area"] == "store"]
    assert {row["level"] for row in store_of} == {"ok"}
