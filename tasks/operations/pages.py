"""Pages: where `teachset serve` shows releases, so that the artifacts of a run can link to them.

    http://127.0.0.1:4201/quickstart-5b1c9a/quickstart-4089c7e7ec74/report.html

A run that publishes puts its folder of releases on a shelf: a symbolic link in PREFECT_HOME, whose
name stands for the folder in addresses. Nothing else is served (cli/pages.py).
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tasks.identity import content_id
from tasks.release.layout import DATA_DOCS, REFUSED, REFUSED_DOCS, REPORT

ADDRESS_VARIABLE = "TEACHSET_PAGES_URL"
PAGES_FOLDER, ADDRESS_FILE = "teachset-pages", "address"
_DIGITS = 6
_TITLES = {"report": "Report", "docs": "Data Docs"}


@dataclass(frozen=True, slots=True)
class Page:
    """Something to read: the key that its artifact has, what it is called, where it is."""

    key: str
    title: str
    address: str


def pages_folder(home: Path) -> Path:
    """Return the folder of a PREFECT_HOME that has the shelves and the address."""
    return home / PAGES_FOLDER


def name_shelf(recipe: str, releases: Path) -> str:
    """Return what a recipe's folder of releases is called in addresses; the same on every run."""
    return f"{recipe}-{content_id(str(releases.resolve()))[:_DIGITS]}"


def link_release(recipe: str, release: Path) -> list[Page]:
    """Return where a release's pages are shown, its folder of releases now being on a shelf.

    There are none if no `teachset serve` shows any.
    """
    return _link(recipe, release, release.parent, {"report": REPORT, "docs": DATA_DOCS})


def link_refusal(recipe: str, releases: Path) -> list[Page]:
    """Return where the pages are shown that a closed gate leaves, as `link_release` does."""
    return _link(recipe, releases, releases, {"report": REFUSED, "docs": REFUSED_DOCS})


def served_at(home: Path) -> str | None:
    """Return the address that pages have: TEACHSET_PAGES_URL, else that of `teachset serve`."""
    with suppress(OSError):
        told = os.environ.get(ADDRESS_VARIABLE)
        written = told or (pages_folder(home) / ADDRESS_FILE).read_text(encoding="utf-8")
        return written.strip().rstrip("/") or None
    return None


def put_on_shelf(home: Path, name: str, releases: Path) -> None:
    """Have a folder of releases served under a name; a folder that has moved is found again."""
    shelves = pages_folder(home)
    shelves.mkdir(parents=True, exist_ok=True)
    shelf, target = shelves / name, releases.resolve()
    if not (shelf.is_symlink() and os.readlink(shelf) == str(target)):
        next_one = shelves / f".{name}-{os.getpid()}"
        next_one.symlink_to(target, target_is_directory=True)
        next_one.replace(shelf)


def _link(recipe: str, folder: Path, releases: Path, pages: Mapping[str, str]) -> list[Page]:
    from prefect.settings import get_current_settings

    home = get_current_settings().home
    address = served_at(home)
    there = {key: folder / name for key, name in pages.items() if (folder / name).is_file()}
    if address is None or not there:
        return []
    shelf = name_shelf(recipe, releases)
    with suppress(OSError):  # No run fails because nobody can be shown what it made.
        put_on_shelf(home, shelf, releases)
        return [
            Page(key, _TITLES[key], f"{address}/{shelf}/{quote(str(file.relative_to(releases)))}")
            for key, file in there.items()
        ]
    return []
