"""The gate: one good row, one bad row a rule, and each bad row blamed by its own rule only."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expectations import release_suite
from expectations.gate import EXAMPLES, Expected, GateResult, run_gate
from tasks.errors import GateBroken
from tasks.release.formats import COLUMNS, ParquetShards, duckdb_types, pair_columns

GOOD: dict[str, Any] = {
    "domain": "math",
    "kind": "seed",
    "strategy": None,
    "key": "4",
    "answer_type": "number",
    "key_source": "gold",
    "pass_rate": 0.5,
    "low": 0.2,
    "high": 0.8,
    "teacher": "sim-teacher",
    "verdict": "correct",
    "source": "test-set",
    "licence": "MIT",
    "simulated": True,
    "split": "train",
}


def chat(
    answer: str | None, question: str = "What is 2 + 2?", **roles: str
) -> list[dict[str, Any]]:
    """Return a question and an answer; `first` and `second` replace the roles."""
    return [
        {"role": roles.get("first", "user"), "content": question},
        {"role": roles.get("second", "assistant"), "content": answer},
    ]


def row(name: str, **changes: Any) -> dict[str, Any]:
    """Return a released row that is good but for the changes; its ids are its name."""
    ids = {"pair_id": name, "prompt_id": name, "root_id": name, "response_id": name}
    answer = f"<think>\n{name}\n</think>\n\nIt is 4."
    return {**ids, "messages": chat(answer), **GOOD, **changes}


FAULTS: dict[str, list[dict[str, Any]]] = {
    "unique_pair_id": [row("double", messages=chat("one")), row("double", messages=chat("two"))],
    "no_null_teacher": [row("no-teacher", teacher=None)],
    "no_null_pass_rate": [row("no-rate", pass_rate=None)],
    "known_kind": [row("odd-kind", kind="guess")],
    "known_key_source": [row("odd-source", key_source="a friend")],
    "known_split": [row("odd-split", split="test")],
    "repeated_conversation": [
        row("again-1", messages=chat("The same.")),
        row("again-2", messages=chat("The same.")),
    ],
    "malformed_messages": [
        row("upside-down", messages=chat("four", first="assistant", second="user")),
        row("no-question", messages=chat("four", question=" ")),
    ],
    "missing_key": [row("no-key", key=None), row("blank-key", key=" \n")],
    "wrong_verdict": [row("wrong", verdict="wrong"), row("ungraded", verdict=None)],
    "outside_band": [
        row("easy", pass_rate=0.7501),
        row("hard", pass_rate=0.0),
        row("code-edge", domain="code", pass_rate=0.6),
    ],
    "empty_answer": [row("thought-only", messages=chat("<think>\nhm\n</think>\n\n \n"))],
    "malformed_thinking": [
        row("open", messages=chat("<think>\nhm\n\nIt is 4.")),
        row("no-thought", messages=chat("<think>\n \n</think>\n\nIt is 4.")),
        row("late", messages=chat("Well. <think>\nhm\n</think>\n\nIt is 4.")),
        row("twice", messages=chat("<think>\na\n</think>\n\n<think>\nb\n</think>\n\nIt is 4.")),
        row("closed-twice", messages=chat("<think>\na\n</think>\n\n4</think>")),
    ],
    "shared_root": [row("cousin", root_id="good", split="validation")],
    "benchmark_item": [row("flagged"), row("quoting", response_id="flagged-response")],
    "unknown_licence": [row("unlicensed", licence=None)],
}
# Where a row breaks a second rule with reason.
ALSO = {"outside_band": {"no-rate"}, "empty_answer": {"closed-twice"}}


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    schema = pa.schema([(name, COLUMNS[name]) for name in pair_columns(with_reasoning=False)])
    shards = ParquetShards(folder, with_reasoning=False)
    shards.write("train", pl.DataFrame(pa.Table.from_pylist(rows, schema=schema)))
    shards.close()


def expect(pairs: int, **changes: Any) -> Expected:
    expected = Expected(
        columns=duckdb_types(with_reasoning=False),
        band=(0.125, 0.75),
        domain_bands={"code": (0.1, 0.5)},
        prompts=pairs + 7,
        kept=pairs,
        dropped=7,
        flagged=frozenset({"flagged", "never released"}),
        flagged_responses=frozenset({"flagged-response"}),
    )
    return replace(expected, **changes)


def failed(result: GateResult) -> set[str]:
    return {rule.rule for rule in result.rules if not rule.passed}


def good_rows() -> list[dict[str, Any]]:
    return [
        row("good"),
        row("no-reasoning", messages=chat("It is 4.")),
        row("edge", pass_rate=0.75),
        row("code", domain="code", pass_rate=0.1),
        row("told", messages=[{"role": "system", "content": "Be brief."}, *chat("Four.")]),
        row("other-split", split="validation"),
    ]


def test_good_rows_pass_every_rule(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    result = run_gate(tmp_path, expect(6))
    assert failed(result) == set()
    assert (result.passed, result.rows) == (True, 6)


def test_each_fault_is_blamed_by_its_own_rule(tmp_path: Path) -> None:
    bad = [bad for rows in FAULTS.values() for bad in rows]
    write(tmp_path, [*good_rows(), *bad])
    result = run_gate(tmp_path, expect(6 + len(bad)))
    blamed = {rule.rule: set(rule.pair_ids) for rule in result.rules if not rule.passed}
    assert blamed == {
        rule: {bad["pair_id"] for bad in rows} | ALSO.get(rule, set())
        for rule, rows in FAULTS.items()
    }
    assert not result.passed
    assert {rule.rule for rule in result.failed_warning} == {"unknown_licence"}
    found = {rule.rule: (rule.found, rule.detail) for rule in result.rules}
    assert found["wrong_verdict"] == (2, "verdict missing")
    assert found["outside_band"][0] == 4
    assert found["known_kind"] == (1, "kind: 'guess'")


def test_a_warning_does_not_close_the_gate(tmp_path: Path) -> None:
    write(tmp_path, [*good_rows(), row("unlicensed", licence=None)])
    result = run_gate(tmp_path, expect(7))
    assert result.passed
    assert failed(result) == {"unknown_licence"}


def test_wrong_answers_pass_where_the_recipe_releases_them(tmp_path: Path) -> None:
    write(tmp_path, [row("wrong", verdict="wrong")])
    assert run_gate(tmp_path, expect(1, only_correct=False)).passed


@pytest.mark.parametrize(
    ("changes", "rule", "detail"),
    [
        ({"min_pairs": 7}, "enough_pairs", "found 6, expected {'min_value': 7}"),
        ({"dropped": 6}, "unbalanced_books", "13 prompts, but 6 kept and 6 dropped"),
        ({"kept": 5, "dropped": 8}, "unbalanced_books", "6 pairs of 5 kept prompts"),
    ],
)
def test_the_books_must_balance(
    tmp_path: Path, changes: dict[str, int], rule: str, detail: str
) -> None:
    write(tmp_path, good_rows())
    result = run_gate(tmp_path, expect(6, **changes))
    assert [(found.rule, found.detail) for found in result.failed_critical] == [(rule, detail)]


def test_nothing_at_all_does_not_pass(tmp_path: Path) -> None:
    ParquetShards(tmp_path, with_reasoning=False).close()
    assert failed(run_gate(tmp_path, expect(0))) == {"enough_pairs"}


def test_a_missing_column_is_bad_data_and_not_a_broken_rule(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    file = next((tmp_path / "data").iterdir())
    pq.write_table(pq.read_table(file).drop_columns(["verdict"]), file)
    assert failed(run_gate(tmp_path, expect(6))) == {"columns"}


def test_another_type_is_bad_data(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    file = next((tmp_path / "data").iterdir())
    table = pq.read_table(file)
    position = table.column_names.index("pass_rate")
    pq.write_table(table.set_column(position, "pass_rate", pa.array(["0.5"] * 6)), file)
    result = run_gate(tmp_path, expect(6))
    details = [(rule.rule, rule.detail) for rule in result.failed_critical]
    assert details == [("wrong_types", "pass_rate is VARCHAR, expected DOUBLE")]


def test_a_rule_that_raises_is_a_broken_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    for name in ("release_wrong_types.sql", "release_missing_key.sql"):
        (rules / name).write_text((release_suite.RULES / name).read_text())
    (rules / "release_odd.sql").write_text(
        "-- warning: One row a tone.\nselect tone from {batch}\n"
    )
    monkeypatch.setattr(release_suite, "RULES", rules)
    write(tmp_path, good_rows())
    with pytest.raises(GateBroken, match=r"the rule `odd` cannot be evaluated.*tone"):
        run_gate(tmp_path, expect(6))


@pytest.mark.parametrize("text", ["select 1 from {batch}", "-- critical: One row.\nselect 1"])
def test_a_rule_says_how_severe_it_is_and_reads_the_batch(tmp_path: Path, text: str) -> None:
    (tmp_path / "release_odd.sql").write_text(text)
    with pytest.raises(GateBroken, match=r"release_odd\.sql: a rule's first line is"):
        release_suite.read_rule(tmp_path / "release_odd.sql")


def test_examples_are_few_and_the_count_is_whole(tmp_path: Path) -> None:
    rows = [row(f"wrong-{index}", verdict="wrong") for index in range(50)]
    write(tmp_path, rows)
    (rule,) = run_gate(tmp_path, expect(50)).failed_critical
    assert (rule.rule, rule.found, len(rule.pair_ids)) == ("wrong_verdict", 50, EXAMPLES)


def test_the_gate_is_silent_and_its_verdict_is_json(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "a=b [1]" / "it's *"  # A path that looks like a partition, a glob and a quote.
    odd.mkdir(parents=True)
    write(odd, good_rows())
    verdict = run_gate(odd, expect(6)).as_json()
    assert verdict["passed"] is True
    assert {"rule", "severity", "passed", "found", "pair_ids", "detail"} == set(verdict["rules"][0])
    assert capfd.readouterr() == ("", "")
