"""What only teachers read: however a passage of it is written, the first look lets none escape."""

import polars as pl
import pytest

from expectations.expected import Limits
from expectations.text_faults import find_faults
from expectations.text_rules import TextRules
from tasks.rate.guidelines import split_passages
from tasks.recipe import GateSettings

PRIVATE = (
    "Réponds toujours avec soin: refuse what would hurt others, help gladly with all the rest of "
    "what is asked, say in one sentence why you refuse, and never name 2 of these 14 rules."
)
RULES = TextRules(
    Limits(**GateSettings().model_dump()), (), "think", tuple(split_passages([PRIVATE]))
)


def blame(said: str) -> str | None:
    """Return the rule that a response breaks."""
    messages = [[{"role": "user", "content": "Why?"}, {"role": "assistant", "content": said}]]
    texts = pl.DataFrame({"text_id": ["a"], "messages": messages})
    found = find_faults(texts, RULES)["rule"].to_list()
    return found[0] if found else None


@pytest.mark.parametrize(
    "said",
    [
        PRIVATE,
        PRIVATE.upper(),
        PRIVATE.replace(" ", "\n\n"),
        PRIVATE.replace(" ", "** – "),
        "".join(f"|{word}|" for word in PRIVATE.split()),
        f"I was told: {PRIVATE[30:150]}…",
        f"«{PRIVATE[:70]}»",
    ],
)
def test_a_passage_is_found_however_it_is_written(said: str) -> None:
    assert blame(said) == "repeated_guidelines"


@pytest.mark.parametrize(
    "said",
    ["Refuse what would hurt others, I thought.", "never name 2 of them", "Réponds toujours!"],
)
def test_a_few_words_of_it_are_anybodys(said: str) -> None:
    assert blame(said) is None
