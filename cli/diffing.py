"""`teachset diff A B`: what one release has that another has not.

pairs that moved: 2, 1 to validation, 1 to train
           before  after  moved  added  removed  changed
math          142    103      1      0       39        0
all           303    231      2      0       72        0
"""

import json

from rich.text import Text

from cli.boundary import plain
from cli.tables import make_console, make_table, print_json
from tasks.release.diff import Difference, compare, read_contents
from tasks.release.remote import find_place

_MOST_SETTINGS = 40


def show_difference(
    before: str,
    after: str,
    endpoint: str | None = None,
    token_env: str | None = None,
    *,
    as_json: bool,
) -> None:
    """Print what changed. Raises InputError if one of them is no release."""
    difference = compare(
        *(
            read_contents(find_place(address, endpoint, token_env), with_facts=True)
            for address in (before, after)
        )
    )
    if as_json:
        print_json(difference.as_json())
    else:
        print_difference(difference)


def print_difference(difference: Difference) -> None:
    """Print counts by domain, the settings that differ and a few pairs of each kind of change."""
    console = make_console()
    names = [name for name in difference.domains.columns if name != "domain"]
    table = make_table("", numbers=names)
    for row in difference.domains.iter_rows(named=True):
        table.add_row(Text(plain(str(row["domain"]))), *(f"{row[name]:,}" for name in names))
    table.add_row("all", *(f"{difference.total(name):,}" for name in names))
    console.print(Text(f"{difference.before} → {difference.after}"))
    if moved := difference.to_validation + difference.to_train:
        ways = f"{difference.to_validation:,} to validation, {difference.to_train:,} to train"
        console.print(Text(f"pairs that moved: {moved:,}, {ways}"))
    console.print(table)
    for fact, count in difference.facts.items():
        if count:
            console.print(Text(f"pairs of both with another {fact.replace('_', ' ')}: {count:,}"))
    for path, old, new in difference.settings[:_MOST_SETTINGS]:
        line = (
            f"{path}: {json.dumps(old, ensure_ascii=False)} → {json.dumps(new, ensure_ascii=False)}"
        )
        console.print(Text(plain(line)), soft_wrap=True)
    for name in ("moved", "added", "removed", "changed"):
        if pairs := getattr(difference, name):
            listed = ", ".join(pairs[:3])
            more = ", …" if difference.total(name) > 3 else ""
            console.print(Text(plain(f"{name}: {listed}{more}")), soft_wrap=True)
