"""The environment: Python, the versions of what we stand on, the sandbox, room on the disk."""

import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from cli.doctor.finding import Finding
from cli.project import ROOT, project_folder
from tasks.assess.sandbox import sandbox_works
from tasks.lake.place import extensions_of, find_extension
from tasks.recipe import Recipe

AREA = "environment"
LOW, NEARLY_FULL = 5 * 2**30, 2**30
_finding = partial(Finding, AREA)


def check_environment(recipe: Recipe) -> Iterator[Finding]:
    """Yield what is found out about this machine and this installation."""
    yield _finding("python", "ok", f"Python {platform.python_version()}, {sys.executable}")
    yield from check_versions(read_lock(ROOT / "requirements.txt"))
    yield from check_extensions(extensions_of(recipe.store))
    yield check_sandbox()
    yield check_room(project_folder(recipe))


def read_lock(file: Path) -> dict[str, str]:
    """Return the versions locked for this Python; none where there is no lock, as in a wheel."""
    if not file.is_file():
        return {}
    lines = file.read_text(encoding="utf-8").splitlines()
    locked = [Requirement(line) for line in lines if line[:1].isalnum()]
    return {
        each.name: pin.version
        for each in locked
        if each.marker is None or each.marker.evaluate()
        for pin in each.specifier
    }


def check_versions(lock: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is missing that Teachset needs, and what is not as locked."""
    mend = "pip install -r requirements.txt"
    needed = [line for line in requires("teachset") or () if "extra ==" not in line]
    names = [re.split(r"[\[<>=!~ ;]", line)[0] for line in needed]
    if missing := sorted(name for name in names if _installed(name) is None):
        yield _finding("packages", "problem", f"not installed: {', '.join(missing)}", mend)
    other = [
        f"{name} {installed} instead of {locked}"
        for name, locked in sorted(lock.items())
        if (installed := _installed(name)) not in (None, locked)
    ]
    if other:
        shown = ", ".join(other[:8]) + (f" and {len(other) - 8} more" if len(other) > 8 else "")
        yield _finding("versions", "warning", f"not as locked: {shown}", mend)
    elif lock:
        yield _finding("versions", "ok", f"as locked in requirements.txt ({len(lock)} packages)")


def check_extensions(extensions: list[str]) -> Iterator[Finding]:
    """Yield the DuckDB extensions that would have to be downloaded."""
    if absent := [name for name in extensions if find_extension(name) is None]:
        wheels = " ".join(f"duckdb-extension-{name.replace('_', '-')}" for name in absent)
        found = f"DuckDB will download its extensions {', '.join(absent)}"
        yield _finding("extensions", "warning", found, f"pip install {wheels}")
    else:
        yield _finding("extensions", "ok", f"DuckDB's extensions: {', '.join(extensions)}")


def check_sandbox() -> Finding:
    """Say whether the code of models can be run."""
    if sandbox_works():
        return _finding("sandbox", "ok", "bubblewrap runs code without network and files")
    found = "bubblewrap (bwrap) is missing or not allowed: answers of type code stay unverifiable"
    mend = "apt-get install bubblewrap, and allow user namespaces (in a container: --privileged or "
    return _finding("sandbox", "warning", found, mend + "a seccomp profile that allows them)")


def check_room(folder: Path) -> Finding:
    """Say how much room the project's disk has."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / 2**30:,.1f} GiB free for {folder}"
    if free >= LOW:
        return _finding("disk", "ok", found)
    mend = "free some space; `teachset tidy` removes what the store no longer needs"
    return _finding("disk", "problem" if free < NEARLY_FULL else "warning", found, mend)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
