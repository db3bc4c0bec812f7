"""Rules on texts: a response that the gate would refuse is passed over, or its prompt set aside."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations.expected import Limits
from expectations.text_faults import find_faults
from expectations.text_rules import TextRules
from tasks.rate.guidelines import split_passages
from tasks.recipe import Allowances, GateSettings, Recipe
from tasks.release.publish import release
from tasks.select.decide import decide_after_teach
from tasks.select.texts import judge_responses, name_text_rules
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.gate_rows import FAULTS, LOOP, PRIVATE, SYSTEM, good_rows
from tests.taught_store import RUN, STUDENT, TEACHER, fill, identify, response_of, taught

MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}
LOOPING = (f"We start. {LOOP * 9} So it is 4.", "correct")
SECRET = (f"Use sk-{'a1B2' * 8} and it is 4.", "correct")
FINE = ("It is 4.", "correct")
ON_TEXTS = {
    *("empty_answer", "leaked_guideline", "looping", "malformed_messages", "malformed_thinking"),
    *("personal_data", "repeated_guidelines", "secret", "too_long"),
}


def make_rules(**settings: Any) -> TextRules:
    """Return the rules as the gate's own tests have them."""
    gate = GateSettings(max_tokens=2_000, guidelines=("House rule seven",), **settings)
    return TextRules(Limits(**gate.model_dump()), [SYSTEM], "think", split_passages([PRIVATE]))


def as_texts(rows: list[dict[str, Any]]) -> pl.DataFrame:
    messages = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
    return pl.DataFrame(
        {
            "text_id": [row["pair_id"] for row in rows],
            "messages": pl.Series([row["messages"] for row in rows], dtype=messages),
        }
    )


def test_it_finds_what_the_gate_finds_by_the_same_rule() -> None:
    bad = [row for rows in FAULTS.values() for row in rows]
    found = find_faults(as_texts([*good_rows(), *bad]), make_rules())
    blamed: dict[str, set[str]] = {}
    for text_id, rule, _ in found.iter_rows():
        blamed.setdefault(rule, set()).add(text_id)
    wanted = {name: {row["pair_id"] for row in FAULTS[name]} for name in ON_TEXTS}
    # Of two rules the first one is told.
    wanted["malformed_thinking"] -= {"closed-twice"}
    wanted["malformed_messages"] -= {"no-messages"}
    wanted["empty_answer"] |= {"closed-twice", "no-messages"}
    assert blamed == wanted
    details = dict(found.select("text_id", "detail").iter_rows())
    assert details["long"] == "2,727 tokens (characters / 4), at most 2,000 are allowed"
    assert "a1B2" not in str(details)


def test_a_rule_that_all_may_break_sets_nothing_aside_and_a_warning_made_critical_does() -> None:
    lenient = make_rules(allow=Allowances(looping=1, personal_data=1))
    strict = make_rules(severity={"foreign_script": "critical"})
    texts = as_texts([*FAULTS["looping"], *FAULTS["personal_data"], *FAULTS["foreign_script"]])
    assert find_faults(texts, lenient).is_empty()
    assert {"mixed", "left-latin"} <= set(find_faults(texts, strict)["text_id"])
    assert len({rules.digest() for rules in (lenient, strict, make_rules())}) == 3


def test_reasoning_that_is_kept_apart_is_looked_at_and_what_is_left_out_is_not() -> None:
    texts = as_texts(good_rows()[:1]).with_columns(
        pl.lit([[{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]])
        .list.first()
        .alias("messages"),
        reasoning=pl.lit(LOOPING[0]),
    )
    for reasoning, found in (("field", ["looping"]), ("drop", [])):
        rules = TextRules(make_rules().limits, [], reasoning)
        assert find_faults(texts, rules)["rule"].to_list() == found


@pytest.fixture
def recipe(store: Store, make_recipe: MakeRecipe) -> Recipe:
    """A recipe whose teacher went wrong here and there."""
    fill(
        store,
        *(taught(f"p{index}") for index in range(3)),
        taught("second", teacher=(LOOPING, FINE)),
        taught("none", teacher=(LOOPING, SECRET)),
        taught("wrong", teacher=(LOOPING, ("It is 5.", "wrong"))),
        taught("asked", text="Ring +44 20 7946 0958 and add two and two.", teacher=(FINE, FINE)),
    )
    return make_recipe(models=MODELS, release={"validation_share": 0})


def decisions(store: Store) -> dict[str, tuple[bool, str, str, str | None]]:
    rows = store.sql("select prompt_id, kept, stage, reason, detail from current_decisions")
    return {row[0]: row[1:] for row in rows.iter_rows()}


@pytest.mark.slow
def test_another_response_is_released_or_the_prompt_is_set_aside_with_the_rule_as_reason(
    store: Store, recipe: Recipe
) -> None:
    decide_after_teach(store, recipe, RUN)
    assert judge_responses(store, recipe, RUN) == 6  # of "asked" both, for what was asked
    assert decide_after_teach(store, recipe, RUN).kept == 4
    decided = decisions(store)
    assert decided[identify("none")][:3] == (False, "teach", "looping")
    assert decided[identify("wrong")][:3] == (False, "teach", "looping")
    assert decided[identify("asked")][2:] == (
        "personal_data",
        "2 responses, 2 usable, 2 correct, and none of them fit: a telephone number",
    )
    done = release(store, recipe, RUN)
    assert (done.pairs, done.gate["passed"]) == (4, True)
    released = store.sql("select prompt_id, response_id from release_pairs")
    assert dict(released.iter_rows())[identify("second")] == response_of("second", 1)
    # Nothing is looked at twice, and other rules look again.
    assert judge_responses(store, recipe, "run-2") == 0
    assert decide_after_teach(store, recipe, "run-2").changed == 0
    allowed = recipe.release.gate.model_copy(update={"allow": Allowances(looping=1)})
    lenient = recipe.model_copy(
        update={"release": recipe.release.model_copy(update={"gate": allowed})}
    )
    assert name_text_rules(lenient) != name_text_rules(recipe)
    assert judge_responses(store, lenient, "run-3") == 3  # The secret, and the number twice.
    assert decide_after_teach(store, lenient, "run-3").kept == 6


def test_the_rules_stand_once() -> None:
    """What is judged here and at the gate are the same files."""
    folder = Path(__file__).resolve().parents[1]
    rules = {rule.file for rule in make_rules().on_pairs()}
    assert rules < {path.name for path in (folder / "sql" / "rules").glob("pair_*.sql")}
    assert len(rules) == len(ON_TEXTS) - 1
