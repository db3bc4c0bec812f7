"""Teach: the teacher answers what was kept; its reasoning is kept apart from its answer.

response_id  prompt_id  role     model        content       reasoning
c2aa…        3c7b…      teacher  sim-teacher  … \\boxed{4}  Two and two more make …
"""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.llm.chunks import interruptible
from tasks.llm.drawing import draw
from tasks.llm.pending import Range, split_prompts
from tasks.llm.under_way import Completion
from tasks.progress import active
from tasks.recipe import Recipe
from tasks.sample import Wanted, plan_samples
from tasks.scope import scope_of, unjudged_types
from tasks.store import Store, open_store


def is_taught_elsewhere(recipe: Recipe) -> bool:
    """Say whether a recipe without a teacher brings a teacher's responses, and none is drawn."""
    brought = any(source.role == "teacher" for source in recipe.responses)
    return recipe.models.teacher is None and brought


def count_wanted(store: Store, recipe: Recipe) -> Wanted:
    """Count the prompts to teach, and about how many calls that still takes."""
    if is_taught_elsewhere(recipe):
        return Wanted(0, 0)
    model, asked_of = recipe.models.name_of("teacher"), pupils(store, recipe)
    counted = (
        store.query(
            "teach_counts",
            low=part.low,
            high=part.high,
            model=model,
            **asked_of,
        )
        for part in split_prompts(store)
    )
    return Wanted.sum(Wanted(**frame.row(0, named=True)) for frame in counted)


def teach_range(store: Store, recipe: Recipe, run_id: str, asked: Range) -> Completion:
    """Draw the teacher responses that are missing on the kept prompts of a range."""
    if is_taught_elsewhere(recipe):
        return Completion()
    pages = (
        store.query("teach_prompts", low=part.low, high=part.high, **pupils(store, recipe))
        for part in asked.parts()
    )
    return draw(
        store,
        recipe,
        "teach",
        "teacher",
        pages,
        lambda endpoint, page: plan_samples(
            page.iter_rows(named=True), endpoint, "teacher", recipe.teach.samples, recipe
        ),
        run_id=run_id,
        tracker=active("teacher"),
        calls=asked.calls,
    )


def pupils(store: Store, recipe: Recipe) -> dict[str, Any]:
    """Return the parameters that say which prompts the teacher answers, and how often.

    Where only correct answers count, it is not asked for what cannot be judged here.
    """
    return {
        "policy": recipe.policy_version(),
        "samples": recipe.teach.samples,
        "unjudged": unjudged_types() if recipe.teach.only_correct else [],
        **scope_of(store, recipe).parameters,
    }


@task(task_run_name="teacher {asked.name}", cache_policy=NO_CACHE)
@interruptible
def teach_chunk(recipe: Recipe, run_id: str, asked: Range) -> Completion:
    """Draw a chunk of teacher responses; what was drawn before is not drawn again."""
    return teach_range(open_store(recipe.store), recipe, run_id, asked)
