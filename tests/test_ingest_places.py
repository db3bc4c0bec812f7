"""The last reading of the recipe's files counts: what they do not have any more is set aside."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.assess.keys import derive_keys
from tasks.errors import InputError
from tasks.gates import judge_store
from tasks.identity import prompt_id
from tasks.ingest import IngestCounts, ingest_seeds, load
from tasks.plan.plan import make_plan
from tasks.recipe import Recipe, SelectSettings
from tasks.select.decide import decide_prompts, read_evidence
from tasks.select.duplicates import find_duplicates
from tasks.store import Store
from tests.conftest import MakeRecipe

RUN = "run-1"
ONE, TWO, THREE = ("What is 1 + 1?", "What is 2 + 1?", "What is 3 + 1?")


@pytest.fixture
def write(tmp_path: Path, make_recipe: MakeRecipe) -> Any:
    """Writes files of problems and returns the recipe that names them, in their order."""

    def write_files(
        files: Mapping[str, list[str]], settings: Mapping[str, Any] | None = None, **more: Any
    ) -> Recipe:
        for name, texts in files.items():
            rows = [{"prompt": text, "answer": str(1 + int(text[8]))} for text in texts]
            (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        seeds = [{"path": name, **(settings or {})} for name in files]
        return make_recipe(seeds=seeds, **more)

    return write_files


def places(store: Store) -> list[tuple[str, str, int]]:
    """Return the places that count: the problem, the file and the row."""
    return store.sql(
        "select text, uri, row_number from current_sources join prompts using (prompt_id) "
        "order by uri, row_number"
    ).rows()


def removed(store: Store) -> dict[str, str]:
    """Return the problems that no file has any more, and why."""
    return dict(
        store.sql(
            "select text, removed_roots.detail from removed_roots join prompts using (root_id)"
        ).iter_rows()
    )


def asked(store: Store) -> list[str]:
    """Return the problems that money may be spent on."""
    return store.sql("select text from spendable_prompts order by text")["text"].to_list()


def count_words(store: Store) -> list[int]:
    tables = ("prompts", "prompt_sources", "seed_files", "source_words", "removals")
    return [int(store.sql(f"select count(*) from {table}").item()) for table in tables]


def test_what_a_file_had_that_the_recipe_names_no_more_is_set_aside_and_comes_back(
    store: Store, write: Any
) -> None:
    both = {"a.jsonl": [ONE, TWO], "b.jsonl": [TWO, THREE]}
    ingest_seeds(store, write(both), RUN)
    assert places(store) == [
        (ONE, "a.jsonl", 1),
        (TWO, "a.jsonl", 2),
        (TWO, "b.jsonl", 1),
        (THREE, "b.jsonl", 2),
    ]
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO]}), RUN)
    assert places(store) == [(ONE, "a.jsonl", 1), (TWO, "a.jsonl", 2)]
    assert removed(store) == {THREE: "b.jsonl is named by the recipe no more"}
    assert asked(store) == [ONE, TWO]
    # Unchanged, so it is not parsed again: one word on the file brings all of it back.
    assert ingest_seeds(store, write(both), RUN) == IngestCounts(4, 0, 4, 0)
    assert len(places(store)) == 4
    assert removed(store) == {}
    assert asked(store) == [ONE, TWO, THREE]


def test_a_renamed_file_takes_the_place_of_the_one_before(store: Store, write: Any) -> None:
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO]}), RUN)
    ingest_seeds(store, write({"b.jsonl": [ONE, THREE]}), RUN)
    assert places(store) == [(ONE, "b.jsonl", 1), (THREE, "b.jsonl", 2)]
    assert removed(store) == {TWO: "a.jsonl is named by the recipe no more"}


def test_a_row_that_was_taken_out_or_edited_leaves_and_one_that_moved_stays(
    store: Store, write: Any
) -> None:
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO]}), RUN)
    assert ingest_seeds(store, write({"a.jsonl": [TWO, THREE]}), RUN) == IngestCounts(2, 1, 1, 0)
    assert places(store) == [(TWO, "a.jsonl", 1), (THREE, "a.jsonl", 2)]
    assert removed(store) == {ONE: "a.jsonl does not have it in row 1 any more"}
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO]}), RUN)  # As it was, and read before.
    assert places(store) == [(ONE, "a.jsonl", 1), (TWO, "a.jsonl", 2)]
    assert removed(store) == {THREE: "a.jsonl does not have it in row 2 any more"}


def test_the_last_word_on_source_and_licence_counts(store: Store, write: Any) -> None:
    def said(constants: Mapping[str, Any], texts: list[str]) -> list[tuple[Any, ...]]:
        ingest_seeds(store, write({"a.jsonl": texts}, {"constants": constants}), RUN)
        return store.sql(
            "select source, licence, sources, licences from prompt_origins order by all"
        ).rows()

    assert said({}, [ONE, TWO]) == [("a", "", ["a"], ["unknown"])] * 2
    mit = {"licence": "MIT", "source": "sums"}
    assert said(mit, [ONE, TWO]) == [("sums", "MIT", ["sums"], ["MIT"])] * 2
    assert said({}, [ONE, TWO]) == [("a", "", ["a"], ["unknown"])] * 2
    assert store.sql("select count(*) from source_words").item() == 4


def test_nothing_new_adds_no_word(store: Store, write: Any) -> None:
    files = {"a.jsonl": [ONE, TWO], "b.jsonl": [TWO]}
    ingest_seeds(store, write(files), RUN)
    assert count_words(store) == [2, 3, 4, 0, 0]  # Of a file: it is new, it was read.
    ingest_seeds(store, write(files), "run-2")
    assert count_words(store) == [2, 3, 4, 0, 0]
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO]}), "run-3")
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO]}), "run-4")
    assert count_words(store) == [2, 3, 5, 0, 0]


def test_a_reading_that_says_the_same_of_every_row_adds_no_word_on_any(
    store: Store, write: Any
) -> None:
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO]}), RUN)
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO, THREE]}), RUN)
    assert count_words(store) == [3, 3, 4, 0, 0]  # Of the file: new, read, begun, read.


def test_a_file_that_cannot_be_read_stops_before_anything_is_gone(
    store: Store, write: Any, tmp_path: Path
) -> None:
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO], "b.jsonl": [THREE]}), RUN)
    recipe = write({"a.jsonl": [ONE], "c.jsonl": [TWO]})
    (tmp_path / "c.jsonl").write_text("")
    with pytest.raises(InputError, match=r"c\.jsonl: the file is empty"):
        ingest_seeds(store, recipe, RUN)
    assert len(places(store)) == 3
    assert removed(store) == {}


def test_a_load_that_was_cut_short_is_settled_by_the_next_one(
    store: Store, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO], "b.jsonl": [THREE]}), RUN)
    monkeypatch.setattr(load, "CHUNK_ROWS", 1)
    edited = load.load_seeds(store, write({"a.jsonl": [TWO, ONE, THREE]}), RUN)
    assert isinstance(edited, Iterator)
    next(edited)
    edited.close()  # type: ignore[attr-defined]
    assert removed(store) == {}
    # The file is again what was read before the load that was killed.
    ingest_seeds(store, write({"a.jsonl": [ONE, TWO]}), RUN)
    assert places(store) == [(ONE, "a.jsonl", 1), (TWO, "a.jsonl", 2)]
    assert removed(store) == {THREE: "b.jsonl is named by the recipe no more"}


@pytest.mark.slow
def test_a_file_that_two_sources_name_is_one_place_and_the_first_has_the_word(
    store: Store, write: Any, make_recipe: MakeRecipe
) -> None:
    write({"a.jsonl": [ONE, TWO]})
    sources = [{"path": "a.jsonl", "constants": {"licence": name}} for name in ("MIT", "CC0")]
    for counts in (IngestCounts(4, 2, 2, 0), IngestCounts(4, 0, 4, 0)):
        assert ingest_seeds(store, make_recipe(seeds=sources), RUN) == counts
    licences = "select distinct licence from current_sources"
    assert store.sql(licences).rows() == [("MIT",)]
    write({"a.jsonl": [ONE]})
    ingest_seeds(store, make_recipe(seeds=sources), RUN)
    assert places(store) == [(ONE, "a.jsonl", 1)]
    assert store.sql(licences).rows() == [("MIT",)]


def test_a_file_that_is_named_by_more_of_its_path_keeps_its_seeds(
    store: Store, write: Any, tmp_path: Path
) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    ingest_seeds(store, write({"x/a.jsonl": [ONE]}), RUN)
    ingest_seeds(store, write({"x/a.jsonl": [ONE], "y/a.jsonl": [TWO]}), RUN)
    assert places(store) == [(ONE, "x/a.jsonl", 1), (TWO, "y/a.jsonl", 1)]
    assert removed(store) == {}


@pytest.mark.slow
def test_what_was_removed_is_decided_first_and_keeps_no_twin_out(store: Store, write: Any) -> None:
    def decide(recipe: Recipe) -> dict[str, tuple[str, str, str | None]]:
        ingest_seeds(store, recipe, RUN)
        find_duplicates(store, recipe.select.duplicates, RUN)
        decide_prompts(store, recipe, RUN)
        rows = store.sql(
            "select text, stage, reason, current_decisions.detail from current_decisions "
            "join prompts using (prompt_id) where policy = $policy order by text",
            {"policy": recipe.policy_version()},
        )
        return {row[0]: row[1:] for row in rows.iter_rows()}

    twin = "What is 1 + 1"  # Of the two the one with the smaller id stands for both.
    representative, other = sorted((ONE, twin), key=lambda text: prompt_id(text, domain="general"))
    files = {"a.jsonl": [representative], "b.jsonl": [other]}
    before = decide(write(files))
    assert before[other][:2] == ("duplicates", "exact_duplicate")
    after = decide(write({"b.jsonl": [other]}))
    assert after == {
        representative: ("ingest", "source_removed", "a.jsonl is named by the recipe no more"),
        other: ("assess", "needs_review", "no key, and nobody voted for one"),
    }
    assert decide(write(files)) == before


def test_a_rewrite_goes_with_its_root(store: Store, write: Any) -> None:
    ingest_seeds(store, write({"a.jsonl": [ONE], "b.jsonl": [TWO]}), RUN)
    root = prompt_id(TWO, domain="general")
    store.execute(
        "insert into prompts (prompt_id, root_id, parent_id, kind, domain, text, answer, "
        "answer_type) values ('r', $root, $root, 'rewrite', 'general', 'of two', '5', 'number')",
        {"root": root},
    )
    recipe = write({"a.jsonl": [ONE]})
    ingest_seeds(store, recipe, RUN)
    assert asked(store) == [ONE]
    scoped = store.sql(
        "select prompt_id from scoped_prompts('', 'g', [], [], 'g')",
    )["prompt_id"].to_list()
    assert scoped == [prompt_id(ONE, domain="general")]
    evidence = read_evidence(store, recipe).filter(prompt_id="r")
    assert evidence["removed"].to_list() == ["b.jsonl is named by the recipe no more"]


@pytest.mark.slow
def test_a_plan_counts_what_the_recipe_names_now(store: Store, write: Any) -> None:
    ingest_seeds(store, write({"a.jsonl": [ONE], "b.jsonl": [TWO, THREE]}), RUN)
    plan = make_plan(write({"a.jsonl": [ONE]}))
    assert plan.setting.seeds == 1
    assert [stage.prompts.low for stage in plan.stages if stage.role == "student"] == [1]
    assert removed(store) == {}  # A plan changes nothing.


@pytest.mark.slow
def test_the_gate_judges_anew_what_another_reading_changed(store: Store, write: Any) -> None:
    recipe = write({"a.jsonl": [ONE], "b.jsonl": [TWO]}, {"constants": {"licence": "MIT"}})
    ingest_seeds(store, recipe, RUN)
    assert judge_store(store, recipe, RUN, "ingest")["passed"]
    recipe = write({"a.jsonl": [ONE]})
    ingest_seeds(store, recipe, "run-2")
    verdict = judge_store(store, recipe, "run-2", "ingest")
    found = {rule["rule"]: rule["detail"] for rule in verdict["rules"] if rule["found"]}
    assert found == {"unlicensed_seed": "no licence"}


def keys(store: Store) -> dict[str, tuple[str, str]]:
    """Return every problem's answer and its type, by its key."""
    derive_keys(store, SelectSettings(), RUN)
    rows = store.sql(
        "select text, current_keys.answer, current_keys.answer_type "
        "from current_keys join prompts using (prompt_id)"
    )
    return {row[0]: row[1:] for row in rows.iter_rows()}


@pytest.mark.slow
def test_a_mended_mapping_gives_every_seed_another_answer(
    store: Store, make_recipe: MakeRecipe
) -> None:
    rows = [{"prompt": text, "answer": f"so it is #### {n}"} for n, text in ((2, ONE), (3, TWO))]
    wrong, right = {"path": "seeds.jsonl"}, {"path": "seeds.jsonl", "answer_pattern": "hash"}
    ingest_seeds(store, make_recipe(rows, seeds=[wrong]), RUN)
    assert keys(store) == {
        ONE: ("so it is #### 2", "text"),
        TWO: ("so it is #### 3", "text"),
    }
    mended = IngestCounts(2, 0, 2, 0)
    assert ingest_seeds(store, make_recipe(rows, seeds=[right]), RUN) == mended
    assert keys(store) == {ONE: ("2", "number"), TWO: ("3", "number")}
    assert ingest_seeds(store, make_recipe(rows, seeds=[wrong]), RUN) == mended
    assert keys(store)[ONE] == ("so it is #### 2", "text")


@pytest.mark.slow
def test_a_seed_that_models_had_to_vote_on_gets_the_answer_that_its_file_has_since(
    store: Store, make_recipe: MakeRecipe
) -> None:
    typed = {"path": "seeds.jsonl", "constants": {"answer_type": "number"}}
    ingest_seeds(store, make_recipe([{"prompt": ONE}, {"prompt": TWO}], seeds=[typed]), RUN)
    names = {text: prompt_id(text, domain="general") for text in (ONE, TWO)}
    vote = {"voter": "reference", "votes": 3, "runner_up": 0, "samples": 3, "form": None}
    votes = [{"prompt_id": name, "answer": "5", **vote} for name in names.values()]
    store.append("votes", pl.DataFrame(votes, schema_overrides={"form": pl.String}), run_id=RUN)

    def wanted() -> list[str]:
        """Whose answers the reference is still asked for."""
        return store.sql(
            "select text from sampled_prompts where role = 'reference' and not has_answer "
            "order by text"
        )["text"].to_list()

    assert keys(store) == {ONE: ("5", "number"), TWO: ("5", "number")}
    assert wanted() == [ONE, TWO]
    rows = [{"prompt": ONE, "answer": "2"}, {"prompt": TWO}]
    counts = ingest_seeds(store, make_recipe(rows, seeds=[typed]), RUN)
    assert counts == IngestCounts(2, 0, 2, 0)
    assert keys(store) == {ONE: ("2", "number"), TWO: ("5", "number")}
    assert keys(store)[ONE] == ("2", "number")  # And no vote takes it back.
    assert wanted() == [TWO]
    # A row that has lost its answer says nothing against it.
    ingest_seeds(store, make_recipe([{"prompt": ONE}, {"prompt": TWO}], seeds=[typed]), RUN)
    assert keys(store)[ONE] == ("2", "number")


@pytest.mark.slow
def test_two_files_or_rows_that_disagree_stay_in_conflict(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    def ingest(*answers: str) -> tuple[int, str]:
        rows = [{"prompt": ONE, "answer": answer} for answer in answers]
        counts = ingest_seeds(store, make_recipe(rows, seeds=sources), RUN)
        return counts.quarantined, keys(store)[ONE][0]

    (tmp_path / "b.jsonl").write_text(json.dumps({"prompt": ONE, "answer": "9"}))
    sources = [{"path": "seeds.jsonl"}]
    assert ingest("2") == (0, "2")
    assert ingest("2", "8") == (1, "2")
    assert ingest("8", "2") == (1, "8")
    assert ingest("2") == (0, "2")
    sources = [{"path": "seeds.jsonl"}, {"path": "b.jsonl"}]
    assert ingest("2") == (1, "2")
    # The row of the other one counts once the first is gone.
    sources = [{"path": "b.jsonl"}]
    assert ingest("2") == (0, "9")
    assert places(store) == [(ONE, "b.jsonl", 1)]
    assert removed(store) == {}


def test_a_seed_whose_answer_cannot_be_mended_stays_with_the_file_that_has_it(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    (tmp_path / "b.jsonl").write_text(json.dumps({"prompt": ONE, "answer": "2"}))
    ingest_seeds(store, make_recipe([{"prompt": ONE}]), RUN)
    renamed = make_recipe(seeds=[{"path": "b.jsonl"}])
    assert ingest_seeds(store, renamed, RUN) == IngestCounts(1, 0, 0, 1)
    assert store.sql("select reason from quarantine").item() == "conflicting_answer"
    assert places(store) == [(ONE, "b.jsonl", 1)]
    assert removed(store) == {}


def test_what_people_said_goes_before_a_mended_answer(
    store: Store, make_recipe: MakeRecipe
) -> None:
    ingest_seeds(store, make_recipe([{"prompt": ONE, "answer": "5"}]), RUN)
    review = {"prompt_id": prompt_id(ONE, domain="general"), "answer": "2"}
    store.append("reviews", pl.DataFrame([review]), run_id=RUN)
    assert keys(store)[ONE] == ("2", "number")
    ingest_seeds(store, make_recipe([{"prompt": ONE, "answer": "7"}]), RUN)
    assert keys(store)[ONE] == ("2", "number")
