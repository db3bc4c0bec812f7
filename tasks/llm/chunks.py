"""Chunks: a stage's calls as a few dozen task runs, two at a time, without a barrier between them.

run_ranges("student", 60_000, lambda asked: sample_chunk.submit(…, asked))
"""

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.llm.engine import stop_calling
from tasks.llm.pending import CALLS_PER_RANGE, Range, ranges
from tasks.progress import track
from tasks.recipe import Recipe, Role

Result = TypeVar("Result")
RANGES_AT_A_TIME = 2
_CALLS_PER_BATCHED_RANGE = 500_000  # Ten full files: a range takes as long as its slowest batch.


def two_at_a_time() -> TaskRunner[PrefectFuture[Any]]:
    """Return the task runner of a flow that calls `run_ranges`."""
    runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=RANGES_AT_A_TIME)
    return cast("TaskRunner[PrefectFuture[Any]]", runner)


def calls_per_range(recipe: Recipe, *roles: Role) -> int:
    """Return how many calls make a task run: far more where a role is asked in batches."""
    modes = [settings.mode for role in roles if (settings := getattr(recipe.models, role))]
    return _CALLS_PER_BATCHED_RANGE if "batch" in modes else CALLS_PER_RANGE


def run_ranges(
    stage: str,
    calls: int,
    submit: Callable[[Range], PrefectFuture[Result]],
    size: int = CALLS_PER_RANGE,
) -> list[Result]:
    """Run a stage's calls range by range and return the results, in the order of the ranges.

    Two ranges are under way at a time: while the slowest calls of one are waited for, the next
    keeps the slots full. The first failure ends it; the range beside it stops asking.
    """
    results: list[Result] = []
    running: deque[PrefectFuture[Result]] = deque()
    with track(stage, calls):
        try:
            for asked in ranges(calls, size):
                running.append(submit(asked))
                if len(running) == RANGES_AT_A_TIME:
                    results.append(running.popleft().result())
            results.extend(future.result() for future in running)
        except BaseException:
            stop_calling()
            raise
    return results
