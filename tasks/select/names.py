"""Names: what a recipe's selection names and no prompt answers to.

    select.mixture.cod: no prompt is of this domain; there are code, math, science

A recipe may be written before its seeds come in, so it is said and stops nothing.
"""

import difflib
import logging
from collections.abc import Iterable, Sequence

from tasks.recipe import PRESETS, Recipe
from tasks.store import Store

_LOGGER = logging.getLogger(__name__)


def find_unknown_names(recipe: Recipe, domains: Sequence[str]) -> list[str]:
    """Return a line for each domain named that is none of these, and for a policy all but known."""
    select = recipe.select
    named: dict[str, Iterable[str]] = {
        "select.mixture": select.mixture,
        "select.targets": select.targets,
        "select.domains": select.domains,
        "release.weights.domains": recipe.release.weights.domains,
    }
    lines = [
        f"{place}.{domain}: no prompt is of this domain; there are {', '.join(domains)}"
        for place, names in named.items()
        for domain in names
        if domains and domain not in domains
    ]
    meant = difflib.get_close_matches(select.policy, PRESETS, n=1, cutoff=0.88)
    if meant and select.policy not in PRESETS:
        lines.append(
            f"select.policy: {select.policy} is no preset but a name of your own, with the band "
            f"that the recipe sets; did you mean `{meant[0]}`?"
        )
    return lines


def read_unknown_names(store: Store, recipe: Recipe) -> list[str]:
    """Return what `find_unknown_names` finds in a store; nothing as long as there is no prompt."""
    return find_unknown_names(recipe, store.query("prompt_domains")["domain"].to_list())


def announce_unknown_names(store: Store, recipe: Recipe) -> None:
    """Log the names that no prompt answers to."""
    for line in read_unknown_names(store, recipe):
        _LOGGER.warning("%s", line)
