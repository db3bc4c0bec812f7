"""What every test may ask for: a store of its own, a small recipe, the optional real data."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import pytest
from hypothesis import settings

from tasks.assess.sandbox import sandbox_works
from tasks.recipe import Recipe, StoreSettings, resolve_paths
from tasks.store import Store, close_stores, open_store

pytest.register_assert_rewrite("tests.published")  # It is a plugin and imported by name, too.

settings.register_profile("busy", deadline=None)  # How long one takes is the machine's affair.
settings.load_profile("busy")

SEEDS: tuple[dict[str, Any], ...] = (
    {"prompt": "What is 2 + 2?", "answer": "4", "domain": "math", "level": 1},
    {"prompt": "What is 7 * 6?", "answer": "42", "domain": "math", "level": 2},
    {
        "prompt": "Which gas do plants take in?",
        "choices": ["oxygen", "carbon dioxide", "helium"],
        "answer": "B",
        "domain": "science",
        "level": 1,
    },
)


class MakeRecipe(Protocol):
    """Makes a recipe; `rows` replace the inline seeds, keywords are merged into its sections."""

    def __call__(self, rows: Sequence[Mapping[str, Any]] = SEEDS, **overrides: Any) -> Recipe: ...


def about(value: float) -> float:
    """Return `pytest.approx` of a number as what it stands for, to be a field among others."""
    return cast(float, pytest.approx(value))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all but the first so many cases of an `everyday` test to the slow suite.

    Begin with the tests that may take longest, so that no worker waits for one at the end.
    """
    seen: Counter[str] = Counter()
    for item in items:
        if (marker := item.get_closest_marker("everyday")) is not None:
            name = item.nodeid.partition("[")[0]
            seen[name] += 1
            if seen[name] > marker.args[0]:
                item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty, migrated store to make copies of: migrating takes seconds."""
    folder = tmp_path_factory.mktemp("empty") / "store"
    open_store(StoreSettings(catalog=str(folder / "catalog.sqlite"))).close()
    close_stores()
    return folder


@pytest.fixture
def store_folder(tmp_path: Path, empty_store: Path) -> Path:
    """The folder of an empty, migrated store that nobody has open: its catalog.sqlite is there."""
    return Path(shutil.copytree(empty_store, tmp_path / "store"))


@pytest.fixture
def store(store_folder: Path) -> Iterator[Store]:
    """The store that a recipe of `make_recipe` names, empty and migrated."""
    yield open_store(StoreSettings(catalog=str(store_folder / "catalog.sqlite")))
    close_stores()


@pytest.fixture
def no_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without bubblewrap: no program is found by its name."""
    monkeypatch.setenv("PATH", str(tmp_path))
    sandbox_works.cache_clear()
    yield
    sandbox_works.cache_clear()


@pytest.fixture
def shared_data() -> Path:
    """The optional folder of real files; without it the test is skipped."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TEACHSET_SHARED_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set TEACHSET_SHARED_DATA")
    return folder


@pytest.fixture
def make_recipe(tmp_path: Path) -> MakeRecipe:
    """A factory of minimal valid recipes in `tmp_path`, with `tmp_path/seeds.jsonl` as the seeds.

    Sections given as mappings are merged into the minimal recipe, anything else replaces it:
    `make_recipe(sample={"student": 4}, seeds=[{"path": "other.csv"}])`.
    """

    def make(rows: Sequence[Mapping[str, Any]] = SEEDS, **overrides: Any) -> Recipe:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (tmp_path / "seeds.jsonl").write_text("".join(lines), encoding="utf-8")
        declared: dict[str, Any] = {
            "name": "test",
            "store": {"catalog": "store/catalog.sqlite"},
            "seeds": [{"path": "seeds.jsonl"}],
            "models": {"student": {"model": "sim-student"}},
            "sample": {"student": 8},
            "release": {"folder": "releases"},
        }
        return resolve_paths(Recipe.model_validate(_merge(declared, overrides)), tmp_path)

    return make


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        old = merged.get(name)
        nested = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = _merge(old, value) if nested and old is not None else value
    return merged
