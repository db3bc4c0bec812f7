"""Formats: every one loaded by the library that its trainers load it with, row by row."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import orjson
import polars as pl
import pyarrow as pa
import pytest

from tasks.messages import solve_messages
from tasks.recipe import ModelSettings, Recipe
from tasks.release import shards
from tasks.release.card import _describe_type, write_cards
from tasks.release.facts import gather_facts
from tasks.release.formats import COLUMNS, FIELDS, FORMATS, columns_of
from tasks.release.shapes import build_tasks
from tasks.release.stage import Staged, stage_pairs
from tasks.select.decide import decide_after_teach
from tasks.select.texts import name_text_rules
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import (
    BENCHMARK_TEXT,
    RUN,
    STUDENT,
    TEACHER,
    Taught,
    add_item,
    fill,
    identify,
    response_of,
    sample_of,
    taught,
)

MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}
ALL = list(FORMATS)
QUESTION = "What is two plus two, asked as a?"
ANSWER = "<think>\n2 + 2 = 4\n</think>\n\nIt is 4."
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": QUESTION}
ASSISTANT = {"role": "assistant", "content": ANSWER}
SAMPLES = (("It is 5.", "wrong"), ("It is surely 4.", "correct"), ("It is", "truncated"))


def stage(store: Store, recipe: Recipe, folder: Path, prompts: Sequence[Taught]) -> Staged:
    """Decide and stage into a new folder, with the card that `load_dataset` reads."""
    fill(store, *prompts)
    decide_after_teach(store, recipe, RUN)
    folder.mkdir()
    staged = stage_pairs(store, recipe, folder, RUN)
    write_cards(recipe, staged, gather_facts(store, recipe, RUN), folder)
    return staged


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Load a configuration of a release, or of a folder in it, as a user would."""
    datasets.disable_progress_bars()

    def load_rows(
        name: str | None = None, split: str = "train", folder: str = ""
    ) -> list[dict[str, Any]]:
        loaded = datasets.load_dataset(
            str(tmp_path / "out" / folder), name, split=split, cache_dir=str(tmp_path / "cache")
        )
        return list(loaded)

    return load_rows


def test_every_format_is_loaded_by_its_name(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path, load: Any
) -> None:
    """One release in all formats; each loaded row is what its trainer reads and the field asked."""
    settings = {
        "formats": ALL,
        "fields": ["domain", "pass_rate"],
        "system_prompt": "Be brief.",
        "validation_share": 0,
    }
    recipe = make_recipe(models=MODELS, release=settings)
    staged = stage(store, recipe, tmp_path / "out", [taught("a", student=SAMPLES)])
    carried = {"domain": "math", "pass_rate": 0.5}
    messages = {"messages": [SYSTEM, USER, ASSISTANT], **carried}

    assert load() == load("parquet") == load(folder="data") == load(folder="jsonl") == [messages]
    assert load(folder="sharegpt") == [
        {
            "conversations": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": QUESTION},
                {"from": "gpt", "value": ANSWER},
            ],
            **carried,
        }
    ]
    assert load(folder="alpaca") == [
        {
            "instruction": QUESTION,
            "input": "",
            "output": ANSWER,
            "system": "Be brief.",
            **carried,
        }
    ]
    assert load(folder="prompt-completion") == [
        {"prompt": [SYSTEM, USER], "completion": [ASSISTANT], **carried}
    ]
    (task,) = load(folder="rl")
    student = recipe.models.student.model_copy(update={"system_prompt": "Be brief."})
    asked = solve_messages(QUESTION, None, "number", student)
    assert task == {
        "prompt": [{"role": role, "content": content} for role, content in asked],
        "ground_truth": "4",
        "answer_type": "number",
        "verifier": "math",  # of the answer type, whatever graded the samples
        "choices": None,
        "tests": None,
        "pass_rate": 0.5,
        "low": 0.1,
        "high": 0.9,
        "correct": 4,
        "wrong": 4,
        "samples": [
            {"response_id": sample_of("a", index), "verdict": verdict, "completion_tokens": tokens}
            for index, (verdict, tokens) in enumerate(
                [("wrong", 10), ("correct", 11), ("truncated", 12)]
            )
        ],
        "domain": "math",
    }
    assert load(folder="preference") == [
        {
            "prompt": [SYSTEM, USER],
            "chosen": [{"role": "assistant", "content": "It is surely 4."}],
            "rejected": [{"role": "assistant", "content": "It is 5."}],
            "chosen_id": sample_of("a", 1),
            "rejected_id": sample_of("a", 0),
            "chosen_model": STUDENT,
            "rejected_model": STUDENT,
            "length_ratio": 15 / 8,
            **carried,
        }
    ]
    # What the gate reads has every column, whatever is carried along; it is not released.
    gated = pl.read_parquet(staged.gated / "data" / "*.parquet")
    assert gated.columns == [name for name in COLUMNS if name != "reasoning"]
    assert not any(file.path.startswith("gated/") for file in staged.files)


BRIEF = {"system_prompt": "Be brief."}
FIRST = "train-00000-of-00001.jsonl"
FORM = "Think step by step, then give the final answer as a number inside \\boxed{}."


@pytest.mark.everyday(2)
@pytest.mark.parametrize(
    ("placed", "system", "user"),
    [
        ({"instruction": "system"}, FORM, QUESTION),
        ({"instruction": "user", **BRIEF}, "Be brief.", f"{QUESTION}\n\n{FORM}"),
        ({"instruction": "user"}, None, f"{QUESTION}\n\n{FORM}"),
        ({"instruction": "system", **BRIEF}, f"Be brief.\n\n{FORM}", QUESTION),
    ],
)
def test_the_instruction_that_models_were_asked_by_is_released_where_the_recipe_wants_it(
    store: Store,
    make_recipe: MakeRecipe,
    tmp_path: Path,
    placed: Mapping[str, str],
    system: str | None,
    user: str,
) -> None:
    recipe = make_recipe(models=MODELS, release={"formats": ALL, "validation_share": 0, **placed})
    stage(store, recipe, tmp_path / "out", [taught("a", student=SAMPLES)])

    def read(folder: str) -> dict[str, Any]:
        (line,) = (tmp_path / "out" / folder / FIRST).read_text(encoding="utf-8").splitlines()
        row: dict[str, Any] = orjson.loads(line)
        return row

    asked = [{"role": "user", "content": user}]
    if system is not None:
        asked = [{"role": "system", "content": system}, *asked]
    assert read("jsonl")["messages"] == [*asked, ASSISTANT]
    assert read("prompt-completion")["prompt"] == read("preference")["prompt"] == asked
    assert [turn["value"] for turn in read("sharegpt")["conversations"]][:-1] == [
        turn["content"] for turn in asked
    ]
    alpaca = read("alpaca")
    assert (alpaca["instruction"], alpaca["system"]) == (user, system or "")
    # What a reinforcement learner asks has always had it.
    assert FORM in read("rl")["prompt"][0]["content"]


def test_an_instruction_of_a_domains_own_is_released_and_its_texts_are_judged_with_it(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    own = {"math": {"instructions": {"number": "Say the number in \\boxed{}."}}}
    plain = make_recipe(models=MODELS, domains=own)
    told = make_recipe(models=MODELS, domains=own, release={"instruction": "user"})
    assert name_text_rules(plain) == name_text_rules(make_recipe(models=MODELS))
    assert name_text_rules(told) != name_text_rules(plain)
    staged = stage(store, told, tmp_path / "out", [taught("a")])
    (pair,) = pl.read_parquet(staged.gated / "data" / "*.parquet").to_dicts()
    assert pair["messages"][0]["content"] == f"{QUESTION}\n\nSay the number in \\boxed{{}}."


@pytest.mark.slow
def test_formats_of_one_container_are_configurations_of_one_folder(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path, load: Any
) -> None:
    """`load_dataset` reads a folder with one reader, so Parquet beside JSONL has its own folder."""
    recipe = make_recipe(models=MODELS, release={"formats": [*ALL[1:], "parquet"]})
    stage(store, recipe, tmp_path / "out", [taught("a", student=SAMPLES)])
    names = datasets.get_dataset_config_names(str(tmp_path / "out"))
    assert names == ["jsonl", "sharegpt", "alpaca", "prompt-completion", "rl", "preference"]
    assert load() == load("jsonl") == load(folder="data")
    assert [turn["from"] for turn in load("sharegpt")[0]["conversations"]] == ["human", "gpt"]
    assert load("rl") == load(folder="rl")


@pytest.mark.slow
def test_no_field_at_all_leaves_what_the_trainer_reads(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path, load: Any
) -> None:
    recipe = make_recipe(
        models=MODELS,
        release={"formats": ["jsonl"], "fields": [], "reasoning": "field", "validation_share": 0},
    )
    stage(store, recipe, tmp_path / "out", [taught("a")])
    answer = {"role": "assistant", "content": "It is 4."}
    assert load() == [{"messages": [USER, answer], "reasoning": "2 + 2 = 4"}]


@pytest.mark.slow
def test_a_column_that_begins_with_nulls_is_loaded(
    store: Store,
    make_recipe: MakeRecipe,
    tmp_path: Path,
    load: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Types are in the card: without them a null column of the first shard would refuse text."""
    monkeypatch.setattr(shards, "ROW_GROUP", 1)
    monkeypatch.setattr(shards, "SHARD", 1)
    recipe = make_recipe(
        models=MODELS,
        release={"formats": ["jsonl"], "fields": ["strategy"], "validation_share": 0},
    )
    prompts = [taught("a"), taught("b", kind="rewrite", root="a")]
    stage(store, recipe, tmp_path / "out", prompts)
    assert len(list((tmp_path / "out" / "jsonl").glob("*.jsonl"))) == 2
    assert {row["strategy"] for row in load()} == {None, "new_numbers"}


def test_the_card_describes_types_as_datasets_does() -> None:
    for name in FORMATS:
        from tasks.recipe import ReleaseSettings

        columns = columns_of(name, ReleaseSettings(folder="x", reasoning="field"))
        schema = pa.schema(list(columns.items()))
        ours = [{"name": column, **_describe_type(kind)} for column, kind in columns.items()]
        theirs = datasets.Features.from_arrow_schema(schema)
        assert datasets.Features._from_yaml_list(ours) == theirs, name


def test_fields_of_the_recipe_are_those_of_the_rows() -> None:
    from typing import get_args

    from tasks.recipe import ReleaseField, ReleaseFormat

    assert get_args(ReleaseField) == FIELDS
    assert get_args(ReleaseFormat) == tuple(FORMATS)


@pytest.mark.slow
def test_weights_repeat_rows_to_train_on_and_nothing_else(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path, load: Any
) -> None:
    """Math 2.5 epochs, of which one source has 4 more times as many; validation stays as it is."""
    weights = {"domains": {"math": 2.5}, "sources": {"gold-mine": 4}}
    recipe = make_recipe(
        models=MODELS,
        release={
            "formats": ["parquet", "alpaca", "rl"],
            "fields": ["pair_id", "domain", "source", "split", "prompt_id"],
            "weights": weights,
            "validation_share": 0.3,
        },
    )
    prompts = [
        *(taught(f"m{index}") for index in range(40)),
        *(taught(f"s{index}", domain="science") for index in range(10)),
        taught("gold", source="gold-mine"),
    ]
    staged = stage(store, recipe, tmp_path / "out", prompts)
    rows = pl.DataFrame(load("parquet") + load("parquet", "validation"))
    copies = rows.group_by("pair_id", "domain", "source", "split").len()
    assert copies.height == staged.links.height == 51
    assert set(copies.filter(split="validation")["len"]) == {1}
    train = copies.filter(split="train")
    assert set(train.filter(domain="science")["len"]) == {1}
    gold = train.filter(source="gold-mine")
    assert gold["len"].to_list() == [10] * gold.height
    counts = train.filter(domain="math", source="test-set")["len"].value_counts().sort("len")
    assert counts["len"].to_list() == [2, 3]
    assert 0.25 < counts["count"][1] / counts["count"].sum() < 0.75
    assert pl.DataFrame(load(folder="alpaca"))["pair_id"].equals(
        rows.filter(split="train")["pair_id"]
    )
    # A second copy does not lie beside the first, and tasks to learn on are there once.
    assert max(rows.filter(split="train")["pair_id"].rle().struct.field("len")) <= 2
    assert (
        pl.DataFrame(load(folder="rl") + load(folder="rl", split="validation"))["prompt_id"]
        .is_unique()
        .all()
    )
    assert pl.read_parquet(staged.gated / "data" / "*.parquet")["pair_id"].is_unique().all()


@pytest.mark.slow
def test_weights_as_a_column(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path, load: Any
) -> None:
    weights = {"domains": {"math": 1.5}, "written_as": "column"}
    recipe = make_recipe(
        models=MODELS,
        release={"formats": ["sharegpt"], "fields": ["domain"], "weights": weights},
    )
    stage(store, recipe, tmp_path / "out", [taught("a"), taught("b", domain="code")])
    assert sorted((row["domain"], row["weight"]) for row in load()) == [
        ("code", 1.0),
        ("math", 1.5),
    ]


RIGHT, WRONG = ("It is 4", "correct"), ("It is 5", "wrong")
MAILED = ("Ask jane.doe@mail-box.co.uk: 5.", "wrong")
PREFERENCES: list[tuple[str, dict[str, Any], tuple[str, str] | str]] = [
    ("nearest", {"student": (("4.", "correct"), RIGHT, WRONG)}, ("It is 4", "It is 5")),
    ("own words", {"student": (RIGHT, ("It's 5!", "wrong"))}, ("It is 4", "It's 5!")),
    ("only right", {"student": (RIGHT,)}, "no_wrong_answer"),
    ("cut off", {"student": (RIGHT, ("It is 5", "truncated"))}, "no_wrong_answer"),
    ("blank", {"student": (RIGHT, ("  ", "wrong"))}, "no_wrong_answer"),
    ("unlike", {"student": (("4", "correct"), WRONG)}, "too_different_in_length"),
    # The teacher's right answer has reasoning, the student's wrong one none.
    ("thinker", {"student": (WRONG,)}, "reasoning_on_one_side_only"),
    (
        "mailed",
        {"student": (("It is 4, says everybody I asked.", "correct"), MAILED)},
        "personal_data",
    ),
    ("two models", {"reasoning": None, "student": (WRONG,)}, ("It is 4.", "It is 5")),
]


@pytest.mark.slow
def test_preference_pairs_and_why_there_are_none(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe(models=MODELS, release={"formats": ["preference"], "validation_share": 0})
    prompts = [taught(name, **changes) for name, changes, _ in PREFERENCES]
    staged = stage(store, recipe, tmp_path / "out", prompts)
    lines = (tmp_path / "out" / "preference" / "train-00000-of-00001.jsonl").read_text()
    found = {
        row["prompt_id"]: (row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in map(json.loads, lines.splitlines())
    }
    expected = {identify(name): pair for name, _, pair in PREFERENCES if not isinstance(pair, str)}
    assert found == expected
    reasons = [pair for _, _, pair in PREFERENCES if isinstance(pair, str)]
    assert staged.unpaired == {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    assert len(found) + sum(staged.unpaired.values()) == staged.links.height


SECRET = f"Use sk-{'a1B2' * 8}: 5."
SAID = f"As in: {BENCHMARK_TEXT}, it is 5."
LONG = ("It is, of course and by far, 4", "correct")
LONGER = (
    f"It is 4, as is plain to {' and '.join(('you', 'me', 'them', 'us', 'all'))} of us.",
    "correct",
)
QUOTED = (SAID.replace("5", "4"), "correct")
PASSED_OVER: list[tuple[str, dict[str, Any], tuple[str, str] | str]] = [
    # The wrong answer nearest in length quotes the benchmark; the next one takes its place.
    (
        "quoting",
        {"student": (QUOTED, ("It is 4!", "correct"), (SAID, "wrong"), WRONG)},
        ("It is 4!", "It is 5"),
    ),
    ("leaking", {"student": (LONG, (SECRET, "wrong"), ("It is 5, by far.", "wrong"))},
     (LONG[0], "It is 5, by far.")),
    ("only quoting", {"student": (RIGHT, (SAID, "wrong"))}, "too_different_in_length"),
    ("only these", {"student": (LONGER, (SAID, "wrong"))}, "benchmark_item"),
    # The first two are fit, so nobody asks what else there is.
    ("unasked", {"student": (RIGHT, WRONG, (SAID, "wrong"))}, ("It is 4", "It is 5")),
]  # fmt: skip


@pytest.mark.slow
def test_a_preference_pair_holds_no_benchmark_item_and_no_secret(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    """An answer that breaks a rule is passed over for the next; the gate's suite has no say."""
    recipe = make_recipe(
        models=MODELS,
        benchmarks=[{"name": "exam", "path": "exam.jsonl"}],
        release={"formats": ["preference"], "validation_share": 0},
    )
    add_item(store, BENCHMARK_TEXT)
    prompts = [taught(name, **changes) for name, changes, _ in PASSED_OVER]
    staged = stage(store, recipe, tmp_path / "out", prompts)

    def read(folder: Path) -> str:
        return (folder / "preference" / "train-00000-of-00001.jsonl").read_text()

    found = {
        row["prompt_id"]: (row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in map(json.loads, read(tmp_path / "out").splitlines())
    }
    assert found == {
        identify(name): pair for name, _, pair in PASSED_OVER if not isinstance(pair, str)
    }
    assert staged.unpaired == {"benchmark_item": 1, "too_different_in_length": 1}
    assert staged.passed_over == {"benchmark_item": 2, "secret": 1}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "passed over for what one of them holds: benchmark\\_item 2, secret 1." in card
    # What was found is evidence like any other: no answer is looked at again, none is forgotten.
    tainted = store.sql("select distinct response_id from tainting")["response_id"]
    assert set(tainted) == {
        sample_of("quoting", 0), sample_of("quoting", 2), sample_of("only these", 1),
    }  # fmt: skip
    looked_at = store.sql("from screened").height
    again = tmp_path / "again"
    again.mkdir()
    second = stage_pairs(store, recipe, again, "run-2")
    assert read(again) == read(tmp_path / "out")
    assert (second.unpaired, second.passed_over) == (staged.unpaired, staged.passed_over)
    assert store.sql("from screened").height == looked_at


@pytest.mark.slow
def test_the_index_names_every_pair(store: Store, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(models=MODELS, release={"fields": [], "validation_share": 0})
    staged = stage(store, recipe, tmp_path / "out", [taught("a")])
    (row,) = pl.read_parquet(tmp_path / "out" / "pairs.parquet").to_dicts()
    assert row == {
        "pair_id": staged.links["pair_id"][0],
        "prompt_id": identify("a"),
        "response_id": response_of("a"),
        "domain": "math",
        "split": "train",
    }


def test_a_task_names_the_verifier_of_its_answer_type_and_never_a_judge(
    make_recipe: MakeRecipe,
) -> None:
    types = ["number", "expression", "choice", "text", "date", "quantity", "json", "code"]
    rows = pl.DataFrame({"answer_type": types}).with_columns(
        text=pl.lit(QUESTION),
        choices=pl.lit(None, pl.List(pl.String)),
        domain=pl.lit("math"),
        key=pl.lit("4"),
    )
    student = ModelSettings(model=STUDENT)
    made = build_tasks(rows, make_recipe().release, student, {})
    named = ["math", "math", "choice", "text", "date", "quantity", "json", "code"]
    assert made["verifier"].to_list() == named
