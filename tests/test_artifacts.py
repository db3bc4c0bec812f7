"""Artifacts: tables for people, in which a count is right and no value is markup."""

from pathlib import Path

import polars as pl

from tasks.operations.artifacts import (
    as_markdown,
    describe_release,
    pivot_funnel,
    say_funnel,
    say_spend,
)
from tasks.operations.pages import Page
from tasks.release.publish import Published

FUNNEL = {
    "kept": pl.Boolean,
    "stage": pl.String,
    "reason": pl.String,
    "domain": pl.String,
    "prompts": pl.Int64,
}


def test_the_funnel_has_a_column_a_domain_and_their_sum() -> None:
    funnel = pl.DataFrame(
        [
            (False, "band", "too_easy", "math", 5),
            (False, "band", "too_easy", "code", 2),
            (True, "select", "kept", "math", 3),
            (False, "duplicates", "exact", "science", 9),
            (False, "band", "too_hard", "math", 4),
            (False, "band", "too_hard", "code", 3),
        ],
        schema=FUNNEL,
        orient="row",
    )
    table = pivot_funnel(funnel)
    assert table.columns == ["outcome", "code", "math", "science", "all"]
    assert table.rows() == [
        ("in", 5, 12, 9, 26),
        ("kept", 0, 3, 0, 3),
        ("duplicates: exact", 0, 0, 9, 9),
        ("band: too_easy", 2, 5, 0, 7),
        ("band: too_hard", 3, 4, 0, 7),
    ]
    assert table["all"][1:].sum() == funnel["prompts"].sum()
    assert say_funnel(funnel) == "26 prompts: 3 kept, 23 dropped"


def test_an_empty_funnel_is_an_empty_table() -> None:
    table = pivot_funnel(pl.DataFrame(schema=FUNNEL))
    assert table.columns == ["outcome", "all"]
    assert table.is_empty()


def test_a_domain_may_have_any_name() -> None:
    funnel = pl.DataFrame(
        [
            (True, "select", "kept", "all", 1),
            (True, "select", "kept", "outcome", 2),
            (True, "select", "kept", None, 4),
            (True, "select", "kept", "", 8),
        ],
        schema=FUNNEL,
        orient="row",
    )
    counts = {"": 8, "all (domain)": 1, "outcome (domain)": 2, "unknown": 4, "all": 15}
    assert pivot_funnel(funnel).to_dicts() == [
        {"outcome": "in", **counts},
        {"outcome": "kept", **counts},
    ]


def test_no_value_and_no_heading_is_markup() -> None:
    frame = pl.DataFrame({"<b>x</b>": ["a|b", "<script>alert(1)</script>", "[x](javascript:y)"]})
    assert as_markdown(frame).split("\n") == [
        r"| \<b\>x\</b\> |",
        "| --- |",
        r"| a\|b |",
        r"| \<script\>alert(1)\</script\> |",
        r"| \[x\](javascript\:y) |",
    ]


def test_a_value_stays_in_its_cell() -> None:
    frame = pl.DataFrame({"n": [1, None], "text": ["# one\r\n\n| two\rthree", "\\"]})
    assert as_markdown(frame).split("\n") == [
        "| n | text |",
        "| --: | --- |",
        r"| 1 | \# one \| two three |",
        r"|  | \\ |",
    ]


def test_a_release_says_how_to_load_it() -> None:
    gate = {
        "passed": True,
        "rows": 1234,
        "rules": [
            {"rule": "a", "severity": "critical", "passed": True},
            {"rule": "b", "severity": "warning", "passed": False},
        ],
    }
    text = describe_release(Published("ab12", Path("/r/v2"), 2, 1234, 12, new=True, gate=gate))
    assert text.startswith("# Release 2: 1,234 pairs (new).\n")
    assert "- Id `ab12`, 12 of its pairs are for validation" in text
    assert "Gate passed: 2 rules over 1,234 pairs, 0 critical failed, 1 warnings." in text
    assert 'load_dataset("/r/v2")' in text
    assert "](http" not in text


def test_a_release_links_to_its_pages_where_they_are_served() -> None:
    gate = {"passed": True, "rows": 1, "rules": []}
    report = Page("report", "Report", "http://127.0.0.1:4201/mine-1a2b3c/mine-ab12/report.html")
    published = Published("ab12", Path("/r/mine-ab12"), 1, 1, 0, new=True, gate=gate)
    text = describe_release(published, [report])
    assert f"- [Report]({report.address})\n" in text


def test_an_unknown_cost_is_said_and_is_no_zero() -> None:
    spend = pl.DataFrame(
        {
            "calls_this_run": [2, 0, 1],
            "cost_usd_this_run": [1.5, None, None],
            "cost_usd": [2.0, 4.0, None],
        }
    )
    assert say_spend(spend) == (
        "$1.50 and an unknown cost in this run, $6.00 and an unknown cost ever."
    )
    assert say_spend(spend.head(2)) == "$1.50 in this run, $6.00 ever."
