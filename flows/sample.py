"""Sample: the reference makes keys where none are given, the student shows what it can do."""

from collections.abc import Callable
from typing import get_args

from prefect import flow

from tasks.assess.grade import grade_task
from tasks.assess.judging import judge_all
from tasks.assess.keys import derive_keys_task
from tasks.forms import record_forms
from tasks.llm.chunks import calls_per_range, run_ranges, two_at_a_time
from tasks.rate.stage import prepare_ratings, rate_all, settle_prompts
from tasks.recipe import Recipe, RecipeFile, as_recipe
from tasks.run import recorded_run
from tasks.sample import (
    SampledRole,
    announce_shortfalls,
    count_rounds,
    count_wanted,
    name_stage,
    sample_chunk,
)
from tasks.scope import name_count
from tasks.select.names import announce_unknown_names
from tasks.settled import unless_settled
from tasks.store import open_store


@flow(
    name="sample",
    flow_run_name="sample {recipe.name}",
    task_runner=two_at_a_time(),
)
def sample(recipe: Recipe | RecipeFile) -> None:
    """Draw what is missing: ratings of prompts, reference samples, keys, every student's samples.

    Samples of a fixed number are drawn at once; otherwise in rounds, each of which asks about all
    prompts that are still open; the judge has its word before the next, if the recipe asks for it.
    Leaves rows in `ratings`, `objections`, `responses`, `failures`,
    `votes`, `keys` and, where there are rounds, `grades`. Safe to kill and to run again.
    """
    recipe = as_recipe(recipe)
    with recorded_run(recipe, "sample") as run_id:
        record_forms(open_store(recipe.store), recipe, get_args(SampledRole), run_id)
        announce_shortfalls(open_store(recipe.store), recipe)
        announce_unknown_names(open_store(recipe.store), recipe)
        _rate(recipe, run_id)
        if recipe.models.reference is not None:
            _draw(recipe, run_id, "reference", lambda: derive_keys_task(recipe, run_id))
        derive_keys_task(recipe, run_id)
        if recipe.models.confirmer is not None:
            _draw(recipe, run_id, "confirmer", lambda: None)
            derive_keys_task(recipe, run_id)
        for each in recipe.of_each_student():
            name = name_stage(each, "student") if recipe.models.students else "student"
            _draw(each, run_id, "student", lambda: _judge_students(recipe, run_id), name)
        if recipe.sample.keys_by == "student":
            derive_keys_task(recipe, run_id)


def _rate(recipe: Recipe, run_id: str) -> None:
    """Have judges rate the prompts, so that nothing more is spent on those below a bar."""
    prepare_ratings(recipe, run_id)
    rate_all(recipe, run_id, "prompt")
    if recipe.domains:
        settle_prompts(recipe, run_id)


def _judge_students(recipe: Recipe, run_id: str) -> None:
    """Give every answer of the students its last verdict, for that is what settles a prompt."""
    grade_task(recipe, run_id, ("student",))
    judge_all(recipe, run_id, ("student",))


def _draw(
    recipe: Recipe,
    run_id: str,
    role: SampledRole,
    look: Callable[[], object],
    name: str | None = None,
) -> None:
    """Draw samples of a role round by round, with a look at what is there before each round.

    `name` is what the stage is called in the progress: the role, unless it is said.
    """
    rounds, store = count_rounds(recipe, role), open_store(recipe.store)
    for _ in range(rounds):
        if rounds > 1:
            look()
        calls = unless_settled(
            store,
            recipe,
            run_id,
            name_count(role),
            lambda: count_wanted(store, recipe, role).calls,
            counts=True,
        )
        run_ranges(
            name or role,
            calls,
            lambda asked: sample_chunk.submit(recipe, run_id, role, asked),
            calls_per_range(recipe, role),
        )
        if calls == 0:
            return
