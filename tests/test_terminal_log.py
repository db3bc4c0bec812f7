"""The terminal's log: what a run warns of is said on stderr, each thing once, and nothing else."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from cli.terminal_log import repeat_warnings, showing_warnings
from tests.conftest import MakeRecipe

ROOT = Path(__file__).resolve().parents[1]


def _warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was printed, less what Prefect's own handler prints where it was imported before."""
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]


def test_a_warning_is_shown_once_as_it_comes_and_again_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ours = logging.getLogger("tasks.assess.keys")
    with showing_warnings() as told:
        for _ in range(2):
            ours.warning("no key of %s is %s", "math", "sure")
        ours.info("42 keys")
        logging.getLogger("tasks.llm.limiter").warning("held back by the server for 3 s")
        logging.getLogger("somebody.else").warning("not our affair")
        ours.warning("a text\x1b[2J with sk-0123456789abcdef in it")
    ours.warning("it is over")
    shown = ["warning: no key of math is sure", r"warning: a text\x1b[2J with *** in it"]
    assert _warnings(capsys) == shown
    repeat_warnings(told)
    assert _warnings(capsys) == shown


def test_no_more_than_fifty_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with showing_warnings():
        for number in range(60):
            logging.getLogger("flows").warning("the %d. of many", number)
    assert len(_warnings(capsys)) == 50


@pytest.mark.slow
def test_a_run_says_what_it_warns_of(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    models = {"student": {"model": "sim-student"}, "teacher": {"model": "sim-teacher"}}
    recipe = make_recipe(models=models, select={"policy": "teachabel"})
    file = tmp_path / "recipe.json"
    file.write_text(recipe.model_dump_json(exclude_defaults=True))
    ran = subprocess.run(
        [sys.executable, "-m", "cli", "run", str(file), "--set", "sample.keys_by=student"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    warned = [line for line in ran.stderr.splitlines() if line.startswith("warning: ")]
    assert any("teachabel" in line for line in warned), ran.stderr
    assert any("the student sim-student itself" in line for line in warned), ran.stderr
    assert " | INFO" not in ran.stderr
