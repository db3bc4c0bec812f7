"""What was asked in another way counts for nothing, and is there again when the recipe is."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from tasks.assess.difficulty import measure_difficulty
from tasks.assess.grade import grade_responses
from tasks.assess.keys import derive_keys
from tasks.forms import list_forms, record_forms
from tasks.ingest import ingest_seeds
from tasks.llm.pending import EVERYTHING
from tasks.llm.servers import stop_simulators
from tasks.progress import track
from tasks.recipe import Recipe
from tasks.review import open_reviews
from tasks.rewrite.stage import count_pending, rewrite_range
from tasks.sample import count_wanted, read_page, sample_range
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


@pytest.mark.slow
def test_a_new_system_prompt_is_measured_anew_and_the_old_one_comes_back_without_a_call(
    store: Store, make_recipe: MakeRecipe
) -> None:
    def measure(recipe: Recipe) -> list[tuple[str, int]]:
        record_forms(store, recipe, ("student",), RUN)
        wanted.append(count_wanted(store, recipe, "student").calls)
        sample_range(store, recipe, RUN, "student", EVERYTHING)
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
            rewrite_range(store, plain, RUN, EVERYTHING, tracker)
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


def answer(
    store: Store,
    prompt: str,
    model: str,
    answers: Sequence[str],
    *,
    role: str = "reference",
    form: str | None = None,
) -> None:
    """Add answers of a model on a prompt; without a form they were made elsewhere."""
    rows = pl.DataFrame(
        {
            "response_id": [f"{role}-{prompt}-{model}-{form}-{n}" for n in range(len(answers))],
            "prompt_id": prompt,
            "role": role,
            "model": model,
            "template": "solve@1",
            "sample_index": list(range(len(answers))),
            "server": "import" if form is None else "http://127.0.0.1:9/v1",
            "form": pl.Series([form] * len(answers), dtype=pl.String),
            "content": [rf"\boxed{{{given}}}" for given in answers],
            "finish_reason": "stop",
        }
    )
    store.append("responses", rows, run_id=RUN)


def add_problems(store: Store, **domains: str) -> None:
    rows = [
        {"prompt_id": name, "root_id": name, "kind": "seed", "domain": domain}
        | {"text": f"What is {name}?", "answer_type": "number"}
        for name, domain in domains.items()
    ]
    store.append("prompts", pl.DataFrame(rows), run_id=RUN)


def refer_to(make_recipe: MakeRecipe, model: str, **settings: Any) -> Recipe:
    return make_recipe(
        models={"reference": {"model": model, "base_url": "http://127.0.0.1:9/v1"}},
        sample={"adaptive_reference": {}},
        **settings,
    )


def derived(store: Store, recipe: Recipe) -> dict[str, tuple[str, int | None, int | None]]:
    """Note who is asked, count the votes, and return answer, votes and samples of every key."""
    record_forms(store, recipe, ("reference",), RUN)
    derive_keys(store, recipe.select, RUN)
    keys = "select prompt_id, answer, votes, samples from current_keys where trusted"
    return {name: (given, votes, of) for name, given, votes, of in store.sql(keys).iter_rows()}


def form_in(make_recipe: MakeRecipe, model: str, domain: str = "math") -> str:
    forms = list_forms(refer_to(make_recipe, model), "reference", [(domain, "number")])
    return str(forms["form"][0])


@pytest.mark.slow
def test_a_reference_that_was_replaced_votes_no_more(store: Store, make_recipe: MakeRecipe) -> None:
    weak, strong = refer_to(make_recipe, "weak"), refer_to(make_recipe, "strong")
    add_problems(store, a="math", b="math")
    answer(store, "a", "weak", ["41"] * 16, form=form_in(make_recipe, "weak"))
    answer(store, "b", "weak", ["41"] * 16, form=form_in(make_recipe, "weak"))
    assert derived(store, weak) == {"a": ("41", 16, 16), "b": ("41", 16, 16)}
    votes = "select count(*) from votes"
    counted = store.sql(votes).item()
    assert derived(store, weak) and store.sql(votes).item() == counted

    answer(store, "a", "strong", ["42"] * 4, form=form_in(make_recipe, "strong"))
    # Where the new one has said nothing yet, the former key stands and settles nothing.
    assert derived(store, strong) == {"a": ("42", 4, 4), "b": ("41", 16, 16)}
    wanted = read_page(store, strong, "reference", EVERYTHING)
    assert dict(wanted.select("prompt_id", "wanted").iter_rows()) == {"b": 4}

    assert derived(store, weak) == {"a": ("41", 16, 16), "b": ("41", 16, 16)}


@pytest.mark.slow
def test_people_are_shown_what_the_reference_of_today_said(
    store: Store, make_recipe: MakeRecipe
) -> None:
    weak, strong = refer_to(make_recipe, "weak"), refer_to(make_recipe, "strong")
    add_problems(store, a="math")
    answer(store, "a", "weak", ["41", "40"], form=form_in(make_recipe, "weak"))
    derived(store, weak)
    answer(store, "a", "strong", ["42", "43", "42", "44"], form=form_in(make_recipe, "strong"))
    derived(store, strong)
    (asked,) = open_reviews(store.query("review_open"))
    assert {vote["answer"]: vote["votes"] for vote in asked["votes"]} == {"42": 2, "43": 1, "44": 1}


@pytest.mark.slow
def test_failures_of_a_new_reference_are_not_settled_by_the_former_ones_votes(
    store: Store, make_recipe: MakeRecipe
) -> None:
    weak, strong = refer_to(make_recipe, "weak"), refer_to(make_recipe, "strong")
    add_problems(store, a="math")
    answer(store, "a", "weak", ["41"] * 16, form=form_in(make_recipe, "weak"))
    derived(store, weak)
    derived(store, strong)
    failed = {
        "response_id": [f"f{n}" for n in range(4)],
        "sample_index": list(range(4)),
        "form": form_in(make_recipe, "strong"),
        "prompt_id": "a",
        "role": "reference",
        "model": "strong",
        "template": "solve@1",
        "failure": "refused",
        "failure_id": "f",
    }
    store.append("failures", pl.DataFrame(failed), run_id=RUN)
    # Four of its calls came to nothing: it is asked twice more, as if nobody had voted.
    assert read_page(store, strong, "reference", EVERYTHING)["wanted"].to_list() == [6]


@pytest.mark.slow
def test_votes_made_elsewhere_stay_whichever_model_is_asked(
    store: Store, make_recipe: MakeRecipe
) -> None:
    add_problems(store, a="math")
    answer(store, "a", "bought", ["41"] * 5)
    answer(store, "a", "weak", ["40"] * 4, form=form_in(make_recipe, "weak"))
    derived(store, refer_to(make_recipe, "weak"))
    answer(store, "a", "strong", ["41"] * 4, form=form_in(make_recipe, "strong"))
    assert derived(store, refer_to(make_recipe, "strong")) == {"a": ("41", 9, 9)}


@pytest.mark.slow
def test_frozen_domains_keep_the_votes_of_a_reference_that_was_replaced(
    store: Store, make_recipe: MakeRecipe
) -> None:
    told = {"math": {"instructions": {"number": "Answer with a number in \\boxed{}."}}}
    weak = refer_to(make_recipe, "weak", domains=told)
    add_problems(store, a="math", b="science")
    forms = dict(
        list_forms(weak, "reference", [("math", "number"), ("science", "number")])
        .select("domain", "form")
        .iter_rows()
    )
    answer(store, "a", "weak", ["41"] * 16, form=forms["math"])
    answer(store, "b", "weak", ["41"] * 16, form=forms["science"])
    derived(store, weak)
    answer(store, "b", "strong", ["42"] * 4, form=form_in(make_recipe, "strong", "science"))
    strong = refer_to(make_recipe, "strong", domains=told, select={"freeze": ["math"]})
    assert derived(store, strong) == {"a": ("41", 16, 16), "b": ("42", 4, 4)}


@pytest.mark.slow
def test_a_form_that_a_frozen_domain_keeps_is_left_by_the_others(
    store: Store, make_recipe: MakeRecipe
) -> None:
    """Domains without instructions of their own ask in one form; freezing one must part them."""
    weak = refer_to(make_recipe, "weak")
    add_problems(store, a="math", b="science")
    assert form_in(make_recipe, "weak") == form_in(make_recipe, "weak", "science")
    for prompt in ("a", "b"):
        answer(store, prompt, "weak", ["41"] * 16, form=form_in(make_recipe, "weak"))
    derived(store, weak)
    answer(store, "b", "strong", ["42"] * 4, form=form_in(make_recipe, "strong"))
    strong = refer_to(make_recipe, "strong", select={"freeze": ["math"]})
    assert derived(store, strong) == {"a": ("41", 16, 16), "b": ("42", 4, 4)}
    # Thawed, the frozen one is asked anew as well.
    thawed = refer_to(make_recipe, "strong")
    assert derived(store, thawed) == {"a": ("41", 16, 16), "b": ("42", 4, 4)}
    wanted = read_page(store, thawed, "reference", EVERYTHING)
    assert dict(wanted.select("prompt_id", "wanted").iter_rows()) == {"a": 4}


@pytest.mark.slow
def test_the_rate_of_the_reference_is_of_the_one_that_is_asked(
    store: Store, make_recipe: MakeRecipe
) -> None:
    add_problems(store, a="math")
    store.execute("update prompts set answer = '42', answer_source = 'gold'")
    answer(store, "a", "weak", ["41"] * 16, form=form_in(make_recipe, "weak"))
    # A confirmation of a rewrite is asked in a form that is noted nowhere.
    answer(store, "a", "weak", ["41"] * 3, form="of a confirmation")
    answer(store, "a", "strong", ["42"] * 4, form=form_in(make_recipe, "strong"))
    answer(store, "a", "pupil", ["42", "41"], role="student")
    seen = []
    for model in ("weak", "strong"):
        recipe = refer_to(make_recipe, model)
        assert derived(store, recipe) == {"a": ("42", None, None)}
        grade_responses(store, ["student", "reference"], RUN)
        measure_difficulty(store, recipe.select, RUN)
        rates = "select reference_rate, reference_decided, gap from current_difficulty"
        seen.append(store.sql(rates).row(0))
    # Of the weak one's run on, the strong one's answers are nobody's who was ever asked.
    assert seen == [(4 / 23, 23, 4 / 23 - 0.5), (1.0, 4, 0.5)]
