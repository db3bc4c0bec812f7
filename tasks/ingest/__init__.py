"""Ingest: seeds, benchmarks and responses made elsewhere, from any file to rows of the store.

    files.fetch → read.read_fetched → seeds.parse_seed → checks → load.ingest_seeds

A row that cannot be used is set aside in `quarantine` with file, row and reason; the load goes on.
"""

from tasks.ingest.load import (
    import_responses,
    import_responses_task,
    ingest_benchmarks,
    ingest_benchmarks_task,
    ingest_seeds,
    ingest_seeds_task,
)
from tasks.ingest.reading import IngestCounts
from tasks.ingest.seeds import parse_seed
from tasks.ingest.unusable import refuse_unusable_files

__all__ = [
    "IngestCounts",
    "import_responses",
    "import_responses_task",
    "ingest_benchmarks",
    "ingest_benchmarks_task",
    "ingest_seeds",
    "ingest_seeds_task",
    "parse_seed",
    "refuse_unusable_files",
]
