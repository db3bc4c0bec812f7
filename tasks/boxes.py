r"""Boxes: what a `\boxed{}` or `\fbox{}` holds, in datasets and in responses.

>>> [box.text for box in find_boxes(r"\boxed{\frac{1}{2}}, then \boxed 12.")]
['\\frac{1}{2}', '12']
"""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"(?P<box>\\(?:boxed|fbox)\s{0,3}\{)"
    # Without braces TeX would box one sign; what is meant is the number, or the letter alone.
    r"|\\(?:boxed|fbox)(?P<bare>\s{0,3}(?:[-+\u2212]?\$?\d[^\s${}]{0,80}|(?<=\s)[A-Z](?![A-Za-z])"
    r"|\\(?:frac|sqrt|pi)[^\s$]{0,80}))"
    r"|\\.|[{}]",
    re.DOTALL,
)


class Box(NamedTuple):
    """Where a box begins and ends, what it holds, and whether it has braces."""

    start: int
    end: int
    text: str
    braced: bool = True


def find_boxes(content: str) -> list[Box]:
    """Return every closed box, by where they end, in one pass."""
    if "box" not in content:
        return []
    boxes: list[Box] = []
    opened: list[tuple[int, int] | None] = []
    for token in _TOKEN.finditer(content):
        if token["box"]:
            opened.append((token.start(), token.end()))
        elif token["bare"]:
            bare = token["bare"].strip().rstrip(".,;:")
            boxes.append(Box(token.start(), token.end(), bare, braced=False))
        elif token[0] == "{":
            opened.append(None)
        elif token[0] == "}" and opened and (box := opened.pop()) is not None:
            held = content[box[1] : token.start()].strip()
            boxes.append(Box(box[0], token.end(), held))
    return boxes
