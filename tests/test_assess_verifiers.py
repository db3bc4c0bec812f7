"""Verdicts of the verifiers, exact reasons included, and the checker processes behind them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assess.pool import CheckerPool, shared_pool
from tasks.assess.verifiers import choice, math, text


@pytest.mark.parametrize(
    ("key", "answer", "outcome"),
    [
        ("1/2", "0.5", ("correct", "numeric")),
        ("1/2", r"\frac12", ("correct", "numeric")),
        ("1/2", r"\dfrac{1}{2}", ("correct", "numeric")),
        (r"50\%", "0.5", ("correct", "numeric")),
        (r"50\%", "50%", ("correct", "numeric")),
        ("1234", "1,234", ("correct", "numeric")),
        ("1234", r"1{,}234", ("correct", "numeric")),
        ("1234", "$1,234.00", ("correct", "numeric")),
        ("1234", "1 234", ("correct", "numeric")),
        ("3.5", "3,5", ("correct", "numeric")),
        ("72", r"72\text{ clips}", ("correct", "numeric")),
        ("72", "72 clips.", ("correct", "numeric")),
        ("72", "72", ("correct", "identical")),
        ("36", "3 dozen eggs", ("correct", "numeric")),
        ("5", "5 million", ("wrong", "numeric")),
        ("10000", "10001", ("wrong", "numeric")),
        ("142", "142.0", ("correct", "numeric")),
        ("-3", "\u22123", ("correct", "numeric")),
        ("1/3", "0.33", ("wrong", "numeric")),
        (r"\left( x+1 \right)", "(x+1)", ("correct", "normalised")),
        ("7", ":", ("wrong", "no_content")),
        ("7", "1" * 3_000, ("unverifiable", "too_long")),
        ("7", "{" * 900 + "1" + "}" * 900, ("unverifiable", "too_complex")),
    ],
)
def test_numbers_are_decided_without_the_checker(
    key: str, answer: str, outcome: tuple[str, str]
) -> None:
    assert math.decide_fast(key, answer) == outcome


@pytest.mark.parametrize("answer", ["0.333333", r"\sin x", "50%", r"\sqrt[3]{4}"])
def test_what_is_not_plain_is_left_to_the_checker(answer: str) -> None:
    assert math.decide_fast("1/3", answer) is None


@given(st.integers(-(10**14), 10**14), st.integers(-(10**14), 10**14))
def test_integers_are_equal_only_to_themselves(left: int, right: int) -> None:
    outcome = math.decide_fast(f"{left:,}", f"{right}")
    assert outcome is not None
    assert (outcome.verdict == "correct") == (left == right)


@pytest.mark.parametrize(
    ("key", "answer", "outcome"),
    [
        ("(x-1)(x+1)", "x^2-1", ("correct", "symbolic")),
        ("1/3", "0.333333", ("correct", "symbolic")),
        (r"\{1,2\}", r"\{2,1\}", ("correct", "symbolic")),
        ("[0,1)", "[0,1]", ("wrong", "symbolic")),
        ("5", "x=5", ("correct", "symbolic")),
        ("2x+1", "2", ("wrong", "symbolic")),
        ("20", "20%", ("correct", "symbolic")),
    ],
)
def test_expressions_are_decided_by_the_checker(
    key: str, answer: str, outcome: tuple[str, str]
) -> None:
    assert math.decide_symbolic(key, answer) == outcome


HOSTILE = [
    "9**9**9**9",
    pytest.param("9^{9^{9^{9}}}", marks=pytest.mark.slow),
    "(" * 40 + "1" + ")^9" * 40,
    "99999999999999999!",
    "{" * 10_000,
    "{" * 950 + "}" * 950,
    "1" * 1_000_000,
    "a" * 1_999,
    "$" * 1_999,
    "1 1 " * 480,
    r"\frac{1}{" * 50 + "1" + "}" * 50,
    r"\int_0^\infty " * 30 + "x",
    "__import__('os').system('true')",
]


@pytest.mark.everyday(3)
@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: answer[:18])
def test_hostile_answers_take_two_seconds_at_most(answer: str) -> None:
    math.decide_symbolic("x+1", "1+x+0")  # The checker has started.
    began = time.monotonic()
    outcome = math.check("x+1", answer)
    assert time.monotonic() - began < 2.2
    assert outcome.verdict in ("wrong", "unverifiable")


@pytest.mark.slow
def test_a_killed_checker_is_replaced() -> None:
    pool = CheckerPool(1)
    try:
        assert pool.ask({"key": "2x", "answer": "x+x"}) == {"equal": True}
        worker = next(iter(pool._all))
        os.kill(worker.process.pid, signal.SIGKILL)
        assert pool.ask({"key": "2x", "answer": "x+x"}) == {"failed": "checker_died"}
        assert pool.ask({"key": "2x", "answer": "x+x"}) == {"equal": True}
    finally:
        pool.close()


def test_the_pool_may_be_asked_from_any_thread() -> None:
    outcomes: list[object] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(math.decide_symbolic("2y", "y+y")))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [("correct", "symbolic")] * 6
    assert len(shared_pool()._all) <= (os.cpu_count() or 1)


def test_checkers_die_with_their_parent() -> None:
    program = (
        "import time\nfrom tasks.assess.pool import shared_pool\n"
        "pool = shared_pool()\npool.ask({'key': 'x', 'answer': 'y'})\n"
        "print(next(iter(pool._all)).process.pid, flush=True)\ntime.sleep(60)\n"
    )
    root = Path(__file__).resolve().parents[1]
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process_id: int) -> bool:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("key", "answer", "outcome"),
    [
        ("B", "b", ("correct", "identical")),
        ("B", "(B)", ("correct", "identical")),
        ("B", "Carbon  dioxide.", ("correct", "option_text")),
        ("carbon dioxide", "B", ("correct", "identical")),
        ("B", "A", ("wrong", "other_option")),
        ("B", "D", ("wrong", "no_such_option")),
        ("B", "argon", ("wrong", "no_such_option")),
        ("nothing", "B", ("unverifiable", "key_is_no_option")),
    ],
)
def test_choices(key: str, answer: str, outcome: tuple[str, str]) -> None:
    assert choice.check(key, answer, ["oxygen", "carbon dioxide", "helium"]) == outcome


@pytest.mark.parametrize(
    ("key", "answer", "outcome"),
    [
        ("Nile", "Nile", ("correct", "identical")),
        ("Nile", "the  nile.", ("correct", "normalised")),
        ("Nile", r"\text{The Nile}", ("correct", "normalised")),
        ("caf\u00e9", "Cafe\u0301", ("correct", "normalised")),
        ("3.5 kg", "35 kg", ("wrong", "not_equal")),
        ("a", "b", ("wrong", "not_equal")),
        ("a+b", "a-b", ("wrong", "not_equal")),
        ("C++", "C", ("wrong", "not_equal")),
        ("", "x", ("unverifiable", "key_is_empty")),
    ],
)
def test_texts(key: str, answer: str, outcome: tuple[str, str]) -> None:
    assert text.check(key, answer) == outcome
