"""Scope: which prompts a run asks models about.

    domain  bound
    math    31f0…     explore: the seeds whose marks lie below, and what was made of them
    code                 frozen: none

Without a bound of its own a domain is asked about whole, or, while exploring, not at all. The marks
put a domain's seeds into an order that never changes, so the sample of a larger number contains the
sample of a smaller one, and `scale` goes on from either. Nobody is asked for code where nothing can
run it: no answer could be judged, and all of them would have been paid for.
"""

from dataclasses import dataclass

import polars as pl

from tasks.assess.sandbox import sandbox_works
from tasks.errors import RecipeError
from tasks.recipe import Recipe
from tasks.store import Store

NO_MARKS, ALL_MARKS = "", "g"  # Below and above every mark, which is hexadecimal.


@dataclass(frozen=True, slots=True)
class Scope:
    """The bound of each domain that has one, and the bound of all others."""

    bounds: tuple[tuple[str, str], ...] = ()
    otherwise: str = ALL_MARKS

    @property
    def parameters(self) -> dict[str, object]:
        """What the queries bind that ask who is to be asked."""
        return {
            "scope_domains": [domain for domain, _ in self.bounds],
            "scope_bounds": [bound for _, bound in self.bounds],
            "scope_otherwise": self.otherwise,
        }


def unjudged_types() -> list[str]:
    """Return the answer types of which no answer can be judged on this machine."""
    return [] if sandbox_works() else ["code"]


def name_count(role: str) -> str:
    """Name the count of what is wanted of a role; what is left out here is wanted elsewhere."""
    left_out = "".join(f" but {name}" for name in unjudged_types())
    return f"count what is wanted of the {role}{left_out}"


def scope_of(store: Store, recipe: Recipe) -> Scope:
    """Return what a run of the recipe asks about. Raises RecipeError if it freezes what is not."""
    bounds: dict[str, str] = {}
    if recipe.phase == "explore":
        bounds = dict(store.query("scope_bounds", roots=recipe.explore.roots).iter_rows())
    if recipe.select.freeze:
        release_of_frozen(store, recipe)
    bounds |= dict.fromkeys(recipe.select.freeze, NO_MARKS)
    otherwise = NO_MARKS if recipe.phase == "explore" else ALL_MARKS
    return Scope(tuple(sorted(bounds.items())), otherwise)


def release_of_frozen(store: Store, recipe: Recipe) -> str | None:
    """Return the release whose rows of the frozen domains stay; None if nothing is frozen.

    Raises RecipeError if a domain is frozen that has not been released.
    """
    if not recipe.select.freeze:
        return None
    released = store.query("scope_released", recipe=recipe.name)
    missing = sorted(set(recipe.select.freeze) - set(released["domain"].to_list()))
    if missing:
        known = ", ".join(released["domain"].to_list()) or "nothing yet"
        raise RecipeError(
            f"select.freeze: the latest release of {recipe.name!r} has no pair of {missing[0]!r} "
            f"(it has {known}); release a domain first, then freeze it"
        )
    release_id: str = released["release_id"][0]
    return release_id


def mark_scope(store: Store, recipe: Recipe, evidence: pl.DataFrame) -> pl.DataFrame:
    """Add to evidence who is asked about (`asked`), and what was decided of a frozen prompt."""
    asked = pl.lit(True)
    if recipe.phase == "explore":
        inside = store.query("scope_prompts", **scope_of(store, recipe).parameters)
        asked = pl.col("prompt_id").is_in(inside["prompt_id"].implode())
    marked = evidence.with_columns(asked=asked)
    release = release_of_frozen(store, recipe)
    if release is None:
        return marked
    frozen = list(recipe.select.freeze)
    past = store.query("scope_frozen", release=release, frozen=frozen)
    return marked.with_columns(frozen=pl.col("domain").fill_null("none").is_in(frozen)).join(
        past.select("prompt_id", pl.col("kept", "stage", "reason", "detail").name.prefix("past_")),
        on="prompt_id",
        how="left",
        maintain_order="left",
    )
