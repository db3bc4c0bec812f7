"""Code: the response's program must pass the prompt's asserts, in a sandbox or not at all."""

import logging
from collections.abc import Sequence
from functools import cache

from tasks.assess.sandbox import run_tests, sandbox_works
from tasks.assess.verifiers import Outcome

NAME = "code"
VERSION = 1
LONGEST = 100_000
_LOGGER = logging.getLogger(__name__)


def check(tests: Sequence[str], answer: str) -> Outcome:
    """Run the answer against the tests; `no_sandbox` where there is nothing safe to run it in."""
    if not tests:
        return Outcome("unverifiable", "no_tests")
    if len(answer) > LONGEST:
        return Outcome("unverifiable", "too_long")
    if not sandbox_works():
        _warn_once()
        return Outcome("unverifiable", "no_sandbox")
    run = run_tests(answer, list(tests))
    return Outcome("correct" if run.passed else "wrong", run.reason)


@cache
def _warn_once() -> None:
    _LOGGER.warning(
        "code answers are left unverifiable: bubblewrap (`bwrap`) is missing or not allowed "
        "here. Install it (`apt install bubblewrap`) and run again; no model is called for it."
    )
