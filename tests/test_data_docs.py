"""Data Docs: Great Expectations' words on a page that needs nothing and lets nothing through."""

import re
from html.parser import HTMLParser

import pytest

from expectations.data_docs import fill_template, write_data_docs
from expectations.duckdb_source import open_database
from expectations.judge import OF_COLUMNS, OF_QUERIES, validate
from expectations.release_suite import build_finding_suite, build_pair_suite
from expectations.rules import Rule

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"
HARMLESS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "nav", "a"),
    *("section", "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "div", "code"),
    *("details", "summary", "ul", "li", "pre"),
}
MEASURED = """
create table measured as
select
    'p' || number as pair_id, 'math' as domain, 'seed' as kind, 'number' as answer_type,
    if(number = 3, $evil, 'gold') as key_source, 0.5 as pass_rate, 't' as teacher,
    'a' as prompt_id, 'b' as root_id, 'c' as response_id, true as simulated, 'train' as split,
    if(number = 2, '7 times ' || $evil, null) as looping
from range(5) as numbers (number)
"""


class Tags(HTMLParser):
    """The elements of a page and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.links: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.links |= {value or "" for name, value in attrs if name in ("href", "src")}
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    """The page on pairs and findings in which models and files try to act."""
    with open_database() as database:
        database.connection.execute(MEASURED, {"evil": EVIL})
        database.connection.execute(
            "create table findings as select 'twice' as rule, 'p1' as pair_id, $evil as detail",
            {"evil": EVIL},
        )
        looping = Rule("looping", "critical", "A response does not go round in circles.", "", "x")
        twice = Rule("twice", "warning", f"Nothing is there twice {EVIL}.", "", "x")
        judged = (
            validate(database.address, "measured", build_pair_suite(1, [looping]), OF_COLUMNS),
            validate(
                database.address, "findings", build_finding_suite("sets", [twice]), OF_QUERIES
            ),
        )
    return write_data_docs("test <b>", [each.outcome for each in judged])


def test_what_was_found_is_told_and_can_do_nothing(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert tags.found <= HARMLESS
    assert all(link.startswith("#") for link in tags.links)
    assert "http" not in page.replace("http-equiv", "")
    text = re.sub(r"\s+", " ", " ".join(tags.text))
    assert f"7 times {EVIL}" in text
    assert f"Nothing is there twice {EVIL}." in text
    assert "1 unexpected values found. 20% of 5 total rows." in text
    assert "✗ A response does not go round in circles." in text
    assert "✓ There are at least as many pairs as the recipe's `min_pairs`." in text
    assert "Evaluated Expectations 17" in text


def test_it_tells_no_time(page: str) -> None:
    assert not re.search(r"20\d\d-\d\d-\d\d|20\d{6}T", page)


def test_a_template_is_filled_with_plain_text() -> None:
    template = {
        "template": "$icon ${html_success_icon} costs $5, $column is $value",
        "params": {
            "icon": "",
            "markdown_status_icon": "✅",
            "html_success_icon": "<i class='fa'></i>",
            "column": "split",
        },
    }
    assert fill_template(template) == "✓  costs $5, split is $value"
