"""Short answers as values, and how often a statement says them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rewrite.answers import count_mentions, read_number, show_number

fractions = st.fractions(max_denominator=10**6).filter(lambda value: abs(value) < 10**12)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3,600", Fraction(3600)),
        ("-0.5", Fraction(-1, 2)),
        ("−4", Fraction(-4)),
        ("$12$", Fraction(12)),
        ("\\$12.50", Fraction(25, 2)),
        ("5/12.", Fraction(5, 12)),
        (r"$-\frac{5}{3}$", Fraction(-5, 3)),
        ("12 kg", None),
        ("1/0", None),
        ("44%", None),
        ("", None),
        ("1" * 300, None),
    ],
)
def test_a_number_is_read_as_people_and_latex_write_it(text: str, value: Fraction | None) -> None:
    assert read_number(text) == value


@given(fractions)
def test_what_is_shown_is_read_back_as_the_same_number(value: Fraction) -> None:
    assert read_number(show_number(value)) == value
    assert read_number(show_number(value, like="1/2")) == value


@pytest.mark.parametrize(
    ("value", "like", "shown"),
    [
        (Fraction(81), None, "81"),
        (Fraction(51, 2), None, "25.5"),
        (Fraction(-1, 40), None, "-0.025"),
        (Fraction(7, 3), None, "7/3"),
        (Fraction(3, 4), "1/3", "3/4"),
        (Fraction(3, 4), "0.3", "0.75"),
    ],
)
def test_a_key_is_written_in_the_manner_of_the_parents(
    value: Fraction, like: str | None, shown: str
) -> None:
    assert show_number(value, like) == shown


@pytest.mark.parametrize(
    ("text", "answer", "times"),
    [
        ("12 trays with 12 rolls, or 1.2", "12", 2),
        ("It weighs 81kg.", "81", 1),
        ("Three of the 3 siblings", "3", 2),
        ("Zero of thirteen, and one more", "13", 1),
        ("Zero of thirteen, and one more", "0", 1),
        ("Zero of thirteen, and one more", "1", 0),
        ("Twenty are left.", "20", 1),
        ("Twenty-one are left, not twenty-two.", "20", 0),
        ("Twenty-one are left, not twenty-two.", "21", 1),
        ("Twenty-one are left, not twenty-two.", "2", 0),
        ("a ninety-nine-year lease", "99", 1),
        ("A dozen of dozens", "12", 1),
        ("It fell by 5 to -5 degrees.", "-5", 1),
        (r"a share of $\frac{3}{4}$, that is 3/4", "0.75", 2),
        ("2,500 mice and 500 rats", "500", 1),
        ("Is the full moon full?", "full moon", 1),
        ("Barometers measure.", "barometer", 0),
        ("The limit is $e^3$.", "e^3", 1),
    ],
)
def test_mentions_count_numbers_by_value_and_words_whole(
    text: str, answer: str, times: int
) -> None:
    assert count_mentions(text, answer) == times


@given(fractions, st.text("abc .,;", max_size=20))
def test_an_added_number_is_always_one_mention_more(value: Fraction, around: str) -> None:
    shown = show_number(value)
    before = count_mentions(around, shown)
    assert count_mentions(f"{around} (the answer: {shown})", shown) == before + 1
