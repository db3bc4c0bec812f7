"""Steering: what somebody asks of a run in Prefect's UI while it works.

    Pause in the UI (a suspended run)  no new call; after those under way the process ends, and
                                       Resume starts the same run again, where the store is
    `pause_flow_run` (a paused run)    no new call until it is resumed; the process waits
    Cancel of a `teachset run`         as Ctrl-C; for a deployment's run its runner does that

The engine is asked between calls, a stage at its beginning: no slot is held meanwhile and nothing
that was paid for is thrown away. Outside a flow run nobody is listened to.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.states import Cancelled

from tasks.errors import RunInterrupted
from tasks.llm.chunks import INTERRUPTED
from tasks.llm.under_way import hold_calling, stop_calling

LOOKS_EVERY_S = 3.0
_PAUSED = "paused in Prefect; resume it there, or run again, to continue"
_LOGGER = logging.getLogger(__name__)


class Steering:
    """What has been asked of one flow run so far; `deployed` says that a runner looks after it."""

    def __init__(self, flow_run_id: UUID, *, deployed: bool) -> None:
        self._flow_run_id, self._deployed = flow_run_id, deployed
        self._over = threading.Event()
        self._suspended: State | None = None

    def heed(self, state: State | None) -> None:
        """Act on the state that Prefect gives the run."""
        suspended = state is not None and state.is_paused() and state.state_details.pause_reschedule
        hold_calling(state is not None and state.is_paused() and not suspended)
        cancelled = state is not None and (state.is_cancelling() or state.is_cancelled())
        if suspended and self._deployed:
            self._suspended = state
            stop_calling(for_good=True, why=_PAUSED)
            self._over.set()
        elif (suspended or cancelled) and not self._deployed:  # Nobody else would end it.
            os.kill(os.getpid(), signal.SIGINT)
            self._over.set()

    def check(self) -> None:
        """Raise RunInterrupted if nothing new is to be begun."""
        if self._suspended is not None:
            raise RunInterrupted(_PAUSED)

    def leave_stage(self, error: BaseException) -> None:
        """End the flow run of the stage under way as cancelled, if the whole run is suspended.

        Prefect's server lets no subflow be suspended, and nothing of this one has failed.
        """
        if self._suspension(error) is None:
            return
        state: State = Cancelled(name=INTERRUPTED, message=_PAUSED)
        context = FlowRunContext.get()
        if context is not None and context.flow_run is not None:
            try:
                with get_client(sync_client=True) as client:
                    client.set_flow_run_state(context.flow_run.id, state, force=True)
            except Exception:  # The run stays suspended, whatever its stage is shown as.
                _LOGGER.debug("the stage's state cannot be set", exc_info=True)
        raise Pause(_PAUSED, state=state) from error

    def leave(self, error: BaseException) -> None:
        """Raise what Prefect knows a suspended run by, so that the run stays suspended."""
        if (state := self._suspension(error)) is not None:
            raise Pause(_PAUSED, state=state) from error

    def _suspension(self, error: BaseException) -> State | None:
        """Return the state that suspends the run; Prefect's own observer may have seen it first."""
        seen = getattr(error, "state", None) if isinstance(error, Pause) else None
        if self._suspended is None and seen is not None and seen.is_paused():
            self._suspended = seen
        return self._suspended

    def watch(self) -> None:
        """Look at the run's state until it is over; that nobody can be asked stops nothing."""
        while not self._over.wait(LOOKS_EVERY_S):
            try:
                with get_client(sync_client=True) as client:
                    self._watch(client)
            except Exception:
                _LOGGER.debug("the run's state cannot be read", exc_info=True)

    def _watch(self, client: SyncPrefectClient) -> None:
        while not self._over.is_set():
            self.heed(client.read_flow_run(self._flow_run_id).state)
            self._over.wait(LOOKS_EVERY_S)

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        hold_calling(False)


@contextmanager
def steered() -> Iterator[Steering | None]:
    """Listen to what is asked of the current flow run for as long as the block runs."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield None
        return
    steering = Steering(context.flow_run.id, deployed=context.flow_run.deployment_id is not None)
    threading.Thread(target=steering.watch, name="steering", daemon=True).start()
    try:
        yield steering
    finally:
        steering.end()
