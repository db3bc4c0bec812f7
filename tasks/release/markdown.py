"""Markdown: text and tables of a card, where nothing that came from data is markup.

escape("a *bold* claim")  ->  a \\*bold\\* claim
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&])")


def escape(text: object) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def link(text: object, address: str) -> str:
    """Return a link; nothing in its address can end it early."""
    return f"[{escape(text)}]({quote(address, safe='/:%#=,;@+-._~')})"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; what is null is shown as unknown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else escape(value)
