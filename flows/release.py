"""Release: stage what was kept, gate it, publish it whole or not at all."""

from prefect import flow

from tasks.artifacts import refusal_shown, show_funnel, show_gate, show_release, show_spend
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.release.publish import Published, publish_release
from tasks.run import recorded_run


@flow(name="release", flow_run_name="release {recipe.name}")
def release(recipe: Recipe | RecipeFile) -> Published:
    """Publish a new version if anything changed since the last one.

    Leaves a folder with data, card and manifest, rows in `releases` and `release_pairs`, and the
    funnel, the spend and the gate's verdict as artifacts.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "release") as run_id:
        show_funnel(recipe, run_id)
        show_spend(recipe, run_id)
        with refusal_shown(recipe):
            published = publish_release(recipe, run_id)
        show_gate(recipe, published.gate)
        show_release(recipe, published)
        return published
