"""Contamination: thirteen words in a row, counted by hand, and what is too short for them."""

import json
import time
from pathlib import Path

import polars as pl
from taught_store import BENCHMARK_TEXT, RUN, add_item, fill, identify, taught

from tasks.select.contamination import find_contamination, hash_grams, split_words
from tasks.store import Store

WORDS = [f"word{number}" for number in range(30)]
EVIDENCE = (
    "select prompt_id, item_id, benchmark, method, score, span from contamination order by all"
)


def grams(*texts: str) -> list[list[int]]:
    frame = pl.DataFrame(
        {"prompt_id": range(len(texts)), "text": texts, "choices": [None] * len(texts)}
    )
    frame = frame.with_columns(pl.col("choices").cast(pl.List(pl.String)))
    hashed = hash_grams(split_words(frame, "prompt_id"), "prompt_id")
    return [hashed.filter(prompt_id=index)["gram"].to_list() for index in range(len(texts))]


def test_thirteen_words_make_one_gram_and_twelve_none() -> None:
    twelve, thirteen, fifteen = grams(*(" ".join(WORDS[:count]) for count in (12, 13, 15)))
    assert (len(twelve), len(thirteen), len(fifteen)) == (0, 1, 3)
    assert fifteen[0] == thirteen[0]


def test_case_punctuation_and_place_do_not_change_a_gram() -> None:
    plain, dressed = grams(" ".join(WORDS[:13]), "Once: " + ", ".join(WORDS[:13]).upper() + "!")
    assert plain[0] in dressed


def test_order_changes_a_gram() -> None:
    forward, backward = grams(" ".join(WORDS[:13]), " ".join(reversed(WORDS[:13])))
    assert forward != backward


def test_a_quoted_item_is_found_with_its_span(store: Store) -> None:
    fill(store, taught("quoted", text=f"Read this: {BENCHMARK_TEXT}, then go."), taught("clean"))
    item = add_item(store, f"{BENCHMARK_TEXT}. How many has he now?")
    assert find_contamination(store, RUN) == 1
    # The shared 18 words hold 18 - 13 + 1 = 6 runs of thirteen.
    span = BENCHMARK_TEXT.lower()
    assert len(span.split()) == 18
    assert store.sql(EVIDENCE).rows() == [(identify("quoted"), item, "exam", "13-gram", 6.0, span)]


def test_twelve_shared_words_are_not_enough(store: Store) -> None:
    fill(store, taught("a", text=" ".join([*WORDS[:12], "then", "comes", "more"])))
    add_item(store, " ".join(WORDS))
    assert find_contamination(store, RUN) == 0


def test_options_count_as_text(store: Store) -> None:
    fill(store, taught("a", text=" ".join(WORDS[:5]), choices=(*WORDS[5:9], " ".join(WORDS[9:13]))))
    add_item(store, " ".join(WORDS[:5]), choices=[*WORDS[5:9], " ".join(WORDS[9:13])])
    assert find_contamination(store, RUN) == 1


def test_a_short_prompt_is_found_if_it_is_the_item(store: Store) -> None:
    fill(store, taught("same", text="What is 3 + 5?"), taught("other", text="What is 3 - 5?"))
    item = add_item(store, "what is 3 + 5")
    assert find_contamination(store, RUN) == 1
    expected = (identify("same"), item, "exam", "exact", 1.0, "what is 3 + 5")
    assert store.sql(EVIDENCE).rows() == [expected]


def test_an_open_form_of_a_choice_is_its_item_but_other_options_are_not(store: Store) -> None:
    fill(
        store,
        taught("open", text="Which gas is it?"),
        taught("same", text="Which gas is it?", choices=("Helium", "neon")),
        taught("other", text="Which gas is it?", choices=("argon", "xenon")),
    )
    add_item(store, "Which gas is it?", choices=["helium", "neon"])
    find_contamination(store, RUN)
    found = set(store.sql("select prompt_id from contamination")["prompt_id"])
    assert found == {identify("open"), identify("same")}


def test_a_second_look_adds_nothing_and_a_new_benchmark_only_its_own(store: Store) -> None:
    fill(store, taught("a", text=BENCHMARK_TEXT))
    add_item(store, BENCHMARK_TEXT)
    assert find_contamination(store, RUN) == 1
    assert find_contamination(store, RUN) == 0
    add_item(store, BENCHMARK_TEXT + " once more", name="other")
    assert find_contamination(store, RUN) == 1
    assert store.sql("select prompt_id from spendable_prompts").is_empty()


def test_the_span_is_the_longest_run_and_stays_short(store: Store) -> None:
    words = [f"syllables{number}" for number in range(200)]
    fill(store, taught("a", text=" ".join([*words[100:114], "break", *words[:80]])))
    add_item(store, " ".join(words))
    find_contamination(store, RUN)
    span, score = store.sql("select span, score from contamination").row(0)
    assert span.startswith("syllables0 syllables1 ")
    assert len(span) == 400
    assert score == 2 + 68  # 14 - 12 runs in one piece, 80 - 12 in the other


def test_gsm8k_is_compared_in_seconds(store: Store, shared_data: Path) -> None:
    def read(name: str) -> list[str]:
        lines = (shared_data / "seeds" / name).read_text(encoding="utf-8").split("\n")
        return [json.loads(line)["question"] for line in lines if line]

    prompts = [
        {"prompt_id": f"{row:05d}", "kind": "seed", "text": text}
        for row, text in enumerate(read("gsm8k_train.jsonl"))
    ]
    items = [
        {"item_id": f"{row:05d}", "benchmark": "gsm8k-test", "text": text}
        for row, text in enumerate(read("gsm8k_test.jsonl"))
    ]
    store.append("prompts", pl.DataFrame(prompts))
    store.append("benchmark_items", pl.DataFrame(items))
    started = time.monotonic()
    found = find_contamination(store, RUN)
    seconds = time.monotonic() - started
    assert (len(prompts), len(items)) == (7_473, 1_319)
    texts = {row["prompt_id"]: row["text"] for row in prompts}
    for prompt_id, span in store.sql("select prompt_id, span from contamination").iter_rows():
        assert span[:60] in " ".join(_words(texts[prompt_id]))
    assert found > 0
    assert seconds < 15  # about 1 s on two idle cores


def _words(text: str) -> list[str]:
    cleaned = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return cleaned.split()
