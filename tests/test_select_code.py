"""Code: a program is found under other names, and what is no program is not looked at."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from tasks.recipe import ContaminationSettings
from tasks.select.code import find_code, index_items, match_code, split_tokens
from tasks.select.screen import build_screen, screen_texts

COUNT_VOWELS = '''
def count_vowels(text):
    """Count the vowels of a text."""
    total = 0
    for letter in text:
        if letter in "aeiou":
            total += 1
    return total
'''
RENAMED = """
def vowels_in(words):
    # how many vowels are there
    found = 0
    for sign in words:
        if sign in 'aeiou':
            found += 1
    return found
"""
GREATEST = '''
def greatest(numbers, start):
    """Return the largest of numbers from a place on."""
    best = numbers[start]
    while start < len(numbers) - 1:
        start = start + 1
        best = max(best, numbers[start])
    return best
'''
PARSE = '''
import json

def parse(lines):
    """Read lines of settings."""
    return {key: json.loads(value) for key, value in (line.split("=", 1) for line in lines)}
'''


def tokens(text: str) -> str:
    return " ".join(split_tokens(pl.Series([text])).item())


def test_names_strings_and_long_numbers_are_all_the_same_and_comments_are_none() -> None:
    assert tokens(RENAMED) == tokens(COUNT_VOWELS)
    assert tokens("def f(x):\n    return x // 12 + 2  # half") == "def v v return v / / 0 + 2"
    script = "function f(x) {\n  /* add\n one */ return x + 1; // and go\n}"
    assert tokens(script) == "function v v { return v + 1 }"


def test_only_the_fenced_part_of_a_prompt_is_its_code() -> None:
    assert tokens("Mend this, please:\n```python\ndef f(x):\n    return x\n```\nThanks!") == (
        "def v v return v"
    )


@pytest.mark.parametrize(
    ("text", "is_code"),
    [
        (COUNT_VOWELS, True),
        ("const add = (a, b) => {\n  return a + b;\n}", True),
        ("#include <stdio.h>\nint main() { return 0; }", True),
        ("Janet's ducks lay 16 eggs. How many return for breakfast?", False),
        ("Let $f(x) = x^2$ if x > 0 and 0 otherwise; find f(3).", False),
        (None, False),
    ],
)
def test_what_code_is(text: str | None, is_code: bool) -> None:
    assert len(find_code(pl.Series([text], dtype=pl.String))) == int(is_code)


def test_a_renamed_program_is_nearest_to_its_source() -> None:
    index = index_items(pl.Series(["Not code at all.", GREATEST, COUNT_VOWELS, PARSE]))
    assert index.items.tolist() == [1, 2, 3]
    found = match_code(index, pl.Series(["Nor is this.", RENAMED]), 0.0, 5)
    assert found.row(0)[:2] == (1, 2)
    assert found["score"][0] > 1 > found["score"][1]
    same = match_code(index, pl.Series([PARSE]), 0.0, 1).row(0)
    assert same == (0, 3, pytest.approx(2.0))  # both cosines are 1


def test_the_screen_shows_the_words_that_were_shared() -> None:
    nothing = pl.lit(None, dtype=pl.List(pl.String)).alias("choices")
    items = pl.DataFrame(
        {"item_id": ["i", "j"], "benchmark": "b", "text": [COUNT_VOWELS, GREATEST]}
    ).with_columns(nothing)
    rows = pl.DataFrame({"text_id": ["t", "u"], "text": [RENAMED, PARSE]}).with_columns(nothing)
    found = screen_texts(build_screen(items, ContaminationSettings(drop=("code",))), rows)
    assert found.select("text_id", "item_id", "method").rows() == [("t", "i", "code")]
    assert "vowels" in found["span"][0]


def test_rephrased_humaneval_has_its_source_among_the_first_five(shared_data: Path) -> None:
    with gzip.open(shared_data / "code/HumanEval.jsonl.gz", "rt", encoding="utf-8") as lines:
        tasks = [json.loads(line) for line in lines if line.strip()]
    index = index_items(pl.Series([task["prompt"] + task["canonical_solution"] for task in tasks]))
    file = shared_data / "decontam/humaneval_python.jsonl"
    reworded = [json.loads(line)["text"] for line in file.read_text().split("\n") if line]
    five = match_code(index, pl.Series(reworded), 0.0, 5)
    assert five.filter(pl.col("text") == pl.col("item")).height / len(reworded) >= 0.85
