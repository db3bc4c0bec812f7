"""What stands around a number: powers of ten, words, relations, money, units, bases, times."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assess.symbols import to_latex, to_signs
from tasks.assess.verifiers import math, quantity
from tasks.assess.wording import is_same_time, qualifies, split_relation

TINY = [
    (r"1.6\times10^{-19}", r"3.2\times10^{-19}"),
    (r"6.63\times10^{-34}", r"6.63\times10^{-30}"),
    (r"1.38\times10^{-23}", r"-1.38\times10^{-23}"),
    (r"\frac{1}{10^{20}}", r"\frac{1}{10^{21}}"),
    ("2^{-60}", "2^{-61}"),
    ("1e-20", "1e-21"),
    (r"6.63\times10^{-34}\text{ J s}", r"1.05\times10^{-34}"),
    (r"\sqrt{2}\cdot10^{-20}", r"\sqrt{3}\cdot10^{-20}"),
]
SCIENTIFIC = [
    *(("6.02e23", r"6.02\times10^{23}"), (r"3\times10^8", "3.0e8"), ("3e8", "300,000,000")),
    *(("1.5e-3", r"1.5\times10^{-3}"), ("0.0015", r"1.5 \cdot 10^{-3}"), ("1e-7", "10^{-7}")),
    *(("3e8", "3 × 10^8"), ("3e8", "3 x 10^8"), ("3e8", "3*10^8"), ("3e8", "3·10⁸")),
    *(("-10^3", "-1000"), ("1024", "2^{10}"), ("8", "2**3"), ("0.125", "2^(-3)")),
]


@pytest.mark.parametrize(("key", "answer"), TINY)
def test_constants_that_differ_are_two_however_small(key: str, answer: str) -> None:
    for one, other in ((key, answer), (answer, key)):
        outcome = math.decide_fast(one, other)
        assert outcome is not None
        assert outcome.verdict == "wrong"


def test_the_checker_does_not_round_tiny_constants_to_one() -> None:
    assert math.check("e^{-40}", "e^{-41}") == ("wrong", "symbolic")
    assert math.check("e^{-40}", r"\frac{1}{e^{40}}").verdict == "correct"


@pytest.mark.parametrize(("key", "answer"), SCIENTIFIC)
def test_powers_of_ten_are_read_exactly(key: str, answer: str) -> None:
    assert math.decide_fast(key, answer) == ("correct", "numeric")
    assert math.decide_fast(answer, key) == ("correct", "numeric")


@given(st.integers(1, 9_999), st.integers(-30, 30), st.integers(1, 9_999), st.integers(-30, 30))
def test_two_powers_of_ten_are_equal_only_by_value(
    left: int, up: int, right: int, other: int
) -> None:
    outcome = math.decide_fast(rf"{left}\times10^{{{up}}}", f"{right}e{other}")
    assert outcome is not None
    assert (outcome.verdict == "correct") == (left * 10 ** (up + 30) == right * 10 ** (other + 30))


@pytest.mark.parametrize(
    "answer", ["10^{999999999}", "10^(10^9)", "9^{9^{9^9}}", "123456789012345^{9999}", "0^{-1}"]
)
def test_a_power_without_end_is_not_worked_out(answer: str) -> None:
    began = time.monotonic()
    assert math.decide_fast("5", answer) in (None, ("wrong", "numeric"))
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    ("key", "answer", "outcome"),
    [
        ("5", "5 tenths", ("wrong", "numeric")),
        ("0.5", "5 tenths", ("correct", "numeric")),
        ("5/3", "5 thirds", ("correct", "numeric")),
        ("0.05", "5 hundredths", ("correct", "numeric")),
        ("25", "5 squared", ("correct", "numeric")),
        ("-5", "5 degrees below zero", ("correct", "numeric")),
        ("3.5", "3 and a half hours", ("correct", "numeric")),
        ("5", "5 below", ("wrong", "qualified")),
        ("5", "5 below zero", ("wrong", "numeric")),
        ("5", "5 plus three", ("wrong", "qualified")),
        ("5", r"5 \text{ or more}", ("wrong", "qualified")),
        ("5 or more", "5", ("wrong", "qualified")),
        ("5 or more", r"5\text{ or more}", ("correct", "normalised")),
        ("5", "5 apples", ("correct", "numeric")),
        ("5", "5 more apples", ("correct", "numeric")),
        ("5", "5 tenth graders", ("correct", "numeric")),
        ("5", r"\ne 5", ("wrong", "other_relation")),
        ("5", r"\geq 5", ("wrong", "other_relation")),
        ("5", "≤ 5", ("wrong", "other_relation")),
        ("5", ">5", ("wrong", "other_relation")),
        (r"\le 5", r"\ge 5", ("wrong", "other_relation")),
        (r"\ge 5", "≥5", ("correct", "normalised")),
        (r"> 5", "x > 5", None),
        ("$50", "50 cents", ("wrong", "numeric")),
        ("50 cents", r"\$50", ("wrong", "numeric")),
        (r"\$0.50", "50 cents", ("correct", "numeric")),
        ("$5", "5 euros", ("wrong", "other_currency")),
        ("$50$", "50 cents", ("correct", "numeric")),
        ("7 cm^2", "7 cm^3", ("wrong", "other_unit")),
        ("7 cm", r"7\text{ cm}^2", ("wrong", "other_unit")),
        ("7 cm^2", "7 square centimeters", ("correct", "same_quantity")),
        ("7", "7 cm²", ("correct", "numeric")),
        ("10101_2", "10101_3", ("wrong", "numeral")),
        ("52_8", "52_{7}", ("wrong", "numeral")),
        ("52_8", "52₈", ("correct", "numeral")),
        (r"12:30\text{ p.m.}", r"12:30\text{ a.m.}", ("wrong", "time")),
        ("3:00 PM", "15:00", ("correct", "time")),
        ("2:30", "5:75", ("wrong", "time")),
    ],
)
def test_what_stands_around_a_number_counts(
    key: str, answer: str, outcome: tuple[str, str] | None
) -> None:
    assert math.decide_fast(key, answer) == outcome


@pytest.mark.parametrize(
    ("typed", "latex"),
    [
        ("√2", r"\sqrt{2}"),
        ("2√(x+1)", r"2\sqrt{x+1}"),
        ("x² + y¹⁰", "x^{2} + y^{10}"),
        ("2½", r"2\frac{1}{2}"),
        ("90°", r"90^\circ"),
        (r"0.\overline{3}", r"\frac{1}{3}"),
        (r"1.2\overline{3}", r"\frac{37}{30}"),
        (r"0.\bar{12}", r"\frac{4}{33}"),
        ("1\u00a0234\u200b", "1 234"),
        ("\uff11\uff12", "12"),
        ("1.5e-3", r"1.5\times 10^{-3}"),
        ("naïve", "naïve"),
    ],
)
def test_typed_mathematics_is_written_as_latex(typed: str, latex: str) -> None:
    assert to_latex(typed) == latex


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        *((r"\sqrt{2}", "√2"), (r"2\sqrt{3}", "2√3"), ("x^2", "x²"), (r"\frac12", "½")),
        *((r"90^\circ", "90°"), ("90", "90°"), (r"0.\overline{3}", "1/3"), ("4", "2²")),
        *((r"\pi r^2", "πr²"), (r"(-\infty, 2]", "(−∞, 2]")),
    ],
)
def test_typed_mathematics_is_understood(key: str, answer: str) -> None:
    assert math.check(key, answer).verdict == "correct"
    assert math.check(answer, key).verdict == "correct"


@given(st.text(alphabet="0123456789.,:^{}()_-+\\√²½°≤≠$ epmorxyz", max_size=40))
def test_any_wording_is_read_at_once_and_says_what_it_says(text: str) -> None:
    began = time.process_time()
    to_signs(to_latex(text))
    relation, rest = split_relation(text)
    assert rest in text if relation else rest == text
    qualifies(text)
    assert is_same_time(text, text) is not False
    math.decide_fast("5", text)
    math.decide_fast(text, "5 apples")
    quantity.check(text, "5 km")
    assert quantity.check(text, text) == ("correct", "identical")
    assert time.process_time() - began < 3  # The first one reads what units there are.


@pytest.mark.parametrize(
    ("key", "answer", "outcome"),
    [
        ("31.07 mi", "50.0 km", ("correct", "rounded")),
        ("999.6 m", "1.00 km", ("correct", "rounded")),
        ("999.6 m", "1.0 km", ("wrong", "other_value")),
        ("31.2 mi", "50.0 km", ("wrong", "other_value")),
        ("5e-6 m", r"5 \mu m", ("correct", "same_quantity")),
        ("5e-6 m", r"5\,\mu\text{m}", ("correct", "same_quantity")),
        ("5e-6 m", r"5~\mu \mathrm{m}", ("correct", "same_quantity")),
    ],
)
def test_noughts_that_are_written_are_digits_and_micro_is_a_prefix(
    key: str, answer: str, outcome: tuple[str, str]
) -> None:
    assert quantity.check(key, answer) == outcome
