"""Assess: a verdict on every response, and how hard each prompt is for the student."""

from prefect import flow

from tasks.assess.difficulty import measure_difficulty_task
from tasks.assess.grade import grade_task
from tasks.gates import check_store
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.run import recorded_run


@flow(name="assess", flow_run_name="assess {recipe.name}")
def assess(recipe: Recipe | RecipeFile) -> None:
    """Grade what is not graded yet and measure the student's pass rate on every prompt.

    Leaves rows in `grades` and `difficulty`; makes no model call.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "assess") as run_id:
        grade_task(recipe, run_id, ("reference", "student"))
        measure_difficulty_task(recipe, run_id)
        check_store(recipe, run_id, "responses")
