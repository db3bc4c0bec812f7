"""Arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RECIPE_HELP = "The recipe; else $TEACHSET_RECIPE, ./recipe.yaml or ./recipes/quickstart.yaml."
RecipeArgument = Annotated[Path | None, typer.Argument(help=RECIPE_HELP, show_default=False)]
