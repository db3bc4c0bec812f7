"""`teachset automations`: what Prefect is to do by itself when a gate closes or a release is out.

teachset pauses the schedule behind a closed gate: made
"""

from cli.prefect_server import prefect_server


def register(notify: str | None, *, replace: bool) -> None:
    """Register the automations on the Prefect server and say what became of each."""
    with prefect_server():
        from tasks.operations.automations import register_automations

        outcomes = register_automations(notify, replace=replace)
    for name, outcome in outcomes:
        print(f"{name}: {outcome}")
    if any(outcome == "left out" for _, outcome in outcomes):
        print("To be told of them, name a notification block: --notify slack-webhook/alerts")
