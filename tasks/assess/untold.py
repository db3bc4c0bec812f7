"""Untold: functions that the tests of a code prompt call and that its text never names.

    mbpp.jsonl: the tests call `min_cost`, which the prompt never names: 974 of 974 prompts …

Whoever is asked has to guess the name and fails, so that all such prompts are too hard. It is told
from the tests alone, by their syntax; nothing is run.
"""

import ast
import logging
import re
from collections.abc import Sequence

from tasks.assess.code_blocks import names_used
from tasks.assess.code_tests import split_tests
from tasks.progress import track
from tasks.python_source import UNREADABLE, parse_module
from tasks.store import Store

MOST_OF_A_FILE = 1_000  # What is wrong with a file is wrong with many of its rows.
_LOGGER = logging.getLogger(__name__)


def find_untold(text: str, tests: Sequence[str]) -> str | None:
    """Return a function that tests call and do not define, and the text does not name, if any."""
    return min((name for name in names_called(tests) if not _names(text, name)), default=None)


def names_called(tests: Sequence[str]) -> frozenset[str]:
    """Return the functions that tests call without defining them; none of what cannot be read."""
    try:
        asserts, cases = split_tests(tests)
        whole = "\n".join(asserts)  # One may define what another calls.
        nodes = ast.walk(parse_module(whole))
    except UNREADABLE:
        return frozenset()
    called = {
        node.func.id
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return (names_used([whole]) & called) | {case.call for case in cases if case.call}


def read_untold(store: Store, run_id: str | None = None) -> list[str]:
    """Return a line a seed file with such prompts, of the first that it has; of a run's new ones
    if a run is named."""
    return [_say(uri, found) for uri, found in _look(store, run_id).items() if any(found)]


def announce_untold(store: Store, run_id: str) -> None:
    """Log and show the files with such prompts among those that a run brought in."""
    for uri, found in _look(store, run_id).items():
        if any(found):
            _LOGGER.warning("%s", _say(uri, found))
            with track("names in tests") as tracker:  # A terminal shows stages and no log.
                tracker.advance(len(found), note=_say(uri, found))


def _look(store: Store, run_id: str | None) -> dict[str, list[str | None]]:
    """Return what is untold of each prompt, by file."""
    found: dict[str, list[str | None]] = {}
    rows = store.query("untold_tests", run_id=run_id, most=MOST_OF_A_FILE)
    for uri, text, tests in rows.iter_rows():
        found.setdefault(uri, []).append(find_untold(text, tests))
    return found


def _say(uri: str, found: Sequence[str | None]) -> str:
    names = [name for name in found if name is not None]
    return (
        f"{uri}: the tests call `{names[0]}`, which the prompt never names: {len(names):,} of "
        f"{len(found):,} prompts are so, and whoever is asked has to guess; put the name, or a "
        "test, into the prompt"
    )


def _names(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text) is not None
