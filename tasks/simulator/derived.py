"""What the rewriter can make of bundled seeds where a rule would not do: read from derived.jsonl.

    {"of": "Show that a convex polygon with n corners …", "strategy": "proof_to_answer", "index": 0,
     "prompt": "How many diagonals does a convex polygon with 17 corners have?", "answer": "119",
     "program": "17 * (17 - 3) / 2", "level": 2}

Each is an item as well, so that models know what is right of it and go wrong about it. `index` is
the variant in which the rewriter says it. A test computes every answer anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from tasks.identity import normalise
from tasks.simulator.items import Item, read_item

FILE = Path(__file__).with_name("derived.jsonl")


@dataclass(frozen=True, slots=True)
class Derived:
    """A rewrite that is known beforehand: what is replied beside its text, and its item."""

    item: Item
    said: Mapping[str, Any] = field(hash=False)


@cache
def load_derived() -> Mapping[tuple[str, str, int], Derived]:
    """Return what can be derived, by the seed's text, the strategy and the variant."""
    found: dict[tuple[str, str, int], Derived] = {}
    for row in map(orjson.loads, FILE.read_bytes().splitlines()):
        place = (normalise(row["of"]), row["strategy"], row["index"])
        # The program is in plain numbers, which is what a reply gives; an item's speaks of n0, n1.
        found[place] = Derived(read_item({**row, "program": None}), row)
    return found


@cache
def derived_items() -> Mapping[str, tuple[Item, ...]]:
    """Return the items that can be derived of each seed, by the seed's text."""
    items: dict[str, tuple[Item, ...]] = {}
    for (of, _, _), derived in load_derived().items():
        items[of] = (*items.get(of, ()), derived.item)
    return items
