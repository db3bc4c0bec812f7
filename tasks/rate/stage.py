"""Rate, as the flows run it: ask the judges, weigh what they said, grade what only they can.

rate_chunk(recipe, run_id, "response", asked)  →  87 ratings
settle_responses(recipe, run_id)               →  6 responses are objected to
"""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.llm.chunks import calls_per_range, interruptible, run_ranges
from tasks.llm.pending import Range
from tasks.rate.guidelines import scan_responses
from tasks.rate.objections import (
    give_keys,
    grade_by_rubric,
    object_to,
    withdraw_keys,
    withdraw_outdated,
)
from tasks.rate.ratings import Subject, count_ratings, rate_range
from tasks.recipe import Recipe
from tasks.store import open_store


@task(task_run_name="rate-{rates}s {asked.name}", cache_policy=NO_CACHE)
@interruptible
def rate_chunk(recipe: Recipe, run_id: str, rates: Subject, asked: Range) -> int:
    """Have a chunk rated; what was rated before is not rated again."""
    return rate_range(open_store(recipe.store), recipe, run_id, rates, asked)


def rate_all(recipe: Recipe, run_id: str, rates: Subject) -> None:
    """Have judges rate what they have not rated yet, a chunk at a time, inside a flow."""
    run_ranges(
        "rate",
        count_ratings(open_store(recipe.store), recipe, rates),
        lambda asked: rate_chunk.submit(recipe, run_id, rates, asked),
        calls_per_range(recipe, "judge"),
    )


@task(task_run_name="withdraw-objections", cache_policy=NO_CACHE)
def prepare_ratings(recipe: Recipe, run_id: str) -> int:
    """Take back objections of rubrics that are not in force any more, and keys that were one."""
    store = open_store(recipe.store)
    return withdraw_outdated(store, recipe, run_id) + withdraw_keys(store, recipe, run_id)


@task(task_run_name="weigh-prompts", cache_policy=NO_CACHE)
def settle_prompts(recipe: Recipe, run_id: str) -> int:
    """Object to prompts below a bar, and give those without any key their rubric as one."""
    store = open_store(recipe.store)
    return object_to(store, recipe, run_id, "prompt") + give_keys(store, recipe, run_id)


@task(task_run_name="scan-responses", cache_policy=NO_CACHE)
def scan_taught(recipe: Recipe, run_id: str) -> int:
    """Look for guidelines in what teachers wrote, before anybody is paid to rate it."""
    return scan_responses(open_store(recipe.store), recipe, run_id)


@task(task_run_name="weigh-responses", cache_policy=NO_CACHE)
def settle_responses(recipe: Recipe, run_id: str) -> int:
    """Object to responses below a bar, and grade those whose key is a rubric."""
    store = open_store(recipe.store)
    withdraw_outdated(store, recipe, run_id)
    objected = object_to(store, recipe, run_id, "response")
    grade_by_rubric(store, recipe, run_id)
    return objected
