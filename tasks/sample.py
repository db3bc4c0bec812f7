"""Sample: the reference answers where a key is wanted of it, the student where it is measured.

response_id  prompt_id  role     model        sample_index  finish_reason  content
91d0…        3c7b…      student  sim-student  3             stop           … \\boxed{4}
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.llm.drawing import draw
from tasks.llm.engine import Completion
from tasks.llm.pending import Range
from tasks.llm.request import Endpoint, Request
from tasks.messages import SOLVE_TEMPLATE, solve_messages
from tasks.progress import active
from tasks.recipe import Recipe, Role
from tasks.store import Store, open_store

SampledRole = Literal["reference", "student"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much of a role is wanted: prompts, and calls that have no response yet."""

    prompts: int
    calls: int


def plan_samples(
    prompts: Iterable[Mapping[str, Any]], endpoint: Endpoint, role: Role, samples: int
) -> Iterator[Request]:
    """Yield a request per prompt and sample index, prompt by prompt."""
    for prompt in prompts:
        messages = solve_messages(
            prompt["text"], prompt["choices"], prompt["answer_type"], endpoint.settings
        )
        for index in range(samples):
            yield Request(prompt["prompt_id"], role, SOLVE_TEMPLATE, messages, index)


def samples_of(recipe: Recipe, role: SampledRole) -> int:
    """Return how many samples the recipe wants of a role."""
    return recipe.sample.student if role == "student" else recipe.sample.reference


def answers_too(recipe: Recipe, role: SampledRole) -> bool:
    """Whether a role answers prompts that came with an answer: the student always does."""
    return role == "student" or recipe.sample.reference_on == "all"


def count_wanted(store: Store, recipe: Recipe, role: SampledRole) -> Wanted:
    """Count the prompts a role should answer, and about how many calls that still takes."""
    counted = store.query(
        "sample_counts",
        role=role,
        answered_too=answers_too(recipe, role),
        model=getattr(recipe.models, role).model,
        template=SOLVE_TEMPLATE,
        samples=samples_of(recipe, role),
    ).row(0, named=True)
    return Wanted(counted["prompts"], counted["calls"])


def sample_range(
    store: Store, recipe: Recipe, run_id: str, role: SampledRole, asked: Range
) -> Completion:
    """Draw what is missing of a role on the prompts of a range."""
    pages = (
        store.query(
            "sample_prompts",
            role=role,
            low=part.low,
            high=part.high,
            answered_too=answers_too(recipe, role),
        )
        for part in asked.parts()
    )
    return draw(
        store,
        recipe,
        role,
        pages,
        lambda endpoint, page: plan_samples(
            page.iter_rows(named=True), endpoint, role, samples_of(recipe, role)
        ),
        run_id=run_id,
        tracker=active(role),
        calls=asked.calls,
    )


@task(task_run_name="{role} {asked.name}", cache_policy=NO_CACHE)
def sample_chunk(recipe: Recipe, run_id: str, role: SampledRole, asked: Range) -> Completion:
    """Draw a chunk of samples; what was drawn before is not drawn again."""
    return sample_range(open_store(recipe.store), recipe, run_id, role, asked)
