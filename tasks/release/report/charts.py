"""Charts: small pictures as inline SVG, of numbers only; colours come from the page's style.

<svg class="chart" viewBox="0 0 340 150" role="img" aria-label="…"><rect class="band" …/>…</svg>
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 340, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 8, 22, 20
_SIDE, _SQUARE_LEFT, _SQUARE_TOP = 260, 62, 34
_LARGEST, _SMALLEST = 11.5, 1.8  # radii of a scatter's dots
_SHORTEST = 1.5  # pixels of a bar that stands for anything at all


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it is labelled, and its parts from the bottom up with their classes."""

    label: str
    parts: tuple[tuple[str, int], ...]
    title: str = ""

    @property
    def total(self) -> int:
        """The whole bar's number."""
        return sum(number for _, number in self.parts)


def draw_histogram(
    bars: Sequence[Bar], *, title: str, band: tuple[float, float] | None = None
) -> Markup:
    """Return bars side by side. `band` shades from one position to another, 0 being the first bar.

    Every bar has its number above it, so that nothing has to be read off an axis.
    """
    inner = WIDTH - _LEFT - _RIGHT
    step = inner / max(len(bars), 1)
    tall = HEIGHT - _TOP - _BOTTOM
    highest = max([bar.total for bar in bars] + [1])
    pieces: list[str] = []
    if band is not None:
        start, end = (_LEFT + (edge + 0.5) * step for edge in band)
        start, end = start - step / 2, end + step / 2
        pieces.append(_rect("band", start, _TOP - 14, end - start, tall + 14))
    for index, bar in enumerate(bars):
        left = _LEFT + index * step
        pieces.append(f"<g><title>{_escape(bar.title or bar.label)}</title>")
        bottom = float(HEIGHT - _BOTTOM)
        for kind, number in bar.parts:
            if number:
                height = max(tall * number / highest, _SHORTEST)
                bottom -= height
                pieces.append(_rect(kind, left + step * 0.12, bottom, step * 0.76, height))
        middle = left + step / 2
        if bar.total:
            pieces.append(_text("number", middle, bottom - 4, _say(bar.total)))
        pieces.append(_text("label", middle, HEIGHT - _BOTTOM + 14, bar.label) + "</g>")
    base = HEIGHT - _BOTTOM
    pieces.append(
        f'<line class="base" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>'
    )
    body = "".join(pieces)
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{_escape(title)}">{body}</svg>'
    )


@dataclass(frozen=True, slots=True)
class Dot:
    """Things at one place of a square from 0 to 1 either way: how many, and their class."""

    across: float
    up: float
    number: int
    kind: str
    title: str


def draw_scatter(
    dots: Sequence[Dot], *, title: str, across: str, up: str, band: tuple[float, float]
) -> Markup:
    """Return dots in a square, their areas as their numbers; `band` shades a part of `across`."""
    pieces = [
        _rect("band", _at(band[0]), _SQUARE_TOP, _SIDE * (band[1] - band[0]), _SIDE),
        *(_gridline(tenth / 4) for tenth in range(5)),
        f'<line class="base" x1="{_at(0):.1f}" y1="{_up(0):.1f}" '
        f'x2="{_at(1):.1f}" y2="{_up(1):.1f}"/>',
    ]
    most = max((dot.number for dot in dots), default=1)
    for dot in sorted(dots, key=lambda dot: -dot.number):
        radius = max(_LARGEST * (dot.number / most) ** 0.5, _SMALLEST)
        pieces.append(
            f"<g><title>{_escape(dot.title)}</title>"
            f'<circle class="{_escape(dot.kind)}" cx="{_at(dot.across):.1f}" '
            f'cy="{_up(dot.up):.1f}" r="{radius:.1f}"/></g>'
        )
    for quarter in range(5):
        share = f"{quarter * 25} %"
        pieces.append(_text("label", _at(quarter / 4), _up(0) + 22, share))
        pieces.append(_text("label", _SQUARE_LEFT - 36, _up(quarter / 4) + 3, share))
    pieces.append(_text("number", _at(0.5), _up(0) + 38, across))
    pieces.append(_text("number", _SQUARE_LEFT - 30, _SQUARE_TOP - 20, up))
    wide, tall = _SQUARE_LEFT + _SIDE + 20, _SQUARE_TOP + _SIDE + 46
    return Markup(
        f'<svg class="chart scatter" viewBox="0 0 {wide} {tall}" role="img" '
        f'aria-label="{_escape(title)}">{"".join(pieces)}</svg>'
    )


def _gridline(share: float) -> str:
    return (
        f'<line class="base" x1="{_at(0):.1f}" x2="{_at(1):.1f}" '
        f'y1="{_up(share):.1f}" y2="{_up(share):.1f}"/>'
    )


def _at(share: float) -> float:
    return _SQUARE_LEFT + _SIDE * share


def _up(share: float) -> float:
    return _SQUARE_TOP + _SIDE * (1 - share)


def _rect(kind: str, left: float, top: float, width: float, height: float) -> str:
    return (
        f'<rect class="{_escape(kind)}" x="{left:.1f}" y="{top:.1f}" '
        f'width="{width:.1f}" height="{height:.1f}"/>'
    )


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{_escape(text)}</text>'


def _say(number: int) -> str:
    """Return a number short enough to stand above a bar."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1_000:.0f}k" if number < 1_000_000 else f"{number / 1_000_000:.1f}M"


def _escape(text: str) -> Markup:
    return Markup.escape(text)
