"""Contaminated: what the card tells of benchmarks, found and planted.

| benchmark | items | method | prompts | responses | set aside |
| exam | 1,319 | 13-gram | 3 | 1 | 4 |

| benchmark | disguise | planted | 13-gram | similar | policy |
| exam | reworded | 200 | 0.76 | 0.993 | 0.997 |
"""

from collections.abc import Iterator, Sequence

import polars as pl

from tasks.recipe import Recipe
from tasks.release.facts import Facts
from tasks.release.markdown import table
from tasks.select.audit import METHODS, POLICY
from tasks.select.plants import DISGUISES

NOTHING = "The recipe names no benchmark, so nothing was looked for."
UNMEASURED = (
    "How much of what is hidden these methods find was not measured on this data: no "
    "`teachset audit contamination` was run with these items and settings."
)


def tell_of_contamination(recipe: Recipe, facts: Facts) -> Iterator[str]:
    """Yield the paragraphs and tables of the card's section."""
    if not recipe.benchmarks:
        yield NOTHING
        return
    yield (
        "Every prompt and every response that is released was compared with the items of these "
        "benchmarks. What was set aside is not in the release; the gate refuses it."
    )
    head = ("benchmark", "items", "method", "prompts found", "responses found", "set aside")
    yield table(head, facts.found.iter_rows())
    if facts.audit.is_empty():
        yield UNMEASURED
        return
    planted = facts.audit.filter(pl.col("benchmark").is_not_null())
    used = [method for method in (*METHODS, POLICY) if method in planted["method"].to_list()]
    yield (
        "Items of the benchmarks were planted in disguise among prompts "
        "(`teachset audit contamination`). The share that each method finds; `policy` is what is "
        "set aside here:"
    )
    yield table(("benchmark", "disguise", "planted", *used), _share(planted, used))
    yield _tell_of_alarms(facts.audit.filter(pl.col("benchmark").is_null()))


def _share(planted: pl.DataFrame, methods: Sequence[str]) -> Iterator[Sequence[object]]:
    ordered = planted.with_columns(pl.col("disguise").cast(pl.Enum(list(DISGUISES)))).sort(
        "benchmark", "disguise"
    )
    groups = ordered.group_by("benchmark", "disguise", maintain_order=True)
    for (benchmark, disguise), rows in groups:
        shares = dict(rows.select("method", pl.col("found") / pl.col("texts")).iter_rows())
        yield benchmark, disguise, rows["texts"][0], *(f"{shares[name]:.3f}" for name in methods)


def _tell_of_alarms(own: pl.DataFrame) -> str:
    of_policy = own.filter(method=POLICY).row(0, named=True)
    share = of_policy["found"] / max(1, of_policy["texts"])
    return (
        f"Of {of_policy['texts']:,} of the project's own prompts that quote no item, "
        f"{of_policy['found']:,} ({share:.1%}) would be set aside: false alarms, or items reworded."
    )
