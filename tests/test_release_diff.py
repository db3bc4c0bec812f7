"""Diff: what moved between the splits is told first, then what is told of pairs that both have."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from tasks.release.diff import compare, read_contents
from tasks.release.remote import find_place

BEFORE = [
    {"pair_id": name, "prompt_id": f"of-{name}", "domain": "math", "split": split}
    | {"key": "4", "pass_rate": 0.5, "licence": "mit"}
    for name, split in (("a", "train"), ("b", "train"), ("c", "train"), ("d", "validation"))
]


def write(folder: Path, rows: list[dict[str, Any]], *, facts: bool = True) -> str:
    """Write what there is to be read of a release; its Parquet repeats rows, as weights do."""
    folder.mkdir()
    pairs = pl.DataFrame(rows)
    pairs.select("pair_id", "prompt_id", "domain", "split").write_parquet(folder / "pairs.parquet")
    files = [{"path": "pairs.parquet", "format": "index"}]
    if facts:
        files.append({"path": "train.parquet", "format": "parquet"})
        pl.concat([pairs, pairs]).write_parquet(folder / "train.parquet")
    manifest = {"files": files, "settings": {}, "name": folder.name}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return str(folder)


def test_what_moved_is_told_first_and_what_is_told_of_the_pairs_last(tmp_path: Path) -> None:
    after = [dict(row) for row in BEFORE]
    after[0] |= {"split": "validation"}
    after[1] |= {"split": "validation", "pair_id": "b2"}  # With another answer as well.
    after[2] |= {"licence": None}
    after[3] |= {"split": "train", "key": "5", "pass_rate": 0.25}
    first, second = write(tmp_path / "one", BEFORE), write(tmp_path / "two", after)
    shown = CliRunner().invoke(app, ["diff", first, second]).stdout
    assert shown.splitlines()[1] == "pairs that moved: 3, 2 to validation, 1 to train"
    assert "pairs of both with another pass rate: 1" in shown
    found = json.loads(CliRunner().invoke(app, ["diff", first, second, "--json"]).stdout)
    assert found["pairs"] == {
        **{"before": 4, "after": 4, "moved": 3},
        **{"added": 0, "removed": 0, "changed": 1},
    }
    assert found["moved"] == {"to_validation": 2, "to_train": 1}
    assert found["facts"] == {"key": 1, "pass_rate": 1, "licence": 1}
    assert found["examples"]["moved"] == ["a", "b2", "d"]


def test_what_not_both_carry_is_not_compared(tmp_path: Path) -> None:
    places = [
        find_place(write(tmp_path / name, BEFORE, facts=facts))
        for name, facts in (("one", True), ("two", False))
    ]
    found = compare(*(read_contents(place, with_facts=True) for place in places))
    assert dict(found.facts) == dict.fromkeys(("key", "pass_rate", "licence"))
    assert found.total("moved") == 0


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://sets/math", "expected s3://bucket/prefix or hf://org/name"),
        ("nowhere", "nowhere: expected a release, with manifest.json and pairs.parquet"),
    ],
)
def test_an_address_is_read_as_verify_reads_it(address: str, message: str) -> None:
    asked = CliRunner().invoke(app, ["diff", address, address])
    assert asked.exit_code == 3
    assert message in asked.stderr
