"""Rewrite: synthetic prompts whose answers a program can check."""

from prefect import flow

from tasks.llm.chunks import calls_per_range, run_ranges, two_at_a_time
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.rewrite.router import count_doubtful, place_chunk
from tasks.rewrite.routes import classify_seeds
from tasks.rewrite.stage import count_pending, rewrite_chunk
from tasks.run import recorded_run
from tasks.select.contamination import mark_contamination
from tasks.select.duplicates import mark_duplicates
from tasks.select.meaning import find_by_meaning
from tasks.store import open_store


@flow(
    name="rewrite",
    flow_run_name="rewrite {recipe.name}",
    task_runner=two_at_a_time(),
)
def rewrite(recipe: Recipe | RecipeFile) -> None:
    """Give every seed its route, ask the rewriter for what is missing, accept what holds up.

    A router, if there is one, places the seeds that the rules cannot. Every candidate leaves a row
    in `rewrites`; the accepted ones are prompts, checked for twins and test items like any other.
    Without a rewriter, or with no strategy, nothing is done.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "rewrite") as run_id:
        classify_seeds(recipe, run_id)
        run_ranges(
            "route",
            count_doubtful(open_store(recipe.store), recipe),
            lambda asked: place_chunk.submit(recipe, run_id, asked),
            calls_per_range(recipe, "router"),
        )
        calls = count_pending(open_store(recipe.store), recipe)
        run_ranges(
            "rewrite",
            calls,
            lambda asked: rewrite_chunk.submit(recipe, run_id, asked),
            calls_per_range(recipe, "rewriter", "reference"),
        )
        mark_duplicates(recipe, run_id)
        mark_contamination(recipe, run_id)
        find_by_meaning(recipe, run_id)
