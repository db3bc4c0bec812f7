"""Compare: what a new version of a verifier says of the same stored responses, beside an old one.

    math@1   math@2   responses
    wrong    correct         41    prompt 3c7b…  key 1200  answer 1.2e3

Both versions' words are in `grades`; nothing is graded, written or called.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.errors import InputError
from tasks.store import Store

_VERSION = re.compile(r"(?P<name>[a-z]+)@(?P<version>\d{1,6})")


@dataclass(frozen=True, slots=True)
class VerdictComparison:
    """Two versions side by side; responses that only one of them graded are counted, not compared.

    `verdicts` has a row a pair of verdicts, `changed` one an answer whose verdict differs.
    """

    versions: tuple[str, str]
    both: int
    only_first: int
    only_second: int
    differing: int
    verdicts: Sequence[Mapping[str, Any]]  # first_verdict, second_verdict, responses
    changed: Sequence[Mapping[str, Any]]  # prompt, key, answers, verdicts, reasons, responses


def is_version(name: str) -> bool:
    """Tell a verifier's version, such as `math@2`, from a policy's name."""
    return _VERSION.fullmatch(name) is not None


def compare_verdicts(store: Store, first: str, second: str) -> VerdictComparison:
    """Compare two versions. Raises InputError if the store has no verdict of one of them."""
    known = [
        f"{name}@{version}" for name, version, _ in store.query("compare_versions").iter_rows()
    ]
    for name in (first, second):
        if name not in known:
            listed = ", ".join(known) or "none"
            raise InputError(f"{name}: the store has no verdict of this version; it has {listed}")
    asked = {**_name("first", first), **_name("second", second)}
    counts = store.query("compare_verdict_counts", **asked)
    one, other = pl.col("first_verdict"), pl.col("second_verdict")
    compared = counts.drop_nulls(["first_verdict", "second_verdict"])
    return VerdictComparison(
        versions=(first, second),
        both=_sum(compared),
        only_first=_sum(counts.filter(other.is_null())),
        only_second=_sum(counts.filter(one.is_null())),
        differing=_sum(compared.filter(one != other)),
        verdicts=compared.to_dicts(),
        changed=store.query("compare_verdicts", **asked).to_dicts(),
    )


def _name(side: str, written: str) -> dict[str, Any]:
    name, _, version = written.partition("@")
    return {f"{side}_name": name, f"{side}_version": int(version)}


def _sum(counts: pl.DataFrame) -> int:
    return int(counts["responses"].sum())
