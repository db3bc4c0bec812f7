"""Pending: what still has to be asked, found by looking at what is there.

A request is done if a response has its reuse key or if it failed for good; a response that ran into
its token ceiling is asked again, once under each higher one that the recipe allows. Prompts are
taken in ranges of their ids: ids are hashes, so equal ranges hold equally many.

    ranges(4_000) → [Range("0000", "8000", "1 of 2"), Range("8000", "g", "2 of 2")]
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from tasks.llm.failures import PERMANENT
from tasks.llm.request import Endpoint, Request, ask_above, identify
from tasks.recipe import Role
from tasks.store import Store

CALLS_PER_RANGE = 2_000
_CALLS_PER_PART = 8_000
_PLACES = 65_536
_MOST_CHUNKS = 40  # Prefect and its UI slow down at thousands of task runs (docs/engine.md).


@dataclass(frozen=True, slots=True)
class Range:
    """Prompt ids from `low` to just below `high`, and the name a person knows the range by."""

    low: str
    high: str
    name: str = "all"
    calls: int = 0  # About how many are in it; 0 where nobody has counted.

    def parts(self) -> list["Range"]:
        """Cut the range so that a part's prompts and requests take little memory."""
        count = max(1, -(-self.calls // _CALLS_PER_PART))
        low, high = (_place(edge) for edge in (self.low, self.high))
        inner = [_edge(low + (high - low) * number // count) for number in range(1, count)]
        return [Range(*pair) for pair in itertools.pairwise([self.low, *inner, self.high])]


EVERYTHING = Range("", "g")  # Ids are hexadecimal: none is above.


def ranges(calls: int, calls_per_range: int = CALLS_PER_RANGE) -> list[Range]:
    """Split all prompt ids into as many ranges as a number of calls deserves: 0 to 40."""
    return split_ids(min(_MOST_CHUNKS, -(-calls // calls_per_range)), calls)


def split_prompts(store: Store, at_a_time: int = 50_000) -> list[Range]:
    """Split all prompt ids into ranges of at most about so many: what a query holds in memory."""
    prompts = int(store.query("prompts_count")["rows"][0])
    return split_ids(prompts // at_a_time + 1)


def split_ids(count: int, calls: int = 0) -> list[Range]:
    """Split all prompt ids into so many ranges of about equally many."""
    edges = [_edge(_PLACES * edge // count) for edge in range(count)] + ["g"]
    pairs = enumerate(itertools.pairwise(edges), 1)
    return [
        Range(low, high, f"{number} of {count}", -(-calls // count))
        for number, (low, high) in pairs
    ]


def _place(edge: str) -> int:
    """Return where an edge lies among all ids; ids are hexadecimal, so `g` is their end."""
    return int(edge or "0", 16) if edge != "g" else _PLACES


def _edge(place: int) -> str:
    return f"{place:04x}"


def has_answered(store: Store, endpoint: Endpoint) -> bool:
    """Say whether the store has an answer of this model at this server."""
    asked = {"model": endpoint.settings.model, "server": endpoint.server}
    return not store.query("known_model", **asked).is_empty()


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
        permanent=list(PERMANENT),
        most_attempts=endpoint.settings.max_attempts,
    )
    is_cut_off, has_failed = pl.col("cut_off_at").is_not_null(), pl.col("has_failed")
    done = set(known.filter(~is_cut_off, ~has_failed)["key"].to_list())
    failed = set(known.filter(has_failed)["key"].to_list())
    cut_off: dict[str, int] = dict(known.filter(is_cut_off)["key", "cut_off_at"].iter_rows())
    for asked in requests:
        request, keys = asked, identify(endpoint, asked)
        if (cut_off_at := cut_off.get(keys.reuse_key)) is not None:
            higher = ask_above(endpoint, asked, cut_off_at)
            if higher is None:
                continue
            request, keys = higher, identify(endpoint, higher)
        if keys.reuse_key not in done and keys.response_id not in done:
            yield replace(request, has_failed=True) if keys.response_id in failed else request
