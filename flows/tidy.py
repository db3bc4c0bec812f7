"""Tidy: merge small files, let go of what the recipe no longer keeps."""

from prefect import flow

from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.run import recorded_run
from tasks.tidy import Tidied, tidy_store_task


@flow(name="tidy", flow_run_name="tidy {recipe.name}")
def tidy(recipe: Recipe | RecipeFile, orphans: bool = False) -> Tidied:
    """Make the store small and fast again; every row stays, no model is called.

    With `orphans` files that no snapshot names are also removed from a data folder that the recipe
    declares: only where no other store has its files there.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "tidy"):
        return tidy_store_task(recipe, orphans=orphans)
