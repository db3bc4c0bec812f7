"""Data files: what lies in a store's folder, and what of it no snapshot names.

    place("store/data", {"path": "main/prompts/1.parquet", "relative": True})

A folder is a place, whatever signs its name holds: `runs [1]` is not `runs 1`.
"""

import glob
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

# A file is written before the commit that names it: a young one may be part of a running commit.
ORPHANED_AFTER = timedelta(days=1)


def pattern_below(folder: str) -> str:
    """Return DuckDB's pattern of every Parquet file below a folder, a local one or a bucket's."""
    return f"{glob.escape(folder.rstrip('/'))}/**/*.parquet"


def place(folder: str, row: Mapping[str, Any]) -> str:
    """Return where a file that the catalog names lies; `row` is one of `lake_files`."""
    return absolute(f"{folder.rstrip('/')}/{row['path']}" if row["relative"] else row["path"])


def absolute(path: str) -> str:
    """Return the one name of a path; an address is one already."""
    return path if "://" in path else os.path.abspath(path)


def is_old(written: datetime) -> bool:
    """Whether a file that no snapshot names was left behind: no commit takes as long."""
    known = written if written.tzinfo else written.replace(tzinfo=UTC)
    return datetime.now(UTC) - known > ORPHANED_AFTER
