"""Gates on the way: what came in, and what models answered, judged before the next money is spent.

suite      passed  rows   rules
ingest     true    433    [{"rule": "unsourced_seed", "passed": true, "found": 0, …}, …]
responses  true    5,794  [{"rule": "ungraded", "passed": true, "found": 0, …}, …]
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from expectations.measuring import read_rule_text
from expectations.rules import RULES
from tasks.errors import GateFailed
from tasks.events import announce_closed_gate
from tasks.identity import content_id
from tasks.operations.artifacts import show_verdict
from tasks.recipe import Recipe
from tasks.release.gate import describe_failures, record_gate
from tasks.scope import scope_of
from tasks.store import Store, open_store

Suite = Literal["ingest", "responses"]
_JUDGED = {"ingest": "prompts", "responses": "responses"}


def judge_store(store: Store, recipe: Recipe, run_id: str, suite: Suite) -> dict[str, Any]:
    """Judge what is in the store, keep the verdict in `gates` and return it.

    A store that passed and has not grown since is not judged again. The verdict stands whether it
    is good or bad; GateBroken is raised where there is none.
    """
    parameters = {
        "student": recipe.models.student.model,
        "samples": recipe.sample.every_prompt_gets,
        **scope_of(store, recipe).parameters,
    }
    digest = _digest(store, suite, parameters)
    known = store.query("gate_known", suite=suite, digest=digest)
    if not known.is_empty():
        verdict: dict[str, Any] = json.loads(known["verdict"][0])
        return verdict
    from expectations.store_gate import run_store_gate  # Seconds to import.

    def read(statement: str) -> pa.Table:
        named = {name: value for name, value in parameters.items() if f"${name}" in statement}
        return store.sql(statement, named).to_arrow()

    rows = int(store.query(f"{_JUDGED[suite]}_count")["rows"][0])
    result = run_store_gate(suite, read, rows, digest)
    record_gate(store, recipe, run_id, result)
    verdict = result.as_json()
    if not result.passed:
        raise GateFailed(
            f"the run stops after {suite}: {len(result.failed_critical)} critical rule(s) failed "
            f"over {rows:,} {_JUDGED[suite]}\n  {describe_failures(result)}",
            verdict,
        )
    return verdict


def _digest(store: Store, suite: Suite, parameters: Mapping[str, Any]) -> str:
    """Return a digest of what a verdict depends on: the rules, their parameters and the rows."""
    rules = {file.name: read_rule_text(file.stem) for file in RULES.glob(f"{suite}_*.sql")}
    state = store.query(f"gate_state_{suite}").row(0)
    return content_id("gate", suite, dict(sorted(rules.items())), dict(parameters), list(state))


@task(task_run_name="gate-{suite}", cache_policy=NO_CACHE)
def check_store(recipe: Recipe, run_id: str, suite: Suite) -> None:
    """Judge the store by a suite, show the verdict, and stop the run if it is critical."""
    try:
        verdict = judge_store(open_store(recipe.store), recipe, run_id, suite)
    except GateFailed as error:
        announce_closed_gate(recipe, run_id, suite, error)
        if error.verdict is not None:
            show_verdict(recipe, suite, error.verdict)
        raise
    show_verdict(recipe, suite, verdict)
