"""Every command of the README works, in the order in which it is read."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
# What would run these very tests again is only looked at; what never ends is ended.
LOOKED_AT = {"make test": "make --dry-run test"}
ENDLESS = "teachset serve"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files with this environment as its `.venv`."""
    folder = tmp_path_factory.mktemp("clone")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, tracked.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (folder / ".venv" / ".installed").touch()
    return folder


def _environment(clone: Path) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "TEACHSET"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    return own | {"PATH": path, "PREFECT_HOME": str(clone / "prefect"), "PYTHONPATH": str(clone)}


def test_the_readme_has_the_commands_that_a_newcomer_needs() -> None:
    assert COMMANDS[:2] == ["make run", "make test"]
    assert ENDLESS in COMMANDS
    assert all(command.split()[0] in ("make", "teachset") for command in COMMANDS)


def test_what_the_readme_points_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_works(clone: Path) -> None:
    for command in COMMANDS:
        if command == ENDLESS:
            _serve_for_a_moment(clone)
            continue
        done = subprocess.run(
            ["bash", "-c", LOOKED_AT.get(command, command)],
            cwd=clone,
            env=_environment(clone),
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr


def _serve_for_a_moment(clone: Path) -> None:
    """Start the server and the schedules, see the UI answer, end it as Ctrl-C does."""
    serving = subprocess.Popen(
        ["bash", "-c", f"exec {ENDLESS}"],
        cwd=clone,
        env=_environment(clone),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not _answers("http://127.0.0.1:4200/api/health"):
            assert serving.poll() is None, serving.communicate()[0]
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.5)
        time.sleep(5)
    finally:
        serving.send_signal(signal.SIGINT)
        out, _ = serving.communicate(timeout=60)
    assert "Traceback" not in out


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
