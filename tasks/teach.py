"""Teach: the teacher answers what was kept; its reasoning is kept apart from its answer.

response_id  prompt_id  role     model        content       reasoning
c2aa…        3c7b…      teacher  sim-teacher  … \\boxed{4}  Two and two more make …

A teacher's responses are what costs most, and a release has one of a prompt. So they are asked for
in rounds, the first of every prompt, another where none so far is fit to be released. What is fit
is found in the store: right, complete, and nothing found against it (sql/migrations/0066).

Or the student writes: its own right recorded answers are adopted, round by round in the same way,
each as a row of its own that is judged as a teacher's is. Nobody is asked, and nothing is paid.
"""

from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.identity import content_id
from tasks.llm.batch.batches import has_unfinished
from tasks.llm.chunks import interruptible
from tasks.llm.drawing import draw, fetch_batches
from tasks.llm.failures import PERMANENT
from tasks.llm.pending import EVERYTHING, Range, split_prompts
from tasks.llm.servers import identify_endpoint
from tasks.llm.under_way import Completion
from tasks.progress import active, track
from tasks.recipe import Recipe
from tasks.sample import Wanted, plan_samples
from tasks.scope import scope_of, unjudged_types
from tasks.select.texts import offered_by
from tasks.settled import unless_settled
from tasks.store import Store, open_store


def is_asking(recipe: Recipe) -> bool:
    """Say whether a teacher is asked; not where the student writes, or all was made elsewhere."""
    return recipe.teach.by == "teacher" and not is_taught_elsewhere(recipe)


def is_taught_elsewhere(recipe: Recipe) -> bool:
    """Say whether a recipe without a teacher brings a teacher's responses, and none is drawn."""
    brought = any(source.role == "teacher" for source in recipe.responses)
    return recipe.models.teacher is None and brought


def rounds_of(recipe: Recipe) -> list[range]:
    """Return which sample indices each round asks for: one each, or all at once."""
    samples = recipe.teach.samples
    if recipe.teach.ask_again == "always":
        return [range(samples)]
    return [range(index, index + 1) for index in range(samples)]


def count_wanted(store: Store, recipe: Recipe, indices: range) -> Wanted:
    """Count the prompts to teach in a round, and about how many calls that still takes."""
    if not is_asking(recipe):
        return Wanted(0, 0)
    # In one go: whatever range is asked about, the texts of all responses are looked at.
    pupils = pupils_of(store, recipe, indices)
    counted = store.query("teach_counts", low=EVERYTHING.low, high=EVERYTHING.high, **pupils)
    return Wanted(**counted.row(0, named=True))


def teach_range(
    store: Store, recipe: Recipe, run_id: str, asked: Range, indices: range
) -> Completion:
    """Draw the teacher responses of a round that are missing on the kept prompts of a range."""
    if not is_asking(recipe):
        return Completion()
    pupils = pupils_of(store, recipe, indices)
    pages = (
        store.query("teach_prompts", low=part.low, high=part.high, **pupils)
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


def adopt_answers(store: Store, recipe: Recipe, run_id: str, indices: range) -> int:
    """Take right recorded answers of the student for the prompts of a round; return how many.

    As many of a prompt as the round has indices, those first that were drawn first.
    """
    pupils = pupils_of(store, recipe, indices)
    taken = 0
    with track("adopt answers") as tracker:
        for part in split_prompts(store):
            asked = store.query("teach_prompts", low=part.low, high=part.high, **pupils)
            own = store.query(
                "teach_own_answers",
                low=part.low,
                high=part.high,
                prompt_ids=asked["prompt_id"].to_list(),
                student=recipe.models.student.model,
                count=len(indices),
                samples=recipe.teach.samples,
            )
            adopted = store.append("responses", _as_lessons(own), run_id=run_id, known_new=True)
            tracker.advance(adopted)
            taken += adopted
    return taken


def _as_lessons(own: pl.DataFrame) -> pl.DataFrame:
    """Return answers of a student as rows of a teacher's; the key that they reuse is their own."""
    ids = [content_id("adopted", own_id) for own_id in own["response_id"]]
    return own.with_columns(
        pl.Series("response_id", ids, dtype=pl.String),
        reuse_key=pl.col("response_id"),
        role=pl.lit("teacher"),
        server=pl.lit("import"),
        template=pl.lit("adopted"),
        stage=pl.lit("teach"),
    )


def pupils_of(store: Store, recipe: Recipe, indices: range) -> dict[str, Any]:
    """Return the parameters that say which prompts the teacher answers, and with which samples.

    Where only correct answers count, it is not asked for what cannot be judged here.
    """
    return {
        "policy": recipe.policy_version(),
        **offered_by(recipe),
        "samples": recipe.teach.samples,
        "begin": indices.start,
        "until": indices.stop,
        "even_if_fit": recipe.teach.ask_again == "always",
        "permanent": list(PERMANENT),
        "even_awaited": False,
        "unjudged": unjudged_types() if recipe.teach.only_correct else [],
        **scope_of(store, recipe).parameters,
    }


@task(task_run_name="teacher {asked.name}", cache_policy=NO_CACHE)
@interruptible
def teach_chunk(recipe: Recipe, run_id: str, asked: Range, indices: range) -> Completion:
    """Draw a chunk of a round's responses; what was drawn before is not drawn again."""
    return teach_range(open_store(recipe.store), recipe, run_id, asked, indices)


def has_lessons_out(store: Store, recipe: Recipe) -> bool:
    """Say whether batches of an earlier run are out that no round has waited for.

    All that they are about may have been answered otherwise since; they are paid for all the same.
    """
    settings = recipe.models.teacher
    if settings is None or not is_asking(recipe):
        return False
    return has_unfinished(store, identify_endpoint(recipe, settings), "teacher")


@task(task_run_name="teacher batches", cache_policy=NO_CACHE)
@interruptible
def fetch_lessons(recipe: Recipe, run_id: str) -> Completion:
    """Fetch the teacher's batches of earlier runs; nothing new is asked for."""
    with track("teacher batches") as tracker:
        store = open_store(recipe.store)
        return fetch_batches(store, recipe, "teacher", run_id=run_id, tracker=tracker)


@task(task_run_name="adopt-answers", cache_policy=NO_CACHE)
def adopt_answers_task(recipe: Recipe, run_id: str, indices: range) -> int:
    """Adopt a round's answers of the student; return how many."""
    store = open_store(recipe.store)
    return unless_settled(
        store,
        recipe,
        run_id,
        f"adopt answers {indices.start} to {indices.stop}",
        lambda: adopt_answers(store, recipe, run_id, indices),
    )
