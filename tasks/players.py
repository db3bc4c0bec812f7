"""Players: whom a run will ask for certain, looked for before it reads or pays anything.

models.teacher: this stage needs a model in the role `teacher`

Who is asked only where there is something to ask (a confirmer, a router, a reference of votes) is
looked for by its stage.
"""

from collections.abc import Iterator

from tasks.llm.pending import has_answered
from tasks.llm.servers import endpoint_of, identify_endpoint
from tasks.recipe import ModelSettings, Recipe, Role
from tasks.rewrite.openings import is_confirming
from tasks.store import Store


def check_players(store: Store, recipe: Recipe) -> None:
    """Raise RecipeError if a role that will be asked is not filled, or its server's key missing.

    A model that has answered before may have answered all there is: a run that makes no call needs
    no key.
    """
    for played, role in _find_certain(recipe):
        settings: ModelSettings | None = getattr(played.models, role)
        if settings is None or _is_to_be_reached(store, played, settings):
            endpoint_of(store, played, role)


def _find_certain(recipe: Recipe) -> Iterator[tuple[Recipe, Role]]:
    """Yield the roles that will be asked, with the recipe that says who plays each."""
    brought = {source.role for source in recipe.responses}
    if recipe.select.needs_embedder and isinstance(recipe.models.embedder, ModelSettings):
        yield recipe, "embedder"
    rewrites = recipe.models.rewriter is not None and _rewrites(recipe)
    if rewrites:
        yield recipe, "rewriter"
    if recipe.models.reference is not None and (
        recipe.sample.reference_on == "all" or (rewrites and is_confirming(recipe))
    ):
        yield recipe, "reference"
    if "student" not in brought:  # Else it may be that nobody has to draw any.
        yield from ((each, "student") for each in recipe.of_each_student())
    if recipe.phase != "explore" and "teacher" not in brought:
        yield recipe, "teacher"
    if _rates(recipe):
        yield from ((each, "judge") for each in recipe.of_each_judge())


def _rewrites(recipe: Recipe) -> bool:
    settings = recipe.rewrite
    return bool(settings.strategies and settings.variants and settings.max_per_root)


def _rates(recipe: Recipe) -> bool:
    """Say whether judges will rate prompts or responses of a domain that a seed file is of."""
    domains = {source.constants.domain for source in recipe.seeds}
    return any(
        rubric.share > 0
        and rubric.only == "all"
        and (rubric.rates == "prompt" or recipe.phase != "explore")
        for name, domain in recipe.domains.items()
        if name in domains
        for rubric in domain.rubrics.values()
    )


def _is_to_be_reached(store: Store, recipe: Recipe, settings: ModelSettings) -> bool:
    """Say whether a model is at a server, no simulator, that has answered nothing of it yet."""
    endpoint = identify_endpoint(recipe, settings)
    return not endpoint.simulated and not has_answered(store, endpoint)
