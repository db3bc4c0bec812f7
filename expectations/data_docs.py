"""Data Docs: what Great Expectations says of a suite, as one page that needs nothing but itself.

Great Expectations renders its results into headings, tables and templates with parameters. Its own
page view would put what was found into HTML unescaped, a model's text included, and fetch styles
and scripts from five servers. So the content is its, the page is ours: every value is escaped, no
script, no request, no time of day.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

import great_expectations as gx
import jinja2
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

_MARK = "markdown_status_icon"  # the parameter that is no markup
_MARKS = {"✅": "✓", "❌": "✗"}  # Signs that every font has.


def write_data_docs(title: str, outcomes: Sequence[Any]) -> str:
    """Return the page on the outcomes of some suites, one after the other."""
    documents = [
        {
            "suite": outcome.suite_name,
            "passed": bool(outcome.success),
            "sections": [_describe(section) for section in _render(outcome)],
        }
        for outcome in outcomes
    ]
    return _template().render(title=title, documents=documents, version=gx.__version__)


def _render(outcome: Any) -> list[dict[str, Any]]:
    sections: list[dict[str, Any]] = (
        ValidationResultsPageRenderer().render(outcome).to_json_dict()["sections"]
    )
    return sections


def _describe(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section's name and blocks, without its heading and what folds away.

    What folds away is where and when it was judged, which two releases of one store do not share.
    """
    blocks = [
        block
        for block in section["content_blocks"]
        if block["content_block_type"] not in ("header", "collapse")
    ]
    failed = "❌" in str(blocks)
    return {"name": section.get("section_name") or "Overview", "blocks": blocks, "failed": failed}


def fill_template(block: Mapping[str, Any]) -> str:
    """Return the text of one of Great Expectations' templates with parameters, as plain text."""
    parameters = dict(block.get("params") or {})
    parameters["html_success_icon"] = ""  # It is markup, and the word for it stands beside it.
    if _MARK in parameters:
        parameters["icon"] = _MARKS.get(parameters[_MARK], parameters[_MARK])
    return Template(str(block.get("template") or "")).safe_substitute(parameters).strip()


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fill"] = fill_template
    return environment.get_template("data_docs.html.jinja")
