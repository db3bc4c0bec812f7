"""`teachset audit verifier`: labelled answers, and what the verifiers say of them."""

from pathlib import Path

import polars as pl
from rich.table import Table
from rich.text import Text

from cli.boundary import plain
from cli.tables import make_console, make_table, print_json, to_line
from tasks.assess.labelled import (
    FINDINGS,
    SHIPPED,
    Judged,
    count_findings,
    judge_cases,
    list_misses,
    read_cases,
)
from tasks.assess.verdicts import VERIFIERS


def audit_verifiers(cases: Path | None, *, as_json: bool) -> None:
    """Judge the cases and print the figures. Raises InputError if the file cannot be used."""
    judged = judge_cases(read_cases(cases or SHIPPED))
    if as_json:
        told = {
            "verifiers": dict(sorted(set(VERIFIERS.values()))),
            "kinds": count_findings(judged).to_dicts(),
            "misses": list(list_misses(judged)),
        }
        print_json(told)
    else:
        _show(judged)


def _show(judged: list[Judged]) -> None:
    console = make_console()
    console.print(_tabulate(count_findings(judged)))
    for miss in list_misses(judged):
        key, extracted = (to_line(miss[name]) for name in ("key", "extracted"))
        line = (
            f"{miss['id']}: {miss['finding'].replace('_', ' ')}: key {key}, answer {extracted}: "
            f"{miss['verdict']} ({miss['reason']})"
        )
        console.print(Text(plain(line)), soft_wrap=True)


def _tabulate(counts: pl.DataFrame) -> Table:
    table = make_table("answers", numbers=("cases", *(each.replace("_", " ") for each in FINDINGS)))
    for row in counts.iter_rows():
        table.add_row(plain(str(row[0])), *(f"{count:,}" for count in row[1:]))
    return table
