"""A team's store: PostgreSQL as the catalog, with a real server; everything else is the same."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from cli.doctor.store import check_files
from cli.reading import open_reader
from tasks import settled
from tasks.errors import StoreError
from tasks.lake.place import SQL_FOLDER, local_folder
from tasks.plan.plan import make_plan
from tasks.recipe import StoreSettings
from tasks.run_lock import only_writer
from tasks.store import close_stores, open_store
from tests.conftest import MakeRecipe
from tests.planned import SEEDS, answer, ingest, models
from tests.served import serving, write_served_project
from tests.taught_store import fill, identify, taught

ROOT = Path(__file__).resolve().parents[1]
# Opens the store, appends a row a commit, and says when it is done.
APPENDER = """
import sys
import polars as pl
from tasks.recipe import StoreSettings
from tasks.store import open_store
catalog, data, name, count, retries = sys.argv[1:]
store = open_store(StoreSettings(catalog=catalog, data=data))
store.execute(f"set ducklake_max_retry_count = {int(retries)}")
for index in range(int(count)):
    assert store.append("prompts", pl.DataFrame({"prompt_id": [f"{name}-{index}"]})) == 1
"""


def _find_binaries() -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else folders
    return next((folder for folder in candidates if (folder / "postgres").exists()), None)


def _call(*command: str | Path) -> None:
    """Run a command as somebody who is not root: PostgreSQL refuses to be."""
    other: dict[str, Any] = {}
    if os.geteuid() == 0:
        other = {"user": "postgres", "group": "postgres", "extra_groups": []}
    done = subprocess.run(
        [str(part) for part in command],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **other,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of our own on a free loopback port, as `postgresql://teachset@127.0.0.1:port`."""
    binaries = _find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL binaries; install them with: apt-get install postgresql")
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        folder = Path(name)
        if os.geteuid() == 0:
            try:
                owner = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("PostgreSQL does not run as root, and there is no user `postgres`")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        places: list[str | Path] = ["-D", folder / "data"]
        _call(binaries / "initdb", *places, "-A", "trust", "-U", "teachset", "--no-sync")
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        )
        start: list[str | Path] = ["-o", options, "-l", folder / "log", "-w", "start"]
        _call(binaries / "pg_ctl", *places, *start)
        try:
            yield f"postgresql://teachset@127.0.0.1:{port}"
        finally:
            _call(binaries / "pg_ctl", *places, "-m", "immediate", "-w", "stop")


@pytest.fixture
def settings(
    server: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StoreSettings]:
    """A database of its own for every test, and the Parquet files in a folder."""
    database = f"lake_{abs(hash(request.node.name))}"
    binaries = _find_binaries()
    assert binaries is not None
    _call(binaries / "createdb", "--maintenance-db", f"{server}/postgres", database)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield StoreSettings(catalog=f"{server}/{database}", data=str(tmp_path / "data"))
    close_stores()


def _append_elsewhere(
    settings: StoreSettings, names: str, count: int, retries: int = 10
) -> list[str]:
    """Append from as many processes as there are names, at once; return what they complained of."""
    assert settings.data is not None
    arguments = [settings.catalog, settings.data]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", APPENDER, *arguments, name, str(count), str(retries)],
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for name in names
    ]
    return [process.communicate(timeout=100)[1] for process in processes]


@pytest.mark.slow
def test_the_store_is_the_same_with_postgresql(settings: StoreSettings, tmp_path: Path) -> None:
    store = open_store(settings)
    migrations = store.sql("select number from migrations order by number")["number"].to_list()
    assert migrations == [
        int(file.name[:4]) for file in sorted((SQL_FOLDER / "migrations").glob("*.sql"))
    ]

    rows = pl.DataFrame({"prompt_id": ["a", "b"], "text": ["x", "'; drop table prompts; --"]})
    assert store.append("prompts", rows, run_id="r") == 2
    assert store.append("prompts", rows) == 0
    assert store.append("keys", pl.DataFrame({"prompt_id": ["a"], "answer": ["4"]})) == 1
    assert store.append("keys", pl.DataFrame({"prompt_id": ["a"], "answer": ["4"]})) == 0
    for index in range(3):  # Too many rows to be kept in the catalog itself: files.
        many = pl.DataFrame({"prompt_id": [f"{index}-{row}" for row in range(500)]})
        assert store.append("prompts", many) == 500
    assert store.query("explain_find", prefix="'; drop table prompts; --").is_empty()

    before = store.sql("select * from prompts order by prompt_id")
    files = "select count(*) as n from ducklake_list_files('lake', 'prompts')"
    assert store.sql(files)["n"].item() == 3
    with open_reader(settings) as reader:
        reader.execute("begin")
        assert reader.execute("select count(*) from prompts").fetchall() == [(1502,)]
        store.compact()
        assert store.append("prompts", pl.DataFrame({"prompt_id": ["c"]})) == 1
        assert reader.execute("select count(*) from prompts").fetchall() == [(1502,)]
    after = store.sql("select * from prompts where prompt_id <> 'c' order by prompt_id")
    assert after.equals(before)
    assert store.sql(files)["n"].item() == 1
    assert local_folder(settings).is_relative_to(tmp_path / "state" / "teachset")


def test_a_server_that_is_absent_is_a_store_error(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    catalog = f"postgresql://teachset@127.0.0.1:{port}/lake"
    with pytest.raises(StoreError, match=r"cannot be opened.*onnection refused"):
        open_store(StoreSettings(catalog=catalog, data=str(tmp_path)))
    with pytest.raises(StoreError, match=r"store\.data: a PostgreSQL catalog needs a folder"):
        open_store(StoreSettings(catalog=catalog))


@pytest.mark.slow
def test_processes_that_make_a_store_and_write_to_it_at_once_lose_nothing(
    settings: StoreSettings,
) -> None:
    # With DuckLake's own retries off, every conflict reaches the store's.
    assert _append_elsewhere(settings, "xyz", count=10, retries=0) == ["", "", ""]
    store = open_store(settings)
    found = store.sql("select prompt_id from prompts")["prompt_id"].to_list()
    assert sorted(found) == sorted(f"{name}-{index}" for name in "xyz" for index in range(10))
    assert store.sql("select number from migrations")["number"].is_unique().all()


@pytest.mark.slow
def test_a_run_is_planned_before_and_after_the_store_is_made(
    settings: StoreSettings, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(SEEDS, models=models("student"), store=settings.model_dump())
    plan = make_plan(recipe)
    assert not plan.setting.has_store
    assert plan.total.calls.expected == 5 * 8
    with pytest.raises(StoreError):  # Nor has the plan made one.
        open_store(settings, migrate=False)
    close_stores()
    store = open_store(settings)
    ingest(store, recipe)
    answer(store, recipe, "student", [SEEDS[0]["prompt"]], samples=8)
    plan = make_plan(recipe)
    assert (plan.setting.has_store, plan.setting.seeds) == (True, 5)
    assert plan.total.calls.expected == 4 * 8


@pytest.mark.slow
def test_the_function_of_changes_is_there_with_postgresql(settings: StoreSettings) -> None:
    store = open_store(settings)
    store.append("prompts", pl.DataFrame({"prompt_id": ["a"], "kind": ["seed"]}))
    changes = "select what, detail, rows from what_changed_since(now() - interval 1 hour)"
    with open_reader(settings) as reader:
        assert reader.execute(changes).fetchall() == [("prompts", "seed", 1)]
        assert reader.execute("from spend_by_day").fetchall() == []


@pytest.mark.slow
def test_what_is_settled_and_tallied_is_the_same_with_postgresql(
    settings: StoreSettings, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "MANY_PROMPTS", 0)
    store, recipe, done = open_store(settings), make_recipe(), []
    fill(store, taught("a"), taught("b"))

    def times() -> int:
        def work() -> int:
            done.append(store.sql("from funnel").height)
            return 0

        settled.unless_settled(store, recipe, "r", "stage", work)
        return len(done)

    def decide(kept: bool) -> None:
        row = {"policy": "p@1", "prompt_id": identify("a"), "kept": kept}
        store.append("decisions", pl.DataFrame([row]))

    assert [times(), times()] == [1, 1]
    decide(True)
    assert [times(), times()] == [2, 2]
    decide(True)
    assert times() == 2
    decide(False)
    assert times() == 3
    assert store.sql("select kept, prompts from funnel").rows() == [(False, 1)]
    assert store.query("tallies_wrong").is_empty()
    store.recount()
    assert store.sql("select kept, prompts from funnel").rows() == [(False, 1)]


@pytest.mark.slow
def test_what_was_dumped_and_copied_is_restored_as_it_was(
    server: str, settings: StoreSettings, tmp_path: Path
) -> None:
    """The backup of docs/operations.md: the catalog first, then the files."""
    binaries = _find_binaries()
    assert binaries is not None and settings.data is not None
    store = open_store(settings)
    many = pl.DataFrame({"prompt_id": [f"{row:03}" for row in range(300)]})
    store.append("prompts", many)  # In a file.
    store.append("keys", pl.DataFrame({"prompt_id": ["000"], "answer": ["4"]}))  # In the catalog.
    dump = Path(tempfile.mkdtemp()) / "lake.dump"
    dump.parent.chmod(0o777)  # PostgreSQL's user writes it.
    try:
        _call(binaries / "pg_dump", "--format=custom", "--dbname", settings.catalog, "--file", dump)
        store.append("prompts", many.select(prompt_id=pl.lit("later-") + pl.col("prompt_id")))
        shutil.copytree(settings.data, tmp_path / "backup")
        close_stores()

        maintenance = ["--maintenance-db", f"{server}/postgres"]
        database = settings.catalog.rpartition("/")[2]
        _call(binaries / "dropdb", "--force", *maintenance, database)
        shutil.rmtree(settings.data)
        _call(binaries / "createdb", *maintenance, database)
        _call(binaries / "pg_restore", "--dbname", settings.catalog, dump)
        shutil.copytree(tmp_path / "backup", settings.data)
    finally:
        shutil.rmtree(dump.parent)
    restored = open_store(settings)
    assert restored.sql("select prompt_id from prompts order by 1").equals(many)
    assert restored.sql("select answer from keys")["answer"].to_list() == ["4"]
    with open_reader(settings) as reader:
        assert [each for each in check_files(reader, settings) if each.level == "problem"] == []
    assert restored.append("prompts", pl.DataFrame({"prompt_id": ["new"]})) == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_prefect_and_the_catalog_in_one_postgresql(
    server: str, settings: StoreSettings, tmp_path: Path
) -> None:
    """What deploy/compose.yaml sets up: one server, a database for each of the two."""
    binaries = _find_binaries()
    assert binaries is not None
    _call(binaries / "createdb", "--maintenance-db", f"{server}/postgres", "prefect")
    recipe = write_served_project(tmp_path / "project", seeds=30, latency=0.1)
    declared = yaml.safe_load(recipe.read_text())
    recipe.write_text(yaml.safe_dump({**declared, "store": settings.model_dump()}))
    database = f"{server}/prefect".replace("postgresql://", "postgresql+asyncpg://")
    variables = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database}
    with serving(tmp_path / "prefect", 25876, **variables) as served:
        served.wait_for(served.start("build/on-demand", recipe), "COMPLETED", within_s=300)
    assert not (tmp_path / "prefect" / "prefect.db").exists()
    store = open_store(settings)
    assert store.sql("select state from runs")["state"].to_list() == ["completed"]
    assert store.sql("select count(*) as n from prompts")["n"][0] == 30
    store.execute(f"attach '{server}/prefect' as prefect (type postgres, read_only)")
    runs = "select name from prefect.public.flow_run where state_type = 'COMPLETED'"
    assert "release served" in store.sql(runs)["name"].to_list()


# A run of another host: its state is elsewhere, so the lock of this host does not keep it out.
OTHER_HOST = """
import sys
from tasks.recipe import StoreSettings
from tasks.run_lock import only_writer
with only_writer(StoreSettings(catalog=sys.argv[1], data="/tmp/not-used")):
    print("running", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
def test_one_run_at_a_time_writes_to_a_store_whatever_host_it_runs_on(
    settings: StoreSettings, tmp_path: Path
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER_HOST, settings.catalog],
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "elsewhere")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "running\n"
        where = rf"another run is writing to this store \(process {other.pid} on "
        with pytest.raises(StoreError, match=where), only_writer(settings):
            pass
        other.kill()
    deadline = time.monotonic() + 10
    while True:  # The server notices a moment later that the process is gone.
        try:
            with only_writer(settings):
                return
        except StoreError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
