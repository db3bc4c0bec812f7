"""Code answers: right and wrong programs, and programs that try to get out."""

import contextlib
import os
import resource

import pytest

from benchmarks._escapes import ENDLESS, ESCAPES
from tasks.assess import said, sandbox
from tasks.assess.verdicts import decide
from tasks.assess.verifiers import code

needs_sandbox = pytest.mark.skipif(
    not sandbox.sandbox_works(), reason="bubblewrap is missing or not allowed on this machine"
)
DOUBLE = ["assert double(2) == 4", "assert double(0) == 0"]


@needs_sandbox
@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("def double(x): return 2 * x", ("correct", "passed")),
        ("def double(x): return x * x", ("correct", "passed")),
        ("def double(x): return x + 1", ("wrong", "test_failed")),
        ("def double(x) return x", ("wrong", "raised_SyntaxError")),
        ("def triple(x): return x", ("wrong", "raised_NameError")),
        ("import sys; sys.exit(0)", ("wrong", "raised_SystemExit")),
        ("class Boo(Exception): pass\nraise Boo", ("wrong", "raised")),
        ("import os; os._exit(0)", ("wrong", "ended_early")),
        ('import os; os.write(4, b\'{"passed": ""}\'); os._exit(0)', ("wrong", "ended_early")),
        ("text = 'a' * (1 << 32)", ("wrong", "memory")),
    ],
)
def test_a_program_is_judged_by_its_tests(program: str, outcome: tuple[str, str]) -> None:
    assert code.check(DOUBLE, program) == outcome


@needs_sandbox
@pytest.mark.parametrize("program", ESCAPES.values(), ids=ESCAPES.keys())
def test_no_escape_succeeds(program: str) -> None:
    run = sandbox.run_tests(program, ["assert True"])
    assert not run.passed
    assert run.reason in {"raised", "test_failed"}


@needs_sandbox
def test_the_word_is_not_there_before_the_tests_are_through() -> None:
    """It is not kept beside what is to be run, nor does the pipe hold it."""
    assert not sandbox.run_tests(ESCAPES["read the word"], ["assert False"]).passed
    waits = ESCAPES["read the word"].replace("False)", "True)")
    assert sandbox.run_tests(waits, ["assert False"], wall_s=1.0).reason == "time_limit"


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("program", ESCAPES.values(), ids=ESCAPES.keys())
def test_no_escape_succeeds_where_programs_read_and_write(program: str) -> None:
    (result,) = sandbox.run_cases(f"{program}\nprint('out')", [{"input": ""}])
    assert result.ended in {"raised", "ended_early"}


@needs_sandbox
@pytest.mark.everyday(2)
@pytest.mark.parametrize("program", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_program_that_does_not_end_is_ended(program: str) -> None:
    assert not sandbox.run_tests(program, ["assert True"], wall_s=1.0).passed
    assert sandbox.run_tests("", ["assert True"]).passed


@pytest.mark.usefixtures("no_sandbox")
def test_nothing_is_run_without_a_sandbox(caplog: pytest.LogCaptureFixture) -> None:
    said._SAID.clear()
    graded = [
        decide("code", None, "```python\nopen('/tmp/bare', 'w')\n```", tests=["assert True"])
        for _ in range(2)
    ]
    with pytest.raises(RuntimeError, match="no sandbox"):
        sandbox.run_tests("", [])
    assert [(g.verdict, g.reason, g.version) for g in graded] == [
        ("unverifiable", "no_sandbox", 0)
    ] * 2
    assert len(caplog.records) == 1
    assert "apt install bubblewrap" in caplog.text


def test_code_without_tests_is_not_decided() -> None:
    assert code.check([], "x = 1") == ("unverifiable", "no_tests")


@needs_sandbox
def test_a_process_that_has_many_files_open_can_run_code() -> None:
    """A trainer has; `select` refuses what is numbered above 1,024."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as files:
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2_000, before[1]), before[1]))
        for _ in range(1_100):
            files.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        assert code.check(DOUBLE, "def double(x): return 2 * x") == ("correct", "passed")
