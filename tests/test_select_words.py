"""Words: found in the bytes of texts, they are those of the regular expression."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.select.words import (
    SPACED,
    WORD,
    Words,
    close_up,
    find_runs,
    fold_texts,
    hash_runs,
    hash_windows,
    join_choices,
    read_words,
    split_words,
    spread,
)

SIGNS = "ab9 .,_-'\n\t\x00\x1c\x1f\x7fé\u0301ß二\u00a0\u0085\u2003٣"


def spell(texts: pl.Series, words: Words, pattern: str) -> dict[str, set[int]]:
    """Return the hashes of every word as it is spelt."""
    spelt = split_words(texts, pattern)
    assert words.lengths.tolist() == spelt.list.len().to_list()
    hashes: dict[str, set[int]] = {}
    for word, hashed in zip(spelt.explode(empty_as_null=False), words.hashes.tolist(), strict=True):
        hashes.setdefault(word, set()).add(hashed)
    return hashes


@given(st.lists(st.text(SIGNS, max_size=40), max_size=8), st.sampled_from([WORD, SPACED]))
def test_each_word_of_the_expression_has_one_hash_and_no_other_word_has_it(
    written: list[str], pattern: str
) -> None:
    texts = pl.Series(written, dtype=pl.String)
    hashes = spell(texts, read_words(texts, pattern), pattern)
    assert all(len(each) == 1 for each in hashes.values())
    assert len(set.union(set(), *hashes.values())) == len(hashes)


def test_words_have_the_same_hash_in_any_company() -> None:
    long = "incomprehensibilities"  # read in three parts of eight bytes
    alone = read_words(pl.Series([long, "duck", "entê", ""]))
    together = read_words(pl.Series(["x" * 3_000 + f" duck {long}", "entê", None, "duck"]))
    assert alone.lengths.tolist() == [1, 1, 1, 0]
    assert together.lengths.tolist() == [3, 1, 0, 1]
    assert together.hashes[[2, 1, 3]].tolist() == alone.hashes.tolist()
    assert together.hashes[4] == alone.hashes[1]


def test_many_texts_are_read_as_each_alone() -> None:
    written = [f"duck {number} of {number % 7}" for number in range(2_500)]  # more than one part
    words = read_words(pl.Series(written))
    assert words.lengths.tolist() == [4] * 2_500
    alone = np.concatenate([read_words(pl.Series([text])).hashes for text in written[990:1_010]])
    assert words.hashes[4 * 990 : 4 * 1_010].tolist() == alone.tolist()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 13])
def test_a_window_is_the_sum_of_its_words_times_powers_of_a_factor(size: int) -> None:
    hashes = np.arange(1, 21, dtype=np.uint64) << np.uint64(40)
    factor = 0x9E3779B97F4A7C15
    by_hand = [
        sum((int(hashes[at + step]) * factor**step) for step in range(size)) % 2**64
        for at in range(20 - size + 1)
    ]
    assert hash_windows(hashes, size).tolist() == by_hand
    assert hash_windows(hashes[: size - 1], size).tolist() == []


def test_runs_that_a_sieve_holds_are_found_where_they_are() -> None:
    words = read_words(pl.Series(["a b c d", "", "b c", "x b c"]))
    runs = hash_runs(words, 2)
    wanted = int(runs.hashes[1])  # b c
    sieve = np.zeros(2**16, np.bool_)
    sieve[wanted >> 48] = True
    found = find_runs(words, 2, sieve, 16)
    assert set(found.hashes.tolist()) == {wanted}
    assert found.owners.tolist() == [0, 2, 3]
    assert found.places.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("plain", "plain"),
        ("ﬁne １２ co\u00adop\u200b", "fine 12 coop"),
        ("x² + x¹² = 1½", "x^2 + x^12 = 1 1/2"),
        ("e\u0301 ✂\ufe0f", "é ✂"),
    ],
)
def test_folded_texts_are_without_what_only_their_encoding_tells_apart(
    written: str, compared: str
) -> None:
    texts = pl.Series([written, "other", None])
    assert fold_texts(texts).to_list() == [compared, "other", None]
    assert texts[0] == written


def test_characters_without_spaces_between_them_come_in_pairs_and_can_be_read_again() -> None:
    texts = pl.DataFrame(
        {"text": ["小明有15个苹果，OK", "Ducks"], "choices": [["红", "Blue"], None]}
    )
    joined = join_choices(texts)
    assert split_words(joined).to_list() == [
        ["小", "小明", "明有", "有", "15", "个", "个苹", "苹果", "果", "ok", "红", "红", "blue"],
        ["ducks"],
    ]
    spelt = pl.DataFrame({"text": split_words(joined).list.join(" ")})
    assert spelt.select(close_up(pl.col("text")))["text"][0] == "小明有 15 个苹果 ok 红 blue"
    assert spread(pl.Series(["ไทย", None])).to_list() == [" ไ ไท ทย ย ", None]
