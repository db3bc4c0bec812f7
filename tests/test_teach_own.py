"""A student that teaches itself: its own right recorded answers are what is released."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.assess.grade import grade_responses
from tasks.llm.pending import EVERYTHING
from tasks.llm.under_way import Completion
from tasks.plan.plan import make_plan
from tasks.recipe import Recipe
from tasks.release.stage import stage_pairs
from tasks.sample import Wanted
from tasks.select.decide import decide_after_teach, decide_prompts
from tasks.select.texts import name_text_rules
from tasks.store import Store
from tasks.teach import adopt_answers, count_wanted, rounds_of, teach_range
from tests.conftest import MakeRecipe
from tests.taught_store import RUN, STUDENT, TEACHER, fill, identify, sample_of, taught

RIGHT, WRONG, CUT = (
    ("It is \\boxed{4}.", "correct"),
    ("It is \\boxed{5}.", "wrong"),
    ("It is \\boxed{4", "truncated"),
)
SAID = {
    "first": (RIGHT, RIGHT, WRONG),
    "second": (WRONG, CUT, RIGHT),
    "never": (WRONG, WRONG),
}
MODELS = {"student": {"model": STUDENT}}


@pytest.fixture
def recipe(make_recipe: MakeRecipe) -> Recipe:
    return make_recipe(models=MODELS, teach={"by": "student"}, release={"formats": ["rl"]})


def prepare(store: Store, recipe: Recipe, said: Mapping[str, Any] = SAID) -> None:
    """Prompts that are kept, with these recorded answers of their student and no teacher's."""
    fill(store, *(taught(name, teacher=(), student=answers) for name, answers in said.items()))
    decide_prompts(store, recipe, RUN)


def lessons(store: Store) -> dict[str, list[int]]:
    """Return which samples were adopted of which prompt."""
    rows = store.sql(
        "select prompt_id, sample_index from responses where role = 'teacher' order by all"
    )
    names = {identify(name): name for name in SAID}
    found: dict[str, list[int]] = {}
    for prompt_id, index in rows.iter_rows():
        found.setdefault(names[prompt_id], []).append(index)
    return found


def test_the_first_right_answer_is_released_and_nobody_is_asked(
    store: Store, recipe: Recipe, tmp_path: Path
) -> None:
    prepare(store, recipe)
    first, second = rounds_of(recipe)
    assert count_wanted(store, recipe, first) == Wanted(0, 0)
    assert teach_range(store, recipe, RUN, EVERYTHING, first) == Completion()
    assert adopt_answers(store, recipe, RUN, first) == 2
    grade_responses(store, ("teacher",), RUN)
    assert lessons(store) == {"first": [0], "second": [2]}
    for indices in (second, first):  # What is fit is enough, now and in the next run.
        assert adopt_answers(store, recipe, RUN, indices) == 0

    decide_after_teach(store, recipe, RUN)
    said = store.sql("select prompt_id, reason, detail from current_decisions")
    reasons = {prompt_id: (reason, detail) for prompt_id, reason, detail in said.iter_rows()}
    assert reasons[identify("first")][0] == reasons[identify("second")][0] == "kept"
    assert reasons[identify("never")] == ("no_teacher_response", "the student has no right answer")

    staged = stage_pairs(store, recipe, tmp_path / "out", RUN)
    assert staged.links["prompt_id"].sort().to_list() == sorted(
        identify(name) for name in ("first", "second")
    )
    assert staged.facts["teacher"].unique().to_list() == [STUDENT]
    spent = store.sql("select * from spend where role = 'teacher'")
    assert spent.is_empty()  # The answers were paid for as the student's.


def test_another_is_taken_where_the_first_is_unfit_and_no_more_than_the_recipe_says(
    store: Store, recipe: Recipe
) -> None:
    prepare(store, recipe, {"first": (RIGHT,) * 4})
    taken = []
    for indices in (*rounds_of(recipe), *rounds_of(recipe)):
        taken.append(adopt_answers(store, recipe, RUN, indices))
        grade_responses(store, ("teacher",), RUN)
        rows = store.sql("select response_id from responses where role = 'teacher'")
        rule = {"rules": name_text_rules(recipe), "rule": "looping"}
        store.append("text_faults", rows.with_columns(pl.lit(v).alias(k) for k, v in rule.items()))
    assert taken == [1, 1, 0, 0]
    assert lessons(store) == {"first": [0, 1]}


@pytest.mark.slow
def test_a_newer_verdict_on_the_answer_that_was_taken_has_another_taken(
    store: Store, recipe: Recipe
) -> None:
    prepare(store, recipe, {"first": (RIGHT, RIGHT)})
    assert adopt_answers(store, recipe, RUN, range(1)) == 1
    grade_responses(store, ("teacher",), RUN)
    store.execute("update grades set verdict = 'wrong' where role = 'teacher'")
    assert adopt_answers(store, recipe, RUN, range(1)) == 1
    assert lessons(store) == {"first": [0, 1]}


def test_what_was_adopted_is_nothing_to_a_recipe_with_a_teacher(
    store: Store, recipe: Recipe, make_recipe: MakeRecipe
) -> None:
    prepare(store, recipe)
    adopt_answers(store, recipe, RUN, range(1))
    grade_responses(store, ("teacher",), RUN)
    other = make_recipe(models={**MODELS, "teacher": {"model": TEACHER}})
    decide_prompts(store, other, RUN)
    assert count_wanted(store, other, range(1)) == Wanted(prompts=3, calls=3)
    decide_after_teach(store, other, RUN)
    assert not store.sql("select bool_or(kept) from current_decisions").item()


@pytest.mark.slow
def test_the_answer_keeps_what_was_known_of_it(store: Store, recipe: Recipe) -> None:
    prepare(store, recipe, {"second": SAID["second"]})
    adopt_answers(store, recipe, RUN, range(1))
    (row,) = store.sql("select * from responses where role = 'teacher'").to_dicts()
    kept = {name: row[name] for name in ("model", "content", "completion_tokens", "simulated")}
    assert kept == {
        "model": STUDENT,
        "content": RIGHT[0],
        "completion_tokens": 12,
        "simulated": True,
    }
    assert row["reuse_key"] == sample_of("second", 2)  # Whose it is.
    assert (row["server"], row["template"], row["cost_usd"]) == ("import", "adopted", None)


def test_no_teacher_is_planned_or_missed(recipe: Recipe) -> None:
    plan = make_plan(recipe)
    assert not [stage for stage in plan.stages if stage.role == "teacher" and stage.prompts.high]
    assert not [warning for warning in plan.warnings if "teacher" in warning]


def test_only_right_answers_can_be_taken(make_recipe: MakeRecipe) -> None:
    with pytest.raises(Exception, match="by: student takes only right answers"):
        make_recipe(models=MODELS, teach={"by": "student", "only_correct": False})
