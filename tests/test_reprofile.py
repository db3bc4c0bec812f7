"""Re-profile: every figure of what moved between two checkpoints, worked out by hand."""

import math
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from tasks.errors import InputError, StoreError
from tasks.reprofile import compare_students, find_earlier, read_reprofile, tabulate, whole_pool
from tasks.sample import count_wanted
from tasks.select.decide import decide_prompts
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import STUDENT, fill, identify, taught

BAND = {"band_low": 0.125, "band_high": 0.75}
CHECKPOINT = "sim-student-2"


def rows(*rates: tuple[float | None, float | None], domain: str = "math") -> pl.DataFrame:
    """A prompt a pair of rates before and now; their intervals reach a tenth to either side."""
    return pl.DataFrame(
        [
            {
                "prompt_id": f"{domain}-{number}",
                "root_id": f"{domain}-{number}",
                "domain": domain,
                "text": f"Problem {number}",
                "before": before,
                "before_low": None if before is None else before - 0.1,
                "before_high": None if before is None else before + 0.1,
                "now": now,
                "now_low": None if now is None else now - 0.1,
                "now_high": None if now is None else now + 0.1,
                **BAND,
            }
            for number, (before, now) in enumerate(rates)
        ],
        infer_schema_length=None,
    )


def test_prompts_enter_the_band_leave_it_to_either_side_or_stay() -> None:
    pool = rows((0.0, 0.25), (0.5, 0.75), (0.5, 1.0), (0.25, 0.0), (1.0, 1.0), (0.5, None))
    (moved,) = compare_students(pool, "old", "new").domains
    assert (moved.domain, moved.prompts, moved.unmeasured) == ("math", 5, 1)
    assert (moved.in_band_before, moved.in_band_now) == (3, 2)
    assert (moved.entered, moved.too_easy_now, moved.too_hard_now) == (1, 1, 1)
    assert moved.surely == 4  # 0 to .25, .5 to .75, .5 to 1 and .25 to 0; the last did not move.
    assert (moved.mean_before, moved.mean_now) == (0.45, 0.6)


def test_the_mean_change_has_the_interval_of_paired_differences() -> None:
    pool = rows((0.0, 0.25), (0.5, 0.75), (0.5, 1.0), (0.25, 0.0), (1.0, 1.0))
    (moved,) = compare_students(pool, "old", "new").domains
    # Differences .25 .25 .5 -.25 0: mean .15, s = .2850, t(4) = 2.776, s · t / √5 = .3539.
    assert moved.change is not None
    assert math.isclose(moved.change.expected, 0.15)
    assert math.isclose(moved.change.high, 0.15 + 0.3539, abs_tol=1e-3)
    assert math.isclose(moved.change.low, 0.15 - 0.3539, abs_tol=1e-3)


def test_prompts_of_one_seed_count_as_one_movement() -> None:
    pool = rows((0.0, 0.5), (0.0, 0.5), (0.5, 0.5), (0.5, 0.5))
    apart = compare_students(pool, "old", "new").domains[0].change
    roots = pl.Series("root_id", ["a", "a", "b", "b"])
    together = compare_students(pool.with_columns(roots), "old", "new").domains[0].change
    assert apart is not None
    assert together is not None
    assert together.expected == apart.expected == 0.25
    assert together.high - together.low > apart.high - apart.low
    alone = compare_students(rows((0.0, 0.5)), "old", "new").domains[0]
    assert alone.change is None


def test_all_domains_come_first_where_there_are_several_and_the_furthest_are_examples() -> None:
    pool = pl.concat([rows((0.0, 0.25)), rows((0.0, 1.0), (0.5, 0.55), domain="code")])
    found = compare_students(pool, "old", "new")
    assert [each.domain for each in found.domains] == ["all", "code", "math"]
    assert [each["prompt_id"] for each in found.examples] == ["code-0", "math-0"]
    assert tabulate(found)["in band now"].to_list() == [2, 1, 1]


def test_the_whole_pool_is_asked_about_and_never_the_survivors_alone(
    store: Store, make_recipe: MakeRecipe
) -> None:
    fill(
        store,
        taught("kept"),
        taught("easy", correct=8, wrong=0),
        taught("hard", domain="code", correct=0, wrong=8),
    )
    models = {"student": {"model": CHECKPOINT}}
    recipe = make_recipe(models=models, sample={"student": 4})
    decide_prompts(store, make_recipe(models={"student": {"model": STUDENT}}), "run")
    assert count_wanted(store, recipe, "student").calls == 3 * 4
    frozen = make_recipe(models=models, sample={"student": 4}, select={"freeze": ["code"]})
    assert count_wanted(store, whole_pool(frozen), "student").calls == 3 * 4


def test_the_earlier_student_is_the_last_other_one_or_the_one_that_is_named(
    store: Store, make_recipe: MakeRecipe
) -> None:
    with pytest.raises(InputError, match="no student was measured in this store yet"):
        find_earlier(store, STUDENT, None)
    fill(store, taught("a", correct=2, wrong=6))
    with pytest.raises(InputError, match=f"only {STUDENT} was measured"):
        find_earlier(store, STUDENT, None)
    assert find_earlier(store, CHECKPOINT, None) == STUDENT
    with pytest.raises(InputError, match=f"beside {CHECKPOINT} there is {STUDENT}"):
        find_earlier(store, CHECKPOINT, "sim-other")
    key = store.sql("select key_id from keys").item()
    later = {"prompt_id": identify("a"), "student": CHECKPOINT, "key_id": key}
    measured = {"pass_rate": 0.5, "low": 0.4, "high": 0.6, "band_low": 0.125, "band_high": 0.75}
    store.append("difficulty", pl.DataFrame([later | measured]))
    found = read_reprofile(store, make_recipe(models={"student": {"model": CHECKPOINT}}))
    assert (found.before, found.now) == (STUDENT, CHECKPOINT)
    assert [(each.prompts, each.in_band_now) for each in found.domains] == [(1, 1)]


def test_without_a_store_it_is_said_and_none_is_made(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    file = tmp_path / "recipe.json"
    recipe = make_recipe(models={"student": {"model": CHECKPOINT}})
    file.write_text(recipe.model_dump_json(exclude_defaults=True))
    ran = CliRunner().invoke(app, ["reprofile", str(file)])
    assert "there is no store here yet. Make it with `teachset run`" in ran.stderr
    assert ran.exit_code == StoreError.exit_code
    assert not Path(recipe.store.catalog).exists()
