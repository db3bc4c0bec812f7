"""Which recipe a command is about, and the folder of its project.

`--recipe`, else the environment's TEACHSET_RECIPE, else `recipe.yaml` here, else the quick start's.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from cli.boundary import Place
from tasks.errors import RecipeError
from tasks.recipe import Recipe, load_recipe

ROOT = Path(__file__).resolve().parents[1]
QUICKSTART = Path("recipes", "quickstart.yaml")


def find_recipe(given: Path | None) -> Path:
    """Return the recipe's path. Raises RecipeError if there is none to be found."""
    if given is not None:
        return given
    if named := os.environ.get("TEACHSET_RECIPE"):
        return Path(named)
    for candidate in (Path("recipe.yaml"), QUICKSTART):
        if candidate.is_file():
            return candidate
    raise RecipeError(
        "which recipe? Name it with --recipe PATH or the environment's TEACHSET_RECIPE; "
        "neither recipe.yaml nor recipes/quickstart.yaml is in this folder."
    )


def read_recipe(given: Path | None, overrides: Sequence[str] = ()) -> Recipe:
    """Load the recipe that a command is about and remember where its log goes."""
    recipe = load_recipe(find_recipe(given), overrides)
    Place.log_folder = project_folder(recipe) / "logs"
    return recipe


def project_folder(recipe: Recipe) -> Path:
    """Return the folder that holds the store and the releases of a recipe."""
    if "://" in recipe.store.catalog:
        return Path(recipe.release.folder).parent
    folder = Path(recipe.store.catalog).parent
    return folder.parent if folder.name == "store" else folder
