"""`teachset explain` and `teachset snapshot`: one released pair, traced back to its seed."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from cli.explaining import draw, explain
from cli.main import app
from cli.reading import open_reader
from cli.summary import count_outcomes, describe_outcome
from cli.tables import make_console
from tasks.errors import InputError
from tasks.ingest.load import ingest_benchmarks, ingest_seeds
from tasks.recipe import StoreSettings, load_recipe
from tasks.select.contamination import find_contamination
from tasks.store import Store, close_stores, open_store

RECIPE = """
name: test
store: {catalog: store/catalog.sqlite}
seeds: [{path: seeds.jsonl}]
models: {student: {model: sim-student}}
release: {folder: releases}
"""
SEED, REWRITE = "aaaaaa11", "aaaaaa22"
ROWS: dict[str, list[dict[str, Any]]] = {
    "prompts": [
        {"prompt_id": SEED, "kind": "seed", "domain": "math", "text": "What is 2 + 2?",
         "answer": "4", "answer_source": "gold"},
        {"prompt_id": REWRITE, "kind": "rewrite", "domain": "math", "text": "What is 3 + 5?",
         "parent_id": SEED, "root_id": SEED, "answer": "8", "answer_source": "execution"},
    ],
    "prompt_sources": [
        {"prompt_id": SEED, "source": "primer", "licence": "MIT", "uri": "seeds.jsonl",
         "row_number": 7},
    ],
    "responses": [
        {"response_id": "bbbbbb11", "prompt_id": SEED, "role": "rewriter", "model": "w",
         "server": "simulator", "cost_usd": 0.5},
        {"response_id": "bbbbbb22", "prompt_id": REWRITE, "role": "student", "model": "s",
         "server": "simulator", "sample_index": 0, "cost_usd": 0.25},
        {"response_id": "bbbbbb33", "prompt_id": REWRITE, "role": "teacher", "model": "t",
         "server": "simulator", "sample_index": 0, "content": "3 + 5 = 8", "cost_usd": 1.0},
    ],
    "rewrites": [
        {"response_id": "bbbbbb11", "parent_id": SEED, "root_id": SEED, "prompt_id": REWRITE,
         "strategy": "new_numbers", "template": "new_numbers@1", "accepted": True,
         "reason": "accepted", "acceptance": 2},
    ],
    "keys": [
        {"key_id": "k1", "prompt_id": REWRITE, "answer": "8", "answer_type": "number",
         "source": "execution", "trusted": True},
    ],
    "grades": [
        {"response_id": "bbbbbb22", "key_id": "k1", "verifier": "number", "version": 1,
         "verdict": "wrong", "extracted": "9"},
        {"response_id": "bbbbbb33", "key_id": "k1", "verifier": "number", "version": 1,
         "verdict": "correct", "extracted": "8"},
    ],
    "difficulty": [
        {"prompt_id": REWRITE, "student": "s", "key_id": "k1", "correct": 1, "wrong": 3,
         "truncated": 0, "unverifiable": 0, "pass_rate": 0.25, "low": 0.05, "high": 0.65},
    ],
    "decisions": [
        {"policy": "p@1", "prompt_id": SEED, "kept": False, "stage": "select",
         "reason": "too_easy"},
        {"policy": "p@1", "prompt_id": REWRITE, "kept": True, "stage": "select", "reason": "kept"},
    ],
    "releases": [
        {"release_id": "r1", "version": 1, "recipe": "test", "policy": "p@1", "folder": "x",
         "pairs": 1, "validation_pairs": 0, "simulated": True, "run_id": "run"},
    ],
    "release_pairs": [
        {"release_id": "r1", "pair_id": "cccccc11", "prompt_id": REWRITE,
         "response_id": "bbbbbb33", "split": "train"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The folder of a store with one story in it, from seed to released pair."""
    folder = tmp_path_factory.mktemp("story") / "store"
    shutil.copytree(empty_store, folder)
    store = open_store(StoreSettings(catalog=str(folder / "catalog.sqlite")))
    for table, rows in ROWS.items():
        store.append(table, pl.DataFrame(rows))
    close_stores()
    return folder


@pytest.fixture
def project(tmp_path: Path, story: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe and a copy of the store that it names."""
    shutil.copytree(story, tmp_path / "store")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TEACHSET_RECIPE", raising=False)
    return tmp_path


@pytest.fixture
def store(project: Path) -> Iterator[Store]:
    """The project's store, for those who add to the story."""
    yield open_store(load_recipe("recipe.yaml").store)
    close_stores()


def ask(identifier: str) -> dict[str, Any]:
    with open_reader(load_recipe("recipe.yaml").store) as connection:
        return explain(connection, identifier)


def test_pair_leads_to_its_seed_key_grades_decision_and_cost(project: Path) -> None:
    story = ask("cccccc11")
    assert [prompt["prompt_id"] for prompt in story["prompts"]] == [REWRITE, SEED]
    assert story["prompts"][1]["sources"][0]["uri"] == "seeds.jsonl"
    assert story["prompts"][0]["making"][0]["model"] == "w"
    verdicts = [(sample["role"], sample["verdict"]) for sample in story["samples"]]
    assert verdicts == [("student", "wrong"), ("teacher", "correct")]
    assert [key["source"] for key in story["keys"]] == ["execution"]
    assert [(d["policy"], d["kept"]) for d in story["decisions"]] == [("p@1", True)]
    assert story["releases"][0]["pair_id"] == "cccccc11"
    assert story["cost_usd"] == 0.25 + 1.0 + 0.5  # both samples and the rewriter's call
    spent = {row["role"]: row["cost_usd"] for row in story["spend"]}
    assert spent == {"student": 0.25, "teacher": 1.0, "rewriter": 0.5}


def test_a_seed_does_not_bear_the_cost_of_what_was_made_of_it(project: Path) -> None:
    assert ask(SEED)["cost_usd"] == 0


def test_a_row_that_no_file_has_any_more_is_told_as_such(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.append("seed_files", pl.DataFrame([{"uri": "seeds.jsonl", "state": "gone"}]))
    make_console().print(draw(ask(SEED)), soft_wrap=True)
    row = "from primer (MIT): seeds.jsonl, row 7 (not there any more)"
    assert row in capsys.readouterr().out


def test_tree_reads_from_the_pair_to_the_source(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_console().print(draw(ask("cccccc11")), soft_wrap=True)
    shown = capsys.readouterr().out
    assert shown.startswith("pair cccccc11\n")
    for line in (
        f"rewrite {REWRITE} (math)",
        "made by w with new_numbers@1: accepted",
        f"seed {SEED} (math)",
        "from primer (MIT): seeds.jsonl, row 7",
        "key 8 (execution)",
        "pass rate of s: 0.250 [0.05, 0.65] = 1 correct, 3 wrong, 0 truncated, 0 unverifiable",
        "bbbbbb33 correct 8 ◀ this one",
        "kept by p@1 (kept)",
        "in test version 1, train, as cccccc11",
        "cost $1.75",
        "rewriter: 1 calls, $0.50",
    ):
        assert line in shown


@pytest.mark.parametrize("identifier", ["cccccc", "CCCCCC11", "bbbbbb33", REWRITE])
def test_pair_response_and_prompt_tell_the_same_story(project: Path, identifier: str) -> None:
    assert ask(identifier)["prompt_id"] == REWRITE


def test_prefix_must_be_long_enough_known_and_unique(project: Path) -> None:
    with pytest.raises(InputError, match="give at least the first 6 characters"):
        ask("cccc")
    with pytest.raises(InputError, match="no pair, prompt or response in this store begins so"):
        ask("dddddd")
    with pytest.raises(InputError, match=f"several begin so.*\n  prompt   {SEED}\n"):
        ask("aaaaaa")


def test_unknown_price_makes_the_cost_unknown(project: Path, store: Store) -> None:
    store.append(
        "responses",
        pl.DataFrame(
            {
                "response_id": ["bbbbbb44"],
                "prompt_id": [REWRITE],
                "server": ["x"],
                "role": ["student"],
            }
        ),
    )
    assert ask("cccccc11")["cost_usd"] is None


def test_json_is_the_whole_story(project: Path) -> None:
    result = CliRunner().invoke(app, ["explain", "cccccc11", "--json"])
    assert json.loads(result.stdout)["prompts"][1]["text"] == "What is 2 + 2?"


def test_twin_and_test_item_are_shown_with_their_evidence(project: Path, store: Store) -> None:
    store.append(
        "duplicates",
        pl.DataFrame({"prompt_id": [SEED], "representative_id": [REWRITE], "method": ["exact"]}),
    )
    store.append(
        "contamination",
        pl.DataFrame({"prompt_id": [SEED], "item_id": ["i1"], "benchmark": ["b"],
                      "method": ["13-gram"], "score": [2.0], "span": ["what is two"]}),
    )  # fmt: skip
    story = ask(SEED)
    assert story["duplicates"][0]["twin"] == "What is 3 + 5?"
    assert story["contamination"][0]["span"] == "what is two"


@pytest.mark.slow
def test_the_test_items_in_the_quick_start_are_found_and_shown(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of its three items one stands among the seeds as it is, one reworded and one not at all."""
    quickstart = load_recipe(Path(__file__).resolve().parents[1] / "recipes" / "quickstart.yaml")
    recipe = quickstart.model_copy(update={"store": store.settings})
    ingest_seeds(store, recipe, "r1")
    ingest_benchmarks(store, recipe, "r1")
    find_contamination(store, recipe.select.contamination, ["held-out"], "r1")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TEACHSET_RECIPE", raising=False)

    def explain_seed(words: str) -> list[str]:
        """Return what the command tells of the overlaps of the one seed with these words."""
        found = store.sql(
            "select prompt_id from prompts where contains(text, $words)", {"words": words}
        )
        shown = CliRunner().invoke(app, ["explain", found.item()]).stdout.splitlines()
        return [line.strip("│├└─ ") for line in shown if "overlaps" in line or "the item:" in line]

    quoted = explain_seed("40 litres of wine")
    assert [line.split(": ")[0].split(" (")[-1] for line in quoted] == [
        *("13-gram 27)", "the item"),
        *("7-gram 1)", "the item"),
        *("similar 1.0783)", "the item"),
    ]
    reworded = explain_seed("Tom needs 60 seconds to the top")
    assert "(similar 0.9949): escalator tom 60 seconds top moving 20" in reworded[0]
    assert reworded[1].startswith("the item: Tom stands still on an escalator")
    hit = store.sql("select count(distinct prompt_id) from current_contamination where score > 0")
    assert hit.item() == 2


def test_lineage_is_the_chain_from_the_pair_to_the_row(project: Path) -> None:
    shown = CliRunner().invoke(app, ["lineage", "cccccc11"]).stdout.splitlines()
    assert [line.strip("│├└─ ") for line in shown] == [
        "pair cccccc11 (test version 1, train)",
        "response bbbbbb33 by t as teacher, correct",
        f"rewrite {REWRITE} (math, made by w with new_numbers@1): What is 3 + 5?",
        f"seed {SEED} (math): What is 2 + 2?",
        "seeds.jsonl, row 7 (primer, MIT)",
    ]
    chain = json.loads(CliRunner().invoke(app, ["lineage", "cccccc11", "--json"]).stdout)
    assert [link["link"] for link in chain] == ["pair", "response", "prompt", "prompt", "row"]
    assert chain[2]["made_by"] == {
        "response_id": "bbbbbb11",
        "model": "w",
        "strategy": "new_numbers",
        "template": "new_numbers@1",
    }
    prompt_only = json.loads(CliRunner().invoke(app, ["lineage", SEED, "--json"]).stdout)
    assert [link["link"] for link in prompt_only] == ["prompt", "row"]


def test_snapshot_is_a_plain_duckdb_file_with_tables_and_views(project: Path) -> None:
    result = CliRunner().invoke(app, ["snapshot", "out.duckdb"])
    assert result.exit_code == 0 and result.stdout.startswith("out.duckdb: ")
    with duckdb.connect("out.duckdb", read_only=True) as copy:
        assert copy.execute("select pair_id, prompt from pairs").fetchall() == [
            ("cccccc11", "What is 3 + 5?")
        ]
        assert copy.execute("select sum(prompts) from funnel").fetchall() == [(2,)]
    assert sorted(path.name for path in project.glob("*.duckdb*")) == ["out.duckdb"]
    assert list(project.glob(".*")) == []


def test_snapshot_replaces_a_file_only_when_told_to(project: Path) -> None:
    (project / "out.duckdb").write_text("mine")
    refused = CliRunner().invoke(app, ["snapshot", "out.duckdb"])
    assert refused.exit_code == 3 and "--force replaces it" in refused.stderr
    assert (project / "out.duckdb").read_text() == "mine"
    assert CliRunner().invoke(app, ["snapshot", "out.duckdb", "--force"]).exit_code == 0


def test_outcomes_are_counted_by_domain_and_add_up() -> None:
    funnel = [
        {"domain": "math", "kept": True, "stage": "select", "reason": "kept", "prompts": 3},
        {"domain": "code", "kept": False, "stage": "select", "reason": "too_easy", "prompts": 2},
        {"domain": "math", "kept": False, "stage": "select", "reason": "too_easy", "prompts": 4},
    ]
    assert count_outcomes(funnel) == {
        "kept": {"math": 3},
        "select: too_easy": {"math": 4, "code": 2},
    }


def test_end_of_a_run_names_release_calls_dollars_and_paths(project: Path) -> None:
    recipe = load_recipe("recipe.yaml")
    run = {"run_id": "run", "calls": 1200, "failed_calls": 3, "cost_usd": 0.5, "unpriced": 0}
    release = {**ROWS["releases"][0], "folder": str(project / "releases" / "v1")}
    assert describe_outcome(recipe, run, release, 61.2) == [
        "release 1 (new, simulated): 1 pairs, 0 of them for validation",
        "  releases/v1",
        "1,200 model calls, 3 of them failed, $0.50, in 1 min 1 s",
        "store: store/catalog.sqlite",
    ]


def test_end_of_a_run_tells_where_the_release_of_a_moved_project_lies_now(project: Path) -> None:
    recipe = load_recipe("recipe.yaml")
    recorded = {**ROWS["releases"][0], "folder": "/before/it/was/moved/releases/v1"}
    assert describe_outcome(recipe, None, recorded, 1.0)[1] == "  /before/it/was/moved/releases/v1"
    Path(recipe.release.folder, "v1").mkdir(parents=True)
    assert describe_outcome(recipe, None, recorded, 1.0)[1] == "  releases/v1"
