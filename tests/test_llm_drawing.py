"""Pages of prompts are read one at a time, however many chunks draw on them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

from tasks.llm.drawing import read_in_turn


def test_two_chunks_never_read_at_once() -> None:
    reading, most = 0, 0
    begun = threading.Barrier(2)

    def pages(first: int) -> Iterator[pl.DataFrame]:
        nonlocal reading, most
        for number in range(first, first + 20):
            reading += 1
            most = max(most, reading)
            time.sleep(0.001)
            reading -= 1
            yield pl.DataFrame({"prompt_id": [str(number)]})

    def draw(first: int) -> list[str]:
        begun.wait()
        return [page["prompt_id"][0] for page in read_in_turn(pages(first))]

    with ThreadPoolExecutor(2) as pool:
        drawn = list(pool.map(draw, (0, 100)))
    assert most == 1
    assert drawn == [[str(number) for number in range(low, low + 20)] for low in (0, 100)]


def test_a_page_that_cannot_be_read_is_in_nobodys_way() -> None:
    def broken() -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"prompt_id": ["a"]})
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(read_in_turn(broken()))
    assert [page.height for page in read_in_turn([pl.DataFrame({"prompt_id": ["b"]})])] == [1]
