"""Sample: the reference answers where a key is wanted of it, the student where it is measured.

response_id  prompt_id  role     model        sample_index  finish_reason  content
91d0…        3c7b…      student  sim-student  3             stop           … \\boxed{4}

Either a fixed number of samples each, or as many as it takes: tasks/assess/stopping.py says when a
prompt is settled, and everything it is told is in the store.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.assess.sandbox import say_without_sandbox
from tasks.assess.stopping import leads_for_good, next_look, plan_of, say_shortfalls
from tasks.identity import share_bound
from tasks.llm.chunks import interruptible
from tasks.llm.drawing import draw
from tasks.llm.failures import PERMANENT
from tasks.llm.pending import Range, split_prompts
from tasks.llm.request import Endpoint, Request
from tasks.llm.under_way import Completion
from tasks.messages import SOLVE_TEMPLATE, solve_messages
from tasks.progress import active
from tasks.recipe import AdaptiveReference, AdaptiveStudent, ModelSettings, Recipe, Role
from tasks.scope import scope_of, unjudged_types
from tasks.store import Store, open_store

SampledRole = Literal["reference", "confirmer", "student"]
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much of a role is wanted: prompts, and calls that have no response yet."""

    prompts: int
    calls: int

    @classmethod
    def sum(cls, parts: Iterable["Wanted"]) -> "Wanted":
        """Return what several ranges of prompts want together."""
        counted = list(parts)
        prompts = sum(part.prompts for part in counted)
        return cls(prompts, sum(part.calls for part in counted))


def plan_samples(
    prompts: Iterable[Mapping[str, Any]],
    endpoint: Endpoint,
    role: Role,
    samples: int,
    recipe: Recipe | None = None,
) -> Iterator[Request]:
    """Yield a request per prompt and sample index, prompt by prompt.

    `samples` is how many a prompt gets that has no number of its own in `wanted`, and the first of
    them is 0 unless it says so in `begin`; the recipe says what is particular to its domain.
    """
    for prompt in prompts:
        messages = solve_messages(
            prompt["text"],
            prompt["choices"],
            prompt["answer_type"],
            endpoint.settings,
            recipe.domain(prompt["domain"]) if recipe else None,
            with_guidelines=role == "teacher",
        )
        for index in range(prompt.get("begin", 0), prompt.get("wanted", samples)):
            yield Request(prompt["prompt_id"], role, SOLVE_TEMPLATE, messages, index)


def wanted_samples(
    drawn: int, imported: int, is_settled: bool, settings: AdaptiveStudent | AdaptiveReference
) -> int:
    """Return how many samples a prompt should have, drawn by ourselves; 0 if it needs no more.

    It is looked at when a round is complete: whoever interrupts a round, the next run completes it
    first and then decides as if nothing had happened.
    """
    present = drawn + imported
    look = next_look(present, settings.start, settings.step, settings.most)
    if present >= look:
        if present >= settings.most or is_settled:
            return 0
        look = next_look(present + 1, settings.start, settings.step, settings.most)
    return drawn + look - present


def want_of_student(states: pl.DataFrame, recipe: Recipe, settings: AdaptiveStudent) -> pl.Series:
    """Return the samples wanted of the student, a number a row of sql/queries/sample_states.sql.

    Raises RecipeError if the error that the recipe allows is out of reach.
    """

    def is_settled(state: Mapping[str, Any]) -> bool:
        plan = plan_of(recipe, settings, state["domain"], state["answer_type"])
        decided = state["correct"] + state["wrong"]
        present = state["drawn"] + state["imported"]
        if decided < settings.start and present >= 2 * settings.start:
            return True  # Cut off every time, or nobody can judge it: more would tell no more.
        return decided > settings.most or plan.is_settled(state["correct"], state["wrong"])

    return _want(states, ["domain", "answer_type", "correct", "wrong"], settings, is_settled)


def want_of_reference(states: pl.DataFrame, settings: AdaptiveReference) -> pl.Series:
    """Return the samples wanted of the reference, a number a row of the states."""

    def is_settled(state: Mapping[str, Any]) -> bool:
        return leads_for_good(state["votes"], state["runner_up"], settings.confidence)

    return _want(states, ["votes", "runner_up"], settings, is_settled)


def _want(
    states: pl.DataFrame,
    evidence: list[str],
    settings: AdaptiveStudent | AdaptiveReference,
    is_settled: Callable[[Mapping[str, Any]], bool],
) -> pl.Series:
    """Decide on each distinct state once; there are few, however many prompts."""
    columns = ["drawn", "imported", *evidence]
    distinct = states.select(columns).unique(maintain_order=True)
    wanted = [
        wanted_samples(state["drawn"], state["imported"], is_settled(state), settings)
        for state in distinct.iter_rows(named=True)
    ]
    decided = distinct.with_columns(pl.Series("wanted", wanted, dtype=pl.Int64))
    return states.join(decided, on=columns, how="left", nulls_equal=True, maintain_order="left")[
        "wanted"
    ]


def count_wanted(store: Store, recipe: Recipe, role: SampledRole) -> Wanted:
    """Count the prompts a role should answer, and about how many calls that still takes.

    Where samples are drawn in rounds these are the calls of the next one.
    """
    return Wanted.sum(_count_wanted_in(store, recipe, role, part) for part in split_prompts(store))


def _count_wanted_in(store: Store, recipe: Recipe, role: SampledRole, part: Range) -> Wanted:
    if adaptive_of(recipe, role) is not None:
        states = _read_states(store, recipe, role, part)
        left = (pl.col("wanted") - pl.col("drawn")).filter(pl.col("wanted") > 0).sum()
        return Wanted(states.height, int(states.select(left).item()))
    counted = store.query(
        "sample_counts",
        low=part.low,
        high=part.high,
        template=SOLVE_TEMPLATE,
        model=_model_of(recipe, role).model,
        samples=samples_of(recipe, role),
        **_who(store, recipe, role),
    )
    return Wanted(**counted.row(0, named=True))


def find_shortfalls(store: Store, recipe: Recipe) -> list[str]:
    """Say where the student's samples cannot be as sure as usual; nothing if there are no rounds.

    Raises RecipeError if the recipe names an error that cannot be reached.
    """
    if recipe.sample.adaptive is None:
        return []
    kinds = store.query("forms_asked", frozen=list(recipe.select.freeze))
    sampled = kinds.filter(pl.col("answer_type") != "open")
    return say_shortfalls(recipe, recipe.sample.adaptive, sampled.rows())


def find_unjudged(store: Store, recipe: Recipe) -> list[str]:
    """Say how many prompts nobody is asked because no answer to them could be judged here."""
    unjudged = unjudged_types()
    if not unjudged:
        return []
    scope = scope_of(store, recipe).parameters
    prompts = int(store.query("sample_unjudged", unjudged=unjudged, **scope).item())
    if not prompts:
        return []
    left = f"nobody is asked about {prompts:,} prompts of code"
    return [say_without_sandbox(f"{left}, so none of them is measured or taught")]


def announce_shortfalls(store: Store, recipe: Recipe) -> None:
    """Log which prompts are left out here, and where samples cannot be as sure as usual."""
    for line in (*find_unjudged(store, recipe), *find_shortfalls(store, recipe)):
        _LOGGER.warning("%s", line)


def name_stage(recipe: Recipe, role: SampledRole) -> str:
    """Name the samples of one of several models in a role, to whoever watches."""
    return f"{role} {_model_of(recipe, role).model}"


def count_rounds(recipe: Recipe, role: SampledRole) -> int:
    """Return how many rounds it takes at most until every prompt of a role is settled."""
    settings = adaptive_of(recipe, role)
    if settings is None:
        return 1
    return 1 + -(-(settings.most - settings.start) // settings.step)


def adaptive_of(recipe: Recipe, role: SampledRole) -> AdaptiveStudent | AdaptiveReference | None:
    """Return how samples of a role are drawn in rounds; None if it is a fixed number."""
    if role == "student":
        return recipe.sample.adaptive
    return recipe.sample.adaptive_reference if role == "reference" else None


def sample_range(
    store: Store, recipe: Recipe, run_id: str, role: SampledRole, asked: Range
) -> Completion:
    """Draw what is missing of a role on the prompts of a range."""
    pages = (read_page(store, recipe, role, part) for part in asked.parts())
    return draw(
        store,
        recipe,
        "sample",
        role,
        pages,
        lambda endpoint, page: plan_samples(
            page.iter_rows(named=True), endpoint, role, samples_of(recipe, role), recipe
        ),
        run_id=run_id,
        tracker=active(role, name_stage(recipe, role)),
        calls=asked.calls,
    )


def read_page(store: Store, recipe: Recipe, role: SampledRole, part: Range) -> pl.DataFrame:
    """Return the prompts of a range that a role should answer, and how often (`wanted`)."""
    if adaptive_of(recipe, role) is None:
        return store.query(
            "sample_prompts",
            low=part.low,
            high=part.high,
            model=_model_of(recipe, role).model,
            samples=samples_of(recipe, role),
            **_who(store, recipe, role),
        )
    asked = _read_states(store, recipe, role, part).filter(pl.col("wanted") > 0)
    asked = asked.select("prompt_id", "domain", "answer_type", "wanted")
    ids = asked["prompt_id"]
    texts = store.query("sample_texts", first=ids.min(), last=ids.max())
    return asked.join(texts, on="prompt_id", maintain_order="left")


def _read_states(store: Store, recipe: Recipe, role: SampledRole, asked: Range) -> pl.DataFrame:
    """Return what the samples of a role have shown so far, and how many are wanted."""
    model, settings = _model_of(recipe, role), adaptive_of(recipe, role)
    states = store.query(
        "sample_states",
        low=asked.low,
        high=asked.high,
        template=SOLVE_TEMPLATE,
        model=model.model,
        permanent=list(PERMANENT),
        **_who(store, recipe, role),
    )
    if isinstance(settings, AdaptiveStudent):
        wanted = want_of_student(states, recipe, settings)
    else:
        assert settings is not None
        wanted = want_of_reference(states, settings)
    return states.with_columns(wanted)


def _who(store: Store, recipe: Recipe, role: SampledRole) -> dict[str, Any]:
    """Return the parameters that say which prompts a role answers.

    The student answers all that have a key, the reference those without an answer, or all; nobody
    is asked about what is out of the scope of the run, or for what cannot be judged here.
    """
    sample = recipe.sample
    gold_share = sample.gold_share if role == "reference" else 0
    return {
        "role": role,
        "answered_too": role == "student" or (role == "reference" and sample.reference_on == "all"),
        "gold_below": share_bound(gold_share),
        "keyless_too": role == "student" and sample.keys_by == "student",
        "unjudged": unjudged_types(),
        **scope_of(store, recipe).parameters,
    }


def _model_of(recipe: Recipe, role: SampledRole) -> ModelSettings:
    model: ModelSettings = getattr(recipe.models, role)
    return model


def samples_of(recipe: Recipe, role: SampledRole) -> int:
    """Return how many samples of a role every prompt gets where there are no rounds."""
    if role == "confirmer":
        return recipe.sample.confirmations
    return recipe.sample.student if role == "student" else recipe.sample.reference


@task(task_run_name="{role} {asked.name}", cache_policy=NO_CACHE)
@interruptible
def sample_chunk(recipe: Recipe, run_id: str, role: SampledRole, asked: Range) -> Completion:
    """Draw a chunk of samples; what was drawn before is not drawn again."""
    return sample_range(open_store(recipe.store), recipe, run_id, role, asked)
