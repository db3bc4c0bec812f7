"""Whole files: a reader finds a file as it was or whole, whatever ends the writing.

with written_whole(Path("reviews.jsonl")) as partial:
    partial.write_bytes(lines)  # to .reviews.jsonl.partial, which then takes the other's place
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import InputError


@contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """Yield a place beside a file: what is written there replaces it once the block has ended."""
    partial = file.with_name(f".{file.name}.partial")
    yield partial
    partial.replace(file)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file that somebody named. Raises InputError if it cannot be written."""
    try:
        with written_whole(file) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {error}") from error
