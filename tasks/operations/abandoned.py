"""Abandoned runs: what was under way when the `teachset serve` before this one was killed.

    build served-nightly  Running → Crashed: its process ended with the `teachset serve` before

Prefect would show them as running for ever and keep their place in the deployment's limit for
minutes. What they did is in the store; the next run of the deployment goes on from there.
"""

from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed

_WHY = "its process ended with the `teachset serve` before this one; the next run goes on"
_UNDER_WAY = FlowRunFilterState(
    type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
)


def close_abandoned_runs(deployments: Sequence[str]) -> int:
    """End the runs of these deployments that are under way, and their subflows; return how many.

    They are named as in `build/nightly`. To be called where nobody else runs them, before anything
    of them is started.
    """
    with get_client(sync_client=True) as client:
        known = [found for name in deployments if (found := _find(client, name)) is not None]
        if not known:
            return 0
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=_UNDER_WAY),
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=known)),
        )
        for run in runs:
            _close(client, run)
        return len(runs)


def _find(client: SyncPrefectClient, name: str) -> UUID | None:
    try:
        return client.read_deployment_by_name(name).id
    except ObjectNotFound:
        return None


def _close(client: SyncPrefectClient, run: FlowRun) -> None:
    parents = FlowRunFilterParentFlowRunId(any_=[run.id])
    subflows = FlowRunFilter(state=_UNDER_WAY, parent_flow_run_id=parents)
    for subflow in client.read_flow_runs(flow_run_filter=subflows):
        _close(client, subflow)
    cancelling = run.state is not None and run.state.is_cancelling()
    ended: State = Cancelled(message=_WHY) if cancelling else Crashed(message=_WHY)
    client.set_flow_run_state(run.id, ended, force=True)
