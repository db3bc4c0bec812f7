"""`teachset doctor`: each thing that can be wrong is found, told with its remedy, and no other."""

import http.server
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.doctor.environment import check_room, check_versions, read_lock
from cli.doctor.models import check_role
from cli.doctor.store import check_files
from cli.main import app
from cli.reading import open_reader
from tasks.recipe import ModelSettings, StoreSettings
from tasks.store import Store, close_stores, open_store
from tests.conftest import MakeRecipe
from tests.taught_store import STUDENT, fill, identify, taught

KEY = "sk-very-secret-0123456789"
Told = dict[tuple[str, str], tuple[str, str, str]]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PREFECT_HOME of its own, and no server that the machine has set."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))


def _examine(make_recipe: MakeRecipe, tmp_path: Path, **changes: Any) -> tuple[int, Told]:
    recipe = make_recipe(**changes)
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json(exclude_defaults=True))
    result = CliRunner().invoke(app, ["doctor", "--json", str(tmp_path / "recipe.json")])
    assert KEY not in result.output
    found = json.loads(result.stdout)
    told = {(row["area"], row["check"]): (row["level"], row["found"], row["mend"]) for row in found}
    return result.exit_code, told


@contextmanager
def _serving(status: int, body: str) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            refused = self.headers["Authorization"] != f"Bearer {KEY}"
            said = json.dumps({"error": f"no {self.headers['Authorization']}"}) if refused else body
            self.send_response(401 if refused else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def test_a_good_store_has_no_problem(store: Store, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    store.append("prompts", pl.DataFrame({"prompt_id": [str(n) for n in range(100)]}))
    close_stores()
    code, told = _examine(make_recipe, tmp_path)
    levels = {place: level for place, (level, _, _) in told.items() if place[0] != "environment"}
    assert levels == dict.fromkeys(levels, "ok")
    assert code == 0
    assert told["store", "files"][1] == "all 1 data files are there"
    assert told["models", "student"][1] == "sim-student is simulated"
    assert {area for area, _ in told} == {"environment", "models", "store", "prefect"}


def test_what_is_missing_left_behind_or_behind_is_found(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    for table in ("prompts", "quarantine"):
        name = {"prompts": "prompt_id", "quarantine": "quarantine_id"}[table]
        store.append(table, pl.DataFrame({name: [str(n) for n in range(100)]}))
    store.append("batches", pl.DataFrame([{"batch_id": "b", "role": "student", "requests": 12}]))
    gone = {"run_id": "gone", "flow": "build", "state": "running", "process_id": 2**22 + 1}
    store.append("runs", pl.DataFrame([{**gone, "host": os.uname().nodename}]))
    store.execute("delete from migrations where number = 9")
    close_stores()
    data = tmp_path / "store" / "data" / "main"
    (lost,) = data.glob("prompts/*.parquet")
    lost.unlink()
    (cut,) = data.glob("quarantine/*.parquet")
    cut.write_bytes(cut.read_bytes()[:100])
    young, old = data / "prompts" / "young.parquet", data / "prompts" / "old.parquet"
    for file in (young, old):
        file.write_bytes(b"x" * 2**20)
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    journal = tmp_path / "store" / "journal"
    journal.mkdir()
    (journal / "1-a.jsonl").write_text("")
    (journal / "2-b.unreadable").write_text("")

    code, told = _examine(make_recipe, tmp_path)
    assert code == 1
    level, found, mend = told["store", "files"]
    assert (level, mend) == ("problem", "restore them from a backup (docs/operations.md)")
    assert found.startswith("1 missing, 1 cut short of 2 data files: ")
    assert str(lost) in found and str(cut) in found and "(of prompts, quarantine)" in found
    data_folder = tmp_path / "store" / "data"
    assert told["store", "orphans"] == (
        "warning",
        f"1 files in {data_folder} that no snapshot names (1.0 MB)",
        "`teachset tidy` removes them",
    )
    assert told["store", "schema"][0] == "warning"
    assert told["store", "schema"][1].startswith("1 migration(s) behind, next 0009_")
    assert told["store", "batches"][:2] == ("warning", "1 not over, 12 requests")
    assert told["store", "run"][0] == "warning"
    assert "was ended from outside" in told["store", "run"][1]
    assert told["store", "journal"][1] == "1 segment(s) of answers that are not in the store yet"


def test_a_whole_store_is_found_whole_in_a_folder_named_like_a_pattern(
    tmp_path: Path, empty_store: Path
) -> None:
    folder = shutil.copytree(empty_store, tmp_path / "a [1] *b" / "store")
    settings = StoreSettings(catalog=str(folder / "catalog.sqlite"))
    store = open_store(settings)
    store.append("prompts", pl.DataFrame({"prompt_id": [str(n) for n in range(100)]}))
    close_stores()
    with open_reader(settings) as connection:
        found = {each.check: each.level for each in check_files(connection, settings)}
    assert found == {"files": "ok", "orphans": "ok", "size": "ok"}


@pytest.mark.slow
def test_tallies_that_somebody_has_made_wrong_are_found_and_mended(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    fill(store, taught("a"), taught("b", domain="code"))
    rows = [{"policy": "p@1", "prompt_id": identify(name), "kept": True} for name in "ab"]
    store.append("decisions", pl.DataFrame(rows))
    store.execute("update decisions set kept = false where prompt_id = $a", {"a": identify("a")})
    store.execute("delete from difficulty where prompt_id = $b", {"b": identify("b")})
    close_stores()
    assert _examine(make_recipe, tmp_path)[1]["store", "tallies"] == (
        "problem",
        "2 not what a count of the rows gives: decisions of p@1 in math, "
        f"difficulty for {STUDENT} in code",
        "`teachset tidy` counts them anew",
    )
    open_store(store.settings).recount()
    close_stores()
    assert _examine(make_recipe, tmp_path)[1]["store", "tallies"][0] == "ok"


def test_a_catalog_that_is_none_is_a_problem_and_an_absent_one_is_not(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    code, told = _examine(make_recipe, tmp_path)
    assert (code, told["store", "catalog"][0]) == (0, "ok")
    assert not (tmp_path / "store").exists()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "catalog.sqlite").write_text("no database" * 100)
    code, told = _examine(make_recipe, tmp_path)
    assert (code, told["store", "catalog"][0]) == (1, "problem")


def test_keys_are_named_never_shown_and_servers_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    models = json.dumps({"object": "list", "data": [{"id": "one", "object": "model"}]})

    def levels(**settings: Any) -> list[tuple[str, str]]:
        found = check_role("student", ModelSettings(api_key_env="TEST_KEY", **settings))
        assert KEY not in str(found)
        return [(each.level, each.found) for each in found]

    with _serving(200, models) as url:
        monkeypatch.delenv("TEST_KEY", raising=False)
        absent = "the environment variable TEST_KEY is not set"
        assert levels(model="one", base_url=url) == [("problem", absent)]
        monkeypatch.setenv("TEST_KEY", "sk-wrong-0123456789")
        (_, refused) = levels(model="one", base_url=url)
        assert refused == ("problem", f"{url}: it refuses the key (401)")
        monkeypatch.setenv("TEST_KEY", KEY)
        is_set = ("ok", "TEST_KEY is set")
        assert levels(model="one", base_url=url) == [is_set, ("ok", f"{url} answers and has one")]
        unlisted = ("warning", f"{url} does not list two; it lists one")
        assert levels(model="two", base_url=url) == [is_set, unlisted]
    for status, body, level in (
        (404, "{}", "warning"),
        (500, "{}", "problem"),
        (200, "[", "problem"),
        (200, '{"data": 3}', "problem"),
    ):
        with _serving(status, body) as url:
            assert levels(model="one", base_url=url)[1][0] == level
    (_, down) = levels(model="one", base_url=url)  # Nobody serves there any more.
    assert down[0] == "problem" and "it cannot be asked" in down[1]


def test_versions_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "# a lock\nduckdb==0.0.1\n    # via us\nabsent-package==1\n"
        "of-another-system==1 ; sys_platform == 'x'\n"
        "numpy==1 ; python_full_version >= '3'\nnumpy==2 ; python_full_version >= '4'\n"
    )
    assert read_lock(lock) == {"duckdb": "0.0.1", "absent-package": "1", "numpy": "1"}
    (found,) = check_versions(read_lock(lock))
    assert (found.level, found.check) == ("warning", "versions")
    assert re.fullmatch(
        r"not as locked: duckdb \S+ instead of 0\.0\.1, numpy \S+ instead of 1", found.found
    )
    assert read_lock(tmp_path / "none") == {}


def test_room_is_of_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    assert check_room(tmp_path / "not" / "yet").check == "disk"


def test_prefect_that_is_set_and_silent_is_a_problem(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    code, told = _examine(make_recipe, tmp_path)
    assert code == 1
    assert told["prefect", "server"][0] == "problem"
    assert "no Prefect server answers at http://127.0.0.1:9/api" in told["prefect", "server"][1]


def test_people_read_signs_and_remedies(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(
        models={"student": {"model": "m", "base_url": "http://x", "api_key_env": "NO_SUCH_KEY_"}}
    )
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json(exclude_defaults=True))
    result = CliRunner().invoke(app, ["doctor", str(tmp_path / "recipe.json")])
    assert result.exit_code == 1
    assert "  PROBLEM student: the environment variable NO_SUCH_KEY_ is not set" in result.stdout
    assert "          export NO_SUCH_KEY_=… with the key of http://x" in result.stdout
    absent = CliRunner().invoke(app, ["doctor", str(tmp_path / "none.yaml")])
    assert absent.exit_code == 2


def test_a_key_in_a_secret_block_is_left_to_the_run() -> None:
    settings = ModelSettings(model="m", base_url="http://x/v1", api_key_block="openai")
    (found,) = check_role("student", settings)
    assert (found.level, found.found) == (
        "ok",
        "the key is in Prefect's Secret block openai; only a run can read it",
    )
