"""The simulator answers at its models' stated rates, and rewrites as it is asked to."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.code_mistakes import break_function
from tasks.simulator.completions import ChatRequest, complete
from tasks.simulator.items import Item, read_item
from tasks.simulator.models import ROSTER, difficulty, pass_rate
from tasks.simulator.new_numbers import choose_numbers, put_numbers
from tasks.simulator.outputs import read_calls
from tasks.simulator.paraphrases import alter, paraphrase
from tasks.simulator.programs import evaluate, find_numbers, parse_number, parse_program
from tasks.simulator.replies import write_reply
from tasks.simulator.settings import read_settings
from tasks.simulator.structured import least_instance, write_rewrite
from tests.simulated import (
    AREA,
    BAKER,
    CLIPS,
    FORCE,
    HALF,
    SOUND,
    SURE,
    boxed,
    chat,
    key_of,
    simulating,
    text_of,
)

SOUND_REWRITER = replace(
    ROSTER["sim-rewriter"], wrong_key=0.0, leaked=0.0, unchanged=0.0, malformed_json=0.0
)


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    with simulating({"models": {"sure": SURE, "sure-rewriter": {**SURE, **SOUND}}}) as base_url:
        yield base_url


def sample_rate(item: Item, model: str, samples: int) -> tuple[float, float]:
    """Return the share of right answers among many, and the rate that the model has in truth."""
    key = AnswerKey([item])
    question = key.question_of(item)
    right = 0
    for sample in range(samples):
        text = write_reply(0, model, ROSTER[model], question, str(sample)).content
        answer = boxed(text) or text.rsplit(" ", 1)[1].rstrip(".")
        answer = answer.removeprefix("\\text{").removesuffix("}").replace("73.0", "73")
        right += answer == question.answer
    return right / samples, pass_rate(0, ROSTER[model], question)


@pytest.mark.parametrize(
    ("row", "model"),
    [
        (BAKER, "sim-student"),
        (BAKER, "sim-student-tuned"),
        (BAKER, "sim-think"),
        ({**FORCE, "level": 5}, "sim-student"),
    ],
)
def test_sampled_answers_recover_the_true_pass_rate(row: dict[str, Any], model: str) -> None:
    seen, true = sample_rate(read_item(row), model, 4000)
    assert abs(seen - true) <= 3 * math.sqrt(true * (1 - true) / 4000)


def test_the_pass_rate_is_the_stated_model() -> None:
    item = read_item({**FORCE, "level": 5})
    question = key_of({**FORCE, "level": 5}).question_of(item)
    b = difficulty(0, question)
    assert 2.5 - 0.35 <= b <= 2.5 + 0.35
    expected = 0.25 + 0.75 / (1 + math.exp(-1.5 * (0 - b)))
    assert pass_rate(0, ROSTER["sim-student"], question) == pytest.approx(expected)


def test_items_without_a_level_have_big_maths_quintiles() -> None:
    student, key, counts = ROSTER["sim-student"], AnswerKey(), [0] * 5
    for number in range(20_000):
        question = key.find(f"problem {number}")
        rate = pass_rate(0, student, question)
        counts[4 - min(int(rate * 5), 4)] += 1
    shares = [count / 20_000 for count in counts]
    assert shares == pytest.approx([0.286, 0.122, 0.103, 0.124, 0.365], abs=0.012)


def test_wrong_answers_are_wrong_and_often_the_popular_one() -> None:
    question = key_of(BAKER).find(BAKER["prompt"])
    hopeless = read_settings({"models": {"m": {"skill": -50.0, "unboxed": 0.0}}}).models["m"]
    texts = [write_reply(0, "m", hopeless, question, str(n)).content for n in range(1000)]
    answers = [boxed(text) for text in texts]
    assert "73" not in answers
    most = max(answers.count(answer) for answer in set(answers))
    assert 450 <= most <= 800  # half are the popular answer, some of the rest hit it by chance


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("1/2", "number"),
        ("x^2 + 1", "expression"),
        ("yes", "text"),
        ("newton", "text"),
        ("0", "number"),
    ],
)
def test_no_mistake_is_right_by_accident(answer: str, kind: str) -> None:
    row = {"prompt": "A question.", "answer": answer, "answer_type": kind}
    question = key_of(row).find("A question.")
    hopeless = read_settings({"models": {"m": {"skill": -50.0, "unboxed": 0.0}}}).models["m"]
    for number in range(300):
        said = boxed(write_reply(0, "m", hopeless, question, str(number)).content)
        assert said is not None
        assert said != answer
        assert parse_number(said) is None or parse_number(said) != parse_number(answer)


@pytest.mark.parametrize(
    ("reference", "tests"),
    [
        ("def f(x):\n    return x * 2", ["assert f(2) == 4"]),
        ("def f(x):\n    return x > 1", ["assert f(2)", "assert not f(1)"]),
        ("def f(x):\n    return x > 1", ["assert f(2) == True", "assert f(1) == False"]),
        ("def f(x):\n    return sorted(x)", ["assert f([2, 1]) == [1, 2]", "assert f([]) == []"]),
        ("def f(x):\n    return x.upper()", ["assert f('') == ''", "assert f('a') == 'A'"]),
        ("def f(n):\n    return n == 0 or not f(n - 1)", ["assert f(2) is True"]),
        ("def f(x):\n    x.append(1)", ["a = []\nf(a)\nassert a == [1]"]),
        ("def f(x):\n    return {x: 1}", ["assert f(1) == {1: 1}"]),
        ("def f(x):\n    return x / 3", ["assert abs(f(1) - 0.3333) < 1e-3"]),
        ("def f(x): return (", ["assert f(1) == 1"]),
    ],
)
def test_broken_code_fails_its_tests(reference: str, tests: list[str]) -> None:
    names: dict[str, Any] = {}
    exec(break_function("f", reference, tests), names)
    failed = 0
    for test in tests:
        try:
            exec(test, names)
        except Exception:
            failed += 1
    assert failed


def test_right_code_is_the_reference_and_wrong_code_is_not(simulator: str) -> None:
    right = text_of(chat(simulator, AREA["prompt"], model="sure"))
    assert right.endswith("```python\ndef area(w, h):\n    return w * h\n```")


def rewrite(simulator: str, strategy: str, **asked: object) -> dict[str, Any]:
    schema = {"name": strategy, "schema": {"type": "object"}, "strict": True}
    request = {"choices": None, "answer": None, "variant": 0, "strategy": strategy, **asked}
    reply = chat(
        simulator,
        json.dumps(request),
        model="sure-rewriter",
        response_format={"type": "json_schema", "json_schema": schema},
    )
    return dict(orjson.loads(text_of(reply)))


def test_a_rewrite_with_new_numbers_is_consistent_and_solved(simulator: str) -> None:
    reply = rewrite(simulator, "new_numbers", problem=BAKER["prompt"], answer="73")
    trays, rolls, sold = find_numbers(reply["problem"])
    assert reply["valid"] is True
    assert (trays, rolls, sold) != (Fraction(12), Fraction(9), Fraction(35))
    assert reply["program"] == f"{trays} * {rolls} - {sold}"
    assert reply["answer"] == str(trays * rolls - sold)
    assert int(reply["answer"]) > 0
    solved = chat(simulator, reply["problem"], model="sure")
    assert boxed(text_of(solved)) == reply["answer"]


def test_a_problem_with_annotations_is_rewritten_too(simulator: str) -> None:
    reply = rewrite(simulator, "new_numbers", problem=CLIPS["question"], answer="72")
    (sold,) = find_numbers(reply["problem"])
    assert sold % 2 == 0  # half of it stays a whole number
    assert reply["answer"] == str(sold + sold // 2)
    assert boxed(text_of(chat(simulator, reply["problem"], model="sure"))) == reply["answer"]


def test_variants_have_different_numbers(simulator: str) -> None:
    problems = {
        rewrite(simulator, "new_numbers", problem=BAKER["prompt"], variant=variant)["problem"]
        for variant in range(8)
    }
    assert len(problems) == 8


def test_a_choice_becomes_an_open_question(simulator: str) -> None:
    reply = rewrite(
        simulator,
        "choice_to_open",
        problem=FORCE["prompt"],
        choices=FORCE["choices"],
        answer="B",
    )
    assert reply == {
        "valid": True,
        "problem": "What is the unit of force? Give only the final result.",
        "answer": "newton",
        "answer_type": "text",
    }
    assert boxed(text_of(chat(simulator, reply["problem"], model="sure"))) == "newton"


def test_a_choice_that_no_item_explains_is_opened_by_the_answer_given(
    simulator: str,
) -> None:
    reply = rewrite(
        simulator,
        "choice_to_open",
        problem="How many legs has an ant?",
        choices=["4", "6"],
        answer="B",
    )
    assert (reply["valid"], reply["answer"], reply["answer_type"]) == (True, "6", "number")


@pytest.mark.parametrize(
    ("strategy", "asked"),
    [
        ("new_numbers", {"problem": "Prove that 2 is prime.", "answer": None}),
        ("new_numbers", {"problem": HALF["prompt"], "answer": "1/2"}),
        ("new_numbers", {"problem": FORCE["prompt"], "choices": FORCE["choices"], "answer": "B"}),
        ("choice_to_open", {"problem": BAKER["prompt"], "answer": "73"}),
        (
            "choice_to_open",
            {"problem": "Which of the following holds?", "choices": ["a", "b"], "answer": "A"},
        ),
        (
            "choice_to_open",
            {"problem": "Pick.", "choices": ["a", "All of the above"], "answer": "B"},
        ),
    ],
)
def test_the_rewriter_declines_what_it_cannot_do(
    simulator: str, strategy: str, asked: dict[str, Any]
) -> None:
    reply = rewrite(simulator, strategy, **asked)
    assert reply["valid"] is False
    assert reply["problem"] == reply["answer"] == ""


@pytest.mark.parametrize("rate", ["wrong_key", "leaked", "unchanged", "malformed_json"])
def test_a_rewriter_goes_wrong_at_its_rates(rate: str) -> None:
    model = {**SURE, **SOUND, rate: 0.3}
    settings = read_settings({"models": {"m": model}})
    request = {"strategy": "new_numbers", "problem": BAKER["prompt"], "variant": 0}
    asked = ChatRequest(
        model="m",
        prompt=json.dumps(request),
        earlier="",
        prompt_tokens=1,
        digest="d",
        asked="a",
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "new_numbers", "schema": {}},
        },
    )
    key = key_of(BAKER)
    sound = complete(read_settings({"models": {"m": {**SURE, **SOUND}}}), key, asked, "0", None)
    replies = [complete(settings, key, asked, str(n), None)[0].content for n in range(1000)]
    faulty = [reply for reply in replies if reply != sound[0].content]
    assert 300 - 3 * 14.5 <= len(faulty) <= 300 + 3 * 14.5
    if rate == "malformed_json":
        for reply in faulty:
            with pytest.raises(json.JSONDecodeError):
                json.loads(reply or "")
    elif rate == "wrong_key":
        for reply in map(json.loads, filter(None, faulty)):
            assert key.find(reply["problem"]).answer != reply["answer"]
    elif rate == "leaked":
        assert all(
            json.loads(reply or "")["answer"] in (reply or "").split("left?")[1] for reply in faulty
        )
    else:
        assert all(json.loads(reply or "")["problem"] == BAKER["prompt"] for reply in faulty)


def test_a_wrong_key_of_an_opened_choice_is_another_option() -> None:
    model = read_settings({"models": {"m": {**SURE, **SOUND, "wrong_key": 1.0}}}).models["m"]
    asked = {"strategy": "choice_to_open", "problem": FORCE["prompt"], "choices": FORCE["choices"]}
    replies = [json.loads(write_rewrite(0, model, key_of(FORCE), asked, f"{n}")) for n in range(60)]
    assert {reply["answer"] for reply in replies} == {"joule", "watt", "pascal"}


def test_a_wrong_key_is_at_times_proved_by_a_wrong_program() -> None:
    model = read_settings({"models": {"m": {**SURE, **SOUND, "wrong_key": 1.0}}}).models["m"]
    asked = {"strategy": "new_numbers", "problem": BAKER["prompt"]}
    proved = 0
    for number in range(200):
        reply = json.loads(write_rewrite(0, model, key_of(BAKER), asked, f"{number}"))
        program = parse_program(reply["program"])
        assert program and key_of(BAKER).find(reply["problem"]).answer != reply["answer"]
        proved += evaluate(program, ()) == parse_number(reply["answer"])
    assert 60 <= proved <= 140


@given(
    st.integers(2, 500),
    st.integers(2, 500),
    st.integers(2, 60),
    st.sampled_from(["n0 * n1 + n2", "n0 + n1 * n2", "(n0 + n1) * n2", "n0 * n2 / n2 + n1"]),
)
def test_new_numbers_keep_a_problem_sound(one: int, other: int, third: int, source: str) -> None:
    text = f"Ann has {one} pens, {other} caps and {third} bags. How many?"
    numbers = find_numbers(text)
    program = parse_program(source)
    assert program
    answer = evaluate(program, numbers)
    key = key_of({"prompt": text, "answer": str(answer), "program": source})
    new = choose_numbers(0, key.find(text), program, 0)
    if new is None:
        return
    result = evaluate(program, new)
    assert result is not None and result > 0 and result.denominator == 1
    assert result != answer
    assert find_numbers(put_numbers(text, new)) == new
    assert key.find(put_numbers(text, new)).answer == str(result)


def test_another_schema_is_answered_with_a_least_instance(simulator: str) -> None:
    schema = {
        "type": "object",
        "properties": {
            "score": {"type": "integer", "minimum": 1, "maximum": 5},
            "verdict": {"enum": ["good", "bad"]},
            "note": {"type": "string", "minLength": 2},
            "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}, "minItems": 2},
            "hint": {"anyOf": [{"type": "null"}, {"type": "string"}]},
        },
        "required": ["score", "verdict", "note", "parts", "hint"],
        "$defs": {"part": {"type": "boolean"}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "rubric", "schema": schema}}
    reply = chat(simulator, "Judge.", model="sim-judge", response_format=wanted)
    assert orjson.loads(text_of(reply)) == {
        "score": 1,
        "verdict": "good",
        "note": "xx",
        "parts": [False, False],
        "hint": None,
    }
    assert least_instance(True) is None


def test_a_question_in_other_words_is_the_same_question() -> None:
    text = "A drawer holds 6 black and 4 white socks. What is the probability that one is black?"
    item = {"prompt": text, "answer": "3/5", "level": 2}
    key = key_of(BAKER, item)
    worded = paraphrase(text, 0)
    assert worded is not None
    assert worded != text
    found = key.find(worded)
    assert (found.answer, found.is_rewrite) == ("3/5", True)
    assert difficulty(0, found) == pytest.approx(difficulty(0, key.find(text)), abs=0.25)
    for number in range(5):
        assert key.find(alter(worded, Random(number))).item is None
    assert key.find(f"{worded} Show that the result is 3/5.").answer == "3/5"
    assert paraphrase("What?", 0) is None
    reply = json.loads(
        write_rewrite(0, SOUND_REWRITER, key, {"strategy": "paraphrase", "problem": text}, "")
    )
    assert reply == {"valid": True, "problem": worded}


def test_a_call_of_known_code_has_the_result_that_a_test_tells() -> None:
    key = key_of(AREA)
    asked = {"strategy": "predict_output", "problem": AREA["prompt"], "variant": 0}
    reply = json.loads(write_rewrite(0, SOUND_REWRITER, key, asked, ""))
    assert reply == {"valid": True, "call": "area(2, 3)"}
    shown = "What does this program print?\n\n```python\n{}\n\nprint({})\n```"
    found = key.find(shown.format(AREA["reference"], "area(2, 3)"))
    assert (found.answer, found.answer_type, found.is_rewrite) == ("6", "number", True)
    assert key.find(shown.format(AREA["reference"], "area(9, 9)")).item is None
    other = str(AREA["reference"]).replace("*", "+")
    assert key.find(shown.format(other, "area(2, 3)")).item is None
    assert read_calls(["assert f([1]) == (2,)", "x = 1", "assert f(g(1)) == 3"]) == {
        "f([1])": "(2,)"
    }


def test_one_more_step_is_computed_from_the_answer_before_it() -> None:
    key = key_of(BAKER)
    for variant, tail in enumerate(("Take ", "Add ")):
        asked = {"strategy": "harder", "problem": BAKER["prompt"], "variant": variant}
        reply = json.loads(write_rewrite(0, SOUND_REWRITER, key, asked, ""))
        assert reply["problem"].startswith(f"{BAKER['prompt']} {tail}")
        program = parse_program(reply["program"])
        assert program is not None
        assert evaluate(program, ()) == int(reply["answer"])
        found = key.find(reply["problem"])
        assert (found.answer, found.is_rewrite, found.shift) == (reply["answer"], True, 0.5)
