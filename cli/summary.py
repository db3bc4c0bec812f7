"""The end of a run: the funnel by domain, what it cost and where what it made lies.

312 prompts: 97 kept, 215 dropped
                      math  science  all
kept                    60       37   97
select: too easy        90       41  131
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.boundary import plain
from cli.progress_bars import say_cost, say_seconds
from cli.reading import open_reader, read_rows
from cli.tables import make_console, make_table
from tasks.recipe import Recipe

Row = dict[str, Any]


def print_summary(recipe: Recipe, *, seconds: float) -> None:
    """Read the account of the newest run from the store and print it."""
    with open_reader(recipe.store) as connection:
        funnel = read_rows(connection, "explain_funnel")
        runs = read_rows(connection, "explain_run")
        releases = read_rows(connection, "explain_release", recipe=recipe.name)
        tainted = read_rows(connection, "tainted_by_release")
        newest = releases[0]["release_id"] if releases else None
        places = read_rows(connection, "explain_publications", release_id=newest)
    console = make_console()
    if funnel:
        print_funnel(console, funnel)
    for line in describe_tainted(tainted):
        console.print(Text(plain(line), style="bold"), soft_wrap=True)
    run = runs[0] if runs else None
    release = releases[0] if releases else None
    for line in describe_outcome(recipe, run, release, seconds, [row["place"] for row in places]):
        console.print(Text(plain(line)), soft_wrap=True)


def print_funnel(console: Console, funnel: list[Row]) -> None:
    """Print how many prompts were kept and dropped, by reason and domain."""
    domains = sorted({str(row["domain"]) for row in funnel})
    kept = sum(row["prompts"] for row in funnel if row["kept"])
    total = sum(row["prompts"] for row in funnel)
    console.print(Text(f"{total:,} prompts: {kept:,} kept, {total - kept:,} dropped"))
    table = make_table("", numbers=(*domains, "all"))
    for outcome, counts in count_outcomes(funnel).items():
        numbers = [counts.get(domain, 0) for domain in domains]
        table.add_row(Text(plain(outcome)), *(f"{number:,}" for number in (*numbers, sum(numbers))))
    console.print(table)


def count_outcomes(funnel: list[Row]) -> dict[str, dict[str, int]]:
    """Return, for each outcome, how many prompts of each domain it had; what was kept first."""
    outcomes: dict[str, dict[str, int]] = {"kept": {}}
    for row in sorted(funnel, key=lambda row: (-row["prompts"], str(row["reason"]))):
        outcome = "kept" if row["kept"] else f"{row['stage']}: {row['reason']}"
        counts = outcomes.setdefault(outcome, {})
        domain = str(row["domain"])
        counts[domain] = counts.get(domain, 0) + row["prompts"]
    return outcomes


def describe_outcome(
    recipe: Recipe,
    run: Row | None,
    release: Row | None,
    seconds: float,
    places: Sequence[str] = (),
) -> list[str]:
    """Return the lines on the release and where it is, the spend, the time and the store."""
    lines = []
    if release is not None:
        fresh = run is not None and release["run_id"] == run["run_id"]
        simulated = ", simulated" if release["simulated"] else ""
        lines.append(
            f"release {release['version']} ({'new' if fresh else 'unchanged'}{simulated}): "
            f"{release['pairs']:,} pairs, {release['validation_pairs']:,} of them for validation"
        )
        folder = find_folder(recipe, release["folder"])
        lines += [f"  {shorten(place)}" for place in (folder, *places)]
    if run is not None:
        failed = f", {run['failed_calls']:,} of them failed" if run["failed_calls"] else ""
        lines.append(
            f"{run['calls']:,} model calls{failed}, "
            f"{say_cost(run['cost_usd'], run['unpriced'])}, in {say_seconds(seconds)}"
        )
    lines.append(f"store: {shorten(recipe.store.catalog)}")
    return lines


def find_folder(recipe: Recipe, recorded: str) -> str:
    """Return where a release lies: where it was made, unless the project was moved since."""
    here = Path(recipe.release.folder, Path(recorded).name)
    return str(here) if here.is_dir() else recorded


def describe_tainted(tainted: list[Row]) -> list[str]:
    """Return a line for each release that holds items of benchmarks that count now."""
    return [
        f"release {row['version']} of {row['recipe']} is tainted: {row['pairs']:,} "
        f"pair{'' if row['pairs'] == 1 else 's'} with items of {row['benchmarks']}; "
        '`teachset query "from tainted_releases"` shows them'
        for row in tainted
    ]


def shorten(path: str) -> str:
    """Return a path as seen from here if it lies below; URIs and others stay as they are."""
    if "://" in path:
        return path
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else str(Path(relative))
