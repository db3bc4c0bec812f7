"""Teach: the teacher answers what was kept, and its answers are graded."""

from prefect import flow

from tasks.assess.grade import grade_task
from tasks.assess.judging import judge_all
from tasks.forms import record_forms
from tasks.llm.chunks import calls_per_range, run_ranges, two_at_a_time
from tasks.rate.stage import rate_all, scan_taught, settle_responses
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.run import recorded_run
from tasks.scope import name_count
from tasks.select.contamination import mark_contaminated_responses
from tasks.select.decide import select_taught_prompts
from tasks.select.texts import judge_texts
from tasks.settled import unless_settled
from tasks.store import open_store
from tasks.teach import count_wanted, teach_chunk


@flow(
    name="teach",
    flow_run_name="teach {recipe.name}",
    task_runner=two_at_a_time(),
)
def teach(recipe: Recipe | RecipeFile) -> None:
    """Draw the teacher responses that kept prompts lack, grade, rate and screen them, decide again.

    What the gate would refuse for its text is found here, so that another response is released in
    its place or the prompt is set aside. Leaves rows in `responses`, `grades`, `ratings`,
    `objections`, `text_faults` and `decisions`. Safe to kill and to run again.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "teach") as run_id:
        store = open_store(recipe.store)
        record_forms(store, recipe, ("teacher",), run_id)
        calls = unless_settled(
            store,
            recipe,
            run_id,
            name_count("teacher"),
            lambda: count_wanted(store, recipe).calls,
            counts=True,
        )
        run_ranges(
            "teacher",
            calls,
            lambda asked: teach_chunk.submit(recipe, run_id, asked),
            calls_per_range(recipe, "teacher"),
        )
        grade_task(recipe, run_id, ("teacher",))
        judge_all(recipe, run_id, ("teacher",))
        if recipe.domains:
            _rate(recipe, run_id)
        mark_contaminated_responses(recipe, run_id)
        judge_texts(recipe, run_id)
        select_taught_prompts(recipe, run_id)


def _rate(recipe: Recipe, run_id: str) -> None:
    """Set aside what gives guidelines away, and have judges rate the rest on their rubrics."""
    scan_taught(recipe, run_id)
    rate_all(recipe, run_id, "response")
    settle_responses(recipe, run_id)
