"""Questions about a range of prompts: what they cost depends on the range, not on the store.

A condition on ids that DuckDB leaves above a view is right and reads everything, once per range:
nobody notices before the store has a million prompts. So the plans are looked at.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from tasks.lake.place import SQL_FOLDER
from tasks.store import Store

RANGED = sorted(
    file.stem
    for file in (SQL_FOLDER / "queries").glob("*.sql")
    if "$low" in file.read_text(encoding="utf-8")
)
NUMBERS = {
    **{"samples": 4, "begin": 0, "until": 4},
    **{"votes": 1, "version": 1, "acceptance": 1, "max_length_ratio": 2.0},
}
FLAGS = (
    "answered_too",
    "keyless_too",
    "keyless",
    "only_correct",
    "even_if_fit",
    "even_awaited",
    "repeat",
    "with_reasoning",
)
LISTS = ("permanent", "prompt_ids", "scope_domains", "scope_bounds")
# What is read whole, and why that is right.
WHOLE = {
    "forms": "a row per role and domain",
    "guards": "a row per benchmark",
    "rewrites": "whether a rewrite was withdrawn is found by its reply, whatever it became",
    "prompt_sources": "a prompt has its sources from its root, whose id may be any",
    "source_words": "as prompt_sources, and few: what later readings said otherwise",
    "screened": "by the response, and narrow",
    "text_faults": "by the response, and few",
    "benchmark_items": "of no prompt, and few",
}
OF_THEM = {
    ("release_preferences", "contamination"): "benchmarks that compared a text, by the response",
    ("rewrite_made", "prompts"): "rewrites of a range of roots",
}


def test_a_question_about_a_range_reads_the_rows_of_that_range(store: Store) -> None:
    assert len(RANGED) > 15
    keyed = {table for table in _keyed_tables(store) if table not in WHOLE}
    assert {query: read for query in RANGED if (read := _find_unranged(store, query, keyed))} == {}


def _find_unranged(store: Store, query: str, keyed: set[str]) -> list[dict[str, Any]]:
    """Return the scans of these tables that take no condition on the ids."""
    statement = (SQL_FOLDER / "queries" / f"{query}.sql").read_text(encoding="utf-8")
    parameters = _bind(statement)
    explained = store.cursor().execute(f"explain (format json) {statement}", parameters).fetchall()
    scans = list(_find_scans({"children": json.loads(explained[0][1])}))
    ranged = [scan for scan in scans if scan["Table"] in keyed]
    assert ranged, f"the plan of {query} does not say what it reads"
    unranged = []
    for scan in ranged:
        filters = scan.get("Filters") or ""
        filters = filters if isinstance(filters, str) else " AND ".join(filters)
        few = "prompt_id IS NULL" in filters or "kind='rewrite'" in filters
        in_range = "_id>='4'" in filters and "_id<'5'" in filters
        if not few and not in_range and (query, scan["Table"]) not in OF_THEM:
            unranged.append(scan)
    return unranged


def _bind(statement: str) -> dict[str, Any]:
    """Return a value for every parameter, of a type that the statement takes."""
    values: dict[str, Any] = {"role": "student", "low": "4", "high": "5", "among": None}
    values |= NUMBERS | dict.fromkeys(FLAGS, True) | {"unplaced": False}
    names = set(re.findall(r"\$(\w+)", statement))
    for name in names:
        if name in LISTS or f"${name}::varchar[]" in statement:
            values[name] = ["x"]
        elif f"${name}::double[]" in statement:
            values[name] = [1.0]
        values.setdefault(name, "x")
    return {name: values[name] for name in names}


def _keyed_tables(store: Store) -> set[str]:
    columns = "select distinct table_name from information_schema.columns"
    keyed = store.sql(f"{columns} where column_name in ('prompt_id', 'text_id')")
    return set(keyed["table_name"].to_list())


def _find_scans(plan: dict[str, Any], conditions: str = "") -> Iterator[dict[str, Any]]:
    """Yield what is scanned, but for columns that are fetched afterwards for the rows found."""
    found = plan.get("extra_info", {})
    if "Table" in found and "file_row_number" not in conditions:
        yield found
    for child in plan["children"]:
        yield from _find_scans(child, str(found.get("Conditions", "")))
