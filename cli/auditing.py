"""`teachset audit`: how well the checks work.

`contamination` is measured on the project's own data, `verifier` on labelled answers. No audit
changes anything in a store.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.arguments import RecipeArgument

if TYPE_CHECKING:
    import polars as pl

    from tasks.select.audit import Audit

audit = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure how well the checks work.",
)


@audit.callback()
def hold_commands() -> None:
    """Measure how well the checks work."""


@audit.command()
def contamination(
    recipe: RecipeArgument = None,
    items: Annotated[int, typer.Option(min=1, help="Plant so many of each benchmark.")] = 200,
    prompts: Annotated[int, typer.Option(min=0, help="Look at so many own prompts.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Chooses items and disguises.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="All counts as JSON.")] = False,
) -> None:
    """Plant items of the recipe's benchmarks in disguise and say which method finds them."""
    done = audit_contamination(recipe, items, prompts, seed)
    if as_json:
        told = {"recall": done.recall.to_dicts(), "false_alarms": done.alarms.to_dicts()}
        json.dump(told, sys.stdout, indent=2)
        print()
    else:
        show_contamination(done)


@audit.command()
def verifier(
    cases: Annotated[
        Path | None, typer.Option(help="Labelled answers of your own, as JSONL.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Judge labelled answers and count right, wrong and missing verdicts by kind of answer."""
    from cli.auditing_verifiers import audit_verifiers

    audit_verifiers(cases, as_json=as_json)


def audit_contamination(recipe: Path | None, items: int, prompts: int, seed: int) -> "Audit":
    """Run the audit. Raises InputError if the store holds no item of the recipe's benchmarks."""
    from cli.project import read_recipe
    from cli.reading import open_reader
    from tasks.errors import InputError
    from tasks.select.audit import audit_methods

    declared = read_recipe(recipe)
    names = [benchmark.name for benchmark in declared.benchmarks]
    with open_reader(declared.store) as connection:
        known = _read_frame(connection, "select_benchmark_texts", benchmarks=names)
        pool = _read_frame(connection, "audit_pool", most=prompts)
    if known.is_empty():
        raise InputError(
            "there is nothing to plant: the store has no item of a benchmark that the recipe "
            "declares. Declare one under `benchmarks:` and run `teachset stage ingest` first."
        )
    return audit_methods(known, pool, declared.select.contamination, items, seed)


def show_contamination(done: "Audit") -> None:
    """Print recall by disguise and method, a table a benchmark, and the false alarms."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from cli.boundary import plain
    from cli.tables import make_console

    console = make_console()
    methods = done.alarms["method"].to_list()
    for (benchmark,), rows in done.recall.group_by("benchmark", maintain_order=True):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for head in ("disguise", "planted", *methods):
            table.add_column(head, justify="left" if head == "disguise" else "right")
        for (disguise,), own in rows.group_by("disguise", maintain_order=True):
            recall = dict(own.select("method", "recall").iter_rows())
            shares = [f"{recall[method]:.3f}" for method in methods]
            table.add_row(str(disguise), f"{own['planted'][0]:,}", *shares)
        console.print(Text(f"recall on {plain(str(benchmark))}", style="bold"))
        console.print(table)
    alarms = done.alarms
    listed = ", ".join(
        f"{method} {flagged:,}"
        for method, flagged in alarms.select("method", "flagged").iter_rows()
    )
    console.print(
        Text(f"found in {alarms['prompts'][0]:,} own prompts that quote no item: {listed}")
    )
    console.print(
        Text("`policy` is what the recipe drops; look at those before calling them false.")
    )


def _read_frame(connection: Any, name: str, **parameters: Any) -> "pl.DataFrame":
    from tasks.lake import SQL_FOLDER

    statement = (SQL_FOLDER / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    frame: pl.DataFrame = connection.execute(statement, parameters).pl()
    return frame
