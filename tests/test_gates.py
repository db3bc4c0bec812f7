"""Gates on the way: a bad row a rule, each blamed by its own rule; verdicts kept; when a release is
judged again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from expectations.rules import read_rules
from flows.build import build
from tasks.errors import GateBroken, GateFailed, RecipeError
from tasks.gates import judge_store
from tasks.plan.plan import make_plan
from tasks.recipe import Recipe, ReleaseSettings, Role
from tasks.release.gate import check_gate, describe_losses, expect, find_previous
from tasks.release.publish import release
from tasks.select.decide import decide_after_teach
from tasks.select.texts import split_guidelines
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import RUN, STUDENT, TEACHER, fill, identify, response_of, taught

MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}


@pytest.fixture
def recipe(make_recipe: MakeRecipe) -> Recipe:
    """A recipe of the models that `taught_store` fills a store with."""
    return make_recipe(models=MODELS, release={"validation_share": 0.3})


def found(verdict: Mapping[str, Any]) -> dict[str, tuple[int, str | None]]:
    """Return what the rules found that found anything."""
    rules = verdict["rules"]
    return {rule["rule"]: (rule["found"], rule["detail"]) for rule in rules if rule["found"]}


def add(store: Store, table: str, *rows: dict[str, Any]) -> None:
    """Put rows into a table past every check that the store makes."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    store.append(table, frame, run_id=RUN, known_new=True)


@pytest.mark.slow
def test_what_came_in_is_judged(store: Store, recipe: Recipe) -> None:
    fill(store, taught("good"), taught("child", kind="rewrite", root="good"))
    add(store, "loads", {"run_id": RUN, "purpose": "seed", "rows_read": 1})
    assert found(judge_store(store, recipe, RUN, "ingest")) == {}
    assert found(judge_store(store, recipe, "nothing new", "ingest")) == {}
    add(store, "failures", {"response_id": "later", "role": "student", "failure": "refused"})
    assert found(judge_store(store, recipe, "nothing new here", "ingest")) == {}
    assert store.sql("select run_id from gates")["run_id"].to_list() == [RUN]
    orphan, whole = identify("orphan"), {"text": "2 + 2?", "answer_type": "number"}
    add(
        store,
        "prompts",
        {"prompt_id": identify("good"), "root_id": identify("good"), "kind": "seed", **whole},
        {"prompt_id": orphan, "root_id": "gone", "kind": "rewrite", **whole},
        {"prompt_id": "mute", "root_id": "mute", "kind": "seed", **whole, "text": " "},
    )
    bad = {"uri": "seeds.jsonl", "row_number": 2, "purpose": "seed", "reason": "bad_json"}
    add(store, "quarantine", {"quarantine_id": "q", **bad})
    add(store, "loads", {"run_id": "later", "purpose": "seed", "rows_read": 9})
    store.execute("update prompt_sources set licence = null")
    with pytest.raises(GateFailed, match=r"the run stops after ingest: 4 critical") as failure:
        judge_store(store, recipe, "run-2", "ingest")
    assert failure.value.verdict is not None
    assert found(failure.value.verdict) == {
        "incomplete_prompt": (1, "no text"),
        "many_quarantined": (1, "seeds.jsonl: 1 of 2 rows"),
        "missing_root": (1, "root gone is not there"),
        "repeated_prompt_id": (1, "2 rows"),
        "unlicensed_seed": (1, "no licence"),
        "unsourced_seed": (1, "no file and row"),
        "vanished_rows": (1, "9 rows read, 2 accounted for"),
    }
    # Every rule has had a store that it passes and one that it does not.
    assert set(found(failure.value.verdict)) == {rule.name for rule in read_rules("ingest")}
    kept = store.sql("select run_id, suite, passed, rows from gates order by created_at").rows()
    assert kept == [(RUN, "ingest", True, 2), ("run-2", "ingest", False, 5)]
    told = store.sql("select rule, found from gate_rules where run_id = 'run-2' and passed")
    assert told.is_empty()


def answer(name: str, prompt: str, index: int, **changes: Any) -> dict[str, Any]:
    """Return a response of the student, stopped by itself and paid for."""
    row = {
        "response_id": name,
        "prompt_id": identify(prompt),
        "role": "student",
        "model": STUDENT,
        "server": "simulator",
        "sample_index": index,
        "content": "4",
        "finish_reason": "stop",
        "cost_usd": 0.01,
    }
    return {**row, **changes}


@pytest.mark.slow
def test_every_role_may_answer_and_a_rewrite_be_confirmed_before_it_is_decided(
    store: Store, recipe: Recipe
) -> None:
    fill(store, taught("good", correct=1, wrong=1))
    roles = [answer(f"of the {role}", "good", 9, role=role) for role in get_args(Role)]
    add(store, "responses", *roles)

    def unknown() -> dict[str, tuple[int, str | None]]:
        try:
            return found(judge_store(store, recipe, RUN, "responses"))
        except GateFailed as failure:
            return found(failure.verdict or {})

    assert "incomplete_response" not in unknown()
    add(store, "responses", answer("a try", "not decided yet", 0, role="reference"))
    assert "incomplete_response" not in unknown()
    decided = {"response_id": "of the rewriter", "reason": "declined", "accepted": False}
    add(store, "rewrites", decided)
    assert unknown()["incomplete_response"] == (1, "its prompt is not there")


@pytest.mark.slow
def test_what_was_answered_is_judged(store: Store, recipe: Recipe) -> None:
    recipe = recipe.model_copy(update={"sample": recipe.sample.model_copy(update={"student": 2})})
    fill(store, taught("good", correct=1, wrong=1))
    key = store.sql("select key_id from current_keys")["key_id"][0]

    def graded(response: str, verdict: str) -> dict[str, Any]:
        judged = {"key_id": key, "verifier": "math", "version": 1, "extracted": "4"}
        return {"response_id": response, "verdict": verdict, **judged}

    add(store, "responses", answer("a", "good", 0), answer("b", "good", 1, content="5"))
    second = answer("second", "good", 0, role="confirmer", model="other")
    direction = answer("direction", "an item, no prompt", 0, role="embedder", model="embedder")
    add(store, "responses", second, direction)
    add(store, "grades", graded("a", "correct"), {**graded("b", "wrong"), "extracted": "5"})
    assert found(judge_store(store, recipe, RUN, "responses")) == {}
    add(
        store,
        "responses",
        answer("a", "good", 0),
        answer("c", "good", 2, cost_usd=-1.0),
        answer("f", "good", 6, budget_usd=0.001, budget_tokens=0, uncounted=0),
        answer("d", "good", 3, content=" ", finish_reason="stop"),
        answer("e", "elsewhere", 0),
        *(answer(f"cut-{n}", "good", 4 + n, finish_reason="length") for n in range(2)),
    )
    add(
        store,
        "grades",
        graded("c", "wrong"),
        graded("f", "correct"),
        *(graded(f"cut-{n}", "correct") for n in range(2)),
    )
    fill(store, taught("unasked"))
    # Every call is said to have cost twice as much as it did.
    store.execute(
        "create or replace view spend as select * replace (2 * cost_usd as cost_usd) from responses"
    )
    with pytest.raises(GateFailed, match=r"the run stops after responses: 7 critical") as failure:
        judge_store(store, recipe, "run-2", "responses")
    assert failure.value.verdict is not None
    verdict = found(failure.value.verdict)
    assert {name: number for name, (number, _) in verdict.items()} == {
        "blank": 1,
        "impossible_bill": 2,  # one below nothing, one that a budget counts a tenth of
        "incomplete_response": 1,
        "inconsistent_verdict": 1,
        "many_truncated": 1,
        "missing_samples": 1,
        "repeated_response_id": 1,
        "unbalanced_pass_rate": 1,
        "unbalanced_spend": 3,  # of the student, the confirmer and the embedder
        "ungraded": 1,
    }
    # Every rule has had a store that it passes and one that it does not.
    assert set(verdict) == {rule.name for rule in read_rules("responses")}
    assert verdict["incomplete_response"][1] == "its prompt is not there"
    assert verdict["inconsistent_verdict"][1] == "the answer 4 is both correct and wrong"
    assert verdict["missing_samples"][1] == f"prompt {identify('unasked')}: 0 of 2"


@pytest.mark.slow
def test_samples_are_missing_of_those_that_every_prompt_gets(
    store: Store, make_recipe: MakeRecipe
) -> None:
    fill(store, *(taught(name, correct=0, wrong=0) for name in ("drawn", "imported", "few")))
    elsewhere = {"server": "import", "finish_reason": None, "cost_usd": None}
    add(
        store,
        "responses",
        *(answer(f"drawn-{number}", "drawn", number) for number in range(4)),
        *(answer(f"imported-{n}", "imported", 7 + 3 * n, **elsewhere) for n in range(4)),
        *(answer(f"few-{n}", "few", 0, **elsewhere) for n in range(3)),
    )

    def missing(sample: dict[str, Any]) -> tuple[int, str | None]:
        # Their verdicts are no matter of this rule.
        asked = make_recipe(models=MODELS, sample=sample)
        try:
            return found(judge_store(store, asked, RUN, "responses"))["missing_samples"]
        except GateFailed as failure:
            return found(failure.verdict or {})["missing_samples"]

    # A prompt that is settled after `start` samples lacks none; `few` has three.
    assert missing({"adaptive": {"start": 4}}) == (1, f"prompt {identify('few')}: 3 of 4")
    assert missing({"student": 8})[0] == 3


def test_a_store_s_rule_that_raises_is_a_broken_gate(store: Store, recipe: Recipe) -> None:
    store.execute("alter table quarantine drop column purpose")
    with pytest.raises(GateBroken, match=r"cannot be evaluated: mend ingest_many_quarantined\.sql"):
        judge_store(store, recipe, RUN, "ingest")
    assert store.sql("select * from gates").is_empty()


@pytest.mark.everyday(2)
@pytest.mark.parametrize(
    ("words", "is_contradicted"),
    [
        ([("other", "unverifiable"), ("other", "wrong")], True),
        ([("other", "wrong"), ("other", "unverifiable")], False),  # Its last word counts.
        ([("judge", "wrong")], False),  # It was asked to overrule what a verifier had said …
        ([("judge", "wrong"), ("other", "wrong")], True),  # … and not what one said later.
        ([("judge", "wrong"), ("number", "correct")], False),  # The judge was taken back.
    ],
)
def test_verifiers_contradict_each_other_by_their_last_words(
    store: Store, recipe: Recipe, words: list[tuple[str, str]], is_contradicted: bool
) -> None:
    fill(store, taught("disputed"))
    known = store.sql("select distinct key_id from grades").row(0, named=True)
    for attempt, (verifier, verdict) in enumerate(words, start=1):
        said = {"verifier": verifier, "version": 1, "attempt": attempt, "verdict": verdict}
        add(store, "grades", {**known, **said, "response_id": _of("disputed")})
    found = store.query("gate_contradicted_responses")["response_id"].to_list()
    assert found == [_of("disputed")] * is_contradicted


@pytest.mark.slow
def test_what_the_store_says_a_release_must_be(store: Store, recipe: Recipe) -> None:
    fill(store, taught("good"), taught("doubted", trusted=False), taught("disputed"))
    decide_after_teach(store, recipe, RUN)
    key = store.sql("select key_id from grades where response_id = $id", {"id": _of("disputed")})
    other = {"response_id": _of("disputed"), "key_id": key["key_id"][0], "verifier": "other"}
    add(store, "grades", {**other, "version": 1, "verdict": "wrong"})
    twins = {"prompt_id": identify("disputed"), "representative_id": identify("good")}
    add(store, "duplicates", {**twins, "method": "near", "score": 0.9})
    expected = expect(store, recipe, "new")
    assert (list(expected.untrusted), list(expected.contradicted)) == (
        [identify("doubted")],
        [_of("disputed")],
    )
    assert expected.clusters == dict.fromkeys(
        (identify("disputed"), identify("good")), identify("good")
    )
    assert {book.book: (book.expected, book.found) for book in expected.books} == {
        "prompts that were decided on": (3, 3),
        "seeds that came from a row of a file": (3, 3),
        "rewrites that were accepted": (0, 0),
        "answers of the rewriter with an outcome": (0, 0),
        "dollars spent on calls": (0, 0),
    }


def _of(name: str) -> str:
    return response_of(name)


@pytest.mark.slow
def test_what_a_judge_has_accepted_is_released(store: Store, recipe: Recipe) -> None:
    fill(store, *(taught(f"p{number}") for number in range(7)))
    fill(store, taught("four", teacher=(("It is four.", "wrong"),)))
    known = store.sql(
        "select distinct key_id from grades where response_id = $id", {"id": _of("four")}
    )
    said = {"verifier": "judge", "version": 1, "verdict": "correct", "reason": "judged"}
    add(store, "grades", {**known.row(0, named=True), **said, "response_id": _of("four")})
    decide_after_teach(store, recipe, RUN)
    assert release(store, recipe, RUN).gate["figures"]["pairs"] == 8


@pytest.mark.slow
def test_a_refusal_tells_of_failed_calls_of_the_recipes_own_models(
    store: Store, recipe: Recipe
) -> None:
    failed = {"role": "student", "model": STUDENT, "message": "no such model"}
    add(
        store,
        "failures",
        {"response_id": "own", **failed},
        *({"response_id": f"{n}", **failed, "model": "last-month-s"} for n in range(3)),
        {"response_id": "as teacher", **failed, "role": "teacher"},
    )
    assert describe_losses(store, recipe) == (
        f"\n  1 calls to {STUDENT} as student failed: no such model"
    )


@pytest.mark.slow
def test_a_frozen_domain_passes_with_the_rates_that_it_was_released_with(
    store: Store, make_recipe: MakeRecipe
) -> None:
    fill(store, *(taught(f"p{number}") for number in range(8)))
    formats = {"formats": ["jsonl"]}
    first = make_recipe(models=MODELS, release=formats)
    decide_after_teach(store, first, RUN)
    release(store, first, RUN)
    fill(
        store,
        *(taught(f"c{number}", domain="code", correct=2, wrong=6) for number in range(2)),
        taught("half", domain="code"),
    )
    narrower = {"freeze": ["math"], "band": {"high": 0.4}}
    second = make_recipe(models=MODELS, release=formats, select=narrower)
    decide_after_teach(store, second, RUN)
    released = release(store, second, RUN)
    assert released.new
    assert released.gate["figures"]["pairs"] == 8 + 2
    card = (released.folder / "README.md").read_text(encoding="utf-8")
    assert "from 0.125 to 0.4, of math as they were released before. " in card


@pytest.mark.slow
def test_a_published_release_is_judged_again_only_by_other_rules(
    store: Store, recipe: Recipe, tmp_path: Path
) -> None:
    fill(store, *(taught(f"p{number}") for number in range(8)))
    decide_after_teach(store, recipe, RUN)
    first = release(store, recipe, RUN)
    assert first.gate["figures"]["pairs"] == 8
    release(store, recipe, "run-2")
    assert store.sql("select count(*) from gates").item() == 1
    assert first.gate["suite"] == "release"
    (tmp_path / "mine").mkdir()
    rule = tmp_path / "mine" / "no_fours.sql"
    rule.write_text("-- critical: Nothing is four.\nselect pair_id, key as detail from pairs")
    stricter = recipe.release.model_copy(update={"rules": str(rule.parent)})
    with pytest.raises(GateFailed, match=r"no_fours: 8 found, e\.g\. 4 \("):
        release(store, recipe.model_copy(update={"release": stricter}), "run-3")
    rule.write_text("-- warning: Nothing is four.\nselect pair_id, key as detail from pairs")
    again = release(store, recipe.model_copy(update={"release": stricter}), "run-4")
    assert (again.new, again.release_id) == (False, first.release_id)
    verdicts = store.sql("select run_id, release_id, passed from gates order by created_at").rows()
    assert verdicts == [
        (RUN, first.release_id, True),
        ("run-3", first.release_id, False),
        ("run-4", first.release_id, True),
    ]
    assert find_previous(store, recipe, first.release_id) == {}
    assert find_previous(store, recipe, "another") == first.gate["figures"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"rules": "rule"}, r"release\.rules: rule: expected a folder of \.sql files"),
        ({"suite": "suit.json"}, r"release\.suite: suit\.json: there is no such file"),
        ({"gate": {"tokenizer": "t.json"}}, r"release\.gate\.tokenizer: t\.json: there is no such"),
        (
            {"gate": {"severity": {"loping": "critical"}}},
            r"severity\.loping: there is no such rule",
        ),
    ],
)
def test_what_a_release_is_judged_by_is_looked_for_before_anything_is_paid_for(
    store: Store, recipe: Recipe, named: dict[str, Any], said: str
) -> None:
    """A folder with a wrong name would be a gate without the rules in it."""
    settings = ReleaseSettings.model_validate({**recipe.release.model_dump(), **named})
    wrong = recipe.model_copy(update={"release": settings})
    for ask in (check_gate, make_plan, lambda asked: release(store, asked, RUN), build.fn):
        with pytest.raises(RecipeError, match=said):
            ask(wrong)
    assert store.sql("select * from runs").is_empty()


@pytest.mark.slow
def test_a_release_elsewhere_has_the_same_bytes_the_verdict_too(
    store: Store, recipe: Recipe, tmp_path: Path
) -> None:
    fill(store, *(taught(f"p{number}") for number in range(8)))
    decide_after_teach(store, recipe, RUN)
    elsewhere = recipe.release.model_copy(update={"folder": str(tmp_path / "elsewhere")})
    first = release(store, recipe, RUN)
    second = release(store, recipe.model_copy(update={"release": elsewhere}), "run-2")
    assert second.folder.parent == tmp_path / "elsewhere"
    both = [
        {str(file.relative_to(each.folder)): file.read_bytes() for file in _files(each.folder)}
        for each in (first, second)
    ]
    for files in both:  # When and in which run it was made is told apart.
        assert files.pop("origin.json")
    assert both[0] == both[1]
    assert {"gate.json", "manifest.json"} <= both[0].keys()


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def test_only_lines_long_enough_to_be_told_from_chance_are_guidelines() -> None:
    long = "Always show each step of your work before you state it."
    assert split_guidelines([f"Be brief.\n  {long}\n", long]) == [long]
