"""Drawing: a stage's requests on some prompts, made, recorded and shown while they run.

draw(store, recipe, "student", prompt_ids, make_requests, run_id=…, tracker=…)
→ Completion(completed=7_990, failed=10, cost_usd=1.84)   # what was there is left out
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from tasks.llm.batch_folding import BatchJob
from tasks.llm.batch_records import load_reserved
from tasks.llm.batches import at_batch_prices, complete_in_batches, count_wanted, has_unfinished
from tasks.llm.engine import Completion, complete
from tasks.llm.money import Amount, Purse, check_budget
from tasks.llm.pending import leave_out_known
from tasks.llm.request import Endpoint, Request
from tasks.llm.servers import endpoint_of
from tasks.progress import Tracker
from tasks.recipe import Recipe, Role
from tasks.store import Store


def draw(
    store: Store,
    recipe: Recipe,
    role: Role,
    prompt_ids: Sequence[str],
    make_requests: Callable[[Endpoint], Iterable[Request]],
    *,
    run_id: str,
    tracker: Tracker,
) -> Completion:
    """Make the requests that have no outcome yet. Raises what `engine.complete` raises."""
    if not prompt_ids:
        return Completion()
    endpoint = at_batch_prices(endpoint_of(store, recipe, role))
    check_budget(recipe.budget, endpoint.settings)
    purse = purse_of(store, recipe, run_id)
    job = BatchJob(store, endpoint, role, prompt_ids, run_id, purse, tracker)

    def plan() -> Iterator[Request]:
        return leave_out_known(store, endpoint, role, prompt_ids, make_requests(endpoint))

    if endpoint.settings.mode == "batch":
        return complete_in_batches(job, plan, _ProgressArtifact(role, count_wanted(job, plan)).show)
    before = complete_in_batches(job, tuple) if has_unfinished(job) else Completion()
    pending = list(plan())
    if not pending:
        return before
    shown = _ProgressArtifact(role, len(pending))
    after = complete(
        store,
        endpoint,
        pending,
        run_id=run_id,
        purse=purse,
        advance=lambda done, failed, cost: tracker.advance(
            done=done + failed, failed=failed, cost_usd=cost
        ),
        tick=shown.show,
    )
    return before.plus(after)


def purse_of(store: Store, recipe: Recipe, run_id: str) -> Purse:
    """Return the purse that the whole run shares, opened with what the store has recorded."""
    with _LOCK:
        purse = _PURSES.get(run_id)
        if purse is None:
            spent = store.query("spent").row(0, named=True)
            purse = _PURSES[run_id] = Purse(
                recipe.budget,
                spent=Amount(usd=spent["usd"], tokens=spent["tokens"], calls=spent["calls"]),
                submitted=load_reserved(store),
            )
        return purse


class _ProgressArtifact:
    """The progress of one task run in the Prefect UI; silent outside a task run."""

    def __init__(self, role: str, total: int) -> None:
        self._total = total
        self._role = role
        self._artifact: UUID | None = None

    def show(self, so_far: Completion) -> None:
        """Tell the UI how far the calls are."""
        if TaskRunContext.get() is None:
            return
        over = so_far.completed + so_far.failed
        percent = round(100.0 * over / self._total, 1)
        spend = "unknown" if so_far.cost_usd is None else f"${so_far.cost_usd:.4f}"
        description = (
            f"{self._role}: {over:,} of {self._total:,} calls, "
            f"{so_far.failed:,} failed, spend {spend}"
        )
        if self._artifact is None:
            created = create_progress_artifact(progress=percent, description=description)
            assert isinstance(created, UUID)
            self._artifact = created
        else:
            update_progress_artifact(self._artifact, progress=percent, description=description)


_PURSES: dict[str, Purse] = {}
_LOCK = threading.Lock()
