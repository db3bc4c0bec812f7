"""Runs: one at a time on a store, each recorded with how it ended."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import get_current_settings

from tasks.errors import BudgetReached, RunInterrupted, StoreError, TeachsetError
from tasks.recipe import Recipe
from tasks.run import code_version, recorded_run
from tasks.store import Store, close_stores, open_store
from tests.conftest import MakeRecipe

# A run that says that it has begun and then waits.
HOLDER = """
import sys
from tasks.recipe import Recipe
from tasks.run import recorded_run
with recorded_run(Recipe.model_validate_json(sys.argv[1]), "build"):
    print("running", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def _other_run(recipe: Recipe) -> Iterator["subprocess.Popen[str]"]:
    """Hold a run open in another process."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, recipe.model_dump_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            yield process
        finally:
            process.kill()


def _runs(store: Store) -> list[dict[str, Any]]:
    return store.sql("select * from runs order by started_at").to_dicts()


def test_a_run_is_recorded_from_start_to_end(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe()
    with recorded_run(recipe, "build") as run_id:
        (during,) = _runs(store)
    (after,) = _runs(store)
    assert during["run_id"] == run_id
    assert (during["state"], during["finished_at"]) == ("running", None)
    assert after["state"] == "completed"
    assert after["message"] is None
    assert after["started_at"] <= after["finished_at"]
    assert (after["recipe"], after["flow"]) == ("test", "build")
    assert (after["recipe_digest"], after["code_version"]) == (recipe.digest(), code_version())
    assert after["process_id"] == os.getpid()


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (ValueError("no"), "failed", "ValueError: no"),
        (BudgetReached("25 of 25"), "budget_reached", "BudgetReached: 25 of 25"),
        (RunInterrupted("stopped"), "interrupted", "RunInterrupted: stopped"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt: "),
        (ValueError("x" * 9_000), "failed", "ValueError: " + "x" * 1_988),
    ],
)
def test_a_run_that_ends_badly_says_how(
    store: Store, make_recipe: MakeRecipe, error: BaseException, state: str, message: str
) -> None:
    with pytest.raises(type(error)), recorded_run(make_recipe(), "build"):
        raise error
    (run,) = _runs(store)
    assert (run["state"], run["message"]) == (state, message)
    assert run["finished_at"] is not None


@pytest.mark.parametrize("is_alive_at_its_end", [True, False])
def test_a_run_ends_after_it_began_though_the_clock_was_set_back(
    store: Store, make_recipe: MakeRecipe, is_alive_at_its_end: bool
) -> None:
    store.begin_after(datetime.now(UTC) + timedelta(hours=1))  # As of a clock an hour ahead.
    with recorded_run(make_recipe(), "build"):
        pass
    if not is_alive_at_its_end:  # The next run closes it.
        store.execute("update runs set state = 'running', finished_at = null")
        with recorded_run(make_recipe(), "build"):
            pass
    run = _runs(store)[0]
    assert run["state"] == ("completed" if is_alive_at_its_end else "interrupted")
    assert run["started_at"] < run["finished_at"]


def test_a_flow_inside_a_run_belongs_to_that_run(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe()
    inner: list[str] = []

    def run_inside() -> None:
        with recorded_run(recipe, "ingest") as run_id:
            inner.append(run_id)

    with recorded_run(recipe, "build") as outer:
        run_inside()
        thread = threading.Thread(target=run_inside)
        thread.start()
        thread.join()
    assert inner == [outer, outer]
    assert [run["flow"] for run in _runs(store)] == ["build"]
    with recorded_run(recipe, "build") as next_run:
        assert next_run != outer
    assert [run["state"] for run in _runs(store)] == ["completed", "completed"]


def test_a_run_sends_its_own_heartbeats_and_its_stages_none(
    store: Store, make_recipe: MakeRecipe
) -> None:
    def every_s() -> int | None:
        return get_current_settings().flows.heartbeat_frequency

    own = every_s()
    assert own is not None
    with recorded_run(make_recipe(), "build"):
        assert every_s() is None
    assert every_s() == own


def test_an_error_is_not_hidden_by_a_store_that_cannot_record_it(
    store: Store, make_recipe: MakeRecipe
) -> None:
    with pytest.raises(TeachsetError, match="the cause"), recorded_run(make_recipe(), "build"):
        store.execute("drop table runs")
        raise TeachsetError("the cause")


def test_a_second_run_is_refused_and_a_dead_one_is_closed(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe()
    with _other_run(recipe) as other:
        with (
            pytest.raises(StoreError, match=rf"another run .* \(process {other.pid} on "),
            recorded_run(recipe, "build"),
        ):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait(timeout=10)
        with recorded_run(recipe, "build") as run_id:
            dead, living = _runs(open_store(recipe.store))
    close_stores()
    assert (dead["process_id"], dead["state"]) == (other.pid, "interrupted")
    assert dead["message"] == "its process ended"
    assert dead["finished_at"] is not None
    assert (living["run_id"], living["state"]) == (run_id, "running")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    (tmp_path / "store").write_text("a file", encoding="utf-8")
    with pytest.raises(StoreError, match="store: this folder cannot be made"):
        recorded_run(make_recipe(), "build").__enter__()
