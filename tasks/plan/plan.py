"""The plan of a run: every stage's calls, whether the budget holds, and what it all rests on.

make_plan(recipe).stages[3]
→ StagePlan(stage="sample", role="student", model="sim-student", prompts=566, cost=4,528 calls)
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from tasks.assess.difficulty import measure_difficulty, share_sampled
from tasks.assess.judging import warn_of_kinship, withdraw_judgements
from tasks.assess.keys import derive_recipe_keys
from tasks.assess.untold import read_untold
from tasks.errors import RecipeError
from tasks.forms import record_forms
from tasks.ingest import (
    IngestCounts,
    import_responses,
    ingest_benchmarks,
    ingest_seeds,
    refuse_unusable_files,
)
from tasks.llm.local import open_model
from tasks.llm.money import prices_of
from tasks.llm.request import Stage
from tasks.llm.spent import load_spent
from tasks.plan.assumed import (
    ACCEPTED_SHARE,
    BYTES_PER_TOKEN,
    COMPLETION_SHARE,
    CONFIRMED_SHARE,
    CONTINUED_SHARE,
    DRAFT_SHARE,
    FIRST_CONTINUED_SHARE,
    FIRST_TOKEN_S,
    NEAR_SHARE,
    TOKENS_PER_SECOND,
    TRUSTED_SHARE,
)
from tasks.plan.budget import Verdict, judge_budget
from tasks.plan.embeddings import forecast_comparisons, forecast_embeddings
from tasks.plan.forecast import (
    Forecast,
    forecast_confirmer,
    forecast_judge,
    forecast_keys,
    forecast_reference,
    forecast_student,
    merge_coming,
)
from tasks.plan.history import Address, Calls, read_history
from tasks.plan.lessons import RUN, forecast_teacher
from tasks.plan.overlay import open_overlay
from tasks.plan.pending import pending_samples
from tasks.plan.price import Cost, Span, add_costs, price, span_of
from tasks.plan.ratings import forecast_prompt_ratings, forecast_response_ratings
from tasks.plan.rewriting import forecast_rewriting, forecast_router
from tasks.rate.objections import give_keys, withdraw_keys
from tasks.recipe import LocalEmbedder, ModelSettings, Recipe, Role
from tasks.release.gate import check_gate
from tasks.rewrite.routes import route_seeds
from tasks.sample import SampledRole, find_shortfalls, find_unjudged
from tasks.select.contamination import find_contamination
from tasks.select.duplicates import find_duplicates
from tasks.select.embed import name_embedder
from tasks.select.meaning import find_neighbours
from tasks.select.names import read_unknown_names
from tasks.select.reworded import find_near_items
from tasks.store import Store
from tasks.teach import is_taught_elsewhere

_HERE = "this machine"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run would find: the rows it reads, the prompts there are, another run's start."""

    has_store: bool
    read: IngestCounts
    seeds: int
    rewrites: int
    duplicates: int
    contaminated: int
    running_since: str | None


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One role's calls in one stage. `shares_from` is explained at `forecast.Forecast`.

    What `is_local` is work of this machine: it has prompts and no calls.
    """

    stage: Stage
    role: Role
    model: str
    prompts: Span
    cost: Cost
    shares_from: int | None
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    `warnings` are what would stop it or leave prompts out, `notes` what the figures rest on.
    """

    setting: Setting
    stages: tuple[StagePlan, ...]
    total: Cost
    budget: Verdict
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def make_plan(recipe: Recipe) -> Plan:
    """Plan a run. Reads the recipe's files and store and writes neither.

    Raises InputError for a file that cannot be used, StoreError for a store of another version,
    RecipeError or GateBroken for a gate that would break.
    """
    check_gate(recipe)
    with open_overlay(recipe.store) as overlay:
        store = overlay.store
        read = _prepare(store, recipe)
        counted = store.query("plan_setting").row(0, named=True)
        setting = Setting(has_store=not overlay.is_new, read=read, **counted)
        history = read_history(store)
        planned = [
            (played, _plan_stage(played, stage, role, forecast, history))
            for played, stage, role, forecast in _forecast(store, recipe)
            if getattr(played.models, role) is not None
            and not (recipe.phase == "explore" and stage == "teach")
        ]
        spent = load_spent(store, recipe)
        said = [
            *find_shortfalls(store, recipe),
            *read_unknown_names(store, recipe),
            *read_untold(store),
        ]
        unjudged = find_unjudged(store, recipe)
    stages = tuple(stage for _, stage in planned)
    verdict = judge_budget(recipe, spent, [(each.role, each.cost) for each in stages])
    return Plan(
        setting=setting,
        stages=stages,
        total=add_costs([each.cost for each in stages]),
        budget=verdict,
        notes=(*_write_notes(recipe, setting, stages), *said),
        warnings=(*_write_warnings(recipe, planned), *unjudged),
    )


def _prepare(store: Store, recipe: Recipe) -> IngestCounts:
    """Run what a run does before its first call and between calls, as far as it makes none."""
    read = ingest_seeds(store, recipe, RUN)
    refuse_unusable_files(store, recipe)
    ingest_benchmarks(store, recipe, RUN)
    import_responses(store, recipe, RUN)
    find_neighbours(store, recipe, RUN)
    embedder = name_embedder(recipe) if recipe.select.needs_embedder else None
    find_duplicates(store, recipe.select.duplicates, RUN, embedder, recipe.select.licences)
    names = [benchmark.name for benchmark in recipe.benchmarks]
    find_contamination(store, recipe.select.contamination, names, RUN)
    find_near_items(store, recipe, RUN)
    record_forms(store, recipe, (*get_args(SampledRole), "teacher"), RUN)
    derive_recipe_keys(store, recipe, RUN)
    withdraw_keys(store, recipe, RUN)
    give_keys(store, recipe, RUN)
    withdraw_judgements(store, recipe, ("reference", "student", "teacher"), RUN)
    if recipe.models.router is not None:
        route_seeds(store, RUN)
    measure_difficulty(store, recipe.select, RUN, share_sampled(recipe))
    return read


def _forecast(store: Store, recipe: Recipe) -> Sequence[tuple[Recipe, Stage, Role, Forecast]]:
    """Forecast every stage; the recipe beside it says who plays the role."""
    prompts = store.query("plan_prompts")
    rewriting = forecast_rewriting(store, recipe, prompts)
    reference, voted = forecast_reference(store, recipe, prompts, rewriting.coming)
    confirmer, confirmed = forecast_confirmer(store, recipe, prompts, voted)
    keyed = merge_coming(confirmed, forecast_keys(store, recipe, voted))
    coming = merge_coming(rewriting.coming, keyed)
    students = [
        (each, pending_samples(store, each, "student")) for each in recipe.of_each_student()
    ]
    asked = students[0][1]
    taught = forecast_teacher(store, recipe, prompts, asked, coming)
    judges = list(recipe.of_each_judge()) if recipe.domains else []
    stages: list[tuple[Stage, Role, Forecast]] = [
        ("rewrite", "router", forecast_router(store, recipe, prompts)),
        ("rewrite", "rewriter", rewriting.rewriter),
        ("rewrite", "reference", rewriting.confirmations),
        ("sample", "reference", reference),
        ("sample", "confirmer", confirmer),
    ]
    last: list[tuple[Stage, Role, Forecast]] = [
        ("assess", "judge", forecast_judge(store, recipe, prompts)),
        ("teach", "teacher", taught),
    ]
    embedded = forecast_embeddings(store, recipe, prompts, rewriting)
    compared = forecast_comparisons(store, recipe, prompts, embedded)
    by_meaning: list[tuple[Stage, Role, Forecast]] = []
    if recipe.select.needs_embedder:
        by_meaning.append(("embed", "embedder", embedded))
    if recipe.select.contamination.by_embedding:
        by_meaning.append(("compare", "judge", compared))
    return (
        *((recipe, *stage) for stage in (*by_meaning, *stages[:3])),
        *(
            (each, "rate", "judge", forecast_prompt_ratings(store, each, prompts, rewriting))
            for each in judges
        ),
        *((recipe, *stage) for stage in stages[3:]),
        *(
            (each, "sample", "student", forecast_student(pending, each, prompts, coming))
            for each, pending in students
        ),
        *((recipe, *stage) for stage in last),
        *(
            (each, "rate", "judge", forecast_response_ratings(store, each, prompts, taught))
            for each in judges
            if recipe.phase != "explore"
        ),
    )


def _plan_stage(
    recipe: Recipe,
    stage: Stage,
    role: Role,
    forecast: Forecast,
    history: Mapping[Address, Calls],
) -> StagePlan:
    settings: ModelSettings | LocalEmbedder = getattr(recipe.models, role)
    is_local = isinstance(settings, LocalEmbedder)
    return StagePlan(
        stage=stage,
        role=role,
        model=settings.model,
        prompts=span_of(forecast.prompts),
        cost=Cost(limit=_HERE) if is_local else price(recipe, role, forecast.demands, history),
        shares_from=forecast.shares_from,
        is_local=is_local,
    )


def _write_notes(recipe: Recipe, setting: Setting, stages: Sequence[StagePlan]) -> list[str]:
    """Say in a line each what the figures rest on."""
    notes = []
    if setting.running_since:
        notes.append(
            f"a run that began at {setting.running_since[:19]} has not ended; this is what was "
            "left of it when the plan was made"
        )
    if any(each.cost.calls.high and not each.cost.seen for each in stages):
        notes.append(
            f"assumed where a model has made no call in this store: {BYTES_PER_TOKEN:g} bytes a "
            f"token, answers of {_percent(COMPLETION_SHARE)} of max_tokens, {FIRST_TOKEN_S:g} s a "
            f"call and 1 s per {TOKENS_PER_SECOND:g} tokens (the simulator's are known)"
        )
    shared = [each for each in stages if each.stage != "compare"]
    if any(each.shares_from == 0 and each.cost.calls.high for each in shared):
        notes.append(
            f"assumed where nothing was measured yet: {_percent(DRAFT_SHARE)} of rewrites are "
            f"worth confirming, {_percent(ACCEPTED_SHARE)} are accepted, "
            f"{_percent(FIRST_CONTINUED_SHARE)} of first drafts are revised and "
            f"{_percent(CONTINUED_SHARE)} of those twice, {_percent(TRUSTED_SHARE)} of voted keys "
            f"are trusted and {_percent(CONFIRMED_SHARE)} of the others confirmed, pass rates "
            "spread like Beta(1/2, 1/2)"
        )
    if any(each.stage == "compare" and each.shares_from == 0 for each in stages):
        notes.append(
            f"assumed where nothing was compared yet: {_percent(NEAR_SHARE)} of the benchmark "
            "items that a judge may be shown are near enough to a prompt"
        )
    notes += [
        f"{each.model} embeds {round(each.prompts.expected):,} texts here, without a call"
        for each in stages
        if each.is_local and each.prompts.high
    ]
    if any(each.cost.calls.high for each in stages):
        notes.append("minutes are of the calls alone; reading, grading and releasing come on top")
    if recipe.sample.adaptive:
        notes.append(
            "the student's samples are drawn in rounds: of a prompt that was begun only the next "
            "one is counted, of others what the stopping rule takes of a U-shaped pool"
        )
    if recipe.sample.adaptive_reference:
        notes.append(
            "the reference's samples are drawn in rounds: of a prompt that was begun only the next "
            "one is counted, of others what it takes where two answers compete"
        )
    if recipe.models.judge is not None and recipe.judges_answers():
        notes.append("of the judge's calls only those on answers that are graded are counted")
    if any(each.role == "router" and each.cost.calls.high for each in stages):
        notes.append("what the router says may bring a seed to other strategies than foreseen")
    if recipe.select.max_per_root is not None:
        notes.append("select.max_per_root is not foreseen: fewer prompts may go to the teacher")
    return notes


def _write_warnings(recipe: Recipe, planned: Sequence[tuple[Recipe, StagePlan]]) -> list[str]:
    """Say in a line each what would stop the run before its end."""
    asked: dict[str, ModelSettings] = {}
    for played, stage in planned:
        if stage.cost.calls.high:
            settings: ModelSettings = getattr(played.models, stage.role)
            asked.setdefault(_place_of(recipe, stage.role, settings), settings)
    warnings = []
    for place, settings in asked.items():
        name = settings.api_key_env
        if settings.base_url and name and not os.environ.get(name, "").strip():
            warnings.append(f"{place}: the environment variable {name} is not set")
        prices = prices_of(settings)
        if recipe.budget.usd is not None and None in (prices.input, prices.output):
            warnings.append(
                f"{place}: {settings.model} has no prices, so budget.usd cannot be kept and "
                "the run would refuse to call it"
            )
    embedder = recipe.models.embedder
    if isinstance(embedder, LocalEmbedder) and any(each.is_local for _, each in planned):
        try:
            open_model(embedder)
        except RecipeError as error:
            warnings.append(str(error))
    if kinship := warn_of_kinship(recipe):
        warnings.append(kinship)
    if _is_one_sided(recipe):
        warnings.append(
            "release.preference.roles: the teacher is asked again only where it was wrong, so few "
            "prompts will have a right and a wrong response of it; set teach.ask_again: always"
        )
    is_written = recipe.teach.by == "student" or recipe.phase == "explore"
    if recipe.teach.by == "teacher" and is_taught_elsewhere(recipe):
        warnings.append(
            "models.teacher: nobody plays the teacher; prompts without a response of `responses` "
            "are set aside"
        )
    elif recipe.models.teacher is None and not is_written:
        warnings.append("models.teacher: nobody plays the teacher; the run ends at once")
    return warnings


def _is_one_sided(recipe: Recipe) -> bool:
    """Say whether a teacher's responses alone are set against each other, and few are asked for."""
    release, teach = recipe.release, recipe.teach
    wanted = "preference" in release.formats and release.preference.roles == ("teacher",)
    return wanted and teach.by == "teacher" and teach.ask_again == "where_unfit"


def _place_of(recipe: Recipe, role: Role, settings: ModelSettings) -> str:
    """Return where a recipe names a model: `models.student`, or `models.students.0` for a further
    one."""
    if getattr(recipe.models, role) == settings:
        return f"models.{role}"
    further: Sequence[ModelSettings] = getattr(recipe.models, f"{role}s")
    return f"models.{role}s.{further.index(settings)}"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
