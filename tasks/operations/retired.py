"""Retired deployments: what an earlier `teachset serve` ran and this one does not declare.

    build/team-nightly  its schedule is off, the 3 runs it had due are gone; what ran stays

Nobody would run what their schedules ask for, and Prefect would show it as late for ever.
"""

from collections.abc import Collection, Iterator

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse

_PAGE = 100
_DUE = FlowRunFilter(
    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
)


def retire_deployments(declared: Collection[str]) -> list[str]:
    """Turn off the schedules of our deployments that are not declared; return which these were.

    They are named as in `build/nightly`. To be called where nobody else runs deployments of this
    server. Declared again, a deployment has the schedules of its file.
    """
    with get_client(sync_client=True) as client:
        return [
            name
            for deployment in list(_read_ours(client))
            if (name := f"{client.read_flow(deployment.flow_id).name}/{deployment.name}")
            not in declared
            and _turn_off(client, deployment)
        ]


def _read_ours(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    """Yield deployments of our flows that no worker runs: `teachset serve` made them."""
    offset = 0
    while page := client.read_deployments(limit=_PAGE, offset=offset):
        for deployment in page:
            if not deployment.work_pool_name and (deployment.entrypoint or "").startswith("flows."):
                yield deployment
        offset += len(page)


def _turn_off(client: SyncPrefectClient, deployment: DeploymentResponse) -> bool:
    """Turn off a deployment's schedules and take back what they made; say whether any was on."""
    active = [schedule for schedule in deployment.schedules if schedule.active]
    for schedule in active:
        client.update_deployment_schedule(deployment.id, schedule.id, active=False)
    only = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    while runs := client.read_flow_runs(flow_run_filter=_DUE, deployment_filter=only, limit=_PAGE):
        for run in runs:
            client.delete_flow_run(run.id)
    return bool(active)
