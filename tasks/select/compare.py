"""Compare: what two policies would keep of the same prompts, and what a kept pair costs under each.

    policy     kept  math  code  cost_usd  cost_per_kept
    teachable    97    60    37     12.40          0.128
    phi4-pts     83    52    31     12.40          0.149

Both decide on the evidence that is there; nothing is written and no call is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.errors import RecipeError
from tasks.recipe import PRESETS, Recipe, SelectSettings
from tasks.select.decide import decide, read_evidence
from tasks.store import Store

OWN = "recipe"
EXAMPLES = 3
_TEXT = 200
_RULE = ("band", "min_samples")  # What makes a preset; the recipe's limits hold for both.


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two policies side by side; `moved` counts and shows what only one of them keeps."""

    policies: tuple[Mapping[str, Any], Mapping[str, Any]]
    both: int
    overlap: float  # kept by both / kept by either; 1 if neither keeps anything
    domains: Sequence[Mapping[str, Any]]  # domain, kept under each, by both
    moved: Sequence[Mapping[str, Any]]  # kept_by, reason under the other, prompts, examples


def with_policy(recipe: Recipe, name: str) -> Recipe:
    """Return the recipe with a preset's rule and everything else as it is.

    `recipe` is its own policy. Raises RecipeError if there is no such preset.
    """
    if name in (OWN, recipe.select.policy):
        return recipe
    if name not in PRESETS:
        known = ", ".join([OWN, *PRESETS])
        raise RecipeError(f"{name}: no such policy; there are {known}")
    usual = SelectSettings(policy=name)
    rule = {field: getattr(usual, field) for field in _RULE}
    select = recipe.select.model_copy(update={"policy": name, "domains": {}, **rule})
    return recipe.model_copy(update={"select": select})


def compare_policies(store: Store, recipe: Recipe, first: str, second: str) -> Comparison:
    """Decide under both policies and compare. Raises RecipeError for an unknown one."""
    recipes = [with_policy(recipe, name) for name in (first, second)]
    decisions = [
        decide(read_evidence(store, each), each.select).select(
            "prompt_id", pl.col("kept").alias(f"kept_{side}"), pl.col("reason").alias(side)
        )
        for each, side in zip(recipes, ("first", "second"), strict=True)
    ]
    models = recipe.models
    prompts = store.query("compare_prompts", student=models.student.model, **models.named)
    sides = prompts.join(decisions[0], on="prompt_id").join(decisions[1], on="prompt_id")
    return compare_decisions(sides.sort("prompt_id"), (recipes[0], recipes[1]))


def compare_decisions(sides: pl.DataFrame, recipes: tuple[Recipe, Recipe]) -> Comparison:
    """Compare rows of prompt_id, domain, text, cost_usd, kept and reason under either policy."""
    one, other = pl.col("kept_first"), pl.col("kept_second")
    both, either = sides.filter(one & other).height, sides.filter(one | other).height
    domains = (
        sides.group_by("domain")
        .agg(
            one.sum().alias("first"), other.sum().alias("second"), (one & other).sum().alias("both")
        )
        .sort("domain", nulls_last=True)
    )
    names = [each.select.policy for each in recipes]
    return Comparison(
        policies=(
            _describe(recipes[0], sides, "kept_first"),
            _describe(recipes[1], sides, "kept_second"),
        ),
        both=both,
        overlap=both / either if either else 1.0,
        domains=domains.to_dicts(),
        moved=[
            *_list_moved(sides.filter(one & ~other), names[0], "second"),
            *_list_moved(sides.filter(other & ~one), names[1], "first"),
        ],
    )


def _describe(recipe: Recipe, sides: pl.DataFrame, kept: str) -> dict[str, Any]:
    """Return a policy's name, rule and size, and what all prompts together cost a kept one.

    The cost is what making, answering and measuring them took of the models that the recipe names,
    without the teacher; it is unknown if any of it is.
    """
    preset = PRESETS.get(recipe.select.policy)
    number = int(sides[kept].sum())
    unknown = sides["cost_usd"].null_count() > 0
    cost = None if unknown else float(sides["cost_usd"].sum())
    band = recipe.select.band
    return {
        "policy": recipe.policy_version(),
        "source": preset.source if preset else "this recipe",
        "version": preset.version if preset else None,
        "band": f"{band.low:g} to {band.high:g}",
        "prompts": sides.height,
        "kept": number,
        "cost_usd": cost,
        "cost_per_kept": cost / number if cost is not None and number else None,
    }


def _list_moved(prompts: pl.DataFrame, kept_by: str, other: str) -> list[dict[str, Any]]:
    """Return a row a reason for which the other policy drops what this one keeps."""
    shown = pl.struct("prompt_id", pl.col("text").str.slice(0, _TEXT), "pass_rate")
    grouped = (
        prompts.group_by(pl.col(other).alias("reason"))
        .agg(pl.len().alias("prompts"), shown.head(EXAMPLES).alias("examples"))
        .sort("prompts", "reason", descending=[True, False])
    )
    return [{"kept_by": kept_by, **row} for row in grouped.iter_rows(named=True)]
