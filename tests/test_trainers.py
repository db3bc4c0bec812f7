"""A real release in the hands of TRL's trainers and of two others' loaders, apart from Teachset.

The first run makes it, in `.venv-trainers` (1.2 GB where an index has a torch without CUDA, a
minute or more); TEACHSET_TRAINERS names another place. Where it cannot be installed these tests
are skipped.
"""

import hashlib
import json
import os
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

from tasks.release.publish import release
from tasks.select.decide import decide_after_teach
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import RUN, STUDENT, TEACHER, fill, taught

TESTS = Path(__file__).parent
REQUIREMENTS = TESTS / "trainers" / "requirements.txt"
OTHERS = TESTS / "trainers" / "others.txt"
FORMATS = ["parquet", "jsonl", "sharegpt", "alpaca", "prompt-completion", "rl", "preference"]
SAMPLES = (("It is 5.", "wrong"), ("It is surely 4.", "correct"))
ASKED = "<user>What is two plus two, asked as p{}?</user>"
SAID = "<assistant><think>\n2 + 2 = 4\n</think>\n\nIt is 4.</assistant>"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]


@pytest.fixture(scope="session")
def trainers() -> Path:
    """The Python of an environment that has what tests/trainers/requirements.txt asks for."""
    folder = Path(os.environ.get("TEACHSET_TRAINERS") or TESTS.parent / ".venv-trainers")
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    install(python, REQUIREMENTS, folder / "installed")
    return python


@pytest.fixture(scope="session")
def loaders(trainers: Path) -> Path:
    """The same Python, when it also has what tests/trainers/others.txt asks for."""
    install(trainers, OTHERS, trainers.parents[1] / "installed-others", "--no-deps")
    return trainers


def install(python: Path, requirements: Path, mark: Path, *options: str) -> None:
    """Install what a file asks for, unless `mark` says that it is there; else skip the test."""
    asked = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if mark.is_file() and mark.read_text(encoding="utf-8") == asked:
        return
    command = [str(python), "-m", "pip", "install", "-q", "--no-compile", *options]
    command += ["-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the trainers cannot be installed: {done.stderr.strip()[-300:]}")
    mark.write_text(asked, encoding="utf-8")


@pytest.fixture
def published(store: Store, make_recipe: MakeRecipe) -> Path:
    """The folder of a release of all formats."""
    recipe = make_recipe(
        models={"student": {"model": STUDENT}, "teacher": {"model": TEACHER}},
        release={"formats": FORMATS, "validation_share": 0},
    )
    fill(store, *(taught(f"p{index}", student=SAMPLES) for index in range(3)))
    decide_after_teach(store, recipe, RUN)
    return release(store, recipe, RUN).folder


def ask(python: Path, script: str, release: Path, home: Path, **variables: str) -> dict[str, Any]:
    """Return what a script of tests/trainers/ makes of a release."""
    alone = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(home),
        "TRL_EXPERIMENTAL_SILENCE": "1",
        "AXOLOTL_DO_NOT_TRACK": "1",
        "DISABLE_VERSION_CHECK": "1",  # LLaMA-Factory's, of what only its training needs.
    }
    done = subprocess.run(
        [python, TESTS / "trainers" / script, release],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **alone, **variables},
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_trl_trains_on_every_format_it_reads(
    trainers: Path, published: Path, tmp_path: Path
) -> None:
    """One real step each, of the rows that were released, from the prompt to the last letter."""
    told = ask(trainers, "train.py", published, tmp_path / "hub")
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


def test_trl_reinforces_what_the_verifiers_find_right(
    trainers: Path, published: Path, tmp_path: Path
) -> None:
    """A real step of GRPO: right is 1, wrong is 0, and what has no reward moves nothing."""
    root = str(TESTS.parent)
    told = ask(trainers, "reinforce.py", published, tmp_path / "hub", PYTHONPATH=root)
    rewards = dict(zip(told["completions"], told["rewards"], strict=True))
    assert rewards == {
        "\\boxed{4}": 1.0,
        "It is \\boxed{5}.": 0.0,
        "Two and two make": None,  # cut off
        "<think>\\boxed{4}</think>": None,  # nothing was answered
        "<think>Or 5?</think>\\boxed{4}": 1.0,
        "<think>\\boxed{4}, or is it": None,
    }
    assert told["mean"] == pytest.approx(2 / 3)
    signs = [(advantage > 0) - (advantage < 0) for advantage in told["advantages"]]
    assert signs == [{1.0: 1, 0.0: -1, None: 0}[one] for one in told["rewards"]]
    assert told["moved"]
    assert not {"prefect", "polars", "duckdb", "openai", "pydantic_settings"} & {*told["imported"]}


def test_llama_factory_and_axolotl_read_what_they_are_told_to(
    loaders: Path, published: Path, tmp_path: Path
) -> None:
    """The lines of docs/releases.md, through the code with which each of them loads its data."""
    told = ask(loaders, "others.py", published, tmp_path / "hub")
    assert {each["rows"] for each in told.values()} == {3}
    said = SAID.removeprefix("<assistant>").removesuffix("</assistant>")
    for name, each in told.items():
        assert each["learnt"].removesuffix("\n").removesuffix("<eos>") == said, name
        assert each["seen"].count("What is two plus two, asked as p") == 1, name
    chats = {told[f"axolotl {name}"]["seen"] for name in ("jsonl", "sharegpt")}
    assert chats <= {ASKED.format(index) + SAID for index in range(3)}
    assert told["llamafactory sharegpt"] == told["llamafactory alpaca"]
