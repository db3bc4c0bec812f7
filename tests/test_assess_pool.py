"""Checkers: the limit is about the question, not about warming up; what is no answer ends one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.assess import pool
from tasks.assess.pool import CheckerPool, Worker

TRIPLE = (
    r"(\frac{\sqrt{2}v^2_0}{g}-\frac{v^2_0}{5\pi g},\frac{\sqrt{2}v^2_0}{g}+\frac{v^2_0}{4g},"
    r"-\frac{v^2_0}{4g})"
)
REORDERED = (
    r"(\frac{v^2_0(5\sqrt{2}\pi-1)}{5\pi g},\frac{v^2_0(4\sqrt{2}+1)}{4g},-\frac{v^2_0}{4g})"
)


@pytest.mark.slow
def test_a_fresh_checker_decides_sums_of_fractions_in_time() -> None:
    worker = Worker()
    try:
        assert worker.wait_ready()
        assert worker.ask({"key": TRIPLE, "answer": REORDERED}, 10) == {"equal": True}
    finally:
        worker.kill()


NOISY = """
import sys
print('{"ready": true}', flush=True)
for line in sys.stdin:
    print('{"equal": true}' if "good" in line else line.partition("say ")[2][:-3], flush=True)
"""


@pytest.mark.parametrize("said", ["a warning", "3", "[" * 100_000])
def test_a_checker_that_says_no_answer_is_replaced(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    monkeypatch.setattr(pool, "_CHECKER", tmp_path / "noisy.py")
    checkers = CheckerPool(1)
    try:
        assert checkers.ask({"key": f"say {said}"}, 30) == {"failed": "checker_died"}
        assert checkers.ask({"key": "good"}, 30) == {"equal": True}
        with pytest.raises(TypeError):
            checkers.ask({"key": object()}, 30)
        assert checkers.ask({"key": "good"}, 30) == {"equal": True}
        assert len(checkers._all) == len(checkers._free) == 1
    finally:
        checkers.close()


def ask_beside(library: str, folder: Path, *requests: str) -> "subprocess.CompletedProcess[str]":
    """Run the real checker beside a math-verify of a few lines."""
    (folder / "math_verify.py").write_text(library)
    checker = Path(pool.__file__).with_name("checker.py")
    call = f"import runpy, sys; sys.path.insert(0, {str(folder)!r}); "
    return subprocess.run(
        [sys.executable, "-c", f"{call}runpy.run_path({str(checker)!r}, run_name='__main__')"],
        input="".join(f"{request}\n" for request in requests),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_what_a_library_prints_is_no_answer(tmp_path: Path) -> None:
    """The real checker, beside a math-verify that prints as it is imported and as it reads."""
    library = (
        "print('imported')\n"
        "LatexExtractionConfig = ExprExtractionConfig = lambda: None\n"
        "def parse(text, *_, **__):\n    print('reads')\n    return [text]\n"
        "def verify(*_, **__):\n    return True\n"
    )
    ran = ask_beside(library, tmp_path, '{"key": "1", "answer": "1"}')
    assert ran.stdout == '{"ready": true}\n{"equal": true}\n'
    assert "imported" in ran.stderr and "reads" in ran.stderr


def test_a_library_that_reads_no_percentage_decides_nothing_about_any(tmp_path: Path) -> None:
    """As math-verify beside ANTLR 4.9: what it does not read it takes for wrong."""
    library = (
        "LatexExtractionConfig = ExprExtractionConfig = lambda: None\n"
        "def parse(text, *_, **__):\n    return [text] if '%' in text else [len(text)]\n"
        "def verify(key, answer, **_):\n    return key == answer\n"
    )
    asked = [("1/8", "12.5%"), ("12.5%", "1/8"), ("1", "2"), ("1", "12")]
    requests = [json.dumps({"key": key, "answer": answer}) for key, answer in asked]
    replies = ask_beside(library, tmp_path, *requests).stdout.splitlines()[1:]
    unread = {"failed": "percent_not_read"}
    assert [json.loads(reply) for reply in replies] == [
        *(unread, unread),
        *({"equal": True}, {"equal": False, "unread": []}),
    ]


ECHO = """
import json, sys
print('{"ready": true}', flush=True)
for line in sys.stdin:
    print(json.dumps({"said": json.loads(line)["key"]}), flush=True)
"""
FORKED = """
import os, sys
from pathlib import Path
from tasks.assess import pool

pool._CHECKER = Path(sys.argv[1])
pool.ask_checker({"key": "before"})
child = os.fork()
own = [f"{child}-{number}" for number in range(200)]
if [pool.ask_checker({"key": key})["said"] for key in own] != own:
    os._exit(1)
if child:
    sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_forked_process_asks_checkers_of_its_own(tmp_path: Path) -> None:
    """Through the parent's pipes each would be told what the other asked."""
    (tmp_path / "echo.py").write_text(ECHO)
    call = [sys.executable, "-c", FORKED, str(tmp_path / "echo.py")]
    assert subprocess.run(call, timeout=60).returncode == 0
