"""A real release in the hands of TRL's trainers, in an environment of their own.

The first run makes it, in `.venv-trainers` (1.2 GB where an index has a torch without CUDA, a
minute or more); TEACHSET_TRAINERS names another place. Where it cannot be installed these tests
are skipped.
"""

import hashlib
import json
import os
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeRecipe
from taught_store import RUN, STUDENT, TEACHER, fill, taught

from tasks.release.publish import release
from tasks.select.decide import decide_after_teach
from tasks.store import Store

TESTS = Path(__file__).parent
REQUIREMENTS = TESTS / "trainers" / "requirements.txt"
FORMATS = ["parquet", "jsonl", "sharegpt", "alpaca", "prompt-completion", "rl", "preference"]
SAMPLES = (("It is 5.", "wrong"), ("It is surely 4.", "correct"))
ASKED = "<user>What is two plus two, asked as p{}?</user>"
SAID = "<assistant><think>\n2 + 2 = 4\n</think>\n\nIt is 4.</assistant>"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]


@pytest.fixture(scope="session")
def trainers() -> Path:
    """The Python of an environment that has what tests/trainers/requirements.txt asks for."""
    folder = Path(os.environ.get("TEACHSET_TRAINERS") or TESTS.parent / ".venv-trainers")
    python, mark = folder / "bin" / "python", folder / "installed"
    asked = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not (mark.is_file() and mark.read_text() == asked):
        venv.create(folder, with_pip=True)
        install = [python, "-m", "pip", "install", "-q", "--no-compile", "-r", REQUIREMENTS]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"the trainers cannot be installed: {done.stderr.strip()[-300:]}")
        mark.write_text(asked)
    return python


@pytest.fixture
def told(
    trainers: Path, store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """What the trainers made of a release of all formats, format by format."""
    recipe = make_recipe(
        models={"student": {"model": STUDENT}, "teacher": {"model": TEACHER}},
        release={"formats": FORMATS, "validation_share": 0},
    )
    fill(store, *(taught(f"p{index}", student=SAMPLES) for index in range(3)))
    decide_after_teach(store, recipe, RUN)
    folder = release(store, recipe, RUN).folder
    offline = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hub"),
        "TRL_EXPERIMENTAL_SILENCE": "1",
    }
    done = subprocess.run(
        [trainers, TESTS / "trainers" / "train.py", folder],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **offline},
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    yield json.loads(done.stdout.splitlines()[-1])


def test_trl_trains_on_every_format_it_reads(told: dict[str, Any]) -> None:
    """One real step each, of the rows that were released, from the prompt to the last letter."""
    assert told["release"]["rows"] == 3
    for name in ("parquet", "jsonl"):
        assert told[name]["rows"] == 3
        assert told[name]["seen"].removesuffix("<eos>") in {
            ASKED.format(index) + SAID for index in range(3)
        }
        assert told[name]["learnt"] == told[name]["seen"]
    completion = told["prompt-completion"]
    assert completion["rows"] == 3
    assert completion["seen"] == told["parquet"]["seen"]
    # The loss is on the answer alone.
    assert completion["learnt"].removesuffix("<eos>") == SAID.removeprefix("<assistant>")
    preference = told["preference"]
    assert preference["rows"] == 3
    assert preference["prompt"].endswith("?</user><assistant>")
    assert preference["chosen"].removesuffix("<eos>") == "It is surely 4.</assistant>"
    assert preference["rejected"].removesuffix("<eos>") == "It is 5.</assistant>"
    assert told["rl"]["rows"] == 3
    assert told["rl"]["prompt"].endswith("?</user><assistant>")
