"""What each strategy takes on, what it asks, and how it reads what comes back."""

import json
from dataclasses import replace
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from tasks.recipe import ModelSettings, StrategyName
from tasks.rewrite.acceptance import find_refusal
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.routes import Route
from tasks.rewrite.strategies import (
    BY_TEMPLATE,
    STRATEGIES,
    choice_to_open,
    harder,
    new_numbers,
    paraphrase,
)

MODEL = ModelSettings(model="m")
SUM = Parent("p", "p", "math", "What is 2 + 2?", (), "4", "number")
SHIRT = Parent(
    "p",
    "p",
    "math",
    "A shirt costs 40 euros and is reduced by 25%. What is the new price in euros?",
    ("32", "15", "35", "10", "30"),
    "E",
    "choice",
    reference="def price(euros):\n    return euros * 3 / 4",
)
PARTS = replace(SHIRT, text="A shirt costs 40 euros. (a) What is half of it? (b) What is twice?")


def test_every_strategy_is_known_by_name_and_by_template_and_asks_a_strict_schema() -> None:
    names = {
        *("new_numbers", "choice_to_open", "paraphrase", "predict_output", "harder"),
        *("proof_to_answer", "multi_part", "decompose", "self_revision", "code_to_tests"),
        *("word_problem", "instruction_reversal"),
    }
    assert set(STRATEGIES) == names == set(get_args(StrategyName))
    rounds = {"self_revision@1+1", "self_revision@1+2"}
    assert set(BY_TEMPLATE) == {f"{name}@1" for name in names} | rounds
    for name, strategy in STRATEGIES.items():
        assert set(strategy.ROUTES) <= set(get_args(Route))
        schema = strategy.SCHEMA.schema
        Draft202012Validator.check_schema(schema)
        assert strategy.SCHEMA.name == name
        assert schema["required"] == list(schema["properties"])
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("parent", "taken"),
    [
        (SUM, True),
        (replace(SUM, text="What is the square root of 16?"), False),
        (replace(SUM, text="n1 and 3x and 7"), False),
        (replace(SUM, answer_type="expression"), False),
        (replace(SUM, text="1" * 2000 + " and 2"), False),
        (replace(SUM, answer=None), True),
    ],
)
def test_new_numbers_wants_a_number_from_at_least_two(parent: Parent, taken: bool) -> None:
    assert new_numbers.applies(parent) is taken


@pytest.mark.parametrize(
    "stem",
    [
        "Which of the following is prime?",
        "Which of these liquids is the most acidic?",
        "Which pair of elements forms an ionic compound?",
        "Which statement describes the ball?",
        "Which is a renewable source of energy?",
        "Which experiment is a fair test?",
        "All of these are metals EXCEPT",
        "Choose the best reply.",
        "Which answer fits the rules?",
        "What can be said about them?",
        "Which graph above shows a parabola?",
        "What is true about photosynthesis?",
        "Estimate 711 + 497. The sum is between which numbers?",
        "These pairs were put in solution. Which two can be separated?",
        "Which lamp has the best colour rendering index?",
        "The following pairs were put in solution. What pair can be separated?",
    ],
)
def test_a_stem_that_needs_its_options_is_left_alone(stem: str) -> None:
    assert not choice_to_open.applies(replace(SHIRT, text=stem))


@pytest.mark.parametrize(
    "right",
    [
        "all of the above",
        "None of these",
        "both A and C",
        "I and II only",
        "cannot be determined",
        "true",
        "True, False",
        "It stays lit, exactly as bright as before.",
        "a dish in the light and another one in the dark",
        "x" * 101,
    ],
)
def test_an_option_that_is_no_short_answer_is_left_alone(right: str) -> None:
    assert not choice_to_open.applies(replace(SHIRT, choices=("1", "2", "3", "4", right)))


def test_choice_to_open_takes_what_stands_alone() -> None:
    gas = replace(SHIRT, text="Which gas do plants take in?", choices=("O2", "CO2"), answer="B")
    assert choice_to_open.applies(SHIRT)
    assert choice_to_open.applies(gas)
    assert choice_to_open.applies(replace(gas, choices=("oxygen.", "carbon dioxide.")))
    assert not choice_to_open.applies(replace(SHIRT, domain="safety"))
    assert not choice_to_open.applies(replace(SHIRT, answer="F"))
    assert not choice_to_open.applies(replace(SHIRT, answer=None))


def test_a_request_is_the_contracts_json_and_differs_by_variant() -> None:
    system, user = new_numbers.messages(SUM, 1, MODEL)
    assert system[0] == "system"
    assert json.loads(user[1]) == {
        "strategy": "new_numbers",
        "problem": "What is 2 + 2?",
        "choices": None,
        "answer": "4",
        "variant": 1,
    }
    assert new_numbers.messages(SUM, 0, MODEL) != (system, user)
    asked = json.loads(choice_to_open.messages(SHIRT, 0, MODEL)[1][1])
    assert (asked["choices"], asked["answer"]) == (["32", "15", "35", "10", "30"], "E")


def test_the_models_own_system_prompt_comes_first() -> None:
    own = ModelSettings(model="m", system_prompt="Be terse.")
    for strategy in STRATEGIES.values():
        ours = strategy.messages(PARTS, 0, MODEL)[0][1]
        assert strategy.messages(PARTS, 0, own)[0][1] == f"Be terse.\n\n{ours}"


def test_the_examples_in_the_prompts_follow_their_own_schema() -> None:
    for strategy in STRATEGIES.values():
        system = strategy.messages(PARTS, 0, MODEL)[0][1]
        replies = [line for line in system.splitlines() if line.startswith('{"valid"')]
        assert len(replies) == 1
        Draft202012Validator(strategy.SCHEMA.schema).validate(json.loads(replies[0]))


def test_the_key_of_new_numbers_is_the_programs_value() -> None:
    reply = {"valid": True, "problem": " What is 3 + 5? ", "program": "3 + 5", "answer": "9"}
    assert new_numbers.read(reply, SUM) == Candidate(
        "What is 3 + 5?", "9", "8", "number", "execution", "3 + 5"
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"valid": False}, "declined"),
        ({"problem": ""}, "empty"),
        ({"program": " "}, "empty"),
        ({"program": "three + five"}, "program_failed"),
    ],
)
def test_an_unreadable_reply_is_refused(changes: dict[str, object], reason: str) -> None:
    reply = {"valid": True, "problem": "3 + 5?", "program": "3 + 5", "answer": "8", **changes}
    refusal = new_numbers.read(reply, SUM)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason


def test_a_paraphrase_has_the_parents_key_which_the_rewriter_is_not_told() -> None:
    asked = json.loads(paraphrase.messages(SUM, 1, MODEL)[1][1])
    assert asked == {"strategy": "paraphrase", "problem": "What is 2 + 2?", "variant": 1}
    reply = {"valid": True, "problem": " Add 2 and 2. "}
    assert paraphrase.read(reply, SUM) == Candidate("Add 2 and 2.", "4", "4", "number", "gold")
    assert paraphrase.applies(SUM)
    assert not paraphrase.applies(replace(SUM, answer=None))
    assert not paraphrase.applies(replace(SUM, text="What is printed? ```print(4)```"))


BAKER = Parent(
    "p", "p", "math",
    "A baker fills 12 trays with 9 rolls each and sells 35 rolls. How many rolls are left?",
    (), "73", "number", "n0 * n1 - n2",
)  # fmt: skip
BAGS = BAKER.text.replace("How many rolls are left?", "The rest fills bags of 8. How many bags?")


@pytest.mark.parametrize(
    ("text", "program", "answer", "expected"),
    [
        (BAGS, "(12 * 9 - 35) // 8", "9", None),
        (BAGS, "(12 * 9 - 35) // 8", "10", "key_mismatch"),
        (BAGS, "12 * 9 // 8", "13", "easier"),
        (BAGS + " There are 73 rolls.", "(12 * 9 - 35) // 8", "9", "easier"),
        (BAGS + " Of 108 rolls.", "(12 * 9 - 35) // 8", "9", "easier"),
        (BAGS.replace("12", "14"), "(14 * 9 - 35) // 8", "11", "drifted"),
        (BAGS.replace(" each", ""), "(12 * 9 - 35) // 8", "9", "condition_changed"),
        (BAKER.text, "(12 * 9 - 35) // 8", "9", "unchanged"),
        (BAKER.text + " Say it.", "(12 * 9 - 35) + 1", "74", "near_copy"),
        (BAGS.replace("8", "1"), "(12 * 9 - 35) // 1", "73", "near_copy"),
        (BAGS.replace("8", "some"), "(12 * 9 - 35) // 8", "9", "data_changed"),
        (BAGS.replace("8", "99"), "(12 * 9 - 35) // 99", "0", "negative_or_fractional"),
    ],
)
def test_one_step_more_keeps_all_there_was_and_hides_what_is_found_on_the_way(
    text: str, program: str, answer: str, expected: str | None
) -> None:
    reply = {"valid": True, "problem": text, "program": program, "answer": answer}
    read = harder.read(reply, BAKER)
    assert isinstance(read, Candidate)
    refusal = find_refusal(harder.GATES, read, BAKER)
    assert (refusal.reason if refusal else None) == expected


def test_harder_wants_a_known_number() -> None:
    assert harder.applies(BAKER)
    assert not harder.applies(replace(BAKER, answer=None))
    assert not harder.applies(replace(BAKER, answer="12 kg"))
    assert not harder.applies(replace(BAKER, text="How many legs has a spider?"))


def test_a_plain_number_is_a_number_whatever_it_is_called() -> None:
    reply = {"valid": True, "problem": "How many euros?", "answer": "$30$", "answer_type": "text"}
    assert choice_to_open.read(reply, SHIRT) == Candidate(
        "How many euros?", "$30$", "30", "number", "gold"
    )
    declined = choice_to_open.read({**reply, "valid": False}, SHIRT)
    assert declined == Refusal("declined", "the rewriter replied valid=false")
