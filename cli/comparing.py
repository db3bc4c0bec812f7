"""`teachset compare`: two policies, or two versions of a verifier, over the same store."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.boundary import plain
from cli.project import read_recipe
from cli.tables import make_console, make_table, print_json, to_line
from tasks.assess.compare import VerdictComparison, compare_verdicts, is_version
from tasks.select.compare import Comparison, compare_policies
from tasks.store import open_store

_SHOWN = 20


def show_comparison(recipe: Path, first: str, second: str, *, as_json: bool) -> None:
    """Print what either policy keeps, or what either version of a verifier says.

    Raises RecipeError for an unknown policy, InputError for a version that graded nothing.
    """
    loaded = read_recipe(recipe)
    store = open_store(loaded.store, migrate=False)
    if is_version(first) and is_version(second):
        verdicts = compare_verdicts(store, first, second)
        if as_json:
            print_json(asdict(verdicts))
        else:
            print_verdicts(make_console(), verdicts)
        return
    comparison = compare_policies(store, loaded, first, second)
    if as_json:
        print_json(asdict(comparison))
    else:
        print_comparison(make_console(), comparison)


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the policies, their domains and what only one of them keeps, with examples."""
    table = make_table("", "band", "kept", "of", "US$ a kept prompt, without teacher", "source")
    for policy in comparison.policies:
        cost = policy["cost_per_kept"]
        shown = "unknown" if cost is None else f"{cost:,.6f}"
        row = (policy["policy"], policy["band"], policy["kept"], policy["prompts"], shown)
        table.add_row(*map(_cell, row), _cell(policy["source"]))
    console.print(table)
    console.print(_cell(f"{comparison.both:,} kept by both, overlap {comparison.overlap:.1%}"))
    domains = make_table("domain", *(policy["policy"] for policy in comparison.policies), "both")
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


def print_verdicts(console: Console, comparison: VerdictComparison) -> None:
    """Print how many verdicts are whose, and the answers whose verdict changed most often."""
    first, second = comparison.versions
    table = make_table(first, second, "responses")
    for row in comparison.verdicts:
        table.add_row(*map(_cell, row.values()))
    console.print(table)
    console.print(
        _cell(
            f"{comparison.both:,} graded by both, {comparison.differing:,} differently; "
            f"{comparison.only_first:,} by {first} alone, "
            f"{comparison.only_second:,} by {second} alone"
        ),
        soft_wrap=True,
    )
    for row in comparison.changed[:_SHOWN]:
        answers = dict.fromkeys((row["first_extracted"], row["second_extracted"]))
        line = (
            f"{row['responses']:,}  {row['prompt_id'][:12]}  key {to_line(row['key_answer'])}  "
            f"answer {' / '.join(map(to_line, answers))}: "
            f"{row['first_verdict']} ({row['first_reason']}) "
            f"is {row['second_verdict']} ({row['second_reason']})"
        )
        console.print(_cell(line), soft_wrap=True)
    if len(comparison.changed) > _SHOWN:
        more = len(comparison.changed) - _SHOWN
        console.print(_cell(f"and {more:,} answers more; --json has them all"))


def _cell(value: Any) -> Text:
    return Text(plain(f"{value:,}" if isinstance(value, int) else str(value)))
