"""Re-profile: what has moved since another checkpoint was measured, over the whole original pool.

domain  prompts  in band before  now  entered  too easy now  too hard now  mean change
math        327             160  141       52            64             7  +0.09 (+0.07 to +0.12)

A training set is made for one student as it was then. The next checkpoint solves what it was taught
and so whatever is measured among the survivors alone only shrinks; the prompts that were too
hard before are where the next set comes from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from tasks.errors import InputError
from tasks.explore import ratio_of
from tasks.operations.artifacts import as_markdown
from tasks.plan.price import Span
from tasks.recipe import Recipe
from tasks.store import Store, open_store

EXAMPLES = 5
_MANY = 1_000_000_000  # The pool stands for all prompts like it, not for itself alone.
_TEXT = 200


@dataclass(frozen=True, slots=True)
class Movement:
    """One domain, or all of them: counts of the prompts that both students were measured on.

    `surely` is how many moved further than chance does: their 95 % intervals do not meet.
    `unmeasured` were measured for the earlier student and not for this one.
    """

    domain: str
    prompts: int
    in_band_before: int
    in_band_now: int
    entered: int
    too_easy_now: int
    too_hard_now: int
    surely: int
    unmeasured: int
    mean_before: float
    mean_now: float
    change: Span | None


@dataclass(frozen=True, slots=True)
class Reprofile:
    """Two students side by side, by domain and in all, and the prompts that moved furthest."""

    before: str
    now: str
    domains: tuple[Movement, ...]
    examples: tuple[Mapping[str, Any], ...]


def whole_pool(recipe: Recipe) -> Recipe:
    """Return the recipe as it asks about every prompt: no sample, and nothing frozen."""
    select = recipe.select.model_copy(update={"freeze": ()})
    return recipe.model_copy(update={"phase": "scale", "select": select})


def read_reprofile(store: Store, recipe: Recipe, against: str | None = None) -> Reprofile:
    """Compare the recipe's student with another one. Raises InputError if there is none."""
    now = recipe.models.student.model
    before = find_earlier(store, now, against)
    rows = store.query("reprofile_prompts", before=before, now=now)
    return compare_students(rows, before, now)


def find_earlier(store: Store, now: str, against: str | None) -> str:
    """Return the student to compare with: the one that is named, or the last other one measured."""
    measured = store.query("reprofile_students")["student"].to_list()
    if not measured:
        raise InputError("no student was measured in this store yet; begin with `teachset run`")
    others = [student for student in measured if student != now]
    if against is not None and against not in others:
        known = ", ".join(others) or "none"
        raise InputError(f"{against}: no such student was measured; beside {now} there is {known}")
    if not others:
        raise InputError(
            f"only {now} was measured: name the new checkpoint as models.student in the recipe, or "
            "with --student, and keep the old one's name for what it has answered"
        )
    return against or str(others[0])


def compare_students(rows: pl.DataFrame, before: str, now: str) -> Reprofile:
    """Compare rows of sql/queries/reprofile_prompts.sql domain by domain, and all of them."""
    parts = [(str(name), part) for (name,), part in rows.group_by("domain")]
    listed = [("all", rows), *sorted(parts)] if len(parts) > 1 else parts
    moved = (
        rows.filter(_MEASURED, _SURELY)
        .with_columns(distance=(pl.col("now") - pl.col("before")).abs())
        .sort("distance", "prompt_id", descending=[True, False])
        .head(EXAMPLES)
        .select("prompt_id", "domain", "before", "now", pl.col("text").str.slice(0, _TEXT))
    )
    domains = tuple(_measure(name, part) for name, part in listed)
    return Reprofile(before, now, domains, tuple(moved.to_dicts()))


def tabulate(reprofile: Reprofile) -> pl.DataFrame:
    """Return a row a domain."""
    return pl.DataFrame(
        [
            {
                "domain": each.domain,
                "prompts": each.prompts,
                "in band before": each.in_band_before,
                "in band now": each.in_band_now,
                "entered": each.entered,
                "too easy now": each.too_easy_now,
                "too hard now": each.too_hard_now,
                "surely moved": each.surely,
                "mean": f"{each.mean_before:.3f} to {each.mean_now:.3f}",
                "change": say_change(each.change),
                "not measured now": each.unmeasured,
            }
            for each in reprofile.domains
        ]
    )


def say_change(change: Span | None) -> str:
    """Return a change of a rate with the ends of its interval."""
    if change is None:
        return "unknown"
    return f"{change.expected:+.3f} ({change.low:+.3f} to {change.high:+.3f})"


@task(task_run_name="show-reprofile", cache_policy=NO_CACHE)
def show_reprofile(recipe: Recipe, run_id: str, against: str | None) -> Reprofile:
    """Leave what has moved between two students."""
    reprofile = read_reprofile(open_store(recipe.store), recipe, against)
    create_markdown_artifact(
        key=f"{recipe.name}-reprofile",
        markdown=as_markdown(tabulate(reprofile)),
        description=f"From {reprofile.before} to {reprofile.now}. Run `{run_id}`.",
    )
    return reprofile


_MEASURED = pl.col("before").is_not_null() & pl.col("now").is_not_null()
_SURELY = (pl.col("now_low") > pl.col("before_high")) | (pl.col("now_high") < pl.col("before_low"))


def _measure(domain: str, rows: pl.DataFrame) -> Movement:
    both = rows.filter(_MEASURED)
    was = pl.col("before").is_between(pl.col("band_low"), pl.col("band_high"))
    is_now = pl.col("now").is_between(pl.col("band_low"), pl.col("band_high"))
    counts = both.select(
        pl.len().alias("prompts"),
        was.sum().alias("in_band_before"),
        is_now.sum().alias("in_band_now"),
        (~was & is_now).sum().alias("entered"),
        (was & (pl.col("now") > pl.col("band_high"))).sum().alias("too_easy_now"),
        (was & (pl.col("now") < pl.col("band_low"))).sum().alias("too_hard_now"),
        _SURELY.sum().alias("surely"),
        pl.col("before").mean().fill_null(0.0).alias("mean_before"),
        pl.col("now").mean().fill_null(0.0).alias("mean_now"),
    ).row(0, named=True)
    unmeasured = rows.filter(pl.col("now").is_null()).height
    return Movement(domain=domain, unmeasured=unmeasured, change=_change(both), **counts)


def _change(both: pl.DataFrame) -> Span | None:
    """Return the mean change of the pass rate; the prompts of a seed move together."""
    roots = both.group_by("root_id").agg(
        (pl.col("now") - pl.col("before")).sum().alias("change"),
        pl.len().cast(pl.Float64).alias("prompts"),
    )
    if roots.height < 2:
        return None
    return ratio_of(roots["change"], roots["prompts"], _MANY, least=-1.0)
