"""Retention: what Prefect's database of a server that stays up lets go of, and what it keeps."""

import sqlite3
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.served import Served, serving, wait_until, write_served_project

PORT = 25880


def _has(served: Served, run: str) -> bool:
    try:
        served.ask(f"/flow_runs/{run}")
    except HTTPError as error:
        assert error.code == 404
        return False
    return True


def _count_of(served: Served, what: str, run: str) -> int:
    """Count the logs or the artifacts of a flow run."""
    return len(served.ask(f"/{what}/filter", {what: {"flow_run_id": {"any_": [run]}}}))


def _has_logs(served: Served, run: str) -> bool:
    return _count_of(served, "logs", run) > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_runs_that_ended_90_days_ago_go_with_their_logs_and_artifacts(tmp_path: Path) -> None:
    recipe = write_served_project(tmp_path / "project", seeds=3, latency=0)
    home = tmp_path / "prefect"
    with serving(home, PORT) as served:
        runs = [served.start("ingest/on-demand", recipe) for _ in range(2)]
        for run in runs:
            served.wait_for(run, "COMPLETED", within_s=240)
        old, recent = runs
        for run in runs:  # They are handed in as the run's process ends, after its state.
            wait_until(partial(_has_logs, served, run), 60, "a run has left no logs")
    with sqlite3.connect(home / "prefect.db") as database:
        long_ago = (datetime.now(UTC) - timedelta(days=91)).strftime("%Y-%m-%d %H:%M:%S.%f")
        aged = "update flow_run set end_time = ? where replace(id, '-', '') = ?"
        assert database.execute(aged, (long_ago, old.replace("-", ""))).rowcount == 1
    with serving(home, PORT, PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS="1") as served:
        wait_until(lambda: not _has(served, old), 90, "the old run is still there")
        wait_until(lambda: not _count_of(served, "logs", old), 60, "its logs are still there")
        assert _count_of(served, "artifacts", old) == 0
        assert _has(served, recent)
        assert _count_of(served, "logs", recent) > 0
