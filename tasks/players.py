"""Players: whom a run will ask for certain, looked for before it reads or pays anything.

models.teacher: this stage needs a model in the role `teacher`

Who is asked only where there is something to ask (a confirmer, a router, a reference of votes) is
looked for by its stage.
"""

from tasks.llm.pending import has_answered
from tasks.llm.servers import endpoint_of, identify_endpoint
from tasks.recipe import ModelSettings, Recipe
from tasks.recipe.players import find_players
from tasks.store import Store


def check_players(store: Store, recipe: Recipe) -> None:
    """Raise RecipeError if a role that will be asked is not filled, or its server's key missing.

    A model that has answered before may have answered all there is: a run that makes no call needs
    no key.
    """
    for played, role in find_players(recipe):
        settings: ModelSettings | None = getattr(played.models, role)
        if settings is None or _is_to_be_reached(store, played, settings):
            endpoint_of(store, played, role)


def _is_to_be_reached(store: Store, recipe: Recipe, settings: ModelSettings) -> bool:
    """Say whether a model is at a server, no simulator, that has answered nothing of it yet."""
    endpoint = identify_endpoint(recipe, settings)
    return not endpoint.simulated and not has_answered(store, endpoint)
