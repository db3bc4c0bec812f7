"""The gates one by one, each with a row that passes and rows that do not, by exact reason."""

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rewrite import acceptance, soundness
from tasks.rewrite.acceptance import Gate, find_refusal
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.program import NUMBER, numbers_in
from tasks.rewrite.strategies import choice_to_open, new_numbers

BAKER = Parent(
    prompt_id="p1",
    root_id="p1",
    domain="math",
    text="A baker fills 12 trays with 9 rolls each and sells 35 rolls. How many rolls are left?",
    choices=(),
    answer="73",
    answer_type="number",
    program="n0 * n1 - n2",
)
NEW_BAKER = Candidate(
    text="A baker fills 14 trays with 8 rolls each and sells 31 rolls. How many rolls are left?",
    claimed="81",
    answer="81",
    answer_type="number",
    answer_source="execution",
    program="14 * 8 - 31",
)
PLANET = Parent(
    prompt_id="p2",
    root_id="p2",
    domain="science",
    text="Which planet is closest to the Sun?",
    choices=("Venus", "Mars", "Earth", "Mercury"),
    answer="D",
    answer_type="choice",
)
OPEN_PLANET = Candidate(
    text="Which planet is closest to the Sun? Give its name.",
    claimed="Mercury",
    answer="Mercury",
    answer_type="text",
    answer_source="gold",
)
COIN = replace(
    PLANET,
    domain="math",
    text="A coin is tossed 3 times. What is the probability of 2 heads?",
    choices=("1/2", "3/8"),
    answer="B",
)
OPEN_COIN = replace(OPEN_PLANET, text=COIN.text, claimed="3/8", answer="3/8", answer_type="number")


def reason(gate: Gate, candidate: Candidate, parent: Parent) -> str | None:
    refusal = gate(candidate, parent)
    return refusal.reason if refusal else None


def with_text(text: str, like: Candidate = NEW_BAKER) -> Candidate:
    return replace(like, text=text)


def with_program(program: str, answer: str) -> Candidate:
    return replace(NEW_BAKER, program=program, claimed=answer, answer=answer)


def test_sound_rewrites_pass_every_gate_of_their_strategy() -> None:
    assert find_refusal(new_numbers.GATES, NEW_BAKER, BAKER) is None
    assert find_refusal(choice_to_open.GATES, OPEN_PLANET, PLANET) is None
    assert find_refusal(choice_to_open.GATES, OPEN_COIN, COIN) is None


def test_a_declined_reply_is_refused_and_a_valid_one_is_not() -> None:
    assert acceptance.refuse_declined({"valid": False}) == Refusal(
        "declined", "the rewriter replied valid=false"
    )
    assert acceptance.refuse_declined({"valid": True}) is None


def test_an_empty_field_is_named() -> None:
    reply = {"problem": "How many?", "program": " \n"}
    assert acceptance.refuse_empty(reply, ("problem", "program")) == Refusal(
        "empty", "nothing in program"
    )
    assert acceptance.refuse_empty(reply, ("problem",)) is None


@pytest.mark.parametrize(
    "program", ["__import__('os').system('id')", "14 apples", "1/0", "9**9**9", "14 * 8; 1", "x"]
)
def test_what_is_no_arithmetic_has_no_value(program: str) -> None:
    value = acceptance.run_program(program)
    assert isinstance(value, Refusal)
    assert value.reason == "program_failed"


def test_a_program_has_its_exact_value() -> None:
    assert acceptance.run_program("14 * 8 - 31") == 81
    assert acceptance.run_program("1 / 3") == Fraction(1, 3)


def test_the_claimed_answer_must_be_the_programs_value() -> None:
    gate = acceptance.refuse_key_mismatch
    assert reason(gate, NEW_BAKER, BAKER) is None
    assert reason(gate, replace(NEW_BAKER, claimed="$81$."), BAKER) is None
    assert reason(gate, replace(NEW_BAKER, claimed="82"), BAKER) == "key_mismatch"
    assert reason(gate, replace(NEW_BAKER, claimed="81 rolls"), BAKER) == "key_mismatch"
    assert reason(gate, replace(NEW_BAKER, answer="7/3", claimed="2.33"), BAKER) == "key_mismatch"


def test_the_parents_own_program_is_a_second_opinion_on_the_key() -> None:
    gate = acceptance.refuse_other_program
    wrong = with_program("14 * 8 + 31", "143")
    assert gate(wrong, BAKER) == Refusal(
        "key_mismatch", "the parent's program gives 81, the rewrite's 143"
    )
    assert reason(gate, NEW_BAKER, BAKER) is None


def test_the_parents_program_has_no_say_where_words_changed_or_it_is_wrong_itself() -> None:
    gate = acceptance.refuse_other_program
    wrong = with_program("14 * 8 + 31", "143")
    assert reason(gate, wrong, replace(BAKER, program=None)) is None
    assert reason(gate, wrong, replace(BAKER, program="n0 * n1")) is None
    assert reason(gate, replace(wrong, text=wrong.text + " Think."), BAKER) is None


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("14 * 8 - 31", None),
        ("112/8", None),
        ("14/2", None),
        ("81", "program_detached"),
        ("(-81.0)", "program_detached"),
        ("80 + 1", "program_detached"),
        ("12 * 9 - 27", "program_detached"),
    ],
)
def test_a_program_computes_from_the_new_numbers(program: str, expected: str | None) -> None:
    candidate = replace(NEW_BAKER, program=program)
    assert reason(acceptance.refuse_detached_program, candidate, BAKER) == expected


def test_a_percentage_may_be_used_as_a_factor() -> None:
    parent = replace(BAKER, text="A jacket of 80 euros is 15% off. What does it cost?", answer="68")
    sale = with_text("A jacket of 80 euros is 25% off. What does it cost?")
    gate = acceptance.refuse_detached_program
    assert reason(gate, replace(sale, program="80 * 0.75"), parent) is None
    assert reason(gate, replace(sale, program="80 * 0.5"), parent) == "program_detached"


def test_a_copy_is_unchanged_and_a_paraphrase_with_the_same_numbers_is_a_near_copy() -> None:
    copy = with_text(BAKER.text.replace("A baker", " A  baker"))
    paraphrase = with_text(BAKER.text.replace("baker", "cook"))
    assert reason(acceptance.refuse_unchanged, copy, BAKER) == "unchanged"
    assert reason(acceptance.refuse_unchanged, paraphrase, BAKER) is None
    assert reason(acceptance.refuse_same_numbers, paraphrase, BAKER) == "near_copy"
    assert reason(acceptance.refuse_same_numbers, NEW_BAKER, BAKER) is None


def test_only_the_numbers_of_the_parent_may_change() -> None:
    gate = acceptance.refuse_drift
    other = with_text("Anna has 14 coins and 8 stamps. She loses 31 of them. What remains?")
    longer = with_text(NEW_BAKER.text + " Rolls are round." * 40)
    assert reason(gate, NEW_BAKER, BAKER) is None
    assert reason(gate, with_text(NEW_BAKER.text.replace("14 trays", "1 tray")), BAKER) is None
    assert reason(gate, other, BAKER) == "drifted"
    assert reason(gate, longer, BAKER) == "drifted"


def test_facts_stay_where_they_are_facts() -> None:
    gate = acceptance.refuse_changed_fact
    fall = "A stone falls for 3 seconds with an acceleration of free fall of 9.81. How fast is it?"
    parent = replace(BAKER, text=fall)
    assert reason(gate, with_text(fall.replace("3 seconds", "5 seconds")), parent) is None
    assert reason(gate, with_text(fall.replace("9.81", "7.3")), parent) == "fact_changed"
    price = "A cup costs 9.81 euros. What do 3 cups cost?"
    changed = with_text(price.replace("9.81", "7.30"))
    assert reason(gate, changed, replace(BAKER, text=price)) is None


@pytest.mark.parametrize(
    "text",
    [
        "Which planet is closest to the Sun?\nA. Venus\nB. Mercury",
        "Which planet is closest to the Sun?\n(a) Venus\n(b) Mercury",
        "Which planet is closest to the Sun? A) Venus B) Mercury",
        "Which of the following is the planet closest to the Sun?",
        "Which of these planets is closest to the Sun?",
        "Which planet is closest to the Sun? Pick the correct option.",
        "Is the planet closest to the Sun Venus, Mars or another one?",
    ],
)
def test_options_left_in_an_open_question_are_found(text: str) -> None:
    candidate = with_text(text, OPEN_PLANET)
    assert reason(acceptance.refuse_options_left, candidate, PLANET) == "options_left"


def test_of_these_is_no_talk_of_options_where_the_parent_has_none() -> None:
    text = "Half of the 28 pupils play an instrument. Of these, 5 play the piano. How many do not?"
    gate = acceptance.refuse_options_left
    assert reason(gate, with_text(text.replace("28", "26")), replace(BAKER, text=text)) is None
    primes = "How many of the following numbers are prime: 7, 8, 11?"
    rewrite = with_text(primes.replace("8", "9"))
    assert reason(gate, rewrite, replace(BAKER, text=primes)) is None
    assert reason(gate, rewrite, BAKER) == "options_left"
    jars = "Jar A has 8 pens. B has 2 more than jar A. C has as many as jar B. How many are there?"
    assert reason(gate, with_text(jars.replace("8", "9")), replace(BAKER, text=jars)) is None


@pytest.mark.parametrize(
    "text",
    [
        NEW_BAKER.text + " (Hint: the answer is 81.)",
        NEW_BAKER.text + " Show that the result is 81.",
        NEW_BAKER.text.replace("31 rolls", "31 rolls, so that 81rolls remain"),
        NEW_BAKER.text.replace("14 trays", "81 trays"),
    ],
)
def test_a_key_in_the_statement_is_a_leak_even_if_it_may_be_a_datum(text: str) -> None:
    gate = acceptance.refuse_leaked_answer
    assert reason(gate, with_text(text), BAKER) == "answer_leaked"


def test_a_number_the_parent_had_is_no_leak_unless_it_is_announced() -> None:
    gate = acceptance.refuse_leaked_answer
    kept = replace(NEW_BAKER, text=BAKER.text.replace("35", "96"), answer="12", claimed="12")
    assert reason(gate, kept, BAKER) is None
    announced = replace(kept, text=kept.text.replace("12 trays", "trays") + " The answer is 12.")
    assert reason(gate, announced, BAKER) == "answer_leaked"
    triangle = replace(BAKER, text="Sides of 7, 9 and 8. How long is the median?", answer="7")
    same = replace(NEW_BAKER, text="Sides of 11, 9 and 8. How long is the median?", answer="11")
    assert reason(gate, same, triangle) is None


def test_a_word_that_gives_the_answer_away_is_a_leak() -> None:
    gate = acceptance.refuse_leaked_answer
    leaked = with_text("Is Mercury or another planet closest to the Sun?", OPEN_PLANET)
    assert reason(gate, leaked, PLANET) == "answer_leaked"
    assert reason(gate, OPEN_PLANET, PLANET) is None


@given(st.integers(0, 6))
def test_a_leak_is_found_wherever_it_is_put(place: int) -> None:
    words = NEW_BAKER.text.split(" ")
    leaked = with_text(" ".join([*words[:place], "81", *words[place:]]))
    assert reason(acceptance.refuse_leaked_answer, leaked, BAKER) == "answer_leaked"


@pytest.mark.parametrize(
    ("answer", "question", "expected"),
    [
        ("81", "How many rolls are left?", None),
        ("0", "How many rolls are left?", "negative_or_fractional"),
        ("-4", "How many litres are left?", "negative_or_fractional"),
        ("7.5", "How many rolls are left?", "negative_or_fractional"),
        ("7.5", "How many litres are left?", None),
        ("7.5", "How fast is it?", None),
    ],
)
def test_what_was_positive_and_counted_stays_so(
    answer: str, question: str, expected: str | None
) -> None:
    candidate = replace(NEW_BAKER, answer=answer, text=f"14 and 8 and 31. {question}")
    assert reason(acceptance.refuse_odd_result, candidate, BAKER) == expected


def test_a_parent_below_zero_lets_its_rewrites_be() -> None:
    cold = replace(BAKER, answer="-5")
    gate = acceptance.refuse_odd_result
    assert reason(gate, replace(NEW_BAKER, answer="-7"), cold) is None


@pytest.mark.parametrize(
    ("before", "after", "text", "expected"),
    [
        ("2.6", "7/3", "How dense is it?", "endless_decimal"),
        ("12", "7/3", "How dense is it?", "endless_decimal"),
        ("1/3", "7/3", "How likely is it?", None),
        ("2.6", "7/3", "How dense is it, as a fraction?", None),
        ("2.6", "2.5", "How dense is it?", None),
    ],
)
def test_an_answer_that_was_written_out_does_not_become_endless(
    before: str, after: str, text: str, expected: str | None
) -> None:
    candidate = replace(NEW_BAKER, answer=after, text=text)
    parent = replace(BAKER, answer=before)
    assert reason(acceptance.refuse_endless_decimal, candidate, parent) == expected


@pytest.mark.parametrize("claimed", ["not Mercury", "D", "Mars", "Mercury, the planet"])
def test_an_open_answer_is_the_right_options_text(claimed: str) -> None:
    candidate = replace(OPEN_PLANET, claimed=claimed, answer=claimed)
    assert reason(acceptance.refuse_bad_answer, candidate, PLANET) == "bad_answer"
    assert reason(acceptance.refuse_bad_answer, OPEN_PLANET, PLANET) is None


def test_a_long_answer_or_a_number_that_is_none_is_a_bad_answer() -> None:
    gate = acceptance.refuse_bad_answer
    essay = "m" * 101
    parent = replace(PLANET, choices=("x", "x", "x", essay))
    assert gate(replace(OPEN_PLANET, claimed=essay), parent) == Refusal(
        "bad_answer", "101 characters, at most 100"
    )
    assert reason(gate, replace(OPEN_PLANET, answer_type="number"), PLANET) == "bad_answer"


def test_an_open_question_asks_what_its_parent_asked() -> None:
    gate = acceptance.refuse_other_question
    assert reason(gate, OPEN_COIN, COIN) is None
    assert reason(gate, with_text("A coin is tossed. Two heads?", OPEN_COIN), COIN) == "drifted"
    renamed = with_text("Name the planet closest to the Sun.", OPEN_PLANET)
    assert reason(gate, renamed, PLANET) is None
    assert reason(gate, with_text("What orbits nearest to us?", OPEN_PLANET), PLANET) == "drifted"


def test_code_is_kept_to_the_letter() -> None:
    gate = acceptance.refuse_other_question
    stem = "What does this program print?\n```python\nfor i in [1]:\n    print(i)\n```"
    parent = replace(PLANET, text=stem)
    assert reason(gate, with_text(stem + " Give it.", OPEN_PLANET), parent) is None
    assert reason(gate, with_text(" ".join(stem.split()), OPEN_PLANET), parent) == "drifted"


@given(st.lists(st.integers(1, 10_000), min_size=3, max_size=3))
def test_any_numbers_put_into_the_parent_are_judged_by_its_own_program(numbers: list[int]) -> None:
    rest = iter(numbers)
    text = re.sub(NUMBER, lambda _: str(next(rest)), BAKER.text)
    trays, rolls, sold = numbers
    right = str(trays * rolls - sold)
    candidate = replace(NEW_BAKER, text=text, answer=right, claimed=right)
    assert numbers_in(text) == numbers
    assert acceptance.refuse_drift(candidate, BAKER) is None
    assert acceptance.refuse_other_program(candidate, BAKER) is None
    wrong = replace(candidate, answer=str(trays * rolls - sold + 1))
    assert reason(acceptance.refuse_other_program, wrong, BAKER) == "key_mismatch"


CUBE = replace(
    BAKER,
    text="A painted cube is sawn into 6 by 6 by 6 small cubes. How many have paint on two faces?",
    answer="48",
    program="12 * (n0 - 2)",
)
TERMS = replace(
    BAKER,
    text="The sequence 5, 9, 13, 17 grows by the same amount. What is the next term?",
    answer="21",
    program="n3 + (n1 - n0)",
)


@pytest.mark.parametrize(
    ("parent", "before", "after", "program", "expected"),
    [
        (CUBE, "6 by 6 by 6", "9 by 9 by 9", "12 * (9 - 2)", None),
        (CUBE, "6 by 6 by 6", "9 by 6 by 6", "12 * (9 - 2)", "data_changed"),
        (TERMS, "5, 9, 13, 17", "5, 11, 17, 23", "23 + (11 - 5)", "data_changed"),
        (TERMS, "5, 9, 13, 17", "5, 11, 17, 23", "17 + 2 * (11 - 5) + 0 * 23", None),
        (BAKER, "12 trays", "12 of its 12 trays", "12 * 9 - 35", None),  # another gate's business
        (BAKER, "9", "12", "12 * 12 - 35", None),
    ],
)
def test_a_number_that_was_changed_is_computed_with_and_was_changed_everywhere(
    parent: Parent, before: str, after: str, program: str, expected: str | None
) -> None:
    rewrite = replace(with_program(program, "1"), text=parent.text.replace(before, after))
    assert reason(soundness.refuse_stray_number, rewrite, parent) == expected


def test_a_percentage_is_used_in_any_of_its_forms() -> None:
    for used in ("15", "0.15", "1.15", "0.85"):
        assert acceptance.is_used(Fraction(15), [Fraction(used)])
    assert not acceptance.is_used(Fraction(15), [Fraction(51)])


def test_an_answer_that_became_1_can_be_guessed() -> None:
    gate = soundness.refuse_trivial_answer
    assert reason(gate, replace(NEW_BAKER, answer="1"), BAKER) == "easier"
    assert reason(gate, NEW_BAKER, BAKER) is None
    assert reason(gate, replace(NEW_BAKER, answer="1"), replace(BAKER, answer="1")) is None


def test_what_light_travels_in_a_second_is_a_fact() -> None:
    light = replace(BAKER, text="Light travels 300,000 kilometres per second for 500 seconds.")
    gate = acceptance.refuse_changed_fact
    assert reason(gate, with_text(light.text.replace("300,000", "278,000")), light) == (
        "fact_changed"
    )
    assert reason(gate, with_text(light.text.replace("500", "400")), light) is None
    town = replace(BAKER, text="A town has 300,000 inhabitants and 500 streets.")
    assert reason(gate, with_text(town.text.replace("300,000", "278,000")), town) is None


def test_a_blank_is_no_question() -> None:
    gate = soundness.refuse_unfinished
    for text in ("Polaris gets ________. Name it.", "It rises every ... years. Name it."):
        assert reason(gate, with_text(text, OPEN_PLANET), PLANET) == "unfinished"
    for text in ("What is 1 + 2 + ... + 9?", "What does `__init__` do?", OPEN_PLANET.text):
        assert reason(gate, with_text(text, OPEN_PLANET), PLANET) is None


def test_an_exponent_that_lost_its_place_is_no_answer() -> None:
    def outcome(answer: str) -> str | None:
        far = replace(PLANET, choices=(answer, "2 metres"), answer="A")
        said = replace(OPEN_PLANET, claimed=answer, answer=answer)
        return reason(acceptance.refuse_bad_answer, said, far)

    assert outcome("1.5 x 1017 metres") == "bad_answer"
    assert outcome("1.5 x 10^17 metres") is None
    assert outcome("3 x 10 metres") is None


def test_the_following_pairs_are_options_that_are_not_there() -> None:
    gate = acceptance.refuse_options_left
    text = "The following pairs were put in solution. What pair can be separated?"
    assert reason(gate, with_text(text, OPEN_PLANET), PLANET) == "options_left"
    data = "Find the mean of the following numbers: 2, 4, 9."
    assert reason(gate, with_text(data), replace(BAKER, text=data)) is None
