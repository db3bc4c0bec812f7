"""What a release is expected to be, and a digest of every rule that says so.

    Expected(columns={"pair_id": "VARCHAR", …}, band=(0.125, 0.75), kept=431, limits=Limits(…), …)

Great Expectations takes seconds to import: a night with nothing new gets by without it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from expectations.rules import RULES


@dataclass(frozen=True, slots=True)
class Book:
    """Two counts of one thing that must be the same, e.g. prompts and decisions on them."""

    book: str
    expected: float
    found: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What the recipe allows: the fields of its section `release.gate`."""

    allow: Mapping[str, float]
    severity: Mapping[str, str]
    tokenizer: str | None
    max_tokens: int
    scripts: Sequence[str]
    languages: Sequence[str]
    guidelines: Sequence[str]
    mixture_tolerance: float
    drift: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What the recipe and the store say a release must be."""

    columns: Mapping[str, str]  # name and DuckDB type, in order
    band: tuple[float, float]
    kept: int
    limits: Limits
    books: Sequence[Book] = ()
    domain_bands: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    mixture: Mapping[str, float] = field(default_factory=dict)
    flagged: Iterable[str] = ()  # prompts found in a benchmark
    flagged_responses: Iterable[str] = ()
    anchors: Iterable[str] = ()  # prompts kept from outside the band, or of a frozen domain
    untrusted: Iterable[str] = ()  # prompts whose key waits for a review
    contradicted: Iterable[str] = ()  # responses that two verifiers disagree about
    clusters: Mapping[str, str] = field(default_factory=dict)  # prompt: its duplicates' cluster
    previous: Mapping[str, float] = field(default_factory=dict)  # figures of the release before
    guidelines: Sequence[str] = ()  # passages that models were told and must not repeat
    told_in_private: Sequence[str] = ()  # passages that teachers read and no pair may hold
    min_pairs: int = 1
    only_correct: bool = True
    reasoning: str = "think"
    rules: str | None = None  # a folder of SQL files
    suite: str | None = None  # a JSON file of Great Expectations


def digest_rules(expected: Expected) -> str:
    """Return a digest of the rules and of what the recipe allows.

    What else a verdict depends on is in the release's id or in the store.
    """
    content = hashlib.sha256(json.dumps(asdict(expected.limits), sort_keys=True).encode())
    if expected.told_in_private:
        content.update(json.dumps(list(expected.told_in_private)).encode())
    own = sorted(Path(expected.rules).glob("*.sql")) if expected.rules else []
    suite = [Path(expected.suite)] if expected.suite else []
    for file in (*sorted(RULES.glob("*.sql")), *own, *suite):
        if file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            content.update(json.dumps([file.name, text]).encode())
    return content.hexdigest()[:12]
