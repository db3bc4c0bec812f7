"""`teachset reprofile`: what a new checkpoint has moved, as a table for people, JSON for programs.

from sim-student to sim-student-2
domain  prompts  in band before  in band now  entered  too easy now …
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from cli.boundary import plain
from cli.project import read_recipe
from cli.running import call_flow
from cli.tables import make_console, print_frame, print_json
from tasks.lake.place import refuse_absent

if TYPE_CHECKING:  # It imports Prefect, whose environment is set when a server is there.
    from tasks.reprofile import Reprofile


def reprofile(
    path: Path | None, overrides: Sequence[str], against: str | None, *, as_json: bool
) -> None:
    """Measure the recipe's student on the whole pool and print what has moved.

    Raises StoreError if there is no store yet.
    """
    recipe = read_recipe(path, overrides)
    refuse_absent(recipe.store)
    found: Reprofile = call_flow("reprofile", recipe, against=against)
    if as_json:
        print_json(asdict(found))
    else:
        print_reprofile(make_console(), found)


def print_reprofile(console: Console, found: "Reprofile") -> None:
    """Print a row a domain, then the prompts that have moved furthest."""
    from tasks.reprofile import tabulate

    console.print(Text(plain(f"from {found.before} to {found.now}")))
    print_frame(console, tabulate(found))
    for example in found.examples:
        rates = f"{example['before']:.2f} to {example['now']:.2f}"
        line = f"  {example['prompt_id'][:12]}  {rates}  {' '.join(example['text'].split())}"
        console.print(Text(plain(line)), soft_wrap=True)
