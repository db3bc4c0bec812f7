"""Duplicates: what counts as the same, and who stands for the others."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.recipe import DuplicateSettings, LicenceSettings
from tasks.select.clusters import Signed, cluster, cluster_pairs, gather_signed
from tasks.select.duplicates import find_duplicates, loosen, match_forms, reduce_to_forms
from tasks.select.minhash import (
    as_signatures,
    estimate_similarity,
    expect_recall,
    sign,
    sign_prompts,
)
from tasks.select.words import Words, join_choices
from tasks.store import Store
from tests.taught_store import RUN, fill, identify, taught


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
        ("\ufeffHow many are left?", "How many are left?\u200b"),
        ("Which mor\u00adning?", "Which morning?"),
        ("Add １２ and ３．", "Add 12 and 3."),
        ("Is x² > 2?", "Is x^2 > 2?"),
        ("Add ½ and 1½", "Add 1/2 and 1 1/2"),
        ("Sell **12** of *the* rolls.", "Sell 12 of the rolls."),
        ("有十五个苹果吗？", "有十五个苹果吗?"),
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
        ("1½", "11/2"),
        ("2 *3 and 4* 5", "2 3 and 4 5"),
        ("2**3 + 4**5", "23 + 45"),
        ("def f(*a): g(*a)", "def f(a): g(a)"),
    ],
)
def test_what_carries_meaning_in_mathematics_stays(one: str, other: str) -> None:
    assert loosened(one) != loosened(other)


BAKER = (
    "A baker makes 12 trays of 24 rolls each morning and sells three quarters of them. "
    "How many rolls are left?"
)
CAR = (
    "一辆汽车以每小时60公里的速度行驶，行驶了3个小时后停下来休息，然后又以每小时80公里的速度行驶了"
    "2个小时，请问这辆汽车一共行驶了多少公里？"
)


def signs(*texts: str) -> tuple[list[int], float]:
    """Return the guards of two texts and the estimated similarity of their signatures."""
    rows = pl.DataFrame({"prompt_id": [*"ab"], "text": texts}).with_columns(
        choices=pl.lit(None, pl.List(pl.String))
    )
    signed = sign_prompts(rows, join_choices(rows), DuplicateSettings())
    first, second = (row[None] for row in as_signatures(signed["signature"], 112))
    return signed["numbers"].to_list(), float(estimate_similarity(first, second)[0])


@pytest.mark.parametrize(
    "disguised",
    [
        BAKER.replace("12", "**12**").replace("three quarters", "*three quarters*"),
        BAKER.replace("12", "１２"),
        BAKER.replace("baker", "ba\u200bker").replace("morning", "mor\u00adning"),
        BAKER.replace(" ", "\u00a0"),
        "\ufeff" + BAKER + "\u200b",
    ],
)
def test_what_no_reader_sees_makes_no_other_signature(disguised: str) -> None:
    (one, other), similarity = signs(BAKER, disguised)
    assert (one == other, similarity) == (True, 1.0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What does `print('A')` print?", "What does `print('a')` print?", False),
        ("Run:\n```\nN = 1\nn = 2\n```", "Run:\n```\nn = 1\nn = 2\n```", False),
        ("What does `print('A')` print?", "what does `print('A')` print", True),
        ("Run:\n```Python\nn = 2\n```", "run:\n```python\nn = 2\n```", True),
        ("What Does It Print?", "What does it print?", True),
    ],
)
def test_capitals_count_in_code_and_nowhere_else(one: str, other: str, same: bool) -> None:
    rows = pl.DataFrame({"prompt_id": [*"ab"], "text": [one, other]}).with_columns(
        kind=pl.lit("seed"), has_answer=pl.lit(value=True), choices=pl.lit(None, pl.List(pl.String))
    )
    assert match_forms(reduce_to_forms(rows)).height == same
    (first, second), similarity = signs(one, other)
    assert (first == second, similarity) == (same, 1.0)


def test_scripts_without_spaces_have_words_too() -> None:
    (one, other), similarity = signs(CAR, CAR.replace("请问", "") + "谢谢")
    assert one == other and similarity > 0.7
    for changed in (CAR.replace("80", "90"), CAR.replace("一辆", "两辆")):
        (one, other), similarity = signs(CAR, changed)
        assert one != other and similarity > 0.7


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


@pytest.mark.slow
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


@settings(max_examples=50)
@given(texts=st.lists(st.sampled_from(["A b.", "a b", "A c", "a  C?"]), max_size=8), data=st.data())
def test_order_of_rows_never_matters(texts: list[str], data: st.DataObject) -> None:
    rows = [
        {"prompt_id": f"{i:03d}", "kind": "seed", "has_answer": True, "text": text, "choices": None}
        for i, text in enumerate(texts)
    ]
    shuffled = data.draw(st.permutations(rows))
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
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


LONG = (
    "A baker makes {} loaves of rye bread every morning and sells most of them before noon to the "
    "people of the village, who like it better than the white bread of the town. In the evening "
    "{} loaves are left on the shelf. How many loaves were sold on that day?"
)
NEAR = LONG.replace("village", "hamlet")
MINHASH, EXACT = DuplicateSettings(), DuplicateSettings(method="exact")
TWINS = (
    "select prompt_id, representative_id, method from current_duplicates "
    "where representative_id <> prompt_id order by all"
)


def twins(store: Store) -> dict[str, str]:
    """Return who stands for whom."""
    return {row[0]: row[1] for row in store.sql(TWINS).iter_rows()}


@pytest.mark.parametrize(
    "texts",
    [
        ("How many ducks are left?", "how many ducks are left"),
        (NEAR.format(40, 3), NEAR.format(40, 3) + " Say so."),
    ],
    ids=["exact", "near"],
)
def test_what_may_not_be_released_stands_for_nothing_that_may(
    store: Store, texts: tuple[str, str]
) -> None:
    first, second = sorted(("a", "b"), key=identify)  # Without licences the smaller id would stand.
    fill(
        store,
        taught(first, text=texts[0], licence="CC-BY-NC-4.0"),
        taught(second, text=texts[1], licence="MIT"),
    )
    find_duplicates(store, MINHASH, RUN)
    assert twins(store) == {identify(second): identify(first)}
    refusing = LicenceSettings(refuse=("cc-by-nc-4.0",))
    find_duplicates(store, MINHASH, "run-2", licences=refusing)
    assert twins(store) == {identify(first): identify(second)}
    assert find_duplicates(store, MINHASH, "run-3", licences=refusing) == 0
    both = LicenceSettings(refuse=("cc-by-nc-4.0", "mit"))  # Nobody may: as it was.
    find_duplicates(store, MINHASH, "run-4", licences=both)
    assert twins(store) == {identify(second): identify(first)}


def test_nor_by_meaning() -> None:
    pairs = pl.DataFrame(
        {
            "prompt_id": ["a", "b"],
            "other_id": ["b", "c"],
            "similarity": [0.96, 0.97],
            "lacks_answer": [False, False],
            "is_rewrite": [False, False],
            "other_lacks_answer": [False, False],
            "other_is_rewrite": [False, False],
        }
    )
    for refused, stands in (([], "a"), (["a"], "b"), (["a", "b"], "c"), (["a", "b", "c"], "a")):
        told = cluster_pairs(pairs, pl.Series("prompt_id", refused, pl.String))
        assert set(told["representative_id"]) == {stands}


def test_near_duplicates_are_found_numbers_apart_and_settings_apply_anew(store: Store) -> None:
    fill(
        store,
        taught("seed", text=LONG.format(40, 3), answer=None),
        taught("near", text=NEAR.format(40, 3), kind="rewrite", root="seed"),
        taught("numbers", text=LONG.format(50, 4), kind="rewrite", root="seed"),
        taught("words", text=LONG.format("forty", "three")),
        taught("options", text=LONG.format(40, 3), choices=("37", "43")),
        taught("plus", text="What is 3 + 5, said the old man to his dog in the rain?"),
        taught("minus", text="What is 3 - 5, said the old man to his dog in the rain?"),
    )
    assert find_duplicates(store, MINHASH, RUN) == 1
    # The rewrite has an answer and the seed has none: the rewrite stands for it.
    assert store.sql(TWINS).rows() == [(identify("seed"), identify("near"), "minhash")]
    score = store.sql("select score from current_duplicates")["score"][0]
    assert 0.7 < score < 1
    signed = "select count(*) as n from signatures"
    assert store.sql(signed)["n"][0] == 7
    assert find_duplicates(store, MINHASH, "run-2") == 0
    assert store.sql(signed)["n"][0] == 7  # nothing is signed twice
    find_duplicates(store, DuplicateSettings(numbers="ignore"), "run-3")
    # Whether `words`, at a similarity of about 0.7, is among them too is a matter of chance.
    stands_for = dict(store.sql(TWINS)["prompt_id", "representative_id"].iter_rows())
    alike = [identify(name) for name in ("seed", "near", "numbers")]
    assert len({stands_for.get(prompt_id, prompt_id) for prompt_id in alike}) == 1
    find_duplicates(store, EXACT, "run-4")
    assert store.sql(TWINS).is_empty()


SHEEP = (
    "A farmer keeps 40 sheep and 3 dogs on the green hills behind his old stone house. Every spring"
    " he takes the wool to the market in the next town, where a merchant pays a fair price for it. "
)


def test_near_duplicates_have_no_other_answer_if_both_have_one(store: Store) -> None:
    fill(
        store,
        taught("a", text=SHEEP + "Find the largest number of bags.", answer="12"),
        taught("b", text=SHEEP + "Find the smallest number of bags.", answer="7"),
        taught("c", text=SHEEP + "Find a number of bags.", answer=None),
        taught("d", text=SHEEP + "Find the largest count of bags.", answer="12.0"),
    )
    find_duplicates(store, MINHASH, RUN)
    twins = dict(store.sql(TWINS)["prompt_id", "representative_id"].iter_rows())
    assert twins.get(identify("a"), identify("a")) == twins.get(identify("d"), identify("d"))
    assert identify("b") not in twins and identify("b") not in {
        standing for twin, standing in twins.items() if twin != identify("c")
    }
    find_duplicates(store, DuplicateSettings(numbers="ignore"), "run-2")
    assert identify("b") in store.sql(TWINS).to_series().to_list() + list(
        store.sql(TWINS)["representative_id"]
    )


@pytest.mark.everyday(1)
@pytest.mark.parametrize(
    ("one", "other"),
    [("sixth", "seventh"), ("first", "second"), ("eleventh", "twelfth"), ("zero", "one")],
)
def test_ordinals_are_numbers(store: Store, one: str, other: str) -> None:
    fill(
        store,
        taught("one", text=f"{SHEEP}What is the price in the {one} of all these years?"),
        taught("other", text=f"{SHEEP}What is the price in the {other} of all these years?"),
    )
    find_duplicates(store, MINHASH, RUN)
    assert store.sql(TWINS).is_empty()


def test_the_answered_stand_first_then_seeds_then_the_smaller_id() -> None:
    texts = [LONG.format(40, 3), NEAR.format(40, 3), NEAR.format(40, 3) + " Say so."]
    rows = pl.DataFrame(
        {
            "prompt_id": ["a", "b", "c"],
            "kind": ["rewrite", "seed", "seed"],
            "has_answer": [True, True, False],
            "text": texts,
            "choices": pl.Series([None] * 3, dtype=pl.List(pl.String)),
        }
    )
    assert dict(cluster_rows(rows).select("prompt_id", "representative_id").iter_rows()) == {
        "a": "b",
        "c": "b",
    }


def cluster_rows(rows: pl.DataFrame) -> pl.DataFrame:
    signed = sign_prompts(rows, join_choices(rows), MINHASH)
    flags = rows.select(
        "prompt_id",
        (~pl.col("has_answer")).alias("lacks_answer"),
        (pl.col("kind") != "seed").alias("is_rewrite"),
        pl.lit(None, pl.UInt64).alias("answer_mark"),
    )
    batches = signed.join(flags, on="prompt_id", maintain_order="left").iter_slices(3)
    return cluster(gather_signed(batches, 112), MINHASH)


def test_signatures_meet_as_often_as_the_theory_says() -> None:
    """Pairs of texts of 46 runs of five words, of which a known share is common to both."""
    random = np.random.default_rng(0)
    for replaced in (2, 3, 4):  # words at one end: so many runs differ
        words = random.integers(0, 2**63, size=(3_000, 50), dtype=np.uint64)
        changed = words.copy()
        changed[:, :replaced] = random.integers(0, 2**63, size=(3_000, replaced), dtype=np.uint64)
        starts = np.arange(0, 3_001 * 50, 50)
        (one, _), (other, _) = (sign(Words(each.ravel(), starts), 112) for each in (words, changed))
        similarity = (46 - replaced) / (46 + replaced)
        assert abs(estimate_similarity(one, other).mean() - similarity) < 0.01
        met = (one.reshape(-1, 14, 8) == other.reshape(-1, 14, 8)).all(axis=2).any(axis=1)
        assert abs(met.mean() - expect_recall(similarity)) < 0.02


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), data=st.data())
def test_clusters_do_not_depend_on_order(seed: int, data: st.DataObject) -> None:
    random = np.random.default_rng(seed)
    prompts = 12
    signatures = random.integers(0, 2, size=(prompts, 112)).astype(np.uint8)
    signatures[:, :8] = random.integers(0, 2, size=(prompts, 1)).astype(np.uint8)
    batch = pl.DataFrame(
        {
            "prompt_id": [f"{number:02d}" for number in range(prompts)],
            "lacks_answer": random.random(prompts) < 0.5,
            "is_rewrite": random.random(prompts) < 0.5,
            "answer_mark": pl.Series(random.integers(0, 3, size=prompts), dtype=pl.UInt64),
            "numbers": pl.Series(random.integers(0, 2, size=prompts), dtype=pl.UInt64),
            "signature": pl.Series([row.tobytes() for row in signatures], dtype=pl.Binary),
        }
    )
    shuffled = batch[list(data.draw(st.permutations(range(prompts))))]
    loose = DuplicateSettings(threshold=0.3)
    whole = cluster(gather_signed([batch], 112), loose)
    assert cluster(gather_signed(shuffled.iter_slices(5), 112), loose).equals(whole)


def test_no_prompts_are_no_duplicates(store: Store) -> None:
    assert find_duplicates(store, MINHASH, RUN) == 0
    hashes = np.empty(0, np.uint64)
    nothing = Signed(pl.Series(dtype=pl.String), hashes, hashes, np.empty((0, 112), np.uint8))
    assert cluster(nothing, MINHASH).is_empty()
