"""Ingest: seeds, benchmarks and responses made elsewhere; twins and test items are found."""

from prefect import flow

from tasks.assess.untold import announce_untold
from tasks.gates import check_store
from tasks.ingest import (
    import_responses_task,
    ingest_benchmarks_task,
    ingest_seeds_task,
    refuse_unusable_files,
)
from tasks.llm.chunks import two_at_a_time
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.run import recorded_run
from tasks.select.contamination import mark_contamination
from tasks.select.duplicates import mark_duplicates
from tasks.select.meaning import find_by_meaning
from tasks.store import open_store


@flow(name="ingest", flow_run_name="ingest {recipe.name}", task_runner=two_at_a_time())
def ingest(recipe: Recipe | RecipeFile) -> None:
    """Bring in what is new in the recipe's files, and find what no money should be spent on.

    Rows that cannot be used are in `quarantine` with the reason; a file of nothing else ends the
    run. Running it again changes nothing.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "ingest") as run_id:
        ingest_seeds_task(recipe, run_id)
        refuse_unusable_files(open_store(recipe.store), recipe)
        announce_untold(open_store(recipe.store), run_id)
        ingest_benchmarks_task(recipe, run_id)
        import_responses_task(recipe, run_id)
        mark_duplicates(recipe, run_id)
        mark_contamination(recipe, run_id)
        find_by_meaning(recipe, run_id)
        check_store(recipe, run_id, "ingest")
