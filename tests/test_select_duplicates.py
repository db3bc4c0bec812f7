"""Duplicates: what counts as the same, and who stands for the others."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from taught_store import RUN, fill, identify, taught

from tasks.recipe import DuplicateSettings
from tasks.select.duplicates import find_duplicates, loosen, match_forms, reduce_to_forms
from tasks.store import Store


def loosened(text: str) -> str:
    return str(pl.select(loosen(pl.lit(text))).item())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 2 + 2?", "what is 2 + 2"),
        ("Add three, then two.", "Add three then two"),
        ("How many “ducks” are left?", 'How many "ducks" are left'),
        ("What a day!  Really?", "What a day really"),
        ("Is 5 − 3 even?", "Is 5 - 3 even?"),
        ("caf\u00e9", "cafe\u0301"),
    ],
)
def test_case_and_sentence_marks_do_not_matter(one: str, other: str) -> None:
    assert loosened(one) == loosened(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 3 + 5?", "What is 3 - 5?"),
        ("What is 3.5?", "What is 35?"),
        ("Evaluate 5! now", "Evaluate 5 now"),
        ("Evaluate n! now", "Evaluate n now"),
        ("Find f'(x)", "Find f(x)"),
        ("List {1,2}", "List {12}"),
        ("(2 + 3) * 4", "2 + 3 * 4"),
        ("x²", "x2"),
    ],
)
def test_what_carries_meaning_in_mathematics_stays(one: str, other: str) -> None:
    assert loosened(one) != loosened(other)


def test_a_seed_represents_a_rewrite_and_an_answered_prompt_one_without(store: Store) -> None:
    fill(
        store,
        taught("seed", text="What is two plus two?"),
        taught("rewrite", text="what is two plus two", kind="rewrite"),
        taught("open", text="What is two plus two", domain="science", answer=None),
        taught("other", text="What is two plus three?"),
    )
    assert find_duplicates(store, DuplicateSettings(), RUN) == 2
    found = store.sql("select prompt_id, representative_id, method, score from current_duplicates")
    assert sorted(found.iter_rows()) == sorted(
        (identify(name), identify("seed"), "exact", 1.0) for name in ("rewrite", "open")
    )


def test_other_options_make_another_prompt(store: Store) -> None:
    fill(
        store,
        taught("a", text="Which one?", choices=("red", "blue")),
        taught("b", text="Which one", choices=("Red", "blue.")),
        taught("c", text="Which one?", choices=("blue", "red")),
        taught("d", text="Which one?"),
    )
    find_duplicates(store, DuplicateSettings(), RUN)
    found = store.sql("select prompt_id, representative_id from current_duplicates")
    assert {*found.row(0)} == {identify("a"), identify("b")}
    assert found.height == 1


def test_a_second_look_adds_nothing(store: Store) -> None:
    fill(store, taught("a", text="Same?"), taught("b", text="same"))
    assert find_duplicates(store, DuplicateSettings(), RUN) == 1
    assert find_duplicates(store, DuplicateSettings(), "run-2") == 0


def test_a_prompt_that_becomes_the_representative_is_free_again(store: Store) -> None:
    fill(store, taught("rewrite", text="Same?", kind="rewrite", root="far"))
    fill(store, taught("rewrite-2", text="same", kind="rewrite", root="far"))
    find_duplicates(store, DuplicateSettings(), RUN)
    fill(store, taught("seed", text="Same"))
    assert find_duplicates(store, DuplicateSettings(), "run-2") == 2
    spendable = store.sql("select prompt_id from spendable_prompts")["prompt_id"].to_list()
    assert spendable == [identify("seed")]


def test_only_the_representative_is_worth_a_call(store: Store) -> None:
    fill(store, taught("a", text="Same?"), taught("b", text="same"), taught("c", text="Other"))
    find_duplicates(store, DuplicateSettings(), RUN)
    kept = {identify("c"), min(identify("a"), identify("b"))}
    assert set(store.sql("select prompt_id from spendable_prompts")["prompt_id"]) == kept


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.sampled_from(["A b.", "a b", "A c", "a  C?"]), max_size=8), data=st.data())
def test_order_of_rows_never_matters(texts: list[str], data: st.DataObject) -> None:
    rows = [
        {"prompt_id": f"{i:03d}", "kind": "seed", "has_answer": True, "text": text, "choices": None}
        for i, text in enumerate(texts)
    ]
    shuffled = data.draw(st.permutations(rows))
    schema = {
        "prompt_id": pl.String,
        "kind": pl.String,
        "has_answer": pl.Boolean,
        "text": pl.String,
        "choices": pl.List(pl.String),
    }
    one, other = (
        match_forms(reduce_to_forms(pl.DataFrame(given, schema=schema)))
        for given in (rows, shuffled)
    )
    assert one.equals(other)
    groups = {loosened(text) for text in texts}
    assert one.height == len(texts) - len(groups)
