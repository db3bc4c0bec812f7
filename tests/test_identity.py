"""Identity: the same content has the same id everywhere, and nothing else has it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.identity import content_id, normalise, prompt_id, settings_digest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_an_id_is_fixed_for_all_time() -> None:
    """A store outlives its code: an id that changed would make every seed a new one."""
    assert content_id("a", 1, None, ["x"]) == "9b473b5223ca562614a04be3c2acf550"
    assert prompt_id("What is 2 + 2?", domain="math") == "0c86f062257f6c0fc467630c110bcdd9"
    assert settings_digest({"low": 0.125}) == "d2acc9103c99"


@given(st.text())
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == once.strip()
    assert "  " not in once


@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1)), st.data())
def test_white_space_between_words_is_one_space(words: list[str], data: st.DataObject) -> None:
    gaps = st.text("  \t\n\r\u00a0\u2003\u2028", min_size=1)
    spaced = "".join(word + data.draw(gaps) for word in words)
    assert normalise(data.draw(gaps) + spaced) == normalise(" ".join(words))


@given(st.text())
def test_composed_and_decomposed_letters_are_the_same(text: str) -> None:
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(text)


@pytest.mark.parametrize(("one", "other"), [("x²", "x2"), ("Pi", "pi"), ("f(x)", "f (x)")])
def test_what_carries_meaning_stays_apart(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@given(st.dictionaries(st.text(), JSON, max_size=6), st.randoms())
def test_the_order_of_names_never_leaks_in(settings: dict[str, object], chance: object) -> None:
    names = list(settings)
    chance.shuffle(names)  # type: ignore[attr-defined]
    shuffled = {name: settings[name] for name in names}
    assert content_id(shuffled) == content_id(settings)
    assert settings_digest(shuffled) == settings_digest(settings)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_parts_never_run_into_each_other(one: list[str], other: list[str]) -> None:
    assert (content_id(*one) == content_id(*other)) == (one == other)
    assert content_id(one) != content_id(*one)


def test_an_id_is_128_bits_also_of_text_that_is_no_unicode() -> None:
    assert len(content_id("\ud83d")) == 32
    assert set(content_id("\ud83d")) <= set("0123456789abcdef")
    assert content_id("\ud83d") != content_id("\ud83e")


def test_a_prompt_is_what_is_asked_and_how_it_was_made() -> None:
    asked = prompt_id("Which gas?", domain="science", choices=["oxygen", "helium"])
    assert asked == prompt_id(" Which\ngas? ", domain="science", choices=["oxygen ", "helium"])
    others = [
        prompt_id("Which gas?", domain="science"),
        prompt_id("Which gas?", domain="math", choices=["oxygen", "helium"]),
        prompt_id("Which gas?", domain="science", choices=["helium", "oxygen"]),
        prompt_id("Which gas?", domain="science", choices=["oxygen helium"]),
        prompt_id("Which gas?", domain="science", strategy="new_numbers"),
        prompt_id("Which gas?", domain="science", strategy="new_numbers", template="n@1"),
        prompt_id("Which gas?", domain="science", template="new_numbers"),
    ]
    assert len({asked, *others}) == 8
    assert prompt_id("Why?", domain="math", choices=[]) == prompt_id("Why?", domain="math")
