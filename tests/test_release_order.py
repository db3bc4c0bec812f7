"""The order of a release depends neither on how its rows came nor on how many files they fill."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.identity import content_id
from tasks.release.order import put_in_order

ORDER = ["split", "mark", "pair_id", "copy"]


def _rows(count: int) -> pl.DataFrame:
    """Return rows of which every third is a second copy, with a mark of its own."""
    names = [content_id("pair", number) for number in range(count)]
    copies = [1 + (number % 3 == 2) for number in range(count)]
    marks = [
        name if copy == 1 else content_id(name, copy)
        for name, copy in zip(names, copies, strict=True)
    ]
    splits = ["validation" if name < "2" else "train" for name in names]
    columns = {"split": splits, "mark": marks, "pair_id": names, "copy": copies}
    return pl.DataFrame(columns).with_columns(content=pl.lit("four"))


@pytest.mark.slow
@given(
    count=st.integers(0, 60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
    about=st.integers(0, 2_000_000),
    seed=st.integers(0, 9),
)
def test_rows_come_in_the_order_of_their_marks(
    count: int, cuts: list[int], about: int, seed: int
) -> None:
    rows = _rows(count)
    came = rows.sample(fraction=1, shuffle=True, seed=seed)
    edges = sorted({0, *(min(cut, count) for cut in cuts), count})
    frames = [came.slice(low, high - low) for low, high in itertools.pairwise(edges)]
    with TemporaryDirectory() as folder:
        sorted_rows = list(put_in_order(frames, about, Path(folder)))
        assert not list(Path(folder).iterdir())
    assert pl.concat([rows.clear(), *sorted_rows]).equals(rows.sort(ORDER))


def test_nothing_is_left_of_an_attempt_that_fails(tmp_path: Path) -> None:
    def frames() -> Iterator[pl.DataFrame]:
        yield _rows(5)
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        next(put_in_order(frames(), 5, tmp_path))
    assert not list(tmp_path.iterdir())
