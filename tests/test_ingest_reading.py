"""A file that was read to its end is not parsed again, whatever that may save; else it is."""

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks import ingest
from tasks.ingest import IngestCounts, import_responses, ingest_seeds, load
from tasks.ingest.files import find_files
from tasks.ingest.read import read_fetched
from tasks.ingest.reading import digest_readers, find_readers, find_reading, identify_reading
from tasks.recipe import Recipe
from tasks.store import Store
from tests.conftest import MakeRecipe

ROWS: list[dict[str, Any]] = [{"prompt": f"What is {n} + 1?", "answer": n + 1} for n in range(1, 4)]
BAD = {"answer": "no prompt"}
# Where rows are kept, how far a run is, and what the recipe says of anything but a file: that is
# in a reading as its settings.
DECIDE_NO_ROW = {
    *("lake/conflicts.py", "lake/migrations.py", "lake/place.py"),
    *("lake/tallies.py", "lake/without_pandas.py", "store.py", "threads.py", "errors.py"),
    *("metrics.py", "progress.py", "figures.py"),
    *("recipe/__init__.py", "recipe/domains.py", "recipe/loading.py", "recipe/models.py"),
    *("recipe/overlap.py", "recipe/packs.py", "recipe/policies.py", "recipe/recipe.py"),
    *("recipe/select.py", "recipe/stages.py", "recipe/targets.py", "recipe/text.py"),
}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were parsed, in order."""
    names: list[str] = []

    def read(path: Path, file: Any, source: Any) -> Any:
        names.append(file.uri)
        return read_fetched(path, file, source)

    monkeypatch.setattr(load, "read_fetched", read)
    return names


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_the_same_bytes_are_parsed_once_and_counted_every_night(
    store: Store, make_recipe: MakeRecipe, parsed: list[str], tmp_path: Path
) -> None:
    recipe = make_recipe([*ROWS, BAD])
    assert ingest_seeds(store, recipe, "r1") == IngestCounts(4, 3, 0, 1)
    write(tmp_path / "seeds.jsonl", [*ROWS, BAD])  # A new file with the same bytes.
    assert ingest_seeds(store, recipe, "r2") == IngestCounts(4, 0, 3, 1)
    assert parsed == ["seeds.jsonl"]
    loads = store.sql(
        "select run_id, rows_read, rows_new, rows_merged, rows_quarantined from loads"
    )
    assert sorted(loads.rows()) == [("r1", 4, 3, 0, 1), ("r2", 4, 0, 3, 1)]


def test_other_bytes_or_other_settings_are_parsed(
    store: Store, make_recipe: MakeRecipe, parsed: list[str]
) -> None:
    def ingest(rows: list[dict[str, Any]], **source: Any) -> IngestCounts:
        return ingest_seeds(
            store, make_recipe(rows, seeds=[{"path": "seeds.jsonl", **source}]), "r"
        )

    assert ingest(ROWS) == IngestCounts(3, 3, 0, 0)
    assert ingest([*ROWS, {"prompt": "new", "answer": "1"}]) == IngestCounts(4, 1, 3, 0)
    assert ingest(ROWS, constants={"domain": "math"}) == IngestCounts(3, 3, 0, 0)
    assert len(parsed) == 3
    # As at first, but not as at last.
    assert [ingest(ROWS) for _ in range(2)] == [IngestCounts(3, 0, 3, 0)] * 2
    assert len(parsed) == 4


def test_what_other_code_has_read_is_not_known(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(ROWS)
    ingest_seeds(store, recipe, "r")
    source = recipe.seeds[0]
    file = find_files(source)[0]
    read = identify_reading(Path(file.path), file, source, "seed")
    assert find_reading(store, read) == IngestCounts(3, 0, 3, 0)
    assert find_reading(store, replace(read, readers="a later version")) is None


@pytest.mark.parametrize("name", ["ingest/seeds.py", "boxes.py", "llm/reasoning.py"])
def test_code_that_decides_rows_is_other_code_with_any_change_in_it(
    tmp_path: Path, name: str
) -> None:
    for folder, text in (("one", "a"), ("same", "a"), ("other", "b")):
        file = tmp_path / folder / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    one, same, other = (digest_readers(tmp_path / folder) for folder in ("one", "same", "other"))
    assert (one == same, one == other) == (True, False)


def test_all_that_reading_imports_decides_rows_or_is_known_not_to() -> None:
    tasks = Path(ingest.__file__).parents[1]
    readers = {file.relative_to(tasks).as_posix() for file in find_readers()}
    imported = find_imported(tasks, "ingest")
    # The simulator is there because a recipe has settings of it.
    beside = {name for name in imported - readers if not name.startswith("simulator/")}
    assert beside == DECIDE_NO_ROW
    assert {file for file in readers if not file.startswith("ingest/")} <= imported


def find_imported(tasks: Path, package: str) -> set[str]:
    """The files below `tasks` that a package's modules import, and what those import, and so on."""
    found: set[str] = set()
    files = [*(tasks / package).rglob("*.py")]
    while files:
        file = files.pop()
        if (name := file.relative_to(tasks).as_posix()) in found:
            continue
        found.add(name)
        for module in modules_in(file):
            place = tasks.joinpath(*module.split(".")[1:])
            beside = (place.with_suffix(".py"), place / "__init__.py")
            files += [each for each in beside if module.startswith("tasks.") and each.exists()]
    return found


def modules_in(file: Path) -> Iterator[str]:
    """The names of what may be the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_a_load_that_was_cut_short_is_begun_again(
    store: Store, make_recipe: MakeRecipe, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(ROWS)
    monkeypatch.setattr(load, "CHUNK_ROWS", 2)
    counts = load.load_seeds(store, recipe, "r1")
    assert next(counts) == IngestCounts(2, 2, 0, 0)
    counts.close()  # type: ignore[attr-defined]
    assert ingest_seeds(store, recipe, "r2") == IngestCounts(3, 1, 2, 0)
    assert parsed == ["seeds.jsonl"] * 2


def test_a_file_that_changes_while_it_is_read_is_read_again(
    store: Store, make_recipe: MakeRecipe, parsed: list[str], tmp_path: Path
) -> None:
    recipe = make_recipe(ROWS)
    counts = load.load_seeds(store, recipe, "r1")
    next(counts)
    write(tmp_path / "seeds.jsonl", [*ROWS, BAD])
    assert list(counts) == []
    write(tmp_path / "seeds.jsonl", ROWS)
    ingest_seeds(store, recipe, "r2")
    assert parsed == ["seeds.jsonl"] * 2


def answers(make_recipe: MakeRecipe, tmp_path: Path, rows: list[dict[str, Any]]) -> Recipe:
    """A recipe with two files of the student's answers to the first prompt, one more to `rows`."""
    answer = {"prompt": ROWS[0]["prompt"], "response": "2", "model": "m"}
    for name in ("a", "b"):
        write(tmp_path / f"{name}.jsonl", [answer])
    write(tmp_path / "b.jsonl", [answer, {**answer, "prompt": "What is 9 + 1?"}])
    return make_recipe(rows, responses=[{"path": "?.jsonl", "role": "student"}])


@pytest.mark.slow
def test_responses_are_parsed_again_when_there_are_new_prompts_to_match(
    store: Store, make_recipe: MakeRecipe, parsed: list[str], tmp_path: Path
) -> None:
    recipe = answers(make_recipe, tmp_path, ROWS)
    ingest_seeds(store, recipe, "r1")
    assert import_responses(store, recipe, "r1") == IngestCounts(3, 2, 0, 1)
    assert import_responses(store, recipe, "r2") == IngestCounts(3, 0, 2, 1)
    assert parsed == ["seeds.jsonl", "a.jsonl", "b.jsonl"]
    recipe = answers(make_recipe, tmp_path, [*ROWS, {"prompt": "What is 9 + 1?", "answer": "10"}])
    ingest_seeds(store, recipe, "r3")
    assert import_responses(store, recipe, "r3") == IngestCounts(3, 1, 2, 0)


def test_responses_that_change_while_they_are_read_are_read_again(
    store: Store, make_recipe: MakeRecipe, parsed: list[str], tmp_path: Path
) -> None:
    recipe = answers(make_recipe, tmp_path, ROWS)
    ingest_seeds(store, recipe, "r1")
    whole = (tmp_path / "b.jsonl").read_text()
    counts = load.load_responses(store, recipe, "r1")
    next(counts)
    (tmp_path / "b.jsonl").write_text(whole.partition("\n")[0])  # It is being written anew.
    list(counts)
    (tmp_path / "b.jsonl").write_text(whole)
    assert import_responses(store, recipe, "r2") == IngestCounts(3, 0, 2, 1)
    assert parsed[1:] == ["a.jsonl", "b.jsonl"] * 2


def test_responses_without_an_index_are_counted_through_all_files(
    store: Store, make_recipe: MakeRecipe, parsed: list[str], tmp_path: Path
) -> None:
    recipe = answers(make_recipe, tmp_path, ROWS)
    ingest_seeds(store, recipe, "r1")
    import_responses(store, recipe, "r1")
    answer = {"prompt": ROWS[0]["prompt"], "response": "3", "model": "m"}
    write(tmp_path / "c.jsonl", [answer])
    assert import_responses(store, recipe, "r2") == IngestCounts(4, 1, 2, 1)
    indices = store.sql("select sample_index, content from responses order by sample_index")
    assert indices.rows() == [(0, "2"), (1, "2"), (2, "3")]
