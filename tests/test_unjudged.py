"""Code that nothing can run: nobody is asked, it is said, and all goes on once something can."""

from typing import Any

import pytest

from tasks import scope
from tasks.assess.keys import derive_recipe_keys
from tasks.ingest import ingest_seeds
from tasks.llm.pending import EVERYTHING
from tasks.plan.plan import make_plan
from tasks.recipe import Recipe
from tasks.sample import SampledRole, announce_shortfalls, count_wanted, read_page
from tasks.select.decide import decide_after_teach, decide_prompts
from tasks.store import Store
from tasks.teach import count_wanted as count_lessons
from tasks.teach import pupils_of
from tests.conftest import MakeRecipe
from tests.taught_store import RUN, STUDENT, TEACHER, fill, identify, taught

MODELS = {role: {"model": f"sim-{role}"} for role in ("student", "reference", "teacher")}
SEEDS: list[dict[str, Any]] = [
    {"prompt": "What is 2 + 3?", "answer": "5", "domain": "math"},
    *(
        {
            "prompt": f"Write a function f that adds {number}.",
            "domain": "code",
            "answer_type": "code",
            "tests": [f"assert f(1) == {number + 1}"],
        }
        for number in (1, 2)
    ),
]
LEFT_OUT = (
    "nobody is asked about 2 prompts of code, so none of them is measured or taught: bubblewrap"
)


@pytest.fixture(params=[{"student": 8}, {"adaptive": {}}], ids=["fixed", "adaptive"])
def recipe(request: pytest.FixtureRequest, make_recipe: MakeRecipe) -> Recipe:
    sample: dict[str, Any] = {"reference_on": "all", **request.param}
    return make_recipe(SEEDS, models=MODELS, sample=sample)


def asked(store: Store, recipe: Recipe, role: SampledRole) -> list[str]:
    """The domains of those whom a role is asked about; what is counted is what is read."""
    domains = read_page(store, recipe, role, EVERYTHING)["domain"].sort().to_list()
    assert count_wanted(store, recipe, role).prompts == len(domains)
    return domains


@pytest.mark.everyday(1)
def test_nobody_is_asked_for_what_cannot_be_judged(
    store: Store,
    recipe: Recipe,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scope, "sandbox_works", lambda: False)
    ingest_seeds(store, recipe, RUN)
    derive_recipe_keys(store, recipe, RUN)
    assert (asked(store, recipe, "student"), asked(store, recipe, "reference")) == (["math"],) * 2
    announce_shortfalls(store, recipe)
    assert LEFT_OUT in caplog.text
    planned = make_plan(recipe)
    assert any(warning.startswith(LEFT_OUT) for warning in planned.warnings)
    assert {each.prompts.high for each in planned.stages if each.role == "student"} == {1}
    decide_prompts(store, recipe, RUN)  # Whoever is not asked about has a reason as well.
    reasons = store.sql("select reason, count(*) from decisions group by reason").rows()
    assert reasons == [("too_few_decided", 3)]
    without = scope.name_count("student")
    caplog.clear()
    monkeypatch.setattr(scope, "sandbox_works", lambda: True)
    assert scope.name_count("student") != without  # What was settled then is not settled now.
    everything = ["code", "code", "math"]
    assert asked(store, recipe, "student") == asked(store, recipe, "reference") == everything
    announce_shortfalls(store, recipe)
    assert "prompts of code" not in caplog.text
    planned = make_plan(recipe)
    assert not any(LEFT_OUT in warning for warning in planned.warnings)
    assert {each.prompts.high for each in planned.stages if each.role == "student"} == {3}


def test_a_teacher_is_not_asked_for_what_cannot_be_judged(
    store: Store, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}
    recipe = make_recipe(models=models)
    fill(store, taught("sum", teacher=()), taught("program", teacher=()))
    store.execute(
        "update prompts set answer_type = 'code', tests = ['assert f(1)'] where prompt_id = $of",
        {"of": identify("program")},
    )
    decide_prompts(store, recipe, RUN)
    decide_after_teach(store, recipe, RUN)

    def lessons(recipe: Recipe) -> set[str]:
        rows = store.query("teach_prompts", low="", high="g", **pupils_of(store, recipe, range(2)))
        found = set(rows["prompt_id"])
        assert count_lessons(store, recipe, range(2)).prompts == len(found)
        return found

    unchecked = make_recipe(models=models, teach={"only_correct": False})
    decide_prompts(store, unchecked, RUN)
    both = {identify("sum"), identify("program")}
    for works, expected in ((False, {identify("sum")}), (True, both)):
        monkeypatch.setattr(scope, "sandbox_works", lambda works=works: works)
        assert lessons(recipe) == expected
        assert lessons(unchecked) == both  # Nobody asks whether it is correct.
