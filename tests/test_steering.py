"""Pause, resume and cancel as the buttons of Prefect's UI do it, in the middle of a long stage."""

import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.states import Cancelling, Paused, Running, Suspended

from tasks.errors import RunInterrupted
from tasks.llm import under_way
from tasks.llm.engine import complete
from tasks.llm.money import Purse
from tasks.llm.request import Endpoint, Request
from tasks.recipe import Budget, ModelSettings
from tasks.steering import Steering
from tasks.store import Store
from tests.served import (
    Served,
    count_responses,
    read_store,
    serving,
    wait_until,
    write_served_project,
)
from tests.simulated import simulating, stats

PORT = 25874
SEEDS, SAMPLES = 30, 8
DONE, INTERRUPTED = ("COMPLETED", "Completed"), ("CANCELLED", "Interrupted")
SLOT_S, SLOTS = 0.4, 4


def suspended() -> dict[str, Any]:
    """What the UI's Pause sets, with its five minutes."""
    until = datetime.now(UTC) + timedelta(seconds=300)
    details = {"pause_timeout": until.isoformat(), "pause_reschedule": True}
    return {"type": "PAUSED", "name": "Suspended", "state_details": details}


def held_slots(served: Served) -> float:
    limits = served.ask("/v2/concurrency_limits/filter", {})
    return float(sum(limit["active_slots"] for limit in limits))


def stages_and_chunks(served: Served, run: str) -> dict[str, list[tuple[str, str]]]:
    """Return type and name of the states of a run's subflows, their task runs in it and chunks."""
    order = {"sort": "EXPECTED_START_TIME_DESC", "limit": 200}
    children = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    subflows = served.ask("/flow_runs/filter", {**children, "sort": "EXPECTED_START_TIME_ASC"})
    found: dict[str, list[tuple[str, str]]] = {"stages": [], "tracking": [], "chunks": []}
    for kind, ids in (("tracking", [run]), ("chunks", [each["id"] for each in subflows])):
        of_runs = {"flow_runs": {"id": {"any_": ids}}}
        rows = served.ask("/task_runs/filter", {**of_runs, **order}) if ids else []
        found[kind] = [(each["state_type"], each["state_name"]) for each in reversed(rows)]
    found["stages"] = [(each["state_type"], each["state_name"]) for each in subflows]
    return found


def settles(served: Served, run: str, last: tuple[str, str]) -> None:
    """Fail unless the stage under way ends as `last`, and all else as done or interrupted."""

    def settled() -> bool:
        found = stages_and_chunks(served, run)
        assert found["stages"]
        ended = found["stages"][-1] == found["tracking"][-1] == last
        chunks = set(found["chunks"])
        earlier = {*found["stages"][:-1], *found["tracking"][:-1]}
        return ended and earlier | chunks <= {DONE, INTERRUPTED}

    try:
        wait_until(settled, 30, "the stages do not settle")
    except AssertionError as error:
        raise AssertionError(stages_and_chunks(served, run)) from error


def stays(recipe: Path, for_s: float) -> int:
    """Return how many responses there are, if none comes for a while."""
    before = count_responses(recipe)
    time.sleep(for_s)
    assert count_responses(recipe) == before
    return before


def steer(*, deployed: bool) -> Steering:
    return Steering(UUID(int=1), deployed=deployed)


def test_a_paused_run_begins_no_call_until_it_is_resumed(store: Store) -> None:
    settings = ModelSettings(model="sim-student", max_concurrency=4)
    messages = (("system", ""), ("user", "What is one half of one?"))
    requests = [Request("a", "student", "solve@1", messages, index) for index in range(40)]
    steering = steer(deployed=True)
    with simulating({"latency": {"kind": "fixed", "seconds": 0.1}}) as url:
        endpoint = Endpoint(settings, url, "simulator", "key", simulated=True)
        purse = Purse(Budget())
        drawing = threading.Thread(
            target=lambda: complete(store, endpoint, requests, run_id="r", purse=purse)
        )
        drawing.start()
        wait_until(lambda: stats(url)["completed"] > 4, 20, "no call was made")
        steering.heed(Paused())
        time.sleep(0.4)
        paused_at = stats(url)["completed"]
        assert paused_at < 40
        time.sleep(0.6)
        assert (stats(url)["completed"], purse.is_idle()) == (paused_at, True)
        assert drawing.is_alive()
        steering.heed(Running())
        drawing.join(20)
        assert stats(url)["completed"] == 40
    assert store.query("responses_count")["rows"][0] == 40


def test_a_suspended_run_of_a_deployment_ends_and_stays_suspended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(under_way, "_ENDING", threading.Event())
    steering = steer(deployed=True)
    steering.heed(Running())
    steering.check()
    stopped = RunInterrupted("stopped")
    steering.leave(stopped)
    steering.leave_stage(stopped)
    state: State = Suspended(timeout_seconds=300)
    steering.heed(state)
    with pytest.raises(RunInterrupted, match="paused in Prefect"):
        steering.check()
    with pytest.raises(Pause) as caught:
        steering.leave(stopped)
    assert caught.value.state is state
    with pytest.raises(Pause) as caught:
        steering.leave_stage(stopped)
    assert caught.value.state is not None and caught.value.state.is_cancelled()
    with pytest.raises(RunInterrupted), under_way.stoppable():  # Nor does a later stage begin.
        pass


@pytest.mark.parametrize("state", [Cancelling(), Suspended(timeout_seconds=300)])
def test_a_run_that_nobody_could_start_again_ends_as_with_ctrl_c(state: State) -> None:
    with pytest.raises(KeyboardInterrupt):
        steer(deployed=False).heed(state)
        time.sleep(5)


def test_a_cancelled_run_of_a_deployment_is_left_to_its_runner() -> None:
    steering, stopped = steer(deployed=True), RunInterrupted("stopped")
    signals: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: signals.append(number))
    try:
        steering.heed(Cancelling())
        time.sleep(0.1)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert signals == []
    steering.check()  # Nor is a call held back, or an error taken for a pause.
    with under_way.stoppable() as progress:
        assert progress.stop is None
    steering.leave_stage(stopped)
    steering.leave(stopped)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_long_stage_is_cancelled_paused_resumed_and_loses_nothing(tmp_path: Path) -> None:
    recipe = write_served_project(
        tmp_path / "project", seeds=SEEDS, samples=SAMPLES, concurrency=SLOTS, latency=SLOT_S
    )
    all_calls = SEEDS * SAMPLES
    with serving(tmp_path / "prefect", PORT) as served:
        run = served.start("build/on-demand", recipe)
        wait_until(lambda: count_responses(recipe) > 20, 180, "no call was made")
        served.set_state(run, {"type": "CANCELLING", "name": "Cancelling"})
        served.wait_for(run, "CANCELLED")
        cancelled_at = stays(recipe, 2)
        assert cancelled_at < all_calls
        wait_until(lambda: held_slots(served) == 0, 30, "a slot is held")
        settles(served, run, ("CANCELLED", "Cancelled"))
        assert read_store(recipe, "select state from runs")["state"].to_list() == ["interrupted"]

        run = served.start("build/on-demand", recipe)
        wait_until(lambda: count_responses(recipe) > cancelled_at + 20, 180, "it does not go on")
        served.set_state(run, suspended())
        wait_until(
            lambda: (
                read_store(recipe, "select state from runs")["state"].to_list()
                == ["interrupted"] * 2
            ),
            60,
            "the run does not stop",
        )
        paused_at = stays(recipe, 4)
        assert paused_at < all_calls
        assert served.state(run)["name"] == "Suspended"
        settles(served, run, INTERRUPTED)
        assert held_slots(served) == 0

        served.ask(f"/flow_runs/{run}/resume", {})
        served.wait_for(run, "COMPLETED", within_s=240)
        settles(served, run, DONE)
    counted = "select count(*), count(distinct response_id) from responses where role = 'student'"
    assert read_store(recipe, counted).row(0) == (all_calls, all_calls)
    assert read_store(recipe, "select state from runs order by started_at")["state"].to_list() == [
        "interrupted",
        "completed",
    ]
