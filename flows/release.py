"""Release: stage what was kept, gate it, publish it whole or not at all."""

from prefect import flow

from tasks.operations.artifacts import (
    refusal_shown,
    show_funnel,
    show_gate,
    show_publications,
    show_release,
    show_spend,
)
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.release.distribute import distribute_release
from tasks.release.publish import Published, publish_release
from tasks.run import recorded_run


@flow(name="release", flow_run_name="release {recipe.name}")
def release(recipe: Recipe | RecipeFile) -> Published:
    """Publish a new version if anything changed since the last one.

    Leaves a folder with data, card and manifest, the same at the recipe's targets, rows in
    `releases`, `release_pairs` and `publications`, and the funnel, the spend and the gate's verdict
    as artifacts.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "release") as run_id:
        show_funnel(recipe, run_id)
        show_spend(recipe, run_id)
        with refusal_shown(recipe):
            published = publish_release(recipe, run_id)
        show_gate(recipe, published.gate)
        show_release(recipe, published)
        show_publications(recipe, distribute_release(recipe, run_id, published))
        return published
