"""The progress of a task run in Prefect: how far its calls are; a picture that never stops them."""

import json
import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import polars as pl
import pytest
from prefect import task
from prefect.client.schemas.objects import TaskRun
from prefect.context import TaskRunContext
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.llm.drawing import draw
from tasks.llm.request import Request
from tasks.llm.under_way import Completion
from tasks.progress import track
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.loopback import QuietHandler, serve
from tests.served import serving, write_served_project
from tests.simulated import BAKER, simulating

PORT = 25877
SEEDS, SAMPLES, SLOTS, SLOT_S = 12, 8, 4, 0.5
CALLS = SEEDS * SAMPLES
PAGE = pl.DataFrame({"prompt_id": ["p"]})
REQUESTS = [
    Request("p", "student", "solve@1", (("user", BAKER["prompt"]),), index) for index in range(12)
]


class _Prefect(QuietHandler):
    """A Prefect server that takes no artifact, or takes one and does not know it any more."""

    takes: ClassVar[bool]
    asked: ClassVar[list[str]]

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append(f"{self.command} {self.path.split('/')[2]}")
        headers = {"content-type": "application/json"}
        if self.command == "POST" and self.takes:
            moment = datetime.now(UTC).isoformat()
            made = {"id": str(uuid4()), "created": moment, "updated": moment}
            self.send(201, json.dumps(json.loads(content) | made).encode(), headers)
        else:
            self.send(404, b'{"detail": "Not found"}', headers)

    def do_PATCH(self) -> None:
        self.answer()


def _draw(store: Store, make_recipe: MakeRecipe, base_url: str, mode: str) -> Completion:
    """Draw for about two seconds in what Prefect takes for a task run."""
    student: dict[str, Any] = {
        "model": "sim-student",
        "base_url": base_url,
        "mode": mode,
        "batch": {"poll_interval_s": 1.5},
        "max_concurrency": 6,
    }
    recipe = make_recipe(models={"student": student})
    task_run = TaskRun(task_key="sample-chunk", dynamic_key="0", flow_run_id=uuid4())
    with (
        track("student", 12) as tracker,
        TaskRunContext.model_construct(task=task(draw), task_run=task_run),
    ):
        return draw(
            store,
            recipe,
            "sample",
            "student",
            [PAGE],
            lambda endpoint, page: REQUESTS,
            run_id=f"progress {uuid4()}",
            tracker=tracker,
            calls=12,
        )


@pytest.mark.everyday(2)
@pytest.mark.parametrize(
    ("mode", "takes", "asked"),
    [
        ("live", True, ["POST artifacts", "PATCH artifacts"]),
        ("batch", True, ["POST artifacts", "PATCH artifacts"]),
        ("live", False, ["POST artifacts"]),
        pytest.param("batch", False, ["POST artifacts"], marks=pytest.mark.slow),
    ],
)
def test_a_server_that_does_not_take_the_progress_stops_no_call(
    store: Store,
    make_recipe: MakeRecipe,
    caplog: pytest.LogCaptureFixture,
    mode: str,
    takes: bool,
    asked: list[str],
) -> None:
    handler: type[_Prefect] = type("Handler", (_Prefect,), {"takes": takes, "asked": []})
    slow = {"latency": {"kind": "fixed", "seconds": 1.2}, "batches": {"in_progress_s": 1.0}}
    with (
        serve(handler) as address,
        simulating(slow) as base_url,
        temporary_settings({PREFECT_API_URL: f"http://{address}/api"}),
        caplog.at_level(logging.WARNING, "tasks.llm.drawing"),
    ):
        done = _draw(store, make_recipe, base_url, mode)
    assert (done.completed, done.failed) == (12, 0)
    assert store.sql("select count(*) as n from responses")["n"][0] == 12
    # It is said once, and a server that has just failed is not asked again at once.
    said = [record.getMessage() for record in caplog.records if "progress" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith("student: Prefect does not take the progress: ")
    assert [each for each in handler.asked if "artifacts" in each] == asked


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_progress_of_a_stage_is_an_artifact_that_is_updated_while_it_runs(
    tmp_path: Path,
) -> None:
    recipe = write_served_project(
        tmp_path / "project", seeds=SEEDS, samples=SAMPLES, concurrency=SLOTS, latency=SLOT_S
    )
    text = recipe.read_text(encoding="utf-8")
    priced = text.replace("sim-student,", "sim-student, prices: {input: 1.0, output: 2.0},")
    recipe.write_text(priced, encoding="utf-8")
    seen: list[tuple[float, str]] = []
    with serving(tmp_path / "prefect", PORT) as served:
        run = served.start("build/on-demand", recipe)
        until = time.monotonic() + 500
        while served.state(run)["type"] != "COMPLETED":
            assert time.monotonic() < until
            seen += _shown(served.ask("/artifacts/filter", _OF_PROGRESS), "student")
            time.sleep(1)
        (last,) = _shown(served.ask("/artifacts/filter", _OF_PROGRESS), "student")
        task_runs = served.ask("/task_runs/filter", {"limit": 200})
        made = [
            each
            for each in served.ask("/artifacts/filter", _OF_PROGRESS)
            if each["description"].startswith("student: ")
        ]
    # One, of the task run that made the calls.
    (name,) = [each["name"] for each in task_runs if each["id"] == made[0]["task_run_id"]]
    assert name == "student 1 of 1"
    # 12 seeds × 8 samples at 4 at a time and 0.5 s each: 12 s, in which it is updated each second.
    percents = [percent for percent, _ in seen]
    assert percents == sorted(percents)
    assert len(set(percents)) > 5
    on_the_way = [text for percent, text in seen if 20 < percent < 90]
    assert any(f" of about {CALLS} calls, 0 failed, spend $0." in text for text in on_the_way)
    assert any("/s in all" in text for text in on_the_way)
    assert any(" s left" in text for text in on_the_way)
    assert last[0] == 100.0
    assert last[1].startswith(f"student: {CALLS} calls, 0 failed, spend $0.")


_OF_PROGRESS = {"artifacts": {"type": {"any_": ["progress"]}}, "sort": "CREATED_DESC"}


def _shown(artifacts: list[dict[str, Any]], role: str) -> list[tuple[float, str]]:
    """Return percent and description of the progress of a role, if there is one yet."""
    return [
        (float(each["data"]), each["description"])
        for each in artifacts
        if each["description"].startswith(f"{role}: ")
    ]
