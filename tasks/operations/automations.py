"""Automations: what Prefect does by itself on our events, registered from automations.yaml.

teachset pauses the schedule behind a closed gate   made
teachset tells of a release                         left out
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound

from tasks.errors import TeachsetError

AUTOMATIONS_FILE = Path(__file__).resolve().parents[2] / "automations.yaml"
Outcome = Literal["made", "replaced", "is there already", "left out"]
_NOTIFIER = "notifier"


def register_automations(
    notify: str | None = None, *, replace: bool = False, file: Path = AUTOMATIONS_FILE
) -> list[tuple[str, Outcome]]:
    """Make the automations that the server lacks; return each one's name and what became of it.

    `notify` names the block that notifications go through, as `slack-webhook/alerts`; without it
    they are left out. What is there already stays as it is unless it is to be replaced. Raises
    TeachsetError if there is no such block.
    """
    with get_client(sync_client=True) as client:
        notifier = None if notify is None else find_notifier(client, notify)
        return [
            (name, "left out" if automation is None else _register(client, automation, replace))
            for name, automation in read_automations(file, notifier)
        ]


def read_automations(
    file: Path, notifier: UUID | None
) -> Iterator[tuple[str, AutomationCore | None]]:
    """Yield what the file declares by name; None for what needs a notifier where there is none."""
    for declared in yaml.safe_load(file.read_text(encoding="utf-8"))["automations"]:
        actions = [_name_block(action, notifier) for action in declared["actions"]]
        usable = None not in actions
        complete = declared | {"actions": actions}
        yield declared["name"], AutomationCore.model_validate(complete) if usable else None


def find_notifier(client: SyncPrefectClient, named: str) -> UUID:
    """Return the id of a notification block. Raises TeachsetError if it is not on the server."""
    slug, _, name = named.partition("/")
    try:
        return client.read_block_document_by_name(name, slug, include_secrets=False).id
    except ObjectNotFound:
        raise TeachsetError(
            f"{named}: there is no such block on the Prefect server; expected TYPE/NAME, e.g. "
            "slack-webhook/alerts. Make it in the UI under Blocks."
        ) from None


def _name_block(action: dict[str, Any], notifier: UUID | None) -> dict[str, Any] | None:
    """Put the notifier's id where the file says `notifier`; None if there is none to put."""
    if action.get("block_document_id") != _NOTIFIER:
        return action
    return None if notifier is None else action | {"block_document_id": notifier}


def _register(client: SyncPrefectClient, automation: AutomationCore, replace: bool) -> Outcome:
    known = client.read_automations_by_name(automation.name)
    if known and not replace:
        return "is there already"
    client.create_automation(automation)  # First: of two one is too many, without one none acts.
    for old in known:
        client.delete_automation(old.id)
    return "replaced" if known else "made"
