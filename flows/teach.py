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
from tasks.teach import (
    adopt_answers_task,
    count_wanted,
    fetch_lessons,
    has_lessons_out,
    rounds_of,
    teach_chunk,
)


@flow(
    name="teach",
    flow_run_name="teach {recipe.name}",
    task_runner=two_at_a_time(),
)
def teach(recipe: Recipe | RecipeFile) -> None:
    """Draw the teacher responses that kept prompts lack, grade, rate and screen them, decide again.

    Where the student writes its right answers are adopted instead.

    What is there is judged before each round, and also what the gate would refuse for its text is
    found here, so that another response is asked for in its place, or the prompt is set aside.
    Leaves rows in `responses`, `grades`, `ratings`, `objections`, `text_faults` and `decisions`.
    Safe to kill and to run again.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "teach") as run_id:
        record_forms(open_store(recipe.store), recipe, ("teacher",), run_id)
        _judge(recipe, run_id)
        for indices in rounds_of(recipe):
            if recipe.teach.by == "student":
                news = adopt_answers_task(recipe, run_id, indices)
            else:
                news = _draw(recipe, run_id, indices)
            if news:
                _judge(recipe, run_id)
        if has_lessons_out(open_store(recipe.store), recipe):
            fetch_lessons(recipe, run_id)
            _judge(recipe, run_id)
        select_taught_prompts(recipe, run_id)


def _draw(recipe: Recipe, run_id: str, indices: range) -> int:
    """Draw the responses that a round lacks and return about how many these were."""
    store = open_store(recipe.store)
    calls = unless_settled(
        store,
        recipe,
        run_id,
        f"{name_count('teacher')}, samples {indices.start} to {indices.stop}",
        lambda: count_wanted(store, recipe, indices).calls,
        counts=True,
    )
    run_ranges(
        "teacher",
        calls,
        lambda asked: teach_chunk.submit(recipe, run_id, asked, indices),
        calls_per_range(recipe, "teacher"),
    )
    return calls


def _judge(recipe: Recipe, run_id: str) -> None:
    """Find out which responses are fit to be released."""
    grade_task(recipe, run_id, ("teacher",))
    judge_all(recipe, run_id, ("teacher",))
    if recipe.domains:
        _rate(recipe, run_id)
    mark_contaminated_responses(recipe, run_id)
    judge_texts(recipe, run_id)


def _rate(recipe: Recipe, run_id: str) -> None:
    """Set aside what gives guidelines away, and have judges rate the rest on their rubrics."""
    scan_taught(recipe, run_id)
    rate_all(recipe, run_id, "response")
    settle_responses(recipe, run_id)
