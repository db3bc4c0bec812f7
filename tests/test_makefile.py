"""The Makefile: bootstraps its own virtual environment once, and says what it lacks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ("run", "test", "test-slow", "check", "bench", "serve", "clean")
_VARIABLES = ("BENCH", "RECIPE", "WORKERS")


def make(
    folder: Path, *arguments: str, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    # `make test WORKERS=4` has all below it told so as well.
    inherited = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    environment = {**inherited, "PIP_NO_INDEX": "1", "MAKEFLAGS": ""}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment | ({"PATH": path} if path else {}),
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with our Makefile, an empty lock and no virtual environment."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


@pytest.fixture
def installed(checkout: Path) -> Path:
    """The same, with a stub of a virtual environment that notes its calls in `calls`."""
    binaries = checkout / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("python", "teachset", "ruff", "mypy"):
        stub = binaries / name
        stub.write_text(f'#!/bin/sh\necho {name} "$@" >> "{checkout}/calls"\n')
        stub.chmod(0o755)
    return checkout


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_help_names_every_target(checkout: Path) -> None:
    shown = make(checkout).stdout
    assert [target for target in TARGETS if f"make {target} " not in shown] == []


@pytest.mark.slow
def test_installs_once_and_again_when_the_lock_changes(installed: Path) -> None:
    assert make(installed, "run").returncode == 0
    pip = "python -m pip install -qq --disable-pip-version-check"
    install = [f"{pip} -r requirements.txt", f"{pip} --no-deps --editable ."]
    run = "teachset run recipes/quickstart.yaml"
    assert [call for call in calls(installed) if "--version" not in call] == [*install, run]

    make(installed, "run", "RECIPE=mine.yaml")
    assert calls(installed)[-1] == "teachset run mine.yaml"
    assert sum("install" in call for call in calls(installed)) == 2

    os.utime(installed / "requirements.txt", (2**31, 2**31))
    make(installed, "install")
    assert sum("install" in call for call in calls(installed)) == 4


def test_install_that_fails_is_not_taken_for_done(installed: Path) -> None:
    python = installed / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\ncase "$*" in *install*) exit 1;; esac\n')
    assert make(installed, "run").returncode != 0
    assert not (installed / ".venv" / ".installed").exists()


def test_every_target_calls_what_it_promises(installed: Path) -> None:
    make(installed, "install")
    promised = {
        "test": ["python -m pytest -q -m not slow -n 3 --dist worksteal"],
        "test-slow": ["python -m pytest -q -m slow -n 3 --dist worksteal"],
        "check": ["ruff check .", "ruff format --check .", "mypy", "python -m seeds.check"],
        "bench": ["python -m benchmarks"],
        "serve": ["teachset serve"],
    }  # fmt: skip
    for target, expected in promised.items():
        (installed / "calls").unlink()
        assert make(installed, target).returncode == 0
        assert calls(installed) == expected
    make(installed, "bench", "BENCH=engine")
    assert calls(installed)[-1] == "python -m benchmarks engine"


def test_old_python_is_named_with_what_to_do(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python3").write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n'
    )
    (tools / "python3").chmod(0o755)
    for name in ("make", "sh", "echo", "awk", "rm", "touch"):
        found = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True)
        if found.stdout.startswith("/"):
            (tools / name).symlink_to(found.stdout.strip())
    result = make(checkout, "run", path=str(tools))
    assert result.returncode != 0
    assert "teachset needs Python 3.11 or newer; found: Python 3.9.2." in result.stderr
    assert "make run PYTHON=/path/to/python3.11" in result.stderr


def test_missing_venv_module_is_named(checkout: Path) -> None:
    fake = checkout / "python-without-venv"
    fake.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\nexit 1\n')
    fake.chmod(0o755)
    result = make(checkout, "run", f"PYTHON={fake}")
    assert result.returncode != 0
    assert "sudo apt-get install python3-venv" in result.stderr
    assert not (checkout / ".venv").exists()


def test_clean_keeps_the_projects(installed: Path) -> None:
    (installed / "projects" / "mine").mkdir(parents=True)
    (installed / "build").mkdir()
    assert make(installed, "clean").returncode == 0
    assert not (installed / ".venv").exists() and not (installed / "build").exists()
    assert (installed / "projects" / "mine").is_dir()


@pytest.mark.slow
def test_real_virtual_environment_is_made(checkout: Path) -> None:
    (checkout / "Makefile").write_text(
        (checkout / "Makefile").read_text().replace("--no-deps --editable .", "--no-deps")
    )
    make(checkout, "install", f"PYTHON={sys.executable}")
    assert (checkout / ".venv" / "bin" / "python").exists()
