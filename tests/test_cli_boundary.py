"""Whatever goes wrong ends as one message and an exit code; secrets and tracebacks stay away."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel, ValidationError
from typer.testing import CliRunner

from cli.boundary import Place, explain_failure, plain, redact, write_defects_down
from cli.main import Guarded, app
from tasks import errors
from tasks.defects import noting_defects
from tasks.errors import TeachsetError
from tasks.run import code_version

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def log_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "logs"
    monkeypatch.setattr(Place, "log_folder", folder)
    return folder


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("RecipeError", 2),
        ("InputError", 3),
        ("StoreError", 4),
        ("ModelServerError", 5),
        ("BudgetReached", 6),
        ("GateFailed", 7),
        ("GateBroken", 8),
    ],
)
def test_our_errors_keep_their_message_and_exit_code(name: str, code: int) -> None:
    error: TeachsetError = getattr(errors, name)("seeds.jsonl: mend it")
    assert explain_failure(error) == ("seeds.jsonl: mend it", code)


def test_our_error_is_found_below_what_others_wrapped_around_it() -> None:
    try:
        try:
            raise errors.StoreError("the disk is full")
        except TeachsetError as inner:
            raise RuntimeError("a task failed") from inner
    except RuntimeError as outer:
        group = BaseExceptionGroup("several", [ValueError("x"), outer])
    assert explain_failure(group) == ("the disk is full", 4)


def test_interruption_says_how_to_go_on() -> None:
    message, code = explain_failure(KeyboardInterrupt())
    assert code == 130
    assert message == "interrupted: what was completed is in the store; run again to continue"


def test_an_interruption_that_others_made_an_error_of_is_one() -> None:
    """Ctrl-C while a model is serialised comes out of pydantic as an error without a cause."""
    script = """
import os, signal, sys
from pydantic import BaseModel, model_serializer
from cli.boundary import explain_failure, watch_for_interruptions
class Settings(BaseModel):
    @model_serializer
    def serialize(self):
        os.kill(os.getpid(), int(sys.argv[1]))
watch_for_interruptions()
try:
    Settings().model_dump()
except Exception as error:
    print(type(error).__name__, *explain_failure(error))
"""
    for number in (signal.SIGINT, signal.SIGTERM):
        command = [sys.executable, "-c", script, str(int(number))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == (
            "PydanticSerializationError interrupted: what was completed is in the store; "
            "run again to continue 130\n"
        )


def test_unforeseen_error_names_its_log(log_folder: Path) -> None:
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError as error:
        message, code = explain_failure(error)
    file = log_folder / "teachset.log"
    assert code == 70
    assert message == (
        f"a defect of Teachset: ZeroDivisionError: division by zero\n  The traceback is in {file}"
    )
    assert "Traceback (most recent call last)" in file.read_text()


def test_a_defect_that_ends_nothing_is_in_the_same_log(log_folder: Path) -> None:
    write_defects_down()
    write_defects_down()
    with noting_defects("an answer was not taken note of"):
        raise OverflowError("int too large to convert to float")
    text = (log_folder / "teachset.log").read_text()
    assert text.count("Traceback (most recent call last)") == 1
    assert "OverflowError: int too large to convert to float" in text


def test_log_that_cannot_be_written_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    message, code = explain_failure(ZeroDivisionError("division by zero"))
    assert code == 70 and "division by zero (no log:" in message


def test_pydantic_error_is_one_line(log_folder: Path) -> None:
    class Row(BaseModel):
        n: int

    with pytest.raises(ValidationError) as caught:
        Row.model_validate({"n": "x"})
    message, code = explain_failure(caught.value)
    assert code == 70 and "1 validation error for Row" in message.splitlines()[0]


def test_secrets_are_in_no_message_and_no_log(
    log_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_KEY", "hunter2-hunter2")
    message, _ = explain_failure(errors.ModelServerError("401 for hunter2-hunter2"))
    assert message == "401 for ***"
    explain_failure(ValueError("Bearer abc.def with hunter2-hunter2 at postgresql://me:pw@host/db"))
    log = (log_folder / "teachset.log").read_text()
    assert "hunter2" not in log and "abc.def" not in log and ":pw@" not in log
    assert "postgresql://***@host/db" in log


def test_key_shapes_are_redacted_without_the_environment() -> None:
    assert redact("key sk-proj-abcdefgh12345 refused") == "key *** refused"


def test_control_characters_become_visible() -> None:
    assert plain("a\x1b[2Jb\u202ec\x9b") == "a\\x1b[2Jb\\u202ec\\x9b"


def test_group_turns_errors_into_exit_codes_without_a_traceback() -> None:
    failing = typer.Typer(cls=Guarded, pretty_exceptions_enable=False)

    @failing.command()
    def fail() -> None:
        raise errors.GateFailed("three rows have no answer")

    @failing.command()
    def stop() -> None:
        raise KeyboardInterrupt

    failed, stopped = (CliRunner().invoke(failing, [name]) for name in ("fail", "stop"))
    assert (failed.exit_code, failed.stderr) == (7, "teachset: three rows have no answer\n")
    assert (stopped.exit_code, stopped.stderr[:22]) == (130, "teachset: interrupted:")


def test_it_says_which_version_it_is() -> None:
    answer = CliRunner().invoke(app, ["--version"])
    assert (answer.exit_code, answer.stdout) == (0, f"teachset {code_version()}\n")
