"""Re-profile: another checkpoint of the student, measured on the whole pool."""

from prefect import flow

from flows.assess import assess
from flows.sample import sample
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.reprofile import Reprofile, find_earlier, show_reprofile, whole_pool
from tasks.run import recorded_run
from tasks.store import open_store


@flow(name="reprofile", flow_run_name="reprofile {recipe.name}")
def reprofile(recipe: Recipe | RecipeFile, against: str | None = None) -> Reprofile:
    """Measure the recipe's student on every prompt that has a key, and say what has moved.

    `against` is an earlier student, the last one that was measured if none is named. Frozen domains
    are measured as well. Decides, teaches and releases nothing; safe to kill and to run again.
    """
    recipe = whole_pool(as_recipe(recipe))
    with recorded_run(recipe, "reprofile") as run_id:
        earlier = find_earlier(open_store(recipe.store), recipe.models.student.model, against)
        sample(recipe)
        assess(recipe)
        return show_reprofile(recipe, run_id, earlier)
