"""Prose: what a stranger wrote (seeds, models) as HTML that can do nothing but be read.

    <p>The area is <math display="inline"><mi>π</mi>…</math>, so</p><pre class="code">…</pre>

Markdown without raw HTML, links and images; formulas become MathML, which browsers draw offline.
"""

import html
import re
from functools import cache
from typing import Any
from xml.etree import ElementTree

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.texmath import texmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

LONGEST = 6_000  # characters of one text that are shown
LONGEST_FORMULA = 1_000
_MARKED = re.compile(
    r"(```.*?(?:```|\Z)|`[^`\n]*`|(?<!\\)\$\$.*?\$\$|(?<!\\)\$[^$\n]+\$|\\\(.*?\\\)|\\\[.*?\\\])",
    re.DOTALL,
)
# All that the plugins call a formula: their own way to show one may not escape it.
_FORMULAS = (
    *("math_inline", "math_inline_double"),
    *("math_block", "math_block_label", "math_block_eqno"),
)
_DISPLAY = re.compile(r"\A\\\[(.{1,1000})\\\]\Z", re.DOTALL)
_BARE_BOX = re.compile(r"\\boxed\{(?:[^{}$\n]|\{(?:[^{}$\n]|\{[^{}$\n]*\})*\})*\}")
_ELEMENTS = frozenset(
    {
        *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "mpadded", "mphantom"),
        *("mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover"),
        *("mmultiscripts", "mprescripts", "none", "mtable", "mtr", "mtd", "menclose"),
    }
)
_ATTRIBUTES = frozenset(
    {
        *("display", "displaystyle", "stretchy", "fence", "form", "separator", "accent"),
        *("accentunder", "columnalign", "rowalign", "linethickness", "lspace", "rspace"),
        *("mathvariant", "width", "height", "depth", "minsize", "maxsize", "notation"),
    }
)


def render_prose(text: str) -> Markup:
    """Return a text with its formulas, code and emphasis as HTML; a very long one is cut."""
    shown = text if len(text) <= LONGEST else text[:LONGEST] + " …"
    return Markup(_markdown().render(_mark_formulas(shown)))


def render_formula(latex: str, *, display: bool = False) -> Markup:
    """Return LaTeX as MathML, or as the text that it is where it cannot be read.

    The converter does not escape what it is given, so its tree is rebuilt from known elements and
    attributes only.
    """
    plain = Markup('<code class="formula">{}</code>').format(latex)
    if len(latex) > LONGEST_FORMULA:
        return plain
    try:
        element = convert_to_element(latex, display="block" if display else "inline")
        safe = _rebuild(element)
    except Exception:  # Any LaTeX may come; the converter raises whatever it stumbles over.
        return plain
    return Markup(ElementTree.tostring(safe, encoding="unicode"))


def _mark_formulas(text: str) -> str:
    """Put dollars around formulas that Markdown would miss: `\\[…\\]` in a line, a bare \\boxed{}.

    Code, and what is a formula already, stays as it is.
    """
    parts = _MARKED.split(text)
    parts[::2] = [_BARE_BOX.sub(r"$\g<0>$", part) for part in parts[::2]]
    parts[1::2] = [_DISPLAY.sub(r"$$\1$$", part) for part in parts[1::2]]
    return "".join(parts)


def _rebuild(element: ElementTree.Element) -> ElementTree.Element:
    """Copy an element without what could act. Raises ValueError if it is not MathML."""
    if element.tag not in _ELEMENTS:
        raise ValueError(f"{element.tag} is not MathML")
    kept = {name: value for name, value in element.attrib.items() if name in _ATTRIBUTES}
    copy = ElementTree.Element(element.tag, kept)
    if element.tag == "menclose":  # Browsers do not draw it; the page's style does.
        copy = ElementTree.Element("mrow", {"class": "boxed"})
    copy.text, copy.tail = _read_entities(element.text), _read_entities(element.tail)
    copy.extend(_rebuild(child) for child in element)
    return copy


def _read_entities(text: str | None) -> str | None:
    """Return text with the entities that the converter writes into it resolved."""
    return None if text is None else html.unescape(text)


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "highlight": _highlight, "breaks": True})
    markdown.enable("table").disable(["link", "image", "autolink", "reference", "html_inline"])
    markdown.use(dollarmath_plugin, allow_digits=False, double_inline=True, renderer=_render_dollar)
    markdown.use(texmath_plugin, delimiters="brackets")
    for name in _FORMULAS:
        markdown.add_render_rule(name, _render_token)
    return markdown


def _render_token(_: Any, tokens: Any, index: int, *__: Any) -> str:
    token = tokens[index]
    display = token.type != "math_inline"
    formula = render_formula(token.content.strip(), display=display)
    if token.info:  # The number of an equation.
        formula += Markup(" ({})").format(token.info)
    return f"<p>{formula}</p>" if token.block else str(formula)


def _render_dollar(content: str, options: dict[str, Any]) -> str:
    return str(render_formula(content.strip(), display=bool(options.get("display_mode"))))


def _highlight(code: str, language: str, _: str) -> str:
    """Return code with its tokens marked; markdown-it puts it as it is into `<pre><code>`."""
    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_by_name("text", stripnl=False)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
