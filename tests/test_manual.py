"""The pages of reference say what the code says, and links between pages lead somewhere."""

import re
from pathlib import Path
from typing import get_args

import pytest

from cli.boundary import INTERRUPTED, UNFORESEEN
from cli.manual import PAGES, fill, make_anchor, write_fields
from expectations.expected import Limits
from expectations.text_rules import TextRules
from tasks.assess.verifiers import math, text
from tasks.errors import TeachsetError
from tasks.rate import guidelines, objections, rubrics
from tasks.recipe import GateSettings, StrategyName
from tasks.select.decide import CONTAMINATION_REASONS
from tasks.select.difficulty import CERTIFIED_HARD, EASY_ANCHOR
from tasks.select.dropping import KEPT
from tasks.select.rated import BELOW_THE_BAR
from tasks.simulator.structured import STRATEGIES

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
VERDICTS = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
# `drop`, with what is dropped, the stage and the reason; the reason may be made of a name.
DROPPED = re.compile(
    r'"(?:ingest|duplicates|contamination|rewrite|rate|sample|assess|select|teach)",\s*f?"([a-z_]+)(?:\{name\})?",'
)


def section(title: str) -> str:
    return REFERENCE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def named_in(title: str, column: int = 1) -> set[str]:
    """Return what stands between backticks in a column of a section's table."""
    rows = [line.split("|") for line in section(title).splitlines() if line.startswith("| ")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[column])}


def made_by_migrations(kind: str) -> set[str]:
    files = (ROOT / "sql" / "migrations").glob("*.sql")
    pattern = rf"^create (?:or replace )?{kind} (\w+)"
    return {
        name for file in files for name in re.findall(pattern, file.read_text(), flags=re.MULTILINE)
    }


def texts_of(*packages: str) -> str:
    files = [file for package in packages for file in (ROOT / package).rglob("*.py")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_are_what_is_written_of_the_code(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")
    assert page == fill(page), "renew it: python -m cli.manual"


def test_every_field_of_a_recipe_is_described() -> None:
    assert [line for line in write_fields().splitlines() if line.endswith("|  |")] == []


def test_every_exit_code_is_there() -> None:
    codes = {TeachsetError.exit_code, *(each.exit_code for each in TeachsetError.__subclasses__())}
    rows = re.findall(r"^\| (\d+) \|", section("Exit codes"), flags=re.MULTILINE)
    assert {int(code) for code in rows} == codes | {0, INTERRUPTED, UNFORESEEN}


def test_every_variable_is_there() -> None:
    read = set(re.findall(r"TEACHSET_[A-Z_]+", texts_of("cli", "flows", "tasks")))
    assert named_in("Which recipe") >= read


def test_every_table_and_view_is_there() -> None:
    assert named_in("Tables") == made_by_migrations("table")
    assert named_in("Views") == made_by_migrations("view")
    assert all(f"`{name}" in section("Views") for name in made_by_migrations("macro"))


def test_every_reason_of_a_decision_is_there() -> None:
    dropped = set(DROPPED.findall(texts_of("tasks/select"))) - {"over_per_"}
    # Those that stand in the code as variables or are made of a name.
    dropped |= {"over_per_root", "over_per_source", "over_synthetic"}
    dropped |= {"near_duplicate", "same_meaning"}
    dropped |= {*CONTAMINATION_REASONS.values(), BELOW_THE_BAR, "domain_frozen"}
    assert named_in("Reasons of decisions", 2) == dropped | {KEPT, CERTIFIED_HARD, EASY_ANCHOR}
    rules = TextRules(Limits(**GateSettings().model_dump()), (), "think")
    found = {rules.on_length().name, *(rule.name for rule in rules.on_pairs())}
    found |= {guidelines.LEAKED, objections.NOT_RATED, rubrics.SPEAKS_TO_THE_JUDGE}
    assert [name for name in found if f"`{name}`" not in section("Reasons of decisions")] == []
    gate = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8").partition("A response that")[0]
    assert [rule.name for rule in rules.on_pairs() if f"`{rule.name}`" not in gate] == []


def test_verifiers_are_compared_in_versions_that_there_are() -> None:
    assert f"mine.yaml math@{math.VERSION - 1} math@{math.VERSION}\n" in VERDICTS
    assert f"`text@{text.VERSION} judge@1`" in VERDICTS


def test_the_simulator_answers_every_strategy() -> None:
    assert set(get_args(StrategyName)) == STRATEGIES


def test_the_links_between_pages_lead_to_headings() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    headings = {
        page: {make_anchor(title) for title in re.findall(r"^#+ (.+)$", page.read_text(), re.M)}
        for page in pages
    }
    lost = [
        f"{page.name}: {file}#{anchor}"
        for page in pages
        for file, anchor in re.findall(r"\]\(([\w./-]*)#([^)]+)\)", page.read_text())
        if anchor not in headings.get((page.parent / file).resolve() if file else page, ())
    ]
    assert lost == []
