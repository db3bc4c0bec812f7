"""Staging: which response is released, how it reads, and that the bytes are always the same."""

import json
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow.parquet as pq
import pytest

from tasks.identity import content_id, share_bound
from tasks.recipe import Recipe
from tasks.release import formats, shards
from tasks.release.formats import ParquetShards
from tasks.release.shards import to_lines
from tasks.release.stage import Staged, stage_pairs
from tasks.select.decide import decide_after_teach
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import RUN, STUDENT, TEACHER, Taught, fill, identify, response_of, taught

MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}


def stage(
    store: Store, recipe: Recipe, folder: Path, prompts: Sequence[Taught] = ()
) -> tuple[Staged, list[dict[str, Any]]]:
    """Decide, stage into a new folder and return what was staged with the Parquet's rows."""
    fill(store, *prompts)
    decide_after_teach(store, recipe, RUN)
    folder.mkdir()
    staged = stage_pairs(store, recipe, folder, RUN)
    return staged, pl.read_parquet(folder / "data" / "*.parquet").to_dicts()


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_a_pair_as_it_is_released(store: Store, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(models=MODELS, release={"validation_share": 0})
    _, (pair,) = stage(store, recipe, tmp_path / "out", [taught("a")])
    assert pair == {
        "pair_id": content_id(identify("a"), response_of("a")),
        "messages": [
            {"role": "user", "content": "What is two plus two, asked as a?"},
            {"role": "assistant", "content": "<think>\n2 + 2 = 4\n</think>\n\nIt is 4."},
        ],
        "domain": "math",
        "kind": "seed",
        "strategy": None,
        "key": "4",
        "answer_type": "number",
        "key_source": "gold",
        "pass_rate": 0.5,
        "low": 0.1,
        "high": 0.9,
        "teacher": TEACHER,
        "verdict": "correct",
        "source": "test-set",
        "licence": "MIT",
        "prompt_id": identify("a"),
        "root_id": identify("a"),
        "response_id": response_of("a"),
        "simulated": True,
        "split": "train",
    }
    assert read_jsonl(tmp_path / "out" / "jsonl" / "train-00000-of-00001.jsonl") == [pair]


@pytest.mark.slow
def test_the_first_correct_response_is_released(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    responses = (("It is 5.", "wrong"), ("It is 4.", "correct"), ("It is four.", "correct"))
    _, (pair,) = stage(
        store, make_recipe(models=MODELS), tmp_path / "out", [taught("a", teacher=responses)]
    )
    assert pair["response_id"] == response_of("a", 1)


@pytest.mark.slow
def test_where_reasoning_goes(store: Store, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    thoughts = {"thought": "hm ", "blank": " \n", "none": None}
    prompts = [taught(name, reasoning=thought) for name, thought in thoughts.items()]

    def said(place: str) -> dict[str, tuple[str, str | None]]:
        """What the assistant says by the prompt's name, and what is in the field for reasoning."""
        recipe = make_recipe(models=MODELS, release={"reasoning": place})
        _, pairs = stage(store, recipe, tmp_path / place, prompts if place == "think" else ())
        assert all(("reasoning" in pair) == (place == "field") for pair in pairs)
        by_id = {pair["prompt_id"]: pair for pair in pairs}
        return {
            name: (pair["messages"][-1]["content"], pair.get("reasoning"))
            for name in thoughts
            for pair in (by_id[identify(name)],)
        }

    bare = ("It is 4.", None)
    within = ("<think>\nhm\n</think>\n\nIt is 4.", None)
    assert said("think") == {"thought": within, "blank": bare, "none": bare}
    assert said("drop") == {"thought": bare, "blank": bare, "none": bare}
    assert said("field") == {"thought": ("It is 4.", "hm"), "blank": bare, "none": bare}


@pytest.mark.slow
def test_a_line_of_code_keeps_its_indentation(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    body = "    total = sum(items)\n    return total"
    said = {
        "code": f"\n  \n{body}\n\n",
        "space": " It is 4.\n",
        "tab": "\tx = 4",
        "bare": "It is 4.",
    }
    prompts = [
        taught(name, teacher=((text, "correct"),), reasoning=None) for name, text in said.items()
    ]
    _, pairs = stage(store, make_recipe(models=MODELS), tmp_path / "out", prompts)
    answers = {pair["prompt_id"]: pair["messages"][-1]["content"] for pair in pairs}
    assert [answers[identify(name)] for name in said] == [body, "It is 4.", "\tx = 4", "It is 4."]


@pytest.mark.slow
def test_options_and_the_system_prompt_are_part_of_the_messages(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe(models=MODELS, release={"system_prompt": "Be brief."})
    prompt = taught("a", text="Which?", choices=("red", "blue"))
    _, (pair,) = stage(store, recipe, tmp_path / "out", [prompt])
    assert pair["messages"][:2] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Which?\n\nA. red\nB. blue"},
    ]


@pytest.mark.slow
def test_a_rewrite_has_the_licences_of_its_root(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    second = {"prompt_id": identify("seed"), "source": "another", "licence": "Apache-2.0"}
    store.append("prompt_sources", pl.DataFrame([{**second, "uri": "x", "row_number": 1}]))
    prompts = [taught("seed"), taught("rewrite", kind="rewrite", root="seed", text="Other numbers")]
    _, pairs = stage(store, make_recipe(models=MODELS), tmp_path / "out", prompts)
    assert {(pair["licence"], pair["source"]) for pair in pairs} == {
        ("Apache-2.0, MIT", "another, test-set")
    }


def test_a_root_is_in_one_split_and_the_shares_are_kept(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe(models=MODELS, release={"validation_share": 0.25})
    seeds = [taught(f"s{index}") for index in range(200)]
    rewrites = [taught(f"r{index}", kind="rewrite", root=f"s{index}") for index in range(200)]
    staged, pairs = stage(store, recipe, tmp_path / "out", seeds + rewrites)
    splits = pl.DataFrame(pairs, infer_schema_length=None).group_by("root_id").agg("split")
    assert splits["split"].list.n_unique().to_list() == [1] * 200
    assert 70 <= staged.count("validation") <= 130  # 100 expected, three deviations
    assert len(
        read_jsonl(tmp_path / "out" / "jsonl" / "validation-00000-of-00001.jsonl")
    ) == staged.count("validation")


def test_the_bound_of_a_split() -> None:
    bounds = [share_bound(share) for share in (0, 0.5, 1 - 2**-40, 1)]
    assert bounds == ["00000000", "80000000", "ffffffff", "g"]


@pytest.mark.slow
def test_the_same_rows_in_any_order_are_the_same_bytes(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.recipe import StoreSettings
    from tasks.store import close_stores, open_store

    monkeypatch.setattr("tasks.release.stage.PROMPTS_AT_A_TIME", 16)
    monkeypatch.setattr("tasks.release.order.ROWS_AT_A_TIME", 16)
    prompts = [taught(f"p{index}", domain="math" if index % 3 else "code") for index in range(60)]
    contents = []
    for attempt in range(2):
        random.Random(attempt).shuffle(prompts)
        store = open_store(StoreSettings(catalog=str(tmp_path / f"{attempt}" / "c.sqlite")))
        for start in range(0, 60, 20):
            fill(store, *prompts[start : start + 20])
        folder = tmp_path / f"out-{attempt}"
        staged, _ = stage(store, make_recipe(models=MODELS), folder)
        contents.append({file.path: (folder / file.path).read_bytes() for file in staged.files})
        close_stores()
    assert contents[0] == contents[1]
    assert {*contents[0]} == {
        *("data/train-00000-of-00001.parquet", "data/validation-00000-of-00001.parquet"),
        *("jsonl/train-00000-of-00001.jsonl", "jsonl/validation-00000-of-00001.jsonl"),
        "pairs.parquet",
    }


def test_shards_are_cut_at_fixed_places_however_rows_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "ROW_GROUP", 4)
    monkeypatch.setattr(shards, "SHARD", 8)
    columns = formats.pair_columns(with_reasoning=False)
    rows = pl.DataFrame({"pair_id": [f"{index:02d}" for index in range(18)]})
    rows = rows.with_columns(pl.lit(None).alias(name) for name in columns[1:])
    contents = []
    for size in (18, 1, 5):
        (tmp_path / str(size)).mkdir()
        written = ParquetShards(tmp_path / str(size), with_reasoning=False)
        for start in range(0, 18, size):
            written.write("train", rows[start : start + size])
        files = written.close()
        contents.append([(tmp_path / str(size) / file.path).read_bytes() for file in files])
    assert [(file.path, file.rows) for file in files] == [
        ("data/train-00000-of-00003.parquet", 8),
        ("data/train-00001-of-00003.parquet", 8),
        ("data/train-00002-of-00003.parquet", 2),
    ]
    assert contents[0] == contents[1] == contents[2]
    metadata = pq.read_metadata(tmp_path / "18" / files[0].path)
    assert [metadata.row_group(index).num_rows for index in range(2)] == [4, 4]


def test_a_number_that_is_none_is_null_in_json() -> None:
    pairs = pl.DataFrame({"pass_rate": [float("nan"), float("inf"), 0.5], "text": ["é\u2028"] * 3})
    lines = to_lines(pairs).split(b"\n")
    assert [orjson.loads(line)["pass_rate"] for line in lines[:3]] == [None, None, 0.5]
    assert len(lines) == 4


@pytest.mark.slow
def test_what_went_wrong_is_what_is_told_and_nothing_is_left_open(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[shards.Shards] = []

    def refuse(pairs: pl.DataFrame, name: str, settings: Any) -> pl.DataFrame:
        raise ValueError(f"{name} has no such shape")

    def close(self: shards.Shards, format: str = "parquet") -> tuple[shards.StagedFile, ...]:
        made.append(self)
        raise OSError("a second fault")

    before = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr("tasks.release.stage.shape_pairs", refuse)
    monkeypatch.setattr(shards.Shards, "close", close)
    formats = {"formats": ["parquet", "jsonl", "alpaca"]}
    recipe = make_recipe(models=MODELS, release={"validation_share": 0, **formats})
    with pytest.raises(ValueError, match="has no such shape"):
        stage(store, recipe, tmp_path / "out", [taught("a")])
    assert not made
    assert not [file for file in _open_files(before) if file.startswith(str(tmp_path / "out"))]


def _open_files(before: set[str]) -> list[str]:
    found = []
    for number in set(os.listdir("/proc/self/fd")) - before:
        with suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return found
