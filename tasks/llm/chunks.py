"""Chunks: a stage's calls as a few dozen task runs, two at a time, without a barrier between them.

run_ranges("student", 60_000, lambda asked: sample_chunk.submit(…, asked))
"""

from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture
from prefect.states import Cancelled
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.errors import RunInterrupted
from tasks.llm.pending import CALLS_PER_RANGE, Range, ranges
from tasks.llm.under_way import stop_calling
from tasks.progress import track
from tasks.recipe import Recipe, Role

Given = ParamSpec("Given")
Result = TypeVar("Result")
INTERRUPTED = "Interrupted"  # The name of the state, of the type Cancelled, in Prefect's UI.
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


def interruptible(work: Callable[Given, Result]) -> Callable[Given, Result]:
    """Let a task run that is told to stop end as cancelled: nothing of it has failed.

    Whoever asks for its result gets the RunInterrupted that it ended with.
    """

    @wraps(work)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return work(*args, **kwargs)
        except RunInterrupted as error:
            if TaskRunContext.get() is None:
                raise
            state: State[Result] = Cancelled(name=INTERRUPTED, message=str(error), data=error)
            return cast("Result", state)

    return run


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
