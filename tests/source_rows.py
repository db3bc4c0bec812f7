"""The rows of a source, file after file, as ingest reads each of them.

list(read_rows(SeedSource(path="seeds.jsonl")))
    [RawRow("seeds.jsonl", 1, {"prompt": "What is 1 + 1?", "answer": "2"}), …]
"""

from collections.abc import Iterator

from tasks.ingest.files import Source, fetch, find_files
from tasks.ingest.read import read_fetched
from tasks.ingest.rows import RawRow


def read_rows(source: Source) -> Iterator[RawRow]:
    """Yield every row of a source. Raises InputError for a file that as a whole cannot be used."""
    for file in find_files(source):
        with fetch(file) as path:
            yield from read_fetched(path, file, source)
