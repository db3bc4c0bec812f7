"""The gate: one good row, one bad row a rule, and each bad row blamed by its own rule only."""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expectations import measuring, rules
from expectations.gate import EXAMPLES, Book, GateResult, digest_rules, run_gate
from expectations.judge import RuleResult
from expectations.lengths import load_tokenizer
from expectations.own_suite import read_own_suite
from expectations.release_suite import build_pair_suite
from tasks.errors import GateBroken, RecipeError
from tasks.recipe import Allowances
from tasks.release.formats import COLUMNS, ParquetShards, duckdb_types, pair_columns
from tests.gate_rows import ALSO, FAULTS, chat, expect, good_rows, row, write


def failed(result: GateResult) -> set[str]:
    return {rule.rule for rule in result.rules if not rule.passed}


def warnings_in(result: GateResult) -> list[RuleResult]:
    return [rule for rule in result.rules if not rule.passed and rule.severity == "warning"]


def every_rule() -> set[str]:
    """Return the names of the rules on a release: those of files and those on columns."""
    of_files = [rule for suite in ("form", "pair", "release") for rule in rules.read_rules(suite)]
    on_columns = build_pair_suite(1, []).expectations
    return {rule.name for rule in of_files} | {
        each.meta["rule"] for each in on_columns if each.meta
    }


def test_every_rule_has_a_row_that_it_blames_or_a_test_of_the_whole() -> None:
    """A new rule is told here until there is a bad row for it; the good ones pass every rule."""
    assert set(FAULTS) | set(OF_THE_WHOLE) == every_rule()
    assert not set(FAULTS) & set(OF_THE_WHOLE)
    for rule, test in OF_THE_WHOLE.items():
        assert f'"{rule}"' in inspect.getsource(test), f"{test.__name__} does not name {rule}"


def test_good_rows_pass_every_rule(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    result = run_gate(tmp_path, expect(14))
    assert [(rule.rule, rule.detail) for rule in result.rules if rule.found] == []
    assert (result.passed, result.rows) == (True, 14)
    assert result.figures["pairs"] == 14
    assert result.figures["share of code"] == round(1 / 14, 6)
    assert all(rule.description for rule in result.rules)
    # So every rule has rows that it passes.
    assert {rule.rule for rule in result.rules} == every_rule()


def test_each_fault_is_blamed_by_its_own_rule(tmp_path: Path) -> None:
    bad = [bad for rows in FAULTS.values() for bad in rows]
    write(tmp_path, [*good_rows(), *bad])
    result = run_gate(tmp_path, expect(14 + len(bad)))
    blamed = {rule.rule: set(rule.pair_ids) for rule in result.rules if not rule.passed}
    assert blamed == {
        rule: {bad["pair_id"] for bad in rows} - {None} | ALSO.get(rule, set())
        for rule, rows in FAULTS.items()
    }
    assert not result.passed
    assert {rule.rule for rule in warnings_in(result)} == {
        *("unknown_licence", "foreign_script", "foreign_language"),
    }
    found = {rule.rule: (rule.found, rule.detail) for rule in result.rules}
    assert found["wrong_verdict"][0] == 2
    json.dumps(result.as_json(), sort_keys=True)
    assert found["outside_band"][0] == 4
    assert found["known_kind"] == (1, "kind: 'guess'")
    assert found["too_long"] == (1, "2,727 tokens (characters / 4), at most 2,000 are allowed")
    assert "a1B2" not in str(found["secret"])
    assert "jane" not in str(found["personal_data"])


def test_what_a_release_as_a_whole_must_be(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    books = [Book("prompts", 15, 14), Book("dollars", 3.5, 3.5 + 1e-9)]
    result = run_gate(tmp_path, expect(15, min_pairs=15, books=books, reasoning="drop"))
    critical = {rule.rule: (rule.found, rule.detail) for rule in result.failed_critical}
    assert critical.pop("malformed_thinking")[0] == 5
    assert critical == {
        "enough_pairs": (1, "found 14, expected {'min_value': 15}"),
        "unbalanced_books": (2, "pairs of kept prompts: 15 expected, 14 found"),
    }


@pytest.mark.slow
def test_mixture_and_drift_are_reported_with_their_figures(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    mixture = {"math": 0.5, "code": 0.05, "science": 0.45}
    before = {"pairs": 18.0, "pairs for validation": 1.0, "share of math": 0.7, "share of law": 1.0}
    result = run_gate(tmp_path, expect(14, mixture=mixture, previous=before))
    assert result.passed
    found = {rule.rule: (rule.found, rule.detail) for rule in warnings_in(result)}
    assert found["off_mixture"] == (2, "math: 92.9 % of the pairs, the recipe asks for 50.0 %")
    # Two lengths, two pass rates, the pairs and two shares; one pair for validation is as before.
    assert found["drift"] == (7, "characters, 95th percentile: 0 before, 2148 now")


@pytest.mark.slow
def test_what_is_near_is_neither_drift_nor_off_the_mixture(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    first = run_gate(tmp_path, expect(14))
    before = {**first.figures, "pairs": 16.0, "share of math": 0.8}  # less than a fifth away
    mixture = {"math": 0.9, "code": 0.1}
    assert failed(run_gate(tmp_path, expect(14, mixture=mixture, previous=before))) == set()


@pytest.mark.slow
def test_an_allowance_lets_a_share_of_faults_pass_and_a_warning_any(tmp_path: Path) -> None:
    bad = [FAULTS["looping"][0], FAULTS["foreign_script"][0]]
    write(tmp_path, [*good_rows(), *bad])
    allow = Allowances(looping=1 / 16)
    result = run_gate(tmp_path, expect(16, settings={"allow": allow}))
    loops = next(rule for rule in result.rules if rule.rule == "looping")
    assert (loops.passed, loops.found, loops.pair_ids) == (True, 1, ("round",))
    assert (result.passed, failed(result)) == (True, {"foreign_script"})


@pytest.mark.slow
def test_a_warning_can_be_made_to_block(tmp_path: Path) -> None:
    write(tmp_path, [*good_rows(), FAULTS["foreign_script"][0]])
    strict = {"severity": {"foreign_script": "critical"}}
    result = run_gate(tmp_path, expect(15, settings=strict))
    assert [rule.rule for rule in result.failed_critical] == ["foreign_script"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("politeness", r"severity\.politeness: there is no such rule; there are .*looping"),
        ("secret", r"severity\.secret: a critical rule stays critical"),
    ],
)
def test_a_severity_that_cannot_be_set_is_told(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        run_gate(tmp_path, expect(1, settings={"severity": {name: "critical"}}))


@pytest.mark.slow
def test_scripts_that_the_recipe_names_are_allowed_and_no_others(tmp_path: Path) -> None:
    write(tmp_path, [*FAULTS["foreign_script"], good_rows()[12]])
    result = run_gate(tmp_path, expect(3, settings={"scripts": ("Cyrillic",)}))
    (rule,) = warnings_in(result)
    assert set(rule.pair_ids) == {"left-latin", "chinese"}


@pytest.mark.slow
def test_tokens_are_counted_by_the_tokenizer_that_is_named(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.models.WordLevel({"It": 0, "is": 1, "4": 2, "?": 3}, unk_token="?")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    rows = [
        row("ten", messages=chat("It is 4 4 4.")),
        row("eleven", messages=chat("It is 4 4 4 4.")),
    ]
    write(tmp_path, rows)  # The question has five.
    named = {"tokenizer": str(tmp_path / "tokenizer.json"), "max_tokens": 10}
    (rule,) = run_gate(tmp_path, expect(2, settings=named)).failed_critical
    assert (rule.rule, rule.pair_ids) == ("too_long", ("eleven",))
    assert rule.detail == "11 tokens, at most 10 are allowed"
    with pytest.raises(RecipeError, match=r"gate\.tokenizer: .*absent\.json: expected a tokenizer"):
        load_tokenizer(str(tmp_path / "absent.json"))


@pytest.mark.slow
def test_reasoning_as_a_field_is_read_too(tmp_path: Path) -> None:
    names = pair_columns(with_reasoning=True)
    schema = pa.schema([(name, COLUMNS[name]) for name in names])
    thought = row(
        "thought", verdict="wrong", messages=chat("It is 4."), reasoning="Ask jane@mail-box.com."
    )
    shards = ParquetShards(tmp_path, with_reasoning=True)
    shards.write("train", pl.DataFrame(pa.Table.from_pylist([thought], schema=schema)))
    shards.close()
    columns = duckdb_types(with_reasoning=True)
    result = run_gate(tmp_path, expect(1, columns=columns, reasoning="field", only_correct=False))
    assert failed(result) == {"personal_data"}


def test_nothing_at_all_does_not_pass(tmp_path: Path) -> None:
    ParquetShards(tmp_path, with_reasoning=False).close()
    assert failed(run_gate(tmp_path, expect(0))) == {"enough_pairs"}


def test_a_missing_column_is_bad_data_and_not_a_broken_rule(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    file = next((tmp_path / "data").iterdir())
    pq.write_table(pq.read_table(file).drop_columns(["verdict"]), file)
    assert failed(run_gate(tmp_path, expect(14))) == {"columns"}


def test_another_type_is_bad_data(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    file = next((tmp_path / "data").iterdir())
    table = pq.read_table(file)
    position = table.column_names.index("pass_rate")
    pq.write_table(table.set_column(position, "pass_rate", pa.array(["0.5"] * 14)), file)
    result = run_gate(tmp_path, expect(14))
    details = [(rule.rule, rule.detail) for rule in result.failed_critical]
    assert details == [("wrong_types", "pass_rate is VARCHAR, expected DOUBLE")]


# What is wrong with a release as a whole, and no row of it; each is in one of these tests.
OF_THE_WHOLE: Mapping[str, Callable[[Path], None]] = {
    "columns": test_a_missing_column_is_bad_data_and_not_a_broken_rule,
    "wrong_types": test_another_type_is_bad_data,
    "enough_pairs": test_what_a_release_as_a_whole_must_be,
    "unbalanced_books": test_what_a_release_as_a_whole_must_be,
    "off_mixture": test_mixture_and_drift_are_reported_with_their_figures,
    "drift": test_mixture_and_drift_are_reported_with_their_figures,
}


def test_a_rule_that_raises_is_a_broken_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "rules"
    broken.mkdir()
    read = (
        "measured_pairs",
        "figures",
        "languages",
        "foreign_words",
        "private_marks",
        "pair_missing_key",
    )
    for name in read:
        text = (rules.RULES / f"{name}.sql").read_text()
        (broken / f"{name}.sql").write_text(text)
    write(tmp_path, good_rows())
    for module in (rules, measuring):
        monkeypatch.setattr(module, "RULES", broken)
    odd = broken / "release_odd.sql"
    odd.write_text("-- warning: No tone is odd.\nselect tone from measured\n")
    with pytest.raises(GateBroken, match=r"the rule `odd` cannot be .*release_odd\.sql.*tone"):
        run_gate(tmp_path, expect(14))
    odd.rename(broken / "pair_odd.sql")
    with pytest.raises(GateBroken, match=r"cannot be measured: mend one of .*pair_odd\.sql"):
        run_gate(tmp_path, expect(14))


def own(folder: Path, text: str, name: str = "polite.sql") -> str:
    """Write a rule of a recipe's own and return its folder."""
    (folder / "own").mkdir(exist_ok=True)
    (folder / "own" / name).write_text(text)
    return str(folder / "own")


def test_a_rule_of_the_recipe_s_own_reads_the_pairs(tmp_path: Path) -> None:
    write(tmp_path, [*good_rows(), row("rude", messages=chat("It is 4, fool."))])
    text = (
        "-- critical: Nobody is called names.\nselect pair_id, 'rude' as detail\n"
        "from pairs\nwhere messages[-1].content like '%fool%'; -- a remark"
    )
    folder = own(tmp_path, text)
    before = digest_rules(expect(15, rules=folder))
    result = run_gate(tmp_path, expect(15, rules=folder))
    (rule,) = result.failed_critical
    assert (rule.rule, rule.found, rule.pair_ids, rule.detail) == ("polite", 1, ("rude",), "rude")
    assert rule.description == "Nobody is called names."
    assert result.digest == before
    own(tmp_path, text.replace("critical", "warning"))
    assert digest_rules(expect(15, rules=folder)) != before


@pytest.mark.everyday(3)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("select 1", r"polite\.sql: a rule's first line is `-- critical: …`"),
        ("-- fatal: No.\nselect 1", r"polite\.sql: a rule's first line is"),
        ("-- critical: No.\nselect pair_id from nowhere", r"cannot be evaluated: mend polite\.sql"),
        (
            "-- critical: No.\nselect domain from pairs",
            r"let polite\.sql return a column `pair_id`",
        ),
        ("-- critical: No.\nselec pair_id", r"polite\.sql: this is not SQL"),
        ("-- critical: No.\ndrop view pairs", r"polite\.sql: a rule is one `select`"),
        ("-- critical: No.\nselect 1; select 2", r"polite\.sql: a rule is one `select`"),
        (
            "-- critical: No.\nselect content as pair_id from read_text('/etc/hostname')",
            r"mend polite\.sql.*disabled",
        ),
    ],
)
def test_a_rule_that_is_none_is_told_by_its_file(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, good_rows())
    with pytest.raises(GateBroken, match=message):
        run_gate(tmp_path, expect(14, rules=own(tmp_path, text)))


def test_a_rule_has_a_name_of_its_own_and_a_folder(tmp_path: Path) -> None:
    text = "-- critical: No.\nselect 1"
    with pytest.raises(GateBroken, match=r"secret\.sql: there is a rule `secret` already"):
        run_gate(tmp_path, expect(14, rules=own(tmp_path, text, "secret.sql")))
    (tmp_path / "own" / "secret.sql").rename(tmp_path / "own" / "it's.sql")
    with pytest.raises(GateBroken, match=r"it's\.sql: a rule's file is named with"):
        run_gate(tmp_path, expect(14, rules=str(tmp_path / "own")))
    with pytest.raises(RecipeError, match=r"release\.rules: .*nowhere: expected a folder"):
        run_gate(tmp_path, expect(14, rules=str(tmp_path / "nowhere")))


@pytest.mark.slow
def test_a_suite_of_the_recipe_s_own(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    file = tmp_path / "suite.json"
    only_math = {"column": "domain", "value_set": ["math"]}
    declared = {"type": "expect_column_values_to_be_in_set", "kwargs": only_math}
    file.write_text(json.dumps({"expectations": [{**declared, "severity": "warning"}]}))
    (rule,) = warnings_in(run_gate(tmp_path, expect(14, suite=str(file))))
    assert (rule.rule, rule.pair_ids) == ("own_1_column_values_to_be_in_set", ("code",))
    for text, message in (
        ("[", r"suite\.json: expected \{\"expectations\""),
        ('{"expectations": [{}]}', r"suite\.json: expectation 1 has no `type`"),
        (
            '{"expectations": [{"type": "expect_mildness", "kwargs": {}}]}',
            r"suite\.json: Great Expectations refuses",
        ),
        (
            json.dumps({"expectations": [{**declared, "kwargs": {**only_math, "column": "tone"}}]}),
            r"the rule `own_1_column_values_to_be_in_set` cannot be evaluated",
        ),
    ):
        file.write_text(text)
        with pytest.raises(GateBroken, match=message):
            run_gate(tmp_path, expect(14, suite=str(file)))


@pytest.mark.slow
def test_examples_are_few_and_the_count_is_whole(tmp_path: Path) -> None:
    rows = [row(f"wrong-{index}", verdict="wrong") for index in range(50)]
    write(tmp_path, rows)
    (rule,) = run_gate(tmp_path, expect(50)).failed_critical
    assert (rule.rule, rule.found, len(rule.pair_ids)) == ("wrong_verdict", 50, EXAMPLES)


@pytest.mark.slow
def test_the_gate_is_silent_and_its_verdict_is_json(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "a=b [1]" / "it's *"  # A path that looks like a partition, a glob and a quote.
    odd.mkdir(parents=True)
    write(odd, good_rows())
    verdict = run_gate(odd, expect(14)).as_json()
    assert verdict["passed"] is True
    assert set(verdict) == {"suite", "passed", "rows", "rules", "figures", "digest"}
    keys = {"rule", "severity", "passed", "found", "pair_ids", "detail", "description"}
    assert keys == set(verdict["rules"][0])
    assert capfd.readouterr() == ("", "")


ONE = {"type": "expect_column_to_exist", "kwargs": {"column": "domain"}}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"expectations": None}, r"expected \{\"expectations\": \[…\]\} in JSON, .* is None"),
        ({"expectations": {}}, r"expected \{\"expectations\": \[…\]\} in JSON"),
        (None, r"expected \{\"expectations\": \[…\]\} in JSON"),
        ({"expectations": [{**ONE, "meta": None}]}, "expectation 1 has None as `meta`"),
        ({"expectations": [ONE, {**ONE, "meta": [1]}]}, r"expectation 2 has \[1\] as `meta`"),
        ({"expectations": [{**ONE, "severity": ["warning"]}]}, r"expectation 1 is `\['warning'\]`"),
        ({"expectations": [{**ONE, "severity": {}}]}, "expectation 1 is `{}`"),
        ({"expectations": [{**ONE, "severity": None}]}, "expectation 1 is `None`"),
        ({"expectations": [{**ONE, "kwargs": None}]}, "Great Expectations refuses this suite"),
        ({"expectations": [{**ONE, "type": None}]}, "expectation 1 has no `type`"),
    ],
)
def test_a_suite_of_wrong_types_says_what_to_mend(
    tmp_path: Path, declared: object, message: str
) -> None:
    file = tmp_path / "suite.json"
    file.write_text(json.dumps(declared))
    with pytest.raises(GateBroken, match=r"suite\.json: .*" + message):
        read_own_suite(str(file))
