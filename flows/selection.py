"""Select: one decision with a reason for every prompt. (`select` is a module of Python's own.)"""

from prefect import flow

from tasks.operations.artifacts import show_funnel
from tasks.operations.pictures import show_difficulty
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.run import recorded_run
from tasks.select.contamination import mark_contamination
from tasks.select.decide import select_prompts
from tasks.select.duplicates import mark_duplicates


@flow(name="select", flow_run_name="select {recipe.name}")
def select(recipe: Recipe | RecipeFile) -> None:
    """Decide what is teachable: no twin, no test item, a trusted key, a pass rate in the band.

    Leaves rows in `decisions`, the funnel and the pass rates as artifacts; makes no model call.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "select") as run_id:
        mark_duplicates(recipe, run_id)
        mark_contamination(recipe, run_id)
        select_prompts(recipe, run_id)
        show_funnel(recipe, run_id)
        show_difficulty(recipe, run_id)
