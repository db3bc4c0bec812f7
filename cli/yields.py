"""`teachset yields`: what exploring has shown, and what the whole would give and cost.

domain  explored         prompts  trusted keys        in the band       kept a prompt …
math    50 of 412 seeds      118  100% (98% to 100%)  43% (33% to 53%)  42% (33% to 52%)
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.text import Text

from cli.project import read_recipe
from cli.tables import make_console, print_frame, print_json
from tasks.errors import InputError
from tasks.explore import Exploration, describe, read_exploration, tabulate
from tasks.recipe import Recipe
from tasks.store import open_store


def show_exploration(path: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Print the yields of a recipe's store. Raises InputError if nothing was explored yet."""
    recipe = read_recipe(path, overrides)
    if as_json:
        print_json(asdict(_read(recipe)))
    else:
        print_exploration(recipe)


def print_exploration(recipe: Recipe) -> None:
    """Print a row a domain, then what the whole would give and cost."""
    exploration = _read(recipe)
    console = make_console()
    print_frame(console, tabulate(exploration))
    for line in describe(exploration):
        console.print(Text(line), soft_wrap=True)


def _read(recipe: Recipe) -> Exploration:
    exploration = read_exploration(open_store(recipe.store, migrate=False), recipe)
    if not exploration.domains:
        raise InputError(
            "there is no seed to explore yet; begin with `teachset run --phase explore`"
        )
    return exploration
