"""The package: imports go one way, names clash with nothing, the wheel carries the SQL."""

import ast
import importlib
import re
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("cli", "flows", "tasks", "expectations")  # each imports only what stands after it


def python_files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported_by(file: Path) -> set[str]:
    """Return the modules a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports break flows loaded by their path"
            names.add(node.module or "")
    return names


def tops(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_by(file)}


@pytest.mark.parametrize("package", LAYERS)
def test_imports_go_one_way(package: str) -> None:
    forbidden = set(LAYERS[: LAYERS.index(package)])
    shared = {"tasks.errors", "tasks.threads"}  # What every layer may use; the latter only errors.
    assert imported_by(ROOT / "tasks" / "threads.py") <= {"os", "re", "tasks.errors"}
    wrong = {
        str(file): {name for name in imported_by(file) - shared if name.split(".")[0] in forbidden}
        for file in python_files(package)
    }
    assert {file: names for file, names in wrong.items() if names} == {}


def test_no_two_packages_of_tasks_import_each_other() -> None:
    """Whoever reads one has not to read the other first; a module beside them is one of its own."""
    behind: dict[str, set[str]] = {}
    for file in python_files("tasks"):
        own = file.relative_to(ROOT / "tasks").with_suffix("").parts[0]
        names = {tuple(name.split(".")) for name in imported_by(file)}
        others = {name[1] for name in names if name[0] == "tasks" and len(name) > 1}
        behind.setdefault(own, set()).update(others - {own})
    while bottom := {name for name, needs in behind.items() if not needs & behind.keys()}:
        behind = {name: needs for name, needs in behind.items() if name not in bottom}
    assert behind == {}


def test_only_expectations_imports_great_expectations() -> None:
    files = [file for package in ("cli", "flows", "tasks") for file in python_files(package)]
    assert [str(file) for file in files if "great_expectations" in tops(file)] == []


def test_flows_are_not_named_like_a_module_that_is_imported() -> None:
    taken = set(sys.stdlib_module_names) | set(packages_distributions()) | {"tasks", "cli", "sql"}
    taken -= {"flows"}
    names = {file.stem for file in python_files("flows")} - {"__init__"}
    assert names & taken == set()


def test_console_starts_without_the_heavy_modules() -> None:
    code = (
        "import sys, cli.main; "
        "print(sorted({'prefect', 'polars', 'duckdb', 'pydantic', 'great_expectations'}"
        " & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout == "[]\n"


def test_every_dependency_is_bounded_where_an_open_range_is_known_to_break() -> None:
    declared = {
        re.split(r"[\[<>=! ;]", line)[0]: line
        for line in requires("teachset") or []
        if ";" not in line
    }
    assert "<0.151" in declared["fastapi"]
    assert "<3.9" in declared["prefect"]


@pytest.mark.slow
def test_prefect_server_can_be_imported() -> None:
    importlib.import_module("prefect.server.api.server")


@pytest.mark.slow
def test_wheel_carries_code_sql_and_seeds(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), "."],
        cwd=ROOT,
        check=True,
        timeout=110,
    )
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    for pattern in ("sql/*/*.sql", "seeds/*.jsonl", "recipes/*.yaml", "cli/*.py", "flows/*.py"):
        wanted = {str(file.relative_to(ROOT)) for file in ROOT.glob(pattern)}
        assert wanted and wanted <= names, sorted(wanted - names)


@pytest.mark.slow
def test_flows_come_without_great_expectations_until_there_is_something_to_judge() -> None:
    code = (
        "import sys, flows.build, expectations.expected; print('great_expectations' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout == "False\n"
