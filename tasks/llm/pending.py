"""Pending: what still has to be asked, found by looking at what is there.

A request is done if a response has its reuse key (one that ran into its token ceiling counts only
while the ceiling has not grown) or if it failed for good. Prompts are taken in ranges of their ids:
ids are hashes, so equal ranges hold equally many.

    ranges(4_000) → [Range("0000", "8000", "1 of 2"), Range("8000", "g", "2 of 2")]
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tasks.llm.failures import PERMANENT
from tasks.llm.request import Endpoint, Request, identify
from tasks.recipe import Role
from tasks.store import Store

_CALLS_PER_CHUNK = 2_000
_MOST_CHUNKS = 40  # Prefect and its UI slow down at thousands of task runs (docs/engine.md).


@dataclass(frozen=True, slots=True)
class Range:
    """Prompt ids from `low` to just below `high`, and the name a person knows the range by."""

    low: str
    high: str
    name: str = "all"


def ranges(calls: int) -> list[Range]:
    """Split all prompt ids into as many ranges as a number of calls deserves: 0 to 40."""
    return split_ids(min(_MOST_CHUNKS, -(-calls // _CALLS_PER_CHUNK)))


def split_ids(count: int) -> list[Range]:
    """Split all prompt ids into so many ranges of about equally many."""
    edges = [f"{65_536 * edge // count:04x}" for edge in range(count)] + ["g"]
    pairs = enumerate(itertools.pairwise(edges), 1)
    return [Range(low, high, f"{number} of {count}") for number, (low, high) in pairs]


def leave_out_known(
    store: Store,
    endpoint: Endpoint,
    role: Role,
    prompt_ids: Sequence[str],
    requests: Iterable[Request],
) -> Iterator[Request]:
    """Yield the requests on these prompts that have no outcome yet."""
    known = store.query(
        "known_requests",
        role=role,
        prompt_ids=list(prompt_ids),
        max_tokens=endpoint.settings.sampling.max_tokens,
        permanent=list(PERMANENT),
    )
    done = set(known["key"].to_list())
    for request in requests:
        keys = identify(endpoint, request)
        if keys.reuse_key not in done and keys.response_id not in done:
            yield request
