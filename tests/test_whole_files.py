"""Whole files: as they were or whole."""

from pathlib import Path

import pytest

from tasks.errors import InputError
from tasks.whole_files import write_whole, written_whole


def test_a_file_is_as_it_was_until_the_whole_of_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "reviews.jsonl"
    file.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), written_whole(file) as partial:
        partial.write_bytes(b"aft")
        raise KeyboardInterrupt
    assert file.read_bytes() == b"before"
    write_whole(file, b"after")
    assert file.read_bytes() == b"after"
    assert [each.name for each in tmp_path.iterdir()] == ["reviews.jsonl"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "none" / "reviews.jsonl"
    with pytest.raises(InputError, match=r"none/reviews\.jsonl: cannot be written: "):
        write_whole(file, b"")
