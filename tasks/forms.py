"""Forms: how a role asks, so that samples drawn in another way are told from those of today.

role     model        domain  answer_type  form
student  sim-student  math    number       5d0e…   # of its system prompt, temperature, server …

A key says whether this very request was made; a form says it of all requests of a kind at once.
What a role drew in a form that it has left (another system prompt, say) stays in the store, counts
for nothing, and is there again when the recipe comes back to it. Imported responses have none.
"""

from collections.abc import Iterable

import polars as pl

from tasks.llm.request import form_of
from tasks.llm.servers import identify_endpoint
from tasks.recipe import ModelSettings, Recipe, Role
from tasks.sample import plan_samples
from tasks.store import Store

_SCHEMA = dict.fromkeys(("role", "model", "domain", "answer_type", "form"), pl.String)


def list_forms(recipe: Recipe, role: Role, kinds: Iterable[tuple[str | None, str]]) -> pl.DataFrame:
    """Return the form in which a role asks about each domain and answer type."""
    settings: ModelSettings | None = getattr(recipe.models, role)
    if settings is None:
        return pl.DataFrame(schema=_SCHEMA)
    endpoint = identify_endpoint(recipe, settings)
    rows = []
    for domain, answer_type in kinds:
        asked = {
            "prompt_id": "",
            "text": "",
            "choices": None,
            "answer_type": answer_type,
            "domain": domain,
        }
        (request,) = plan_samples([asked], endpoint, role, 1, recipe)
        rows.append((role, settings.model, domain, answer_type, form_of(endpoint, request)))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def record_forms(store: Store, recipe: Recipe, roles: Iterable[Role], run_id: str) -> int:
    """Note in which forms these roles ask from now on, every student among them; return how many
    have changed.

    Frozen domains are left out: what they have stays what it is.
    """
    kinds = store.query("forms_asked", frozen=list(recipe.select.freeze)).rows()
    return sum(
        store.append("forms", list_forms(each, role, kinds), run_id=run_id)
        for role in roles
        for each in (recipe.of_each_student() if role == "student" else (recipe,))
    )
