"""A kill in the middle of a comparison, another order, other chunks: the same rows in the end."""

import random
import signal
import subprocess
import sys
from pathlib import Path
from string import ascii_lowercase

import polars as pl
import pytest

from tasks.recipe import ContaminationSettings, DuplicateSettings, StoreSettings
from tasks.select import contamination, duplicates
from tasks.store import Store, close_stores, open_store
from tests.taught_store import add_item, fill, taught

WORDS = [f"{first}{second}q" for first in ascii_lowercase[:16] for second in ascii_lowercase[:25]]
TEXTS = [" ".join(random.Random(number).sample(WORDS, 40)) for number in range(48)]
TWINS = [f"{text} indeed" for text in TEXTS]  # 36 of 37 runs of five words are shared
# Compares 8 texts at a time, and dies after the second commit that is made to a table.
KILLED_CHILD = """
import os, signal, sys
from tasks.recipe import ContaminationSettings, DuplicateSettings, StoreSettings
from tasks.select import chunks, contamination, duplicates
from tasks.store import open_store

catalog, table = sys.argv[1:]
store = open_store(StoreSettings(catalog=catalog))
contamination.ROWS_AT_A_TIME = duplicates.SIGNED_AT_A_TIME = duplicates.SIGNATURES_PER_COMMIT = 8
contamination.TEXTS_PER_COMMIT = 8
commits, append = [], store.append

def append_and_die(name, *arguments, **named):
    done = append(name, *arguments, **named)
    commits.extend([name] * (name == table))
    if len(commits) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

store.append = append_and_die
duplicates.find_duplicates(store, DuplicateSettings(), "killed")
contamination.find_contamination(store, ContaminationSettings(), ["exam"], "killed")
"""


def put_in(store: Store, order: slice) -> None:
    named = [(f"p{number}", text) for number, text in enumerate([*TEXTS, *TWINS])]
    fill(store, *(taught(name, text=text) for name, text in named[order]))
    for text in TEXTS[::6]:
        add_item(store, text)


def compare(store: Store) -> list[pl.DataFrame]:
    """Compare all that is left to compare, and return what is known then."""
    duplicates.find_duplicates(store, DuplicateSettings(), "whole")
    contamination.find_contamination(store, ContaminationSettings(), ["exam"], "whole")
    tables = (
        "prompt_id, representative_id, method, score from current_duplicates",
        "prompt_id, item_id, method, score, span from current_contamination",
        "prompt_id, sketch, numbers, signature from signatures",
        "text_id, screen from screened",
    )
    return [store.sql(f"select {table} order by all") for table in tables]


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "table",
    ["screened", *(pytest.param(each, marks=SLOW) for each in ("signatures", "contamination"))],
)
@pytest.mark.slow
def test_a_kill_another_order_and_other_chunks_change_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    put_in(store, slice(None))
    whole = compare(store)
    assert [frame.height for frame in whole] == [48, whole[1].height, 96, 96]
    assert whole[1]["prompt_id"].n_unique() >= 16  # the items and their twins
    close_stores()

    catalog = tmp_path / "killed" / "catalog.sqlite"
    killed = open_store(StoreSettings(catalog=str(catalog)))
    put_in(killed, slice(None, None, -1))
    close_stores()
    child = subprocess.run(
        [sys.executable, "-c", KILLED_CHILD, str(catalog), table],
        cwd=Path(__file__).resolve().parents[1],
    )
    assert child.returncode == -signal.SIGKILL
    killed = open_store(StoreSettings(catalog=str(catalog)))
    assert 0 < killed.sql(f"from {table}").height < whole[1].height + 96
    monkeypatch.setattr(contamination, "ROWS_AT_A_TIME", 5)
    monkeypatch.setattr(duplicates, "SIGNED_AT_A_TIME", 7)
    for resumed, undisturbed in zip(compare(killed), whole, strict=True):
        assert resumed.equals(undisturbed)
