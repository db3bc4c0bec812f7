"""Spelling: a text as a direction in space, by its words, their parts and its numbers.

    embed("Janet's ducks lay 16 eggs per day.", 384)  →  [0.021, -0.113, …]

Words, and the runs of three to five letters inside them, are hashed to places and signs, so that
`laying` is near `lay`; numbers weigh more, words of up to three letters less. It knows no synonyms:
what a real model understands, this only spells.
"""

import math
import re
from functools import lru_cache
from zlib import crc32

from tasks.identity import normalise

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_FILLER_LETTERS = 3
_FILLER, _OTHER, _NUMBER = 0.25, 1.0, 1.5  # weights of words
_PARTS = 1.0  # weight of all parts of a word together, beside that of the whole


def embed(text: str, dimensions: int) -> list[float]:
    """Return the direction of a text: numbers whose squares sum to 1, or zeros without a word.

    >>> embed("Two apples", 64) == embed("two  apples!", 64)
    True
    """
    counts: dict[str, int] = {}
    for word in _WORD.findall(normalise(text).casefold()):
        counts[word] = counts.get(word, 0) + 1
    direction = [0.0] * dimensions
    for word, count in counts.items():
        often = 1 + math.log(count)
        for place, weight in _spell(word, dimensions):
            direction[place] += weight * often
    length = math.sqrt(math.fsum(number * number for number in direction))
    return [number / length for number in direction] if length else direction


@lru_cache(maxsize=65_536)
def _spell(word: str, dimensions: int) -> tuple[tuple[int, float], ...]:
    """Return the places of a word and of its parts, with what each adds there."""
    if word[0].isdigit():
        return (_place(f"#{word.replace(',', '')}", dimensions, _NUMBER),)
    weight = _FILLER if len(word) <= _FILLER_LETTERS else _OTHER
    edged = f"<{word}>"
    parts = [
        edged[start : start + size]
        for size in (3, 4, 5)
        for start in range(len(edged) - size + 1)
        if size < len(edged)
    ]
    share = weight * _PARTS / math.sqrt(len(parts)) if parts else 0.0
    return (
        _place(edged, dimensions, weight),
        *(_place(part, dimensions, share) for part in parts),
    )


def _place(part: str, dimensions: int, weight: float) -> tuple[int, float]:
    hashed = crc32(part.encode())
    return (hashed >> 1) % dimensions, weight if hashed & 1 else -weight
