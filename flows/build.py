"""Build: the whole road, from seeds to a release. This is the main job."""

from prefect import flow

from flows.assess import assess
from flows.ingest import ingest
from flows.release import release
from flows.rewrite import rewrite
from flows.sample import sample
from flows.selection import select
from flows.teach import teach
from tasks.artifacts import show_report
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.release.publish import Published
from tasks.run import recorded_run


@flow(name="build", flow_run_name="build {recipe.name}")
def build(recipe: Recipe | RecipeFile) -> Published:
    """Run every stage for what is new since the last time, and publish if anything changed.

    Safe to kill at any moment and to run again: what is done is in the store and is not done twice.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "build") as run_id:
        ingest(recipe)
        rewrite(recipe)
        sample(recipe)
        assess(recipe)
        select(recipe)
        teach(recipe)
        published = release(recipe)
        show_report(recipe, run_id, published)
        return published
