"""The report: strangers' text can do nothing, numbers are what the store has, a refusal is told."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it.renderer import RendererHTML

from tasks.figures import say_share
from tasks.identity import content_id
from tasks.rate.rubrics import rubrics_of
from tasks.recipe import Recipe
from tasks.release.card import write_cards
from tasks.release.facts import gather_facts
from tasks.release.manifest import build_manifest
from tasks.release.report import prose
from tasks.release.report.charts import Bar, draw_histogram
from tasks.release.report.figures import funnel_steps
from tasks.release.report.page import Story, write_report
from tasks.release.report.prose import render_formula, render_prose
from tasks.release.stage import stage_pairs
from tasks.select.decide import decide_after_teach
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import RUN, STUDENT, TEACHER, add_item, fill, identify, response_of, taught

MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}
EVIL = '<script>alert(1)</script><img src=x onerror=alert(1)>" onload="alert(1)'
HARMLESS = {
    *("html", "head", "body", "meta", "title", "style", "header", "main", "footer", "nav"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "a", "b", "i", "u", "div", "span", "code", "pre"),
    *("br", "hr", "em", "strong", "ul", "ol", "li", "blockquote", "article", "details", "summary"),
    *("table", "thead", "tbody", "tr", "td", "th", "svg", "g", "rect", "circle", "text", "line"),
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "mpadded", "mphantom"),
    *("mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover"),
    *("mmultiscripts", "mprescripts", "none", "mtable", "mtr", "mtd"),
}


class Reader(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(page: str) -> Reader:
    """Check that a page has known elements only, no handler, and asks nobody for anything."""
    read = Reader(page)
    assert read.tags - {"title"} <= HARMLESS, read.tags - HARMLESS
    for name, value in read.attributes:
        assert not name.startswith("on"), (name, value)
        assert name not in ("src", "srcset", "action", "formaction", "data"), (name, value)
        if name in ("href", "xlink:href"):
            assert value.startswith("#") or value == "data_docs.html", value
    assert "url(" not in page and "@import" not in page
    return read


def tell(store: Store, recipe: Recipe, folder: Path, gate: dict[str, Any]) -> str:
    """Stage, and return the report as if the gate had said this."""
    decide_after_teach(store, recipe, RUN)
    folder.mkdir()
    staged, facts = stage_pairs(store, recipe, folder, RUN), gather_facts(store, recipe, RUN)
    write_cards(recipe, staged, facts, folder)
    manifest = build_manifest(recipe, staged, folder, facts)
    return write_report(Story(recipe, facts, staged, manifest, 3, None), gate, "data_docs.html")


def test_a_hostile_release_is_a_page_to_read(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    """Everything that strangers write says it wants to act, and a rule was broken by it as well."""
    rubric = {"rates": "prompt", "instruction": "Rate it.", "scores": {"depth": "5 if it is deep"}}
    recipe = make_recipe(
        models={**MODELS, "judge": {"model": "sim-judge"}},
        release={"validation_share": 0},
        domains={EVIL: {"rubrics": {"depth": rubric}}},
    )
    (asked,) = rubrics_of(recipe, "prompt")
    answers = ((f"{EVIL} [x](javascript:alert(1)) It is 4.", "correct"),)
    evil = f"{EVIL} $\\text{{{EVIL}}}$"
    fill(
        store,
        taught("evil", text=evil, domain=EVIL, source=EVIL, licence=EVIL, reasoning=EVIL,
               teacher=answers, key=EVIL),
        taught("code", domain="code", teacher=(("```python\nprint('<b>')\n```", "correct"),)),
        taught("easy", correct=8, wrong=0),
        taught("hard", correct=0, wrong=8),
    )  # fmt: skip
    add_item(store, "nothing like it", name="exam")
    rated = [
        {
            "rating_id": name,
            "prompt_id": identify(name),
            "rubric": EVIL,
            "template": asked.template,
            "judge": EVIL,
            "score": score,
        }
        for name, score in (("evil", 4.0), ("easy", 1.0), ("hard", 2.0))
    ]
    store.append("ratings", pl.DataFrame(rated), run_id=RUN)
    broken = {
        **{"rule": EVIL, "severity": "critical", "passed": False, "found": 1, "detail": EVIL},
        "pair_ids": [content_id(identify("evil"), response_of("evil"))],
    }
    held = {**broken, "rule": "columns", "passed": True, "pair_ids": []}
    gate = {"passed": False, "rows": 2, "rules": [held, broken]}
    page = tell(store, recipe, tmp_path / "out [1]", gate)  # No pattern, whatever its name.
    read = assert_harmless(page)
    # The domain, the rule, its detail, the source, the licence, the key, the sample, the offender,
    # the rubric, its judge.
    assert read.text.count(EVIL) >= 10
    assert "2.33" in read.text  # The mean of 4, 1 and 2.
    for said in ("50 %", "of 4 prompts kept", "too easy", "too hard", "exam", "gate closed"):
        assert said in read.text, said
    assert "Nothing was published. 1\ncritical" in read.text.replace("</b>", "")
    assert '<span class="nb">print</span>' in page
    assert "Content-Security-Policy" in page and "default-src 'none'" in page
    assert str(tmp_path) not in page
    assert len(page) < 60_000


CASES: list[tuple[str, str]] = [
    (r"$\frac{1}{2}$", "<mfrac>"),
    (r"\(x < 3\)", "&lt;"),
    (r"in a line \[ x^2 \] on", '<math display="block">'),
    (r"so \boxed{42}.", '<mrow class="boxed">'),
    (r"so $\boxed{\frac{1}{2}}$.", '<mrow class="boxed">'),
    ("`\\boxed{1}`", r"<code>\boxed{1}</code>"),
    ("it costs $5 and $10", "it costs $5 and $10"),
    ("\\[" + "x" * 1001 + "\\] (1)\n", "</code> (1)</p>"),
    ("\\[" + "<form>" * 200 + "\\] (<b>)\n", "&lt;form&gt;</code> (&lt;b&gt;)</p>"),
    (r"$\unclosed{$", r'<code class="formula">\unclosed{</code>'),
    ("```python\nx = 1\n```", '<span class="mi">1</span>'),
    ("```nonsense\nx = 1\n```", "x = 1"),
    ("| a |\n|---|\n| 1 |", "<td>1</td>"),
    ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
    ("![x](http://a/b.png)", "![x](http://a/b.png)"),
    ("<https://a.b>", "&lt;https://a.b&gt;"),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_how_a_text_is_shown(text: str, expected: str) -> None:
    assert expected in render_prose(text)


@pytest.mark.parametrize(
    "latex",
    [r"\text{<script>alert(1)</script>}", r"\href{javascript:alert(1)}{x}", r"\style{x}{y}",
     r'\color{red"onx="}{x}', r"\text{&lt;script&gt;}", r"\class{a}{b}", "{" * 500, "x" * 5000],
)  # fmt: skip
def test_a_formula_cannot_act(latex: str) -> None:
    assert_harmless(render_formula(latex))


PIECES = st.sampled_from(
    ["<script>", "</script>", "$", "$$", r"\(", r"\)", r"\[", r"\]", "`", "```", "\n", "[", "](",
     ")", "javascript:x", "<img src=x onerror=y>", r"\text{", "}", "{", r"\frac", "&lt;", '"', "'",
     r"\boxed{", "|", "*", "_", "x", " ", "<!--", "]]>", r"\href{", "\x00", "é",
     "x" * 1001, " (1)", "<form action=x>"]
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_no_text_whatever_can_act(text: str) -> None:
    assert_harmless(render_prose(text))


def test_no_formula_is_shown_by_a_plugin_itself() -> None:
    renderer = prose._markdown().renderer
    assert isinstance(renderer, RendererHTML)
    rules: dict[str, Any] = renderer.rules
    own = {name for name, rule in rules.items() if rule.__func__ is prose._render_token}
    assert {name for name in rules if "math" in name} == own


def test_steps_lead_from_all_prompts_to_the_kept() -> None:
    def row(kept: bool, stage: str, reason: str, prompts: int) -> dict[str, Any]:
        return {"kept": kept, "stage": stage, "reason": reason, "prompts": prompts}

    funnel = pl.DataFrame(
        [
            row(True, "select", "kept", 50),
            row(False, "teach", "no_correct_response", 10),
            row(False, "select", "too_hard", 15),
            row(False, "select", "too_easy", 25),
        ]
    )
    assert [(s.reason, s.lost, s.left, s.start, s.width) for s in funnel_steps(funnel)] == [
        ("too easy", 25, 75, 75.0, 25.0),
        ("too hard", 15, 60, 60.0, 15.0),
        ("no right teacher response", 10, 50, 50.0, 10.0),
    ]


def test_a_histogram_draws_every_number_and_shades_the_band() -> None:
    bars = [Bar("0/2", (("kept", 0), ("dropped", 4))), Bar("1/2", (("kept", 8),)), Bar("2/2", ())]
    chart = draw_histogram(bars, title="a < b", band=(1, 1))
    assert chart.count('class="dropped"') == 1 and chart.count('class="kept"') == 1
    assert [chart.count(f">{number}</text>") for number in (4, 8)] == [1, 1]
    assert 'class="band" x="116.0"' in chart and 'aria-label="a &lt; b"' in chart


def test_numbers_as_people_say_them() -> None:
    assert [say_share(share) for share in (0.5, 0.0995, 0.012, None)] == [
        "50 %",
        "10 %",
        "1.2 %",
        "",
    ]
