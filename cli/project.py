"""Which recipe a command is about, and the folder of its project.

`--recipe`, else the environment's TEACHSET_RECIPE, else `recipe.yaml` here, else the quick start's.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from cli.boundary import Place
from tasks.errors import RecipeError

if TYPE_CHECKING:
    from tasks.lake.place import StorePlace
    from tasks.recipe import Recipe

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


def read_recipe(given: Path | None, overrides: Sequence[str] = ()) -> "Recipe":
    """Load the recipe that a command is about and remember where its log goes."""
    from tasks.recipe import load_recipe

    recipe = load_recipe(find_recipe(given), overrides)
    Place.log_folder = project_folder(recipe) / "logs"
    return recipe


def find_store(given: Path | None) -> "StorePlace":
    """Return where the store of the recipe lies that a command only reads, and nothing else of it.

    The models of a whole recipe take longer to build than a question to the store takes. Where its
    place is not two plain words, the whole is read, and refused with a reason if it is wrong.
    """
    path = find_recipe(given)
    plain = _plain_place(path)
    if plain is None:
        return read_recipe(path).store
    Place.log_folder = _folder_of(plain.catalog) / "logs"
    return plain


def project_folder(recipe: "Recipe") -> Path:
    """Return the folder that holds the store and the releases of a recipe."""
    if "://" in recipe.store.catalog:
        return Path(recipe.release.folder).parent
    return _folder_of(recipe.store.catalog)


@dataclass(frozen=True)
class _PlainPlace:
    """Where a store lies whose catalog is a file."""

    catalog: str
    data: str | None = None


def _plain_place(recipe: Path) -> _PlainPlace | None:
    """Return the place that a recipe plainly declares: a catalog's path and nothing to work out."""
    try:
        declared = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        catalog = declared["store"]["catalog"]
        unusual = set(declared["store"]) - {"catalog", "keep_snapshots_days"}
    except (OSError, ValueError, TypeError, LookupError, RecursionError, yaml.YAMLError):
        return None
    if unusual or not isinstance(catalog, str) or not catalog.endswith(".sqlite"):
        return None
    if "://" in catalog or catalog.startswith("~"):
        return None
    return _PlainPlace(os.path.normpath(recipe.resolve().parent / catalog))


def _folder_of(catalog: str) -> Path:
    folder = Path(catalog).parent
    return folder.parent if folder.name == "store" else folder
