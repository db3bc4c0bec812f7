"""The shipped labelled answers: what the verifiers say of them may not get worse."""

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from tasks.assess.grade import grade_chunk
from tasks.assess.labelled import SHIPPED, Case, count_findings, find, judge_cases, read_cases
from tasks.assess.sandbox import sandbox_works
from tasks.assess.verdicts import Memory, Verdict
from tasks.errors import InputError

DOCS = Path(__file__).resolve().parents[1] / "docs" / "verdicts.md"
QUICK = ("number", "choice", "text")  # The others need the sandbox or many symbolic checks.


def documented() -> dict[str, tuple[int, ...]]:
    """Read the table of docs/verdicts.md: kind, cases, right, false ±, abstained."""
    text = DOCS.read_text(encoding="utf-8")
    table = text.partition("<!-- audit verifier -->")[2].partition("<!-- end -->")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return {
        row[0]: tuple(map(int, row[1:6])) for row in cells if len(row) > 5 and row[1].isdecimal()
    }


def test_verdicts_are_as_documented() -> None:
    counted = count_findings(judge_cases([case for case in read_cases() if case.kind in QUICK]))
    found = {row[0]: row[1:] for row in counted.iter_rows() if row[0] != "all"}
    assert found == {kind: documented()[kind] for kind in QUICK}


@pytest.mark.slow
@pytest.mark.skipif(not sandbox_works(), reason="bubblewrap is missing or not allowed here")
def test_all_verdicts_are_as_documented() -> None:
    counted = count_findings(judge_cases(read_cases()))
    assert {row[0]: row[1:] for row in counted.iter_rows()} == documented()


def test_recorded_solutions_of_gsm8k_are_judged_as_their_authors_did(shared_data: Path) -> None:
    file = shared_data / "outputs" / "gsm8k_example_model_solutions.jsonl"
    said, judged = [], []
    for line in file.read_text(encoding="utf-8").split("\n")[:-1]:
        row = json.loads(line)
        key = row["ground_truth"].rsplit("A: ", 1)[-1].strip()
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
            said.append(row[model]["is_correct"])
            judged.append(("number", key, row[model]["solution"], "stop"))
    assert len(said) == 5_276
    assert [verdict.verdict == "correct" for verdict in _grade(judged, None)] == said


def test_recorded_answers_in_json_are_read_and_cut_off_ones_are_not(shared_data: Path) -> None:
    file = shared_data / "outputs" / "qwen3_1.7b_mmlupro_10x8_truncated.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
    judged = [
        ("choice", row["gold_candidates"][0], row["response_text"], row["finish_reason"])
        for row in rows
    ]
    expected: list[str | None] = []
    for row in rows:
        done = row["finish_reason"] == "stop"
        last = row["response_text"].rpartition("</think>")[2] if done else '{"answer": null}'
        expected.append(json.loads(last)["answer"])
    verdicts = _grade(judged, [[f"option {n}" for n in range(row["option_count"])] for row in rows])
    assert [verdict.extracted for verdict in verdicts] == expected
    assert Counter(verdict.verdict for verdict in verdicts) == Counter(
        "truncated"
        if answer is None
        else "correct"
        if answer in row["gold_candidates"]
        else "wrong"
        for answer, row in zip(expected, rows, strict=True)
    )
    assert expected.count(None) == 20


def _grade(rows: list[tuple[str, str, str, str]], choices: list[list[str]] | None) -> list[Verdict]:
    schema = ["answer_type", "key_answer", "content", "finish_reason"]
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    offered = pl.Series(choices or [None] * len(rows), dtype=pl.List(pl.String))
    return grade_chunk(frame.with_columns(tests=pl.lit(None), choices=offered), Memory())


def test_the_shipped_set_is_whole() -> None:
    cases = read_cases()
    assert len(cases) >= 250
    assert len({case.id for case in cases}) == len(cases)
    for kind in {case.kind for case in cases} - {"hostile"}:
        labels = [case.label for case in cases if case.kind == kind]
        assert min(labels.count("correct"), labels.count("wrong")) >= 5, kind
    assert {case.label for case in cases if case.kind == "hostile"} == {"wrong"}


@pytest.mark.parametrize(
    ("label", "verdict", "finding"),
    [
        ("correct", "correct", "right"),
        ("correct", "wrong", "false_negative"),
        ("correct", "unverifiable", "abstained"),
        ("correct", "truncated", "abstained"),
        ("wrong", "wrong", "right"),
        ("wrong", "correct", "false_positive"),
        ("wrong", "unverifiable", "abstained"),
        ("unverifiable", "truncated", "right"),
        ("unverifiable", "correct", "false_positive"),
        ("unverifiable", "wrong", "false_negative"),
    ],
)
def test_a_verdict_is_compared_with_its_label(label: str, verdict: str, finding: str) -> None:
    assert find(label, verdict) == finding  # type: ignore[arg-type]


def test_findings_are_counted_by_kind() -> None:
    judged = judge_cases(
        [
            Case("a", "sum", "number", "4", r"\boxed{4}", "correct"),
            Case("b", "sum", "number", "4", r"\boxed{5}", "correct"),
            Case("c", "word", "text", "Nile", r"\boxed{nile}", "wrong"),
            Case("d", "word", "text", "", r"\boxed{nile}", "wrong"),
        ]
    )
    assert count_findings(judged).rows() == [
        ("sum", 2, 1, 0, 1, 0),
        ("word", 2, 0, 1, 0, 1),
        ("all", 4, 1, 1, 1, 1),
    ]


def test_the_command_judges_a_file_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    row = {"answer_type": "number", "key": "1/2", "response": r"\boxed{0.6}", "label": "correct"}
    own.write_text(json.dumps(row) + "\n")
    shown = CliRunner().invoke(app, ["audit", "verifier", "--cases", str(own)])
    assert shown.exit_code == 0
    assert "1: false negative: key 1/2, answer 0.6: wrong (numeric)" in shown.stdout
    told = json.loads(
        CliRunner().invoke(app, ["audit", "verifier", "--cases", str(own), "--json"]).stdout
    )
    assert told["kinds"][-1] == {
        "kind": "all",
        "cases": 1,
        "right": 0,
        "false_positive": 0,
        "false_negative": 1,
        "abstained": 0,
    }
    assert told["verifiers"]["math"] >= 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: expected a JSON object"),
        ('{"answer_type": "poem", "label": "wrong"}', "answer_type is 'poem', expected number"),
        ('{"answer_type": "text", "label": "good"}', "label is 'good', expected correct, wrong"),
        ('{"answer_type": "text", "label": "wrong"}', "response is missing"),
        ('{"answer_type": "text", "label": "wrong", "response": ""}', "key is None"),
        ("", "there is no case in it"),
    ],
)
def test_a_bad_case_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "own.jsonl").write_text(line)
    with pytest.raises(InputError, match=message):
        read_cases(tmp_path / "own.jsonl")


def test_the_labelled_set_has_a_licence_of_its_own() -> None:
    assert "CC0" in (SHIPPED.parent / "LICENSE").read_text(encoding="utf-8")
