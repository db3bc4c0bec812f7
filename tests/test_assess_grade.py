"""Grades, keys and difficulty: the pure functions, then the stage over a real store."""

import itertools
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assess import grade, verdicts
from tasks.assess.difficulty import measure, measure_difficulty
from tasks.assess.grade import grade_responses
from tasks.assess.keys import derive_keys
from tasks.assess.verdicts import VERIFIERS, Memory, Question, decide
from tasks.assess.verifiers import math as math_verifier
from tasks.assess.votes import Plurality, plurality
from tasks.recipe import SelectSettings
from tasks.store import Store
from tests.graded import add_prompts, add_responses, keys_of


@pytest.mark.parametrize(
    ("content", "finish_reason", "verdict", "extracted", "reason"),
    [
        (r"so \boxed{0.50}", "stop", "correct", "0.50", "numeric"),
        (r"so \boxed{0.6}", "stop", "wrong", "0.6", "numeric"),
        (r"so \boxed{0.5} and, to check,", "length", "correct", "0.5", "numeric"),
        ("so the final answer is 0.5", "length", "truncated", None, "cut_off"),
        ("", "length", "truncated", None, "cut_off"),
        ("", "stop", "unverifiable", None, "empty"),
        (None, "stop", "unverifiable", None, "empty"),
        ("I had 1/2 a mind to think about it.", "stop", "wrong", None, "no_answer"),
        ("I had 1/2 a mind", "content_filter", "unverifiable", None, "content_filter"),
    ],
)
def test_what_a_response_is_graded(
    content: str | None, finish_reason: str, verdict: str, extracted: str | None, reason: str
) -> None:
    graded = decide("number", "1/2", content, finish_reason)
    assert (graded.verdict, graded.extracted, graded.reason) == (verdict, extracted, reason)
    assert (graded.verifier, graded.version) == ("math", math_verifier.VERSION)


def test_open_and_keyless_prompts_decide_nothing() -> None:
    assert decide("open", None, "Dear all").verdict == "unverifiable"
    assert decide("number", None, r"\boxed{3}").reason == "no_key"


def test_choices_are_graded_by_letter_or_text() -> None:
    options = ["oxygen", "carbon dioxide"]
    graded = [
        decide("choice", "B", text, choices=options)
        for text in (r"\boxed{B}", "Answer: carbon dioxide")
    ]
    assert [one.reason for one in graded] == ["identical", "option_text"]


def equal_text(left: str, right: str) -> bool:
    return left == right


def close(left: str, right: str) -> bool:
    return abs(int(left) - int(right)) <= 1


def test_votes_are_counted_by_meaning() -> None:
    answers = ["2", r"\frac12", "0.5", "2", "1/2", None]
    assert plurality(answers, math_verifier.is_same) == Plurality("0.5", 3, 5, 0.6, runner_up=2)


def test_a_percentage_joins_no_two_numbers() -> None:
    counted = plurality(["50%", "50%", "50", "50", "0.5", "0.5", "0.5"], math_verifier.is_same)
    assert counted == Plurality("0.5", 5, 7, 5 / 7, runner_up=2)
    assert not math_verifier.is_same("50", r"50\%")
    assert math_verifier.is_same("1/2", "50 percent")
    assert math_verifier.is_same("50%", r"50.0\%")


def test_the_most_frequent_spelling_names_the_class() -> None:
    assert plurality(["1/2", "0.5", "1/2"], math_verifier.is_same).answer == "1/2"


def test_a_tie_has_no_answer() -> None:
    assert plurality(["1", "2", "1", "2", "3"], equal_text) == Plurality(
        None, 2, 5, 0.4, runner_up=2
    )
    assert plurality([None, None], equal_text) == Plurality(None, 0, 0, 0.0)


@given(st.lists(st.none() | st.integers(0, 9).map(str), max_size=7), st.randoms())
def test_votes_do_not_depend_on_the_order_of_samples(
    answers: list[str | None], random: object
) -> None:
    shuffled = list(answers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for same in (equal_text, close):
        assert plurality(shuffled, same) == plurality(answers, same)


OF_MATH = {"domain": pl.lit("math"), "answer_type": pl.lit("number")}


def test_intervals_are_jeffreys() -> None:
    counts = pl.DataFrame({"correct": [3, 0, 8, 0], "wrong": [5, 8, 0, 0]}).with_columns(**OF_MATH)
    measured = measure(counts, SelectSettings())
    assert measured["pass_rate"].to_list() == [0.375, 0.0, 1.0, None]
    rows = measured.select("low", "high").rows()
    assert rows[3] == (None, None)
    assert rows[1][0] == 0.0 and rows[2][1] == 1.0
    # Beta(3.5, 5.5): 0.1175… and 0.6901…, by numerical integration below.
    assert math.isclose(beta_mass(3.5, 5.5, rows[0][0]), 0.025, abs_tol=1e-4)
    assert math.isclose(beta_mass(3.5, 5.5, rows[0][1]), 0.975, abs_tol=1e-4)
    assert math.isclose(rows[1][1], 1 - rows[2][0])


def beta_mass(a: float, b: float, up_to: float) -> float:
    """Integrate the density of Beta(a, b) from 0 by the midpoint rule."""
    steps = 20_000
    scale = math.gamma(a + b) / math.gamma(a) / math.gamma(b)
    middles = ((step + 0.5) * up_to / steps for step in range(steps))
    mass = sum(math.pow(x, a - 1) * math.pow(1 - x, b - 1) for x in middles)
    return mass * scale * up_to / steps


def test_measuring_a_million_prompts_takes_seconds() -> None:
    pairs = list(
        itertools.islice(itertools.cycle(itertools.product(range(9), range(9))), 1_400_000)
    )
    counts = pl.DataFrame(pairs, schema=["correct", "wrong"], orient="row")
    counts = counts.with_columns(**OF_MATH)
    assert measure(counts, SelectSettings())["low"].null_count() == sum(
        pair == (0, 0) for pair in pairs
    )


def test_gold_answers_are_trusted_keys(store: Store) -> None:
    add_prompts(
        store,
        {"prompt_id": "a", "answer": "4", "answer_source": "gold"},
        {"prompt_id": "b", "answer": "9", "answer_source": "execution"},
        {"prompt_id": "c", "answer_type": "open", "answer": "Dear all"},
        {"prompt_id": "d", "answer_type": "code", "tests": ["assert f(1)"]},
        {"prompt_id": "e"},
    )
    assert derive_keys(store, SelectSettings(), "run") == 3
    assert keys_of(store) == [
        ("a", "4", "gold", None, None, None, True),
        ("b", "9", "execution", None, None, None, True),
        ("d", None, "gold", None, None, None, True),
    ]
    assert derive_keys(store, SelectSettings(), "again") == 0


def test_a_plurality_is_trusted_from_its_share_and_three_samples(store: Store) -> None:
    add_prompts(store, *({"prompt_id": name} for name in "abcd"))
    add_responses(
        store, "reference", "a", *[rf"\boxed{{{n}}}" for n in ("1/2", "0.5", r"\frac12", "0.5")]
    )
    add_responses(store, "reference", "b", r"\boxed{7}", r"\boxed{7}")
    add_responses(store, "reference", "c", r"\boxed{7}", r"\boxed{7}", r"\boxed{8}")
    add_responses(store, "reference", "d", r"\boxed{7}", r"\boxed{8}")
    assert derive_keys(store, SelectSettings(), "run") == 3
    assert keys_of(store) == [
        ("a", "0.5", "plurality", 4, 4, 1.0, True),
        ("b", "7", "plurality", 2, 2, 1.0, False),
        ("c", "7", "plurality", 2, 3, pytest.approx(2 / 3), False),
    ]
    assert derive_keys(store, SelectSettings(), "run") == 0


@pytest.mark.slow
def test_trust_follows_the_settings_and_the_samples_there_and_back(store: Store) -> None:
    add_prompts(store, {"prompt_id": "a"})
    add_responses(store, "reference", "a", *[r"\boxed{7}"] * 3, r"\boxed{8}")
    strict, lenient = SelectSettings(min_key_share=0.9), SelectSettings(min_key_share=0.7)
    for settings, trusted in ((strict, False), (lenient, True), (strict, False), (lenient, True)):
        assert derive_keys(store, settings, "run") == 1
        assert keys_of(store)[0][-1] is trusted
    add_responses(store, "reference", "a", *[r"\boxed{8}"] * 2, start=4)
    assert derive_keys(store, lenient, "run") == 1
    assert keys_of(store)[0][-1] is False
    assert derive_keys(store, lenient, "run") == 0


def test_the_stage_grades_each_response_once_and_measures(store: Store) -> None:
    add_prompts(
        store,
        {"prompt_id": "a", "answer": "1/2", "answer_source": "gold"},
        {"prompt_id": "b", "answer": "B", "answer_type": "choice", "choices": ["x", "y"]},
        {"prompt_id": "c", "answer_type": "open"},
    )
    add_responses(store, "student", "a", *[r"\boxed{0.5}"] * 3, *[r"\boxed{2}"] * 4, "")
    add_responses(store, "student", "b", r"\boxed{B}", r"\boxed{y}", "who knows")
    add_responses(store, "student", "c", "Dear all")
    add_responses(store, "teacher", "a", r"\boxed{0.5}")
    derive_keys(store, SelectSettings(), "run")
    counts = grade_responses(store, ["student"], "run")
    assert counts.graded == 11
    assert counts.verdicts == {"correct": 5, "wrong": 5, "unverifiable": 1}
    assert measure_difficulty(store, SelectSettings(), "run") == 2
    difficulty = store.sql(
        "select prompt_id, student, correct, wrong, unverifiable, pass_rate from current_difficulty"
        " order by prompt_id"
    ).rows()
    assert difficulty == [("a", "tiny", 3, 4, 1, 3 / 7), ("b", "tiny", 2, 1, 0, 2 / 3)]

    assert grade_responses(store, ["student"], "again").graded == 0
    assert measure_difficulty(store, SelectSettings(), "again") == 0
    assert grade_responses(store, ["teacher"], "run").graded == 1
    assert not store.query("assess_unplaced")["unplaced"].item()


def test_a_new_version_regrades_and_the_old_word_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_prompts(store, {"prompt_id": "a", "answer": "4", "answer_source": "gold"})
    add_responses(store, "student", "a", r"\boxed{4}")
    derive_keys(store, SelectSettings(), "run")
    grade_responses(store, ["student"], "run")
    for module in (grade, verdicts):
        monkeypatch.setattr(module, "VERIFIERS", {**VERIFIERS, "number": ("math", 99)})
    assert grade_responses(store, ["student"], "run").graded == 1
    assert store.sql("select version from grades order by version").rows() == [
        (math_verifier.VERSION,),
        (99,),
    ]
    assert store.sql("select version from current_grades").rows() == [(99,)]


def test_a_runs_memory_has_a_bound() -> None:
    memory = Memory(most=2)
    asked = [(Question("number", "1"), str(answer)) for answer in (1, 2, 3)]
    assert [outcome.verdict for outcome in memory.decide(asked).values()] == [
        "correct",
        "wrong",
        "wrong",
    ]
    assert list(memory.known) == asked[1:]


def test_a_verdict_that_the_clock_gave_is_tried_again_in_later_runs_but_not_for_ever(
    store: Store,
) -> None:
    add_prompts(store, {"prompt_id": "a", "answer": "4", "answer_source": "gold"})
    add_responses(store, "student", "a", *[r"\boxed{4}"] * 4)
    derive_keys(store, SelectSettings(), "run")
    key_id = store.sql("select key_id from current_keys").item()

    def add_grades(run_id: str, *grades: tuple[int, str, int | None]) -> None:
        columns = ["response_id", "reason", "attempt"]
        rows = [(f"student-a-{number}", reason, attempt) for number, reason, attempt in grades]
        frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(
            key_id=pl.lit(key_id),
            verifier=pl.lit("math"),
            version=pl.lit(math_verifier.VERSION),
            verdict=pl.lit("unverifiable"),
            attempt=pl.col("attempt").cast(pl.Int32),
        )
        store.append("grades", frame, run_id=run_id)

    add_grades("1", (0, "timeout", None), (1, "timeout", 1), (2, "timeout", 1), (3, "no_key", 1))
    add_grades("2", (1, "checker_died", 2), (2, "timeout", 2))
    add_grades("3", (2, "timeout", 3))
    assert grade_responses(store, ["student"], "2").graded == 1  # 1 was tried in this very run.
    assert grade_responses(store, ["student"], "4").graded == 1
    assert grade_responses(store, ["student"], "5").graded == 0  # 2 had its three tries, 3 is done.
    now = store.sql(
        "select response_id, verdict, reason from current_grades order by response_id"
    ).rows()
    assert now == [
        ("student-a-0", "correct", "identical"),
        ("student-a-1", "correct", "identical"),
        ("student-a-2", "unverifiable", "timeout"),
        ("student-a-3", "unverifiable", "no_key"),
    ]
    tries = store.sql("select attempt from grades where response_id = 'student-a-1' order by 1")
    assert tries["attempt"].to_list() == [1, 2, 3]
