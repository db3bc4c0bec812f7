"""A file that was read to its end is not parsed again, whatever that may save; else it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest import IngestCounts, import_responses, ingest_seeds, load, reading
from tasks.ingest.read import read_fetched
from tasks.recipe import Recipe
from tasks.store import Store
from tests.conftest import MakeRecipe

ROWS: list[dict[str, Any]] = [{"prompt": f"What is {n} + 1?", "answer": n + 1} for n in range(1, 4)]
BAD = {"answer": "no prompt"}


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
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


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


def test_other_bytes_other_settings_or_another_reader_are_parsed(
    store: Store, make_recipe: MakeRecipe, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ingest(rows: list[dict[str, Any]], **source: Any) -> IngestCounts:
        return ingest_seeds(
            store, make_recipe(rows, seeds=[{"path": "seeds.jsonl", **source}]), "r"
        )

    assert ingest(ROWS) == IngestCounts(3, 3, 0, 0)
    assert ingest([*ROWS, {"prompt": "new", "answer": "1"}]) == IngestCounts(4, 1, 3, 0)
    assert ingest(ROWS, constants={"domain": "math"}) == IngestCounts(3, 3, 0, 0)
    assert len(parsed) == 3
    assert ingest(ROWS) == IngestCounts(3, 0, 3, 0)  # As at first.
    assert len(parsed) == 3
    monkeypatch.setattr(reading, "_digest_readers", lambda: "a later version")
    assert ingest(ROWS) == IngestCounts(3, 0, 3, 0)
    assert len(parsed) == 4


def test_a_load_that_was_cut_short_is_begun_again(
    store: Store, make_recipe: MakeRecipe, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(ROWS)
    monkeypatch.setattr(load, "CHUNK_ROWS", 2)
    counts = load._load_seeds(store, recipe, "r1")
    assert next(counts) == IngestCounts(2, 2, 0, 0)
    counts.close()  # type: ignore[attr-defined]
    assert ingest_seeds(store, recipe, "r2") == IngestCounts(3, 1, 2, 0)
    assert parsed == ["seeds.jsonl"] * 2


def test_a_file_that_changes_while_it_is_read_is_read_again(
    store: Store, make_recipe: MakeRecipe, parsed: list[str], tmp_path: Path
) -> None:
    recipe = make_recipe(ROWS)
    counts = load._load_seeds(store, recipe, "r1")
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
    counts = load._load_responses(store, recipe, "r1")
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
