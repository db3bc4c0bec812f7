"""The rule on languages: found in eighteen, and silent where a text is in its question's own.

question                      response                          found
How many apples are there?    Hay dos manzanas en la mesa, …    Spanish: hay dos manzanas en la mesa
"""

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from expectations.expected import Limits
from expectations.text_faults import find_faults
from expectations.text_rules import TextRules
from tasks.recipe import GateSettings
from tasks.recipe.stages import Language

# Ten short answers a language, written for this project before the rule was tried on them.
PASSAGES: dict[str, list[str]] = {}
_FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "passages.jsonl"
for _line in _FILE.read_text(encoding="utf-8").splitlines():
    _row = json.loads(_line)
    PASSAGES.setdefault(_row["language"], []).append(_row["text"])
QUESTION = "How many apples are there? Find the answer."
GERMAN = "Dann nehmen wir noch die zwei Äpfel dazu, die auf dem Teller sind, und es sind vier."
ENGLISH = "First we count the apples that are on the table, and there are two of them. "


def find(texts: list[tuple[str, str]], *languages: Language) -> dict[int, str]:
    """Return what the rule says of each question and response that it blames, by its place."""
    limits = GateSettings(severity={"foreign_language": "critical"}, languages=languages)
    rules = TextRules(Limits(**limits.model_dump()), (), "think")
    frame = pl.DataFrame(
        {
            "text_id": [str(place) for place in range(len(texts))],
            "messages": [
                [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
                for asked, said in texts
            ],
        }
    )
    found = find_faults(frame, rules).filter(pl.col("rule") == "foreign_language")
    return {int(place): detail for place, detail in found.select("text_id", "detail").rows()}


def test_a_passage_in_another_language_is_found_in_every_language() -> None:
    """Four of 180 have fewer than three words of the lists; which ones does not change silently."""
    told = [(language, said) for language, passages in PASSAGES.items() for said in passages]
    found = find([(QUESTION, said) for _, said in told])
    missed = Counter(language for place, (language, _) in enumerate(told) if place not in found)
    assert missed == {"Finnish": 2, "Italian": 1, "Russian": 1}
    wrong = [told[place][0] for place, detail in found.items() if told[place][0] not in detail]
    assert len(wrong) == 2  # Called by the name of a near one.


def test_an_answer_in_its_questions_language_is_not_blamed() -> None:
    pairs = [
        (passages[place - 1], passages[place])
        for passages in PASSAGES.values()
        for place in range(len(passages))
    ]
    assert find(pairs) == {}


def test_english_is_found_where_another_language_was_asked_in() -> None:
    asked = [f"{passages[0]} {passages[5]}" for passages in PASSAGES.values()]
    said = ENGLISH + "Then we divide by two because each of them has the same share."
    assert len(find([(question, said) for question in asked])) == len(asked)


def test_a_passage_amid_another_language_is_found() -> None:
    found = find([(QUESTION, ENGLISH * 9 + GERMAN + ENGLISH * 9), (QUESTION, ENGLISH * 19)])
    assert list(found) == [0]
    assert found[0].startswith("German: ")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("Say it in German, please: how many are there?", GERMAN),
        (QUESTION, f"The text says “{GERMAN}” and so there are four."),
        (QUESTION, f"```\n{GERMAN}\n```\nThis prints that there are four of them."),
        (QUESTION, "Son 4."),
        (QUESTION, r"\[ \frac{de}{la} + \left(\text{en}\right) = 4 \]"),
        (
            "How far is it from Los Angeles to Las Vegas?",
            "José de la Cruz drives from Los Angeles to Las Vegas and on to El Paso with Señor "
            "Núñez and María del Río, which is 1,200 miles.",
        ),
        ("Where does Gödel live?", "Erdős, Pólya, Poincaré, Hölder and Gödel are on the list."),
        ("$2+2$", GERMAN),  # A formula asks in no language.
    ],
)
def test_what_is_no_foreign_passage(asked: str, said: str) -> None:
    assert find([(asked, said)]) == {}


def test_the_recipe_names_the_languages_instead() -> None:
    told = [(QUESTION, GERMAN), (QUESTION, ENGLISH), (GERMAN, PASSAGES["Spanish"][0])]
    assert list(find(told, "German", "English")) == [2]
    assert list(find(told, "Spanish")) == [0, 1]
