"""Events: what happened to a project, told to Prefect for automations to act on.

    teachset.gate.failed  teachset.recipe.quickstart  {"run_id": "0199c0de-…", "critical": 1, …}

A payload holds ids and counts, nothing that came out of a file or a model. Outside a flow run, and
where no server listens, nothing is told; that it cannot be told never stops a run.
"""

import logging
from typing import Literal

from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.runtime import deployment

from tasks.errors import GateFailed
from tasks.recipe import Recipe

Happening = Literal[
    "release.published", "release.tainted", "gate.failed", "budget.reached", "contamination.found"
]
_LOGGER = logging.getLogger(__name__)


def announce(recipe: Recipe, what: Happening, run_id: str, **details: int | str) -> None:
    """Emit `teachset.<what>` about a recipe, with the deployment whose run it happened in."""
    if FlowRunContext.get() is None:
        return
    try:
        # A subflow's run has no deployment of its own: without this nobody could pause it.
        deployed = deployment.id
        related = {
            "prefect.resource.id": f"prefect.deployment.{deployed}",
            "prefect.resource.role": "deployment",
        }
        emit_event(
            event=f"teachset.{what}",
            resource={
                "prefect.resource.id": f"teachset.recipe.{recipe.name}",
                "prefect.resource.name": recipe.name,
            },
            related=[related] if deployed else None,
            payload={"run_id": run_id, **details},
        )
    except Exception:
        _LOGGER.warning("the event teachset.%s could not be told", what, exc_info=True)


def announce_closed_gate(recipe: Recipe, run_id: str, suite: str, error: GateFailed) -> None:
    """Emit `teachset.gate.failed` with how much was judged and how many critical rules failed."""
    verdict = error.verdict or {"rules": (), "rows": 0}
    failed = [rule for rule in verdict["rules"] if not rule["passed"]]
    critical = sum(rule["severity"] == "critical" for rule in failed)
    announce(
        recipe,
        "gate.failed",
        run_id,
        suite=suite,
        rows=verdict["rows"],
        critical=critical,
        warnings=len(failed) - critical,
    )
