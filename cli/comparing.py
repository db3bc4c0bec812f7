"""`teachset compare`: two policies over the same store, side by side."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.boundary import plain
from cli.project import read_recipe
from cli.tables import make_console, print_json
from tasks.select.compare import Comparison, compare_policies
from tasks.store import open_store


def show_comparison(recipe: Path, first: str, second: str, *, as_json: bool) -> None:
    """Print what either policy keeps. Raises RecipeError for an unknown one."""
    loaded = read_recipe(recipe)
    store = open_store(loaded.store, migrate=False)
    comparison = compare_policies(store, loaded, first, second)
    if as_json:
        print_json(asdict(comparison))
    else:
        print_comparison(make_console(), comparison)


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the policies, their domains and what only one of them keeps, with examples."""
    table = _table("", "band", "kept", "of", "US$ a kept prompt", "source")
    for policy in comparison.policies:
        cost = policy["cost_per_kept"]
        shown = "unknown" if cost is None else f"{cost:,.6f}"
        row = (policy["policy"], policy["band"], policy["kept"], policy["prompts"], shown)
        table.add_row(*map(_cell, row), _cell(policy["source"]))
    console.print(table)
    console.print(_cell(f"{comparison.both:,} kept by both, overlap {comparison.overlap:.1%}"))
    domains = _table("domain", *(policy["policy"] for policy in comparison.policies), "both")
    for kept in comparison.domains:
        domains.add_row(*(_cell(kept[name]) for name in ("domain", "first", "second", "both")))
    console.print(domains)
    for moved in comparison.moved:
        heading = (
            f"{moved['prompts']:,} kept by {moved['kept_by']} alone; the other says "
            f"{moved['reason']}"
        )
        console.print(_cell(heading), soft_wrap=True)
        for example in moved["examples"]:
            rate = example["pass_rate"]
            known = "unknown" if rate is None else f"{rate:.3f}"
            line = f"  {example['prompt_id'][:12]}  {known}  {' '.join(example['text'].split())}"
            console.print(_cell(line), soft_wrap=True)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(_cell(heading))
    return table


def _cell(value: Any) -> Text:
    return Text(plain(f"{value:,}" if isinstance(value, int) else str(value)))
