"""Players: whom a run will ask for certain, and who of them the recipe shows to be missing.

models.teacher: this stage needs a model in the role `teacher`

Light on purpose: it is looked at before a server is started.
"""

import os
from collections.abc import Iterator

from tasks.errors import RecipeError
from tasks.recipe.fields import Role
from tasks.recipe.models import ModelSettings
from tasks.recipe.recipe import Recipe

NO_KEY = "no-key-needed"


def check_declared_players(recipe: Recipe, *, is_new: bool) -> None:
    """Raise RecipeError if a role that will be asked is not filled.

    Where the store `is_new` nobody has answered yet, so a key that is missing is told as well.
    """
    for played, role in find_players(recipe):
        settings = settings_of(played, role)
        if is_new and settings.base_url is not None:
            key_of(role, settings)


def settings_of(recipe: Recipe, role: Role) -> ModelSettings:
    """Return who plays a role. Raises RecipeError if nobody does."""
    settings: ModelSettings | None = getattr(recipe.models, role)
    if settings is None:
        raise RecipeError(f"models.{role}: this stage needs a model in the role `{role}`")
    return settings


def key_of(role: Role, settings: ModelSettings) -> str:
    """Return the key of a model's server that the environment has; none may be needed.

    Raises RecipeError if it is not there.
    """
    if settings.api_key_env is None:
        return NO_KEY
    key = os.environ.get(settings.api_key_env, "").strip()
    if not key:
        raise RecipeError(
            f"models.{role}.api_key_env: the environment variable {settings.api_key_env} is not "
            f"set; put the key of {settings.base_url} there"
        )
    return key


def is_confirming(recipe: Recipe) -> bool:
    """Say whether a reference is asked to confirm what the rewriter wrote."""
    return recipe.models.reference is not None and recipe.rewrite.confirmations > 0


def find_players(recipe: Recipe) -> Iterator[tuple[Recipe, Role]]:
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
    if recipe.phase != "explore" and recipe.teach.by == "teacher" and "teacher" not in brought:
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
