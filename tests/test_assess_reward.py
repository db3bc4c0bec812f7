"""Rewards: for a trainer's own responses, the verdicts by which pass rates were measured."""

import importlib.util
import json
import multiprocessing
import os
import re
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pytest

from tasks.assess import reward as module
from tasks.assess import said
from tasks.assess.difficulty import measure_difficulty
from tasks.assess.grade import grade_responses
from tasks.assess.keys import derive_keys
from tasks.assess.labelled import judge_cases, read_cases
from tasks.assess.reward import compute_score, reward, to_verl
from tasks.assess.sandbox import sandbox_works
from tasks.ingest import import_responses, ingest_seeds
from tasks.release.card import write_cards
from tasks.release.facts import gather_facts
from tasks.release.stage import stage_pairs
from tasks.select.decide import decide_prompts
from tasks.store import Store
from tests.conftest import MakeRecipe

RELEASES = Path(__file__).parents[1] / "docs" / "releases.md"
RUN, END = "run-1", 7
REWARDS = {"correct": 1.0, "wrong": 0.0}
DOUBLE = "assert double(2) == 4"
CALL = '{"call": "double", "arguments": [3], "returns": 6}'
CITIES = ["Rome", "Paris"]
RIGHT = "```python\ndef double(x):\n    return 2 * x\n```"
WRONG = "```python\ndef double(x):\n    return x + 2\n```"
ENDLESS = "```python\ndef double(x):\n    while True: pass\n```"

needs_sandbox = pytest.mark.skipif(
    not sandbox_works(), reason="bubblewrap is missing or not allowed on this machine"
)


@pytest.fixture(autouse=True)
def unwarned() -> None:
    """What is said once is said once a test."""
    said._SAID.clear()


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged; nothing of it may be an exception."""
    assert [record for record in caplog.records if record.exc_info] == []
    return [record.getMessage() for record in caplog.records]


def score(
    completion: Any,
    answer_type: Any = "number",
    key: Any = "4",
    tests: Any = None,
    choices: Any = None,
    **told: Any,
) -> float | None:
    """Reward one completion."""
    (one,) = reward([completion], [answer_type], [key], [tests], [choices], **told)
    return one


@pytest.mark.parametrize(
    ("answer_type", "key", "completion", "rewarded"),
    [
        ("number", "1/2", r"Half of it is \boxed{0.5}.", 1.0),
        ("number", "1/2", "The answer is 2.", 0.0),
        ("number", "1/2", "I would have to think about that for longer.", 0.0),
        ("expression", "x^2-1", r"\boxed{(x-1)(x+1)}", 1.0),
        ("expression", r"\sin(x)^2", r"\boxed{1-\cos(x)^2}", 1.0),
        ("expression", "x^2-1", r"\boxed{x^2+1}", 0.0),
        ("choice", "B", r"\boxed{Paris}", 1.0),
        ("choice", "B", "The answer is (A).", 0.0),
        ("text", "the Nile", r"\boxed{Nile}", 1.0),
        ("text", "the Nile", r"\boxed{the Amazon}", 0.0),
        ("date", "2024-03-04", r"\boxed{March 4th, 2024}", 1.0),
        ("date", "2024-03-04", r"\boxed{5 March 2024}", 0.0),
        ("date", "2024-03-04", r"\boxed{03/04/2024}", None),  # Of March or of April.
        ("quantity", "5 km", r"\boxed{5000\text{ m}}", 1.0),
        ("quantity", "5 km", r"\boxed{5000}", 0.0),
        ("quantity", "5 km", r"\boxed{5000 steps}", None),
        ("json", '{"a": 1}', '```json\n{"a": 1.0}\n```', 1.0),
        ("json", '{"a": 1}', '```json\n{"a": true}\n```', 0.0),
        ("open", "Be kind.", "Be kind.", None),
    ],
)
def test_right_is_one_wrong_is_nought_and_what_nobody_can_tell_is_no_reward(
    answer_type: str, key: str, completion: str, rewarded: float | None
) -> None:
    choices = CITIES if answer_type == "choice" else None
    assert score(completion, answer_type, key, choices=choices) == rewarded


@needs_sandbox
@pytest.mark.parametrize(
    ("tests", "completion", "rewarded"),
    [
        ([DOUBLE], RIGHT, 1.0),
        ([DOUBLE, CALL], RIGHT, 1.0),
        ([DOUBLE], WRONG, 1.0),  # 2 + 2 is 2 * 2: a reward is as good as the tests.
        ([DOUBLE, CALL], WRONG, 0.0),
        ([DOUBLE], "```python\nimport sys; sys.exit(0)\n```", 0.0),
        ([DOUBLE], "I cannot write code.", 0.0),
        ([DOUBLE], ENDLESS, 0.0),
    ],
)
def test_code_runs_on_the_tests_of_its_row(
    tests: list[str], completion: str, rewarded: float
) -> None:
    assert score(completion, "code", None, tests) == rewarded


def test_rewards_stand_in_the_order_of_the_completions() -> None:
    """A batch holds rows of all types, and several completions of each."""
    rows: list[tuple[str, str, str, float | None]] = [
        (r"\boxed{4}", "number", "4", 1.0),
        (r"\boxed{\cos(x)^2}", "expression", r"1-\sin(x)^2", 1.0),
        (r"\boxed{03/04/2024}", "date", "2024-03-04", None),
        (r"\boxed{\cos(x)^2}", "expression", r"2-\sin(x)^2", 0.0),
        (r"\boxed{4}", "number", "5", 0.0),
        (r"\boxed{4}", "number", "4", 1.0),
    ]
    completions, answer_types, keys, rewards = (list(column) for column in zip(*rows, strict=True))
    assert reward(completions, answer_types, keys) == rewards
    assert reward([], [], []) == []


def test_it_is_called_as_trl_calls_it() -> None:
    """Every column of the rows is a keyword, and so is what only other functions look at."""
    given: dict[str, Any] = {
        "prompts": [[{"role": "user", "content": "What is 2 + 2?"}]] * 2,
        "completions": [
            [{"role": "assistant", "content": text}] for text in ("The answer is 4.", "5")
        ],
        "completion_ids": [[1, END], [1, END]],
        "answer_type": ["number"] * 2,
        "ground_truth": ["4"] * 2,
        "verifier": ["math"] * 2,
        "choices": [None] * 2,
        "tests": [None] * 2,
        "pass_rate": [0.375] * 2,
        "samples": [[]] * 2,
        "trainer_state": object(),
        "log_extra": print,
        "log_metric": print,
    }
    assert partial(reward, end_tokens=END)(**given) == [1.0, 0.0]
    assert reward(**given) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("completion", "rewarded"),
    [
        ("<think>It is 5, or 4.</think>The answer is 4.", 1.0),
        ("<think>\\boxed{4}</think>The answer is 5.", 0.0),
        ("\\boxed{4}, or is it?</think>\\boxed{5}", 0.0),  # The template had opened the tag.
        ("<think>\\boxed{4}</think>", None),  # Nothing was answered,
        ("<think>\\boxed{4}, or is it?", None),  # and here it still thinks.
        ([{"role": "assistant", "content": "The answer is 4.", "reasoning_content": "5?"}], 1.0),
        ([{"role": "assistant", "content": None, "reasoning_content": "\\boxed{4}"}], None),
        ([{"role": "assistant", "content": [{"type": "text", "text": "The answer is 4."}]}], 1.0),
        (
            [
                {"role": "assistant", "content": "\\boxed{5}"},
                {"role": "tool", "content": "\\boxed{6}"},
                {"role": "assistant", "content": "\\boxed{4}"},
                {"role": "tool", "content": "\\boxed{6}"},
            ],
            1.0,
        ),
        ([{"role": "user", "content": "\\boxed{4}"}], None),
    ],
)
def test_thoughts_are_no_answer_and_the_last_word_of_the_model_is(
    completion: Any, rewarded: float | None
) -> None:
    assert score(completion) == rewarded


def test_what_was_cut_off_has_no_reward_where_the_end_tokens_are_known() -> None:
    half, whole = "Two and two make", r"So \boxed{4}, as is"
    assert score(half) == 0.0  # As if it had ended without an answer.
    for ends in (END, [END, 8], {END}):
        known = partial(score, end_tokens=ends)
        assert known(half, completion_ids=[[1, 2]]) is None
        assert known(half, completion_ids=[[1, END]]) == 0.0
        # A closed box counts wherever the ceiling was, but not in thoughts that go on.
        assert known(whole, completion_ids=[[1, 2]]) == 1.0
        assert known(f"<think>{whole}", completion_ids=[[1, 2]]) is None
    assert score(half, end_tokens=END) == 0.0
    assert score(half, end_tokens=END, completion_ids=[[]]) == 0.0


@pytest.mark.parametrize("answer_type", ["number", "expression", "choice", "text", "date",
                                         "quantity", "json", "code", "open"])  # fmt: skip
@pytest.mark.parametrize(
    "completion",
    [
        None,
        "",
        " \n",
        7,
        b"\\boxed{4}",
        [],
        [None],
        [[]],
        {"role": "assistant", "content": "4"},
        [{"role": "assistant"}],
        [{"content": 4}],
        float("nan"),
    ],
    ids=repr,
)
def test_what_is_no_answer_at_all_has_no_reward(
    completion: Any, answer_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert score(completion, answer_type, "4", [DOUBLE], CITIES) is None
    assert logged(caplog) == [] or answer_type == "open"


@pytest.mark.parametrize("answer_type", ["number", "expression", "choice", "text", "date",
                                         "quantity", "json"])  # fmt: skip
@pytest.mark.parametrize(
    "completion",
    [
        "a" * 1_000_000,
        "\\boxed{" * 100_000,
        "```python\n" * 100_000,
        "[" * 1_000_000,
        "\\boxed{" + "(" * 900 + ")" * 900 + "}",
        "\\boxed{\ud800\x00}",
        "\\boxed{9^{9^{9^{9}}}}",
        "the answer is " * 70_000,
    ],
    ids=lambda text: text[:12].encode("utf-8", "replace").decode(),
)
def test_no_text_is_worth_an_exception(
    completion: str, answer_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert score(completion, answer_type, "4", None, CITIES) in (0.0, None)
    assert logged(caplog) == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (("numbers", "4", None), "`answer_type` is none of number, "),
        ((None, "4", None), "`answer_type` is none of number, "),
        ((["number"], "4", None), "`answer_type` is none of number, "),
        (("number", None, None), "`ground_truth` is missing"),
        (("number", 4, None), "`ground_truth` is missing"),
        (("code", None, None), "the `tests` of a code problem are missing"),
        (("code", None, DOUBLE), "the `tests` of a code problem are missing"),
        (("code", None, [{"call": "double"}]), "the `tests` of a code problem are missing"),
        (("code", None, ["{"]), "the `tests` of a code problem cannot be read"),
    ],
)
def test_a_row_that_nothing_can_be_checked_against_is_said_once(
    row: tuple[Any, Any, Any], fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert score(RIGHT + "\n\\boxed{4}", *row) is None
    (warning,) = logged(caplog)
    assert fault in warning


def test_columns_of_another_length_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        reward(["4", "5"], ["number"], ["4"])


@pytest.mark.usefixtures("no_sandbox")
def test_code_without_a_sandbox_has_no_reward_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert reward([RIGHT, WRONG], ["code"] * 2, [None] * 2, [[DOUBLE]] * 2) == [None, None]
    assert score(RIGHT, "code", None, [DOUBLE]) is None
    assert score(r"\boxed{4}") == 1.0
    (warning,) = logged(caplog)
    assert "bubblewrap (`bwrap`) is missing" in warning


@needs_sandbox
def test_a_machine_that_can_start_no_process_ends_no_training(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as files:
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        taken = os.open(os.devnull, os.O_RDONLY)
        files.callback(os.close, taken)
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 1, before[1]))
        given = ([RIGHT, r"\boxed{4}"], ["code", "number"], [None, "4"], [[DOUBLE], None])
        assert reward(*given) == [None, 1.0]
    assert [record.getMessage() for record in caplog.records] == [
        "a completion is left without a reward"
    ]
    assert reward(*given) == [1.0, 1.0]


ROW = {
    "prompt": [{"role": "user", "content": "Which city?"}],
    "answer_type": "choice",
    "ground_truth": "B",
    "choices": CITIES,
    "tests": None,
    "source": "atlas",
    "domain": "geography",
}
CODE = {**ROW, "answer_type": "code", "ground_truth": None, "choices": None, "tests": [DOUBLE]}


def test_a_row_for_verl_has_all_that_its_verdict_depends_on_in_one_text() -> None:
    assert to_verl(ROW) == {
        "data_source": "atlas",
        "prompt": ROW["prompt"],
        "ability": "geography",
        "reward_model": {
            "style": "rule",
            "ground_truth": '{"answer_type": "choice", "ground_truth": "B",'
            ' "choices": ["Rome", "Paris"]}',
        },
    }
    bare = {name: ROW[name] for name in ("prompt", "answer_type", "ground_truth")}
    assert (to_verl(bare)["data_source"], to_verl(bare)["ability"]) == ("teachset", "")


def verl(row: dict[str, Any], response: Any, **told: Any) -> float:
    """Call `compute_score` as verl's reward managers do, with keywords."""
    made = to_verl(row)
    return compute_score(
        data_source=made["data_source"],
        solution_str=response,
        ground_truth=made["reward_model"]["ground_truth"],
        extra_info={"num_turns": 2, "rollout_reward_scores": {}},
        **told,
    )


def test_verl_gets_a_number_for_every_response() -> None:
    assert verl(ROW, "The answer is Paris.") == 1.0
    assert verl(ROW, "The answer is (A).") == 0.0
    # It has no word for no reward.
    for response in ("", None, "<think>\\boxed{B}"):
        assert verl(ROW, response) == 0.0
        assert verl(ROW, response, undecided=0.5) == 0.5
    assert verl(ROW, "(A)", undecided=0.5) == 0.0
    assert isinstance(verl(ROW, "\\boxed{B}", reward_router_address=None), float)


@needs_sandbox
def test_verl_runs_code_on_the_tests_in_the_ground_truth() -> None:
    told = to_verl(CODE)["reward_model"]["ground_truth"]
    assert compute_score("atlas", RIGHT, told, None) == 1.0
    assert compute_score("atlas", "```python\nx = 1\n```", told, None) == 0.0


@pytest.mark.parametrize("ground_truth", [None, "", "4", "[1]", "{}", 4, b"\xff", "[" * 100_000])
def test_a_ground_truth_of_somebody_else_is_said_once(
    ground_truth: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert compute_score("atlas", "4", ground_truth, undecided=0.25) == 0.25
    assert logged(caplog) == [
        "completions are left without a reward: `ground_truth` is none that `to_verl` wrote"
    ]


def test_verl_loads_it_by_its_path_and_its_rows_from_parquet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documented line writes them; the module is not put into `sys.modules`."""
    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_list([ROW, {**ROW, "choices": None, "answer_type": "text"}])
    monkeypatch.chdir(tmp_path)
    (line,) = re.findall(r"^rows\.map\(.*$", RELEASES.read_text(encoding="utf-8"), re.MULTILINE)
    eval(line, {"rows": rows, "to_verl": to_verl})
    found = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "train.parquet"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert sorted(found.column_names) == ["ability", "data_source", "prompt", "reward_model"]
    assert found[0]["prompt"] == ROW["prompt"]
    spec = importlib.util.spec_from_file_location("custom_module_1", str(module.__file__))
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    keys = [row["reward_model"]["ground_truth"] for row in found]
    assert [loaded.compute_score("atlas", "\\boxed{Paris}", key) for key in keys] == [1.0, 0.0]


@pytest.mark.slow
def test_it_can_be_asked_by_threads_and_by_forked_workers() -> None:
    """As verl's managers ask: from a pool of threads, or of processes forked after the first."""
    keys = [json.dumps({"answer_type": "expression", "ground_truth": f"{n}+x"}) for n in range(40)]
    said = [rf"\boxed{{\sin(x)^2+\cos(x)^2+x+{n - n % 2 - 1}}}" for n in range(40)]
    rewards = [float(n % 2 == 0) for n in range(40)]
    scored = partial(compute_score, "set")
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(scored, said, keys)) == rewards
    with multiprocessing.get_context("fork").Pool(2) as workers:
        given = zip(["set"] * 40, said, keys, strict=True)
        assert workers.starmap(compute_score, given) == rewards


def test_it_comes_without_prefect_the_store_or_a_client() -> None:
    """It is imported in every worker of a trainer; pint and math-verify wait for their question."""
    code = "import sys, tasks.assess.reward; print({m.partition('.')[0] for m in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"prefect", "polars", "duckdb", "pyarrow", "openai", "aiohttp", "pydantic", "yaml"}
    heavy |= {"numpy", "scipy", "pint", "sympy", "math_verify", "asyncio", "sqlalchemy"}
    assert [name for name in sorted(heavy) if f"'{name}'" in ran.stdout] == []


@pytest.mark.slow
@needs_sandbox
def test_labelled_responses_have_the_verdicts_of_the_audit() -> None:
    """All of them at once, the hostile ones among them."""
    judged = judge_cases(read_cases())
    cases = [one.case for one in judged]
    rewards = reward(
        [case.response for case in cases],
        [case.answer_type for case in cases],
        [case.key for case in cases],
        [case.tests or None for case in cases],
        [case.choices or None for case in cases],
        completion_ids=[[END if case.finish_reason == "stop" else 1] for case in cases],
        end_tokens=END,
    )
    assert rewards == [REWARDS.get(one.verdict.verdict) for one in judged]


# A prompt of each type with what the student wrote: right, wrong, cut off, and hard to tell.
SEEDS: list[dict[str, Any]] = [
    {"prompt": "What is 1 / 2?", "answer": "1/2", "answer_type": "number"},
    {"prompt": "Expand (x-1)(x+1).", "answer": "x^2-1", "answer_type": "expression"},
    {
        "prompt": "Which city is the capital of France?",
        "answer": "B",
        "answer_type": "choice",
        "choices": CITIES,
    },
    {"prompt": "Which river runs past Luxor?", "answer": "the Nile", "answer_type": "text"},
    {"prompt": "When was the spring fair held?", "answer": "2024-03-04", "answer_type": "date"},
    {"prompt": "How long is the old canal?", "answer": "5 km", "answer_type": "quantity"},
    {"prompt": "Describe a as one in JSON.", "answer": '{"a": 1}', "answer_type": "json"},
    {"prompt": "Write double(x).", "tests": [DOUBLE, CALL], "answer_type": "code"},
]
WRITTEN: list[list[tuple[str, str]]] = [
    [("<think>2/4?</think>It is \\boxed{0.5}", "stop"), ("The answer is 2.", "stop")],
    [("\\boxed{-(1-x^2)}", "stop"), ("\\boxed{(x-1)^2}", "stop"), ("Then x^2", "length")],
    [("(B) Paris", "stop"), ("<think>\\boxed{B}</think>The answer is Rome", "stop")],
    [("\\boxed{Nile}", "stop"), ("\\boxed{the Amazon}", "stop"), ("<think>Nile", "length")],
    [("March 4th, 2024", "stop"), ("\\boxed{2025}", "stop"), ("\\boxed{03/04/2024}", "stop")],
    [("\\boxed{5000 m}", "stop"), ("\\boxed{5000}", "stop"), ("\\boxed{5000 steps}", "stop")],
    [('{"a": 1.0}', "stop"), ('{"a": true}', "stop"), ('```json\n{"a": 1', "length")],
    [(RIGHT, "stop"), (WRONG, "stop"), (RIGHT.removesuffix("```"), "length"), (RIGHT, "length")],
]


@needs_sandbox
def test_rows_of_a_release_and_what_was_written_have_the_verdicts_of_the_store(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    """Files in, graded in the store, released as `rl`, loaded by `datasets`: the same verdicts.

    Every verdict there is occurs, of every type that a program checks.
    """
    lines = [
        {"prompt": seed["prompt"], "response": text, "finish_reason": ending, "sample_index": index}
        for seed, written in zip(SEEDS, WRITTEN, strict=True)
        for index, (text, ending) in enumerate(written)
    ]
    (tmp_path / "written.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    recipe = make_recipe(
        SEEDS,
        responses=[{"path": "written.jsonl", "role": "student", "model": "sim-student"}],
        select={"min_samples": 2},
        release={"formats": ["rl"], "validation_share": 0},
    )
    ingest_seeds(store, recipe, RUN)
    import_responses(store, recipe, RUN)
    derive_keys(store, recipe.select, RUN)
    grade_responses(store, ["student"], RUN)
    measure_difficulty(store, recipe.select, RUN)
    decide_prompts(store, recipe, RUN)
    (tmp_path / "out").mkdir()
    staged = stage_pairs(store, recipe, tmp_path / "out", RUN)
    write_cards(recipe, staged, gather_facts(store, recipe, RUN), tmp_path / "out")
    datasets.disable_progress_bars()
    rows = datasets.load_dataset(
        str(tmp_path / "out" / "rl"), split="train", cache_dir=str(tmp_path / "cache")
    )

    written_to = {seed["prompt"]: own for seed, own in zip(SEEDS, WRITTEN, strict=True)}
    drawn = [
        (row, *own, sample["verdict"])
        for row in rows
        for sample, own in zip(
            row["samples"], written_to[row["prompt"][-1]["content"].partition("\n")[0]], strict=True
        )
    ]
    stored = [verdict for *_, verdict in drawn]
    assert len(drawn) == len(lines)
    assert set(stored) == {"correct", "wrong", "truncated", "unverifiable"}
    columns = {name: [row[name] for row, *_ in drawn] for name in rows.column_names}
    asked = columns.pop("prompt")
    rewards = partial(reward, end_tokens=END)(
        prompts=asked,
        completions=[[{"role": "assistant", "content": text}] for _, text, *_ in drawn],
        completion_ids=[[1, END if end == "stop" else 2] for *_, end, _ in drawn],
        **columns,
    )
    assert rewards == [REWARDS.get(verdict) for verdict in stored]
    counted = {row["answer_type"]: (row["correct"], row["wrong"]) for row in rows}
    assert counted == {seed["answer_type"]: (1, 1) for seed in SEEDS} | {"code": (2, 1)}
    assert [verl(row, text) for row, text, end, _ in drawn if end == "stop"] == [
        float(verdict == "correct") for (*_, end, verdict) in drawn if end == "stop"
    ]
