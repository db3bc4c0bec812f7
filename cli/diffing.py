"""`teachset diff A B`: what one release has that another has not.

           before  after  added  removed  changed
math          142    103      0       39        0
all           303    231      0       72        0
"""

import json
from pathlib import Path

from rich.text import Text

from cli.boundary import plain
from cli.tables import make_console, make_table, print_json
from tasks.release.diff import Difference, compare, read_contents

_MOST_SETTINGS = 40


def show_difference(before: Path, after: Path, *, as_json: bool) -> None:
    """Print what changed. Raises InputError if one of them is no release."""
    difference = compare(read_contents(before), read_contents(after))
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
    console.print(table)
    for path, old, new in difference.settings[:_MOST_SETTINGS]:
        line = (
            f"{path}: {json.dumps(old, ensure_ascii=False)} → {json.dumps(new, ensure_ascii=False)}"
        )
        console.print(Text(plain(line)), soft_wrap=True)
    for name in ("added", "removed", "changed"):
        if pairs := getattr(difference, name):
            listed = ", ".join(pairs[:3])
            more = ", …" if difference.total(name) > 3 else ""
            console.print(Text(plain(f"{name}: {listed}{more}")), soft_wrap=True)
