"""Outputs of programs: compared as values, with their case, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assess.literals import same_literal, write_literal
from tasks.assess.verifiers import text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("key", "answer", "same"),
    [
        ("[3, 1, 2]", "[3,1,2]", True),
        ("[[1, 2]]", "[[1,2]]", True),
        ("['a', 'b']", '["a", "b"]', True),
        ("['a', 'b']", "[\u2018a\u2019, \u2018b\u2019]", True),
        ("['a_b']", r"\text{['a\_b']}", True),
        ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", True),
        ("{1, 2}", r"\{2, 1\}", True),
        ("(0, 1)", r"\left(0,\, 1\right)", True),
        ("'HELLO'", "HELLO", True),
        ("'HELLO'", '"HELLO"', True),
        ("'A_B'", r"\texttt{A\_B}", True),
        ("'HELLO'", "hello", False),
        ("'A_B'", "a b", False),
        ("['a', 'b']", "a b", False),
        ("['a', 'b']", "['a b']", False),
        ("['a', 'b']", "('a', 'b')", False),
        ("[['ab', 'ba'], ['abc']]", "[['ab'], ['ba', 'abc']]", False),
        ("[True]", "[1]", False),
        ("[True]", "true", False),
        ("[1]", "[1.0]", False),
        ("['1', '2']", "[1, 2]", False),
        ("[1, 2]", "1, 2", False),
        ("[1]", "[" * 5_000, False),
        ("[1]", "[9**9**9]", False),
        ("Nile", "nile", None),
        ('"The Raven"', "the raven", None),
        ("(0, 1]", "(0, 1]", None),
        ("True", "true", None),
        ("[__import__('os')]", "[]", None),
        ("[" * 5_000 + "]" * 5_000, "[]", None),
        ("(" + "-" * 1_500 + "1,)", "[]", None),
    ],
)
def test_literals(key: str, answer: str, same: bool | None) -> None:
    assert same_literal(key, answer) is same
    if same is not None and key != answer:
        assert text.check(key, answer).reason == ("same_value" if same else "other_value")


@given(VALUES, VALUES)
def test_a_printed_value_is_equal_to_itself_alone(one: Any, other: Any) -> None:
    key, answer = write_literal(str(one)), str(other)
    assert same_literal(key, str(one).strip()) in (True, str(one) == str(one).strip())
    if same_literal(key, answer) and isinstance(one, list | tuple | dict):
        assert one == other or repr(one) == answer


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_can_be_a_key_in_quotes(printed: str, answer: str) -> None:
    assert same_literal(write_literal(printed), printed)
    same_literal(answer, printed)
