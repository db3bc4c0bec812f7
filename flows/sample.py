"""Sample: the reference makes keys where none are given, the student shows what it can do."""

from prefect import flow

from tasks.assess.keys import derive_keys_task
from tasks.llm.chunks import calls_per_range, run_ranges, two_at_a_time
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.run import recorded_run
from tasks.sample import SampledRole, count_wanted, sample_chunk
from tasks.store import open_store


@flow(
    name="sample",
    flow_run_name="sample {recipe.name}",
    task_runner=two_at_a_time(),
)
def sample(recipe: Recipe | RecipeFile) -> None:
    """Draw what is missing: reference samples, then keys from them, then student samples.

    Leaves rows in `responses`, `failures` and `keys`. Safe to kill and to run again.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "sample") as run_id:
        if recipe.models.reference is not None:
            _draw(recipe, run_id, "reference")
        derive_keys_task(recipe, run_id)
        _draw(recipe, run_id, "student")


def _draw(recipe: Recipe, run_id: str, role: SampledRole) -> None:
    calls = count_wanted(open_store(recipe.store), recipe, role).calls
    run_ranges(
        role,
        calls,
        lambda asked: sample_chunk.submit(recipe, run_id, role, asked),
        calls_per_range(recipe, role),
    )
