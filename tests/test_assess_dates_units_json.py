"""Dates, quantities and JSON: equal in every spelling, and never by a guess."""

import json
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.assess.extract import extract_answer
from tasks.assess.verdicts import decide, same_answer
from tasks.assess.verifiers import date as dates
from tasks.assess.verifiers import math, quantity, structure, text

DAYS = st.dates(date(1000, 1, 1), date(2999, 12, 31))


def spell(day: date) -> list[str]:
    """Return a day in spellings that have one reading."""
    month = day.strftime("%B")
    return [
        day.isoformat(),
        f"{day.year}/{day.month}/{day.day}",
        f"{month} {day.day}, {day.year}",
        f"{day.day} {month.upper()} {day.year}",
        f"{day:%a}, {day.day} {day:%b}. {day.year}",
        rf"\text{{the {day.day}th of {month} {day.year}}}",
    ]


@settings(max_examples=40)
@given(DAYS)
def test_a_day_is_itself_in_every_spelling(day: date) -> None:
    for wanted in spell(day):
        for answer in spell(day):
            assert dates.check(wanted, answer).verdict == "correct", (wanted, answer)


@settings(max_examples=40)
@given(DAYS, st.integers(1, 40_000), st.integers(0, 5))
def test_another_day_is_never_right(day: date, later: int, spelling: int) -> None:
    if day.year < 2800:
        other = day + timedelta(days=later)
        assert dates.check(spell(day)[0], spell(other)[spelling]).verdict == "wrong"


@settings(max_examples=60)
@given(DAYS, DAYS)
def test_numbers_alone_are_decided_only_where_no_order_matters(day: date, said: date) -> None:
    verdict = dates.check(day.isoformat(), f"{said.day:02}/{said.month:02}/{said.year}").verdict
    readings = {said}
    if said.day <= 12:
        readings.add(date(said.year, said.day, said.month))
    expected = "correct" if readings == {day} else "wrong" if day not in readings else None
    assert verdict == (expected or "unverifiable")


@pytest.mark.parametrize(
    ("key", "answer", "outcome"),
    [
        ("2024-03-04", "03/04/2024", ("unverifiable", "ambiguous")),
        ("03/04/2024", "4 March 2024", ("unverifiable", "ambiguous")),
        ("03/04/2024", "03/04/2024", ("correct", "identical")),
        ("2024-07-09", "03/04/2024", ("wrong", "other_date")),
        ("1924-03-13", "13/03/24", ("unverifiable", "ambiguous")),
        ("2024-03-04", "March 2024", ("wrong", "less_precise")),
        ("March 2024", "4 March 2024", ("unverifiable", "more_precise")),
        ("2024-03-04", "Tuesday, 4 March 2024", ("wrong", "no_date")),
        ("44 BC", "44 AD", ("wrong", "other_date")),
        ("2024-03-04T10:00Z", "2024-03-04T12:00+02:00", ("correct", "same_date")),
        ("2024-03-04T10:00Z", "2024-03-04T10:00", ("unverifiable", "time_zone")),
        ("soon", "2024-03-04", ("unverifiable", "key_not_read")),
        ("2024-03-04", "4 March 2024 or later", ("wrong", "no_date")),
    ],
)
def test_dates(key: str, answer: str, outcome: tuple[str, str]) -> None:
    assert dates.check(key, answer) == outcome


FACTORS = [
    *(("km", "m", 1000), ("h", "min", 60), ("kg", "g", 1000)),
    *(("ft", "inch", 12), ("kWh", "MJ", "3.6"), ("L", "cm^3", 1000)),
]


@settings(max_examples=60)
@given(st.decimals(Decimal("0.001"), 9999, places=3), st.sampled_from(FACTORS))
def test_a_quantity_is_itself_in_other_units_and_no_other(
    value: Decimal, factor: tuple[str, str, Any]
) -> None:
    large, small, number = factor
    converted = value * Decimal(number)
    assert quantity.check(f"{value} {large}", f"{converted} {small}").verdict == "correct"
    assert quantity.check(f"{converted} {small}", f"{value} {large}").verdict == "correct"
    assert quantity.check(f"{value} {large}", f"{value} {small}").verdict == "wrong"
    off = converted * Decimal("1.1")
    assert quantity.check(f"{value} {large}", f"{off} {small}").verdict == "wrong"


@pytest.mark.parametrize(
    ("key", "answer", "outcome"),
    [
        ("5 miles", "8.05 km", ("correct", "rounded")),
        ("5 miles", "8.04672 km", ("correct", "same_quantity")),
        ("5 miles", "8 km", ("wrong", "other_value")),
        ("8.04672 km", "8.05 km", ("wrong", "other_value")),
        ("100 °C", "212 degrees Fahrenheit", ("correct", "same_quantity")),
        ("100 °C", "100 °F", ("wrong", "other_value")),
        ("5 °C", "5 K", ("unverifiable", "temperature_difference")),
        ("25 °C", "25 C", ("unverifiable", "ambiguous_unit")),
        ("1 Hz", "1 rad/s", ("unverifiable", "other_kind_of_unit")),
        ("5 km", "5", ("wrong", "no_unit")),
        ("5", "5 km", ("unverifiable", "key_not_read")),
        ("5 km", "5 kg", ("wrong", "other_unit")),
        ("4 apples", "4 apple", ("correct", "same_quantity")),
        ("4 apples", "4 pears", ("unverifiable", "unknown_unit")),
        ("9.8 m/s^2", r"9.8 \frac{\mathrm{m}}{\mathrm{s}^{2}}", ("correct", "same_quantity")),
        ("5 km", "5 km^999999999", ("unverifiable", "unknown_unit")),
        ("5 km", "about five", ("wrong", "no_quantity")),
    ],
)
def test_quantities(key: str, answer: str, outcome: tuple[str, str]) -> None:
    assert quantity.check(key, answer) == outcome


@pytest.mark.parametrize(
    ("key", "answer", "outcome"),
    [
        ("5 km", "5 m", ("wrong", "other_value")),
        ("5 km", "5000 m", ("correct", "same_quantity")),
        ("5 km", "5", ("correct", "numeric")),
        ("5 clips", "5 pieces", None),
        ("1200", "1.2e3", ("correct", "numeric")),
    ],
)
def test_units_of_numbers_count_where_both_are_known(
    key: str, answer: str, outcome: tuple[str, str] | None
) -> None:
    assert math.decide_fast(key, answer) == outcome


AT_ONCE = """
import sys, threading
from tasks.assess.verifiers import quantity

sys.setswitchinterval(1e-5)
begin, outcomes = threading.Barrier(8), []
def check():
    begin.wait()
    outcomes.append(quantity.check("5 km", "5000 m").verdict)

threads = [threading.Thread(target=check) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(outcomes != ["correct"] * 8)
"""


def test_threads_that_begin_at_once_know_the_same_units() -> None:
    """Units of two registries cannot be compared, and each thread had loaded its own."""
    assert subprocess.run([sys.executable, "-c", AT_ONCE], timeout=60).returncode == 0


def test_texts_know_dates_and_quantities_but_guess_nothing() -> None:
    assert text.check("July 4, 1776", "4 July 1776") == ("correct", "same_date")
    assert text.check("100 degrees Celsius", "100 °C") == ("correct", "same_quantity")
    assert text.check("2024-03-04", "03/04/2024") == ("wrong", "not_equal")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(VALUES, VALUES)
def test_json_is_compared_by_value(one: Any, other: Any) -> None:
    turned = dict(reversed(one.items())) if isinstance(one, dict) else one
    spelled = json.dumps(turned, indent=1, ensure_ascii=False)
    assert structure.check(json.dumps(one), spelled).verdict == "correct"
    is_same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    verdict = structure.check(json.dumps(one), json.dumps(other)).verdict
    assert verdict == ("correct" if is_same else "wrong")


@pytest.mark.parametrize(
    ("key", "answer", "outcome"),
    [
        ('{"a": 1}', '{"a": 1.0}', ("correct", "same_value")),
        ('{"a": 1}', '{"a": true}', ("wrong", "other_value")),
        ("[1, 2]", "[2, 1]", ("wrong", "other_value")),
        ("[9007199254740993]", "[9007199254740992]", ("wrong", "other_value")),
        ('{"a": 1}', '{"a": 2, "a": 1}', ("wrong", "not_json")),
        ("[1]", "[NaN]", ("wrong", "not_json")),
        ("[1]", "[" * 9_000, ("wrong", "not_json")),
        ("one", "[1]", ("unverifiable", "key_not_read")),
    ],
)
def test_json(key: str, answer: str, outcome: tuple[str, str]) -> None:
    assert structure.check(key, answer) == outcome


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ('```json\n{"a": 0}\n```\nBetter:\n```json\n{"a": 1}\n```', '{"a": 1}'),
        ('```python\nx = 1\n```\n```\n{"a": 1}\n```', '{"a": 1}'),
        (r'So \boxed{{"a": 1}}', '{"a": 1}'),
        ('It is\n{"a": [\n1]}', '{"a": [\n1]}'),
        ('{"a":\n[1]}', '{"a":\n[1]}'),
        ("It has one field.", None),
    ],
)
def test_json_is_found_in_a_response(content: str, answer: str | None) -> None:
    assert extract_answer(content, "json") == answer


def test_a_cut_off_block_holds_no_answer() -> None:
    assert decide("json", '{"a": 1}', '```json\n{"a": 1', "length").verdict == "truncated"


def test_responses_of_the_new_types_are_graded_and_voted_on() -> None:
    assert decide("date", "1776-07-04", r"\boxed{July 4, 1776}").verifier == "date"
    assert decide("quantity", "5 km", "The answer is 5000 m.").verdict == "correct"
    assert same_answer("date", "1776-07-04", "4 July 1776")
    assert same_answer("json", "[1]", "[1.0]")
    assert not same_answer("quantity", "5 km", "5 m")
