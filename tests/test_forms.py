"""What was asked in another way counts for nothing, and is there again when the recipe is."""

from typing import Any

import pytest

from tasks.assess.difficulty import measure_difficulty
from tasks.assess.grade import grade_responses
from tasks.assess.keys import derive_keys
from tasks.forms import list_forms, record_forms
from tasks.ingest import ingest_seeds
from tasks.llm.servers import stop_simulators
from tasks.progress import track
from tasks.recipe import Recipe
from tasks.rewrite.stage import count_pending, rewrite_range
from tasks.sample import ALL, count_wanted, sample_range
from tasks.store import Store
from tests.conftest import SEEDS, MakeRecipe

RUN = "run-1"
MATH = [("math", "number")]


def form(make_recipe: MakeRecipe, role: Any = "student", **student: Any) -> str:
    model = {"model": "m", "base_url": "http://127.0.0.1:9/v1", **student}
    recipe = make_recipe(models={"student": model, "teacher": model})
    return str(list_forms(recipe, role, MATH)["form"][0])


@pytest.mark.parametrize(
    ("changed", "is_another"),
    [
        ({"system_prompt": "Be terse."}, True),
        ({"sampling": {"temperature": 0.3}}, True),
        ({"base_url": "http://127.0.0.1:8/v1"}, True),
        ({"model": "n"}, True),
        ({"sampling": {"max_tokens": 77}}, False),
        ({"max_concurrency": 3}, False),
        ({"prices": {"input": 1.0}}, False),
    ],
)
def test_a_form_is_all_that_changes_answers_but_the_question_and_the_ceiling(
    make_recipe: MakeRecipe, changed: dict[str, Any], is_another: bool
) -> None:
    assert (form(make_recipe, **changed) != form(make_recipe)) == is_another
    assert form(make_recipe, role="teacher") != form(make_recipe)


def test_a_domain_with_an_instruction_of_its_own_has_a_form_of_its_own(
    make_recipe: MakeRecipe,
) -> None:
    told = {"math": {"instructions": {"number": "Answer with a number in \\boxed{}."}}}
    kinds = [("math", "number"), ("science", "number"), ("science", "choice")]
    before = list_forms(make_recipe(), "student", kinds)["form"].to_list()
    after = list_forms(make_recipe(domains=told), "student", kinds)["form"].to_list()
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, False, False]


def test_a_new_system_prompt_is_measured_anew_and_the_old_one_comes_back_without_a_call(
    store: Store, make_recipe: MakeRecipe
) -> None:
    def measure(recipe: Recipe) -> list[tuple[str, int]]:
        record_forms(store, recipe, ("student",), RUN)
        wanted.append(count_wanted(store, recipe, "student").calls)
        sample_range(store, recipe, RUN, "student", ALL)
        grade_responses(store, ["student"], RUN)
        measure_difficulty(store, recipe.select, RUN)
        counted = (
            "select prompt_id, (correct + wrong + truncated + unverifiable)::bigint as samples"
        )
        return store.sql(f"{counted} from current_difficulty order by all").rows()

    wanted: list[int] = []
    plain = make_recipe(SEEDS, sample={"student": 4})
    terse = make_recipe(
        SEEDS,
        models={"student": {"model": "sim-student", "system_prompt": "Be terse."}},
        sample={"student": 5},
    )
    ingest_seeds(store, plain, RUN)
    derive_keys(store, plain.select, RUN)
    try:
        first = measure(plain)
        assert [samples for _, samples in first] == [4, 4, 4]
        assert [samples for _, samples in measure(terse)] == [5, 5, 5]
        assert measure(plain) == first
    finally:
        stop_simulators()
    assert wanted == [12, 15, 0]
    assert store.sql("select count(*) from responses").item() == 27


@pytest.mark.slow
def test_another_temperature_of_the_rewriter_asks_again(
    store: Store, make_recipe: MakeRecipe
) -> None:
    def recipe_at(**rewriter: Any) -> Recipe:
        return make_recipe(
            SEEDS,
            models={"rewriter": {"model": "sim-rewriter", **rewriter}},
            rewrite={"strategies": ["paraphrase"], "confirmations": 0},
        )

    plain = recipe_at()
    ingest_seeds(store, plain, RUN)
    try:
        asked = count_pending(store, plain)
        assert asked > 0
        with track("rewrite", asked) as tracker:
            rewrite_range(store, plain, RUN, ALL, tracker)
    finally:
        stop_simulators()
    assert count_pending(store, plain) == 0
    assert count_pending(store, recipe_at(sampling={"temperature": 0.1})) > 0
    assert count_pending(store, recipe_at(system_prompt="Be brief.")) > 0
    assert count_pending(store, recipe_at(sampling={"max_tokens": 4_000})) == 0


def test_frozen_domains_keep_their_forms(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(SEEDS)
    ingest_seeds(store, recipe, RUN)
    assert record_forms(store, recipe, ("student",), RUN) == 2
    frozen = make_recipe(
        SEEDS,
        models={"student": {"model": "sim-student", "system_prompt": "Be terse."}},
        select={"freeze": ["math"]},
    )
    assert record_forms(store, frozen, ("student",), RUN) == 1
    changed = store.sql("select domain from forms order by created_at desc limit 1")
    assert changed.item() == "science"
    assert record_forms(store, frozen, ("student",), RUN) == 0
