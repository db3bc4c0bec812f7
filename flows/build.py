"""Build: the whole road, from seeds to a release. This is the main job."""

from prefect import flow

from flows.assess import assess
from flows.ingest import ingest
from flows.release import release
from flows.rewrite import rewrite
from flows.sample import sample
from flows.selection import select
from flows.teach import teach
from tasks.explore import show_exploration
from tasks.operations.artifacts import show_report
from tasks.players import check_players
from tasks.recipe import Phase, Recipe, RecipeFile, as_recipe
from tasks.release.gate import check_gate
from tasks.release.publish import Published
from tasks.run import recorded_run
from tasks.store import open_store


@flow(name="build", flow_run_name="build {recipe.name}")
def build(
    recipe: Recipe | RecipeFile, phase: Phase | None = None, publish: bool = True
) -> Published | None:
    """Run every stage for what is new since the last time, and publish if anything changed.

    The phase `explore` asks about a sample of each domain, ends before teaching and leaves what the
    whole would give and cost; `scale` goes on from there. Without one it is the recipe's. Unless it
    is to publish it ends after teaching, and the flow `release` finds all that it needs.

    Whoever will be asked and cannot be, for want of a model or a key, ends it before it reads.
    Safe to kill at any moment and to run again: what is done is in the store and is not done twice.
    """
    recipe = as_recipe(recipe, phase)
    check_gate(recipe)
    with recorded_run(recipe, "build") as run_id:
        check_players(open_store(recipe.store), recipe)
        ingest(recipe)
        rewrite(recipe)
        sample(recipe)
        assess(recipe)
        select(recipe)
        if recipe.phase == "explore":
            show_exploration(recipe, run_id)
            return None
        teach(recipe)
        published = release(recipe) if publish else None
        show_report(recipe, run_id, published)
        return published
