"""`teachset audit`: how well the checks work.

`contamination` is measured on the project's own data, and its figures are kept for the card of the
next release; `verifier` on labelled answers, and changes nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import RecipeArgument

if TYPE_CHECKING:
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
    from cli.tables import print_json

    done = audit_contamination(recipe, items, prompts, seed)
    if as_json:
        told = {"recall": done.recall.to_dicts(), "false_alarms": done.alarms.to_dicts()}
        print_json(told)
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
    """Run the audit and keep its figures. Raises InputError without items to plant.

    Raises StoreError while a run writes to the store: what it did not see it would call settled.
    """
    from cli.project import read_recipe
    from tasks.errors import InputError
    from tasks.run_lock import only_writer
    from tasks.select.audit import as_rows, audit_methods, name_audit
    from tasks.store import open_store

    declared = read_recipe(recipe)
    settings = declared.select.contamination
    store = open_store(declared.store, migrate=False)
    names = [benchmark.name for benchmark in declared.benchmarks]
    known = store.query("select_benchmark_texts", benchmarks=names)
    if known.is_empty():
        raise InputError(
            "there is nothing to plant: the store has no item of a benchmark that the recipe "
            "declares. Declare one under `benchmarks:` and run `teachset stage ingest` first."
        )
    with only_writer(declared.store):
        pass  # Else one would be told after minutes that a run was under way all along.
    done = audit_methods(known, store.query("audit_pool", most=prompts), settings, items, seed)
    with only_writer(declared.store):
        store.append("audits", as_rows(done, name_audit(settings, known)))
    return done


def show_contamination(done: "Audit") -> None:
    """Print recall by disguise and method, a table a benchmark, and the false alarms."""
    from rich.text import Text

    from cli.boundary import plain
    from cli.tables import make_console, make_table

    console = make_console()
    methods = done.alarms["method"].to_list()
    for (benchmark,), rows in done.recall.group_by("benchmark", maintain_order=True):
        table = make_table("disguise", numbers=("planted", *methods))
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
