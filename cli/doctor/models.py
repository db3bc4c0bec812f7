"""Models: is every key there (told by its name alone), does every server answer, with its model.

A local embedder is read instead: its library and its folder are there, or they are told of.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from cli.doctor.finding import Finding
from tasks.errors import ModelServerError, RecipeError
from tasks.llm.listing import list_models
from tasks.llm.local import open_model
from tasks.recipe import LocalEmbedder, ModelSettings, Recipe

AREA = "models"
_AT_ONCE = 8
_SHOWN = 5
_finding = partial(Finding, AREA)


def check_models(recipe: Recipe) -> Iterator[Finding]:
    """Yield a finding a role on its key and its server; servers are asked at once."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for found in pool.map(lambda played: check_role(*played), recipe.models.each()):
            yield from found
    if isinstance(recipe.models.embedder, LocalEmbedder):
        yield check_local(recipe.models.embedder)


def check_local(settings: LocalEmbedder) -> Finding:
    """Return whether a local embedder can be read."""
    try:
        model = open_model(settings)
    except RecipeError as error:
        found, _, mend = str(error).partition("; ")
        return _finding("embedder", "problem", found, mend)
    known = f"{model.words:,} words, {model.size:,} numbers each"
    return _finding("embedder", "ok", f"{settings.model} is there: {known}")


def check_role(role: str, settings: ModelSettings) -> list[Finding]:
    """Return what is found out about the model of one role."""
    if settings.base_url is None:
        return [_finding(role, "ok", f"{settings.model} is simulated")]
    key, variable = "no-key-needed", settings.api_key_env
    found = []
    if settings.api_key_block is not None:
        where = f"the key is in {settings.key_place}; only a run can read it"
        return [_finding(role, "ok", where)]
    if variable is not None:
        key = os.environ.get(variable, "").strip()
        if not key:
            absent = f"the environment variable {variable} is not set"
            mend = f"export {variable}=… with the key of {settings.base_url}"
            return [_finding(role, "problem", absent, mend)]
        found.append(_finding(role, "ok", f"{variable} is set"))
    return [*found, _check_server(role, settings, settings.base_url, key)]


def _check_server(role: str, settings: ModelSettings, base_url: str, key: str) -> Finding:
    try:
        models = list_models(base_url, key)
    except ModelServerError as error:
        mend = "start the server, or correct "
        mend += f"models.{role}.base_url" if "cannot be asked" in str(error) else "key or base_url"
        return _finding(role, "problem", f"{base_url}: {error}", mend)
    if models is None:
        return _finding(role, "warning", f"{base_url} answers, but lists no models (404)")
    if settings.model in models:
        return _finding(role, "ok", f"{base_url} answers and has {settings.model}")
    others = ", ".join(models[:_SHOWN]) + (", …" if len(models) > _SHOWN else "")
    return _finding(
        role,
        "warning",
        f"{base_url} does not list {settings.model}; it lists {others or 'nothing'}",
        f"correct models.{role}.model, unless this server knows names that it does not list",
    )
