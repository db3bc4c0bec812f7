"""A suite of a recipe's own: expectations of Great Expectations in a JSON file, over the pairs.

{"expectations": [{"type": "expect_column_values_to_be_in_set", "severity": "warning",
                   "kwargs": {"column": "domain", "value_set": ["math", "code"]}}]}
"""

import json
from pathlib import Path
from typing import Any

import great_expectations as gx

from expectations.rules import SEVERITIES
from tasks.errors import GateBroken, RecipeError


def read_own_suite(file: str) -> gx.ExpectationSuite:
    """Return the suite of a JSON file; each expectation's rule is named `own_<number>_<type>`.

    Raises RecipeError if there is no such file, GateBroken naming what is wrong in it.
    """
    path = Path(file)
    try:
        declared = json.loads(path.read_text(encoding="utf-8-sig"))
        listed = declared["expectations"]
        if not isinstance(listed, list):
            raise TypeError(f"`expectations` is {listed!r:.60}")
    except OSError as error:
        raise RecipeError(f"release.suite: {file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise GateBroken(
            f'{path.name}: expected {{"expectations": […]}} in JSON, found {error!r}'
        ) from error
    expectations = [
        _name(path, number, expectation) for number, expectation in enumerate(listed, start=1)
    ]
    try:
        suite = gx.ExpectationSuite(name="own", expectations=expectations)
    except Exception as error:  # Great Expectations raises many kinds for a wrong argument.
        reason = " ".join(str(error).split())[:300]
        raise GateBroken(f"{path.name}: Great Expectations refuses this suite: {reason}") from error

    known = {expectation.meta["rule"] for expectation in suite.expectations if expectation.meta}
    for expectation in expectations:  # What it does not know Great Expectations leaves out.
        if expectation["meta"]["rule"] not in known:
            raise GateBroken(
                f"{path.name}: Great Expectations refuses this suite: "
                f"it knows no {expectation['type']}"
            )
    return suite


def _name(path: Path, number: int, expectation: Any) -> dict[str, Any]:
    if not isinstance(expectation, dict) or not isinstance(expectation.get("type"), str):
        raise GateBroken(f"{path.name}: expectation {number} has no `type`")
    severity = expectation.get("severity", "critical")
    if severity not in SEVERITIES:
        raise GateBroken(
            f"{path.name}: expectation {number} is `{severity}`; it is critical or warning"
        )
    own = expectation.get("meta", {})
    if not isinstance(own, dict):
        raise GateBroken(
            f"{path.name}: expectation {number} has {own!r:.60} as `meta`; "
            "it is an object, or left out"
        )
    meta = {"rule": f"own_{number}_{expectation['type'].removeprefix('expect_')}"}
    return {**expectation, "severity": severity, "meta": {**own, **meta}}
