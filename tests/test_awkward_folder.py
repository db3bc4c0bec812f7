"""A project may lie in a folder whose name is a pattern to everybody who reads files by pattern."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.recipe import StoreSettings
from tasks.release.diff import read_contents
from tasks.release.verify import Folder
from tasks.store import close_stores, open_store

ROOT = Path(__file__).resolve().parents[1]
ROWS = "".join(
    json.dumps({"prompt": f"What is {n} + 1?", "answer": str(n + 1), "domain": "math"}) + "\n"
    for n in range(12)
)
NOBODY_PASSES = """-- critical: No pair is good enough.
select pair_id, 'is not good enough' as detail from pairs
"""


def _teachset(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "TEACHSET"))}
    return subprocess.run(
        [sys.executable, "-m", "cli", *map(str, arguments)],
        env=kept | {"PREFECT_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_folder_named_like_a_pattern_is_a_place(tmp_path: Path) -> None:
    project = tmp_path / "a [1] *b"
    project.mkdir()
    (project / "seeds-1.jsonl").write_text(ROWS, encoding="utf-8")
    (project / "own").mkdir()
    (project / "own" / "nobody_passes.sql").write_text(NOBODY_PASSES)
    declared = {
        "name": "awkward",
        "store": {"catalog": "store/catalog.sqlite"},
        "seeds": [{"path": "seeds-*.jsonl"}],
        "models": {role: {"model": f"sim-{role}"} for role in ("student", "teacher")},
        "sample": {"student": 8},
        "select": {"band": {"low": 0, "high": 1}},
        "release": {"folder": "releases", "rules": "own"},
    }
    recipe = project / "recipe.yaml"
    recipe.write_text(json.dumps(declared), encoding="utf-8")

    refused = _teachset("run", recipe, home=tmp_path / "prefect")
    assert refused.returncode == 7, refused.stderr
    assert "Traceback" not in refused.stderr
    report = (project / "releases" / "refused.html").read_text(encoding="utf-8")
    assert "What is" in report.partition("is not good enough")[2]  # Pairs that broke the rule.
    found = _teachset("doctor", "--json", recipe, home=tmp_path / "prefect")
    told = {(row["area"], row["check"]): row["level"] for row in json.loads(found.stdout)}
    assert (told["store", "files"], told["store", "orphans"]) == ("ok", "ok")

    (project / "own" / "nobody_passes.sql").unlink()
    recipe.write_text(json.dumps(declared | {"release": {"folder": "releases"}}), encoding="utf-8")
    done = _teachset("run", recipe, home=tmp_path / "prefect")
    assert done.returncode == 0, done.stderr
    assert read_contents(Folder((project / "releases" / "latest").resolve())).pairs.height > 0
    assert _teachset("tidy", recipe, home=tmp_path / "prefect").returncode == 0
    catalog = str(project / "store" / "catalog.sqlite")
    try:
        assert open_store(StoreSettings(catalog=catalog)).sql("from prompts").height == 12
    finally:
        close_stores()
