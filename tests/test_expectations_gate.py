"""The gate: one good row, one bad row a rule, and each bad row blamed by its own rule only."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from expectations import measuring, rules
from expectations.gate import EXAMPLES, Book, Expected, GateResult, Limits, digest_rules, run_gate
from expectations.lengths import load_tokenizer
from tasks.errors import GateBroken, RecipeError
from tasks.rate.guidelines import split_passages
from tasks.recipe import Allowances, GateSettings
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


LOOP = "and then we add the four apples to the other four apples and "
# A step that comes twice, in the thoughts and once more in the answer, goes round no circle.
TWICE = 2 * "3 - 1 = 2\n10 + 10 = 20\n3 + 1 = 4\n20 + 4 = 24\n2 * 24 = 48\n7 + 1 = 8\n48 / 8 = 6\n"
PRIVATE = "Refuse what would really hurt somebody, say so in one sentence and offer what is safe."
SYSTEM = "Show the whole derivation before you state a number, whatever you are asked."
FAULTS: dict[str, list[dict[str, Any]]] = {
    "unique_pair_id": [row("double", messages=chat("one")), row("double", messages=chat("two"))],
    "no_null_teacher": [row("no-teacher", teacher=None)],
    "known_kind": [row("odd-kind", kind="guess")],
    "known_key_source": [row("odd-source", key_source="a friend")],
    "known_split": [row("odd-split", split="test")],
    "repeated_conversation": [
        row("again-1", messages=chat("The same.")),
        row("again-2", messages=chat("The same.")),
    ],
    "malformed_messages": [
        row("upside-down", messages=chat("four", first="assistant", second="user")),
        row("no-question", messages=chat("four", question=" \u00a0")),
        row("blank-system", messages=[{"role": "system", "content": " "}, *chat("Four!")]),
        row("no-role", messages=chat("four", first=None)),  # type: ignore[arg-type]
        row("no-messages", messages=None),
    ],
    "missing_key": [row("no-key", key=None), row("blank-key", key=" \n")],
    "wrong_verdict": [row("wrong", verdict="wrong"), row("ungraded", verdict=None)],
    "impossible_pass_rate": [row("out-of-interval", pass_rate=0.5, low=0.6, high=0.9)],
    "outside_band": [
        row("easy", pass_rate=0.7501),
        row("hard", pass_rate=0.0, low=0.0),
        row("code-edge", domain="code", pass_rate=0.6),
        row("no-rate", pass_rate=None),
    ],
    "empty_answer": [
        row("thought-only", messages=chat("<think>\nhm\n</think>\n\n \u3000\n")),
        row("silent", messages=chat(None)),
    ],
    "malformed_thinking": [
        row("open", messages=chat("<think>\nhm\n\nIt is 4.")),
        row("no-thought", messages=chat("<think>\n \n</think>\n\nIt is 4.")),
        row("late", messages=chat("Well. <think>\nhm\n</think>\n\nIt is 4.")),
        row("twice", messages=chat("<think>\na\n</think>\n\n<think>\nb\n</think>\n\nIt is 4.")),
        row("closed-twice", messages=chat("<think>\na\n</think>\n\n4</think>")),
    ],
    "looping": [
        row("round", messages=chat(f"We start. {LOOP * 9} So it is 4.")),
        row("thought-round", messages=chat(f"<think>\n{LOOP * 9}\n</think>\n\nIt is 4.")),
        row("stutter", messages=chat(f"It is {'very ' * 300} much 4.")),
        row(
            "round-unspaced",
            messages=chat("四" + "我们再把这四个苹果加到那四个苹果上然后重新再数一遍" * 9),
        ),
    ],
    "leaked_guideline": [
        row("policy", messages=chat("Our policies clearly forbid this, but it is 4.")),
        row("prompted", messages=chat("My system prompt says to be brief. 4.")),
        row("parrot", messages=chat(f"I was told: {SYSTEM} So: 4.")),
        row("phrase", messages=chat("House rule seven is why I say 4.")),
    ],
    "repeated_guidelines": [
        row("quoted", messages=chat(f"It is 4. *{PRIVATE.upper()}*")),
        row(
            "thought-aloud",
            messages=chat(
                "<think>\nso: say so in one sentence, and offer what is safe\n</think>\n\nIt is 4!"
            ),
        ),
        row(
            "asked",
            messages=chat("4?", question=PRIVATE.partition(" and")[0]),
        ),
    ],
    "secret": [
        row("key", messages=chat(f"Use sk-{'a1B2' * 8} and it is 4.")),
        row("cloud", messages=chat(f"4, {'AKIA' + 'ABCDEFGH12345678'}")),
        row("pem", messages=chat("4", question="-----BEGIN RSA " + "PRIVATE KEY-----\nMII")),
    ],
    "personal_data": [
        row("mail", messages=chat("Ask jane.doe@mail-box.co.uk, it is 4.")),
        row("phone", messages=chat("Ring (212) 736-5000 for 4.")),
        row("abroad", messages=chat("Ring +44 20 7946 0958 for 4.")),
    ],
    "foreign_script": [
        row("mixed", messages=chat("First we note that поэтому ответ равен 4.")),
        row("left-latin", messages=chat("所以答案显然就是四个苹果.")),
    ],
    "too_long": [row("long", messages=chat("".join(f"{n}, " for n in range(2_000))))],
    "shared_root": [row("cousin", root_id="good", split="validation")],
    "shared_cluster": [row("twin", split="validation")],
    "benchmark_item": [row("flagged"), row("quoting", response_id="flagged-response")],
    "untrusted_key": [row("doubted")],
    "contradicted_verdict": [row("disputed")],
    "unknown_licence": [row("unlicensed", licence=None)],
}
# Where a row breaks a second rule with reason.
ALSO = {
    "empty_answer": {"closed-twice", "no-messages"},
    "foreign_script": {"round-unspaced"},
}


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    schema = pa.schema([(name, COLUMNS[name]) for name in pair_columns(with_reasoning=False)])
    shards = ParquetShards(folder, with_reasoning=False)
    shards.write("train", pl.DataFrame(pa.Table.from_pylist(rows, schema=schema)))
    shards.close()


def expect(pairs: int, **changes: Any) -> Expected:
    settings = {
        "max_tokens": 2_000,
        "guidelines": ("House rule seven",),
        "allow": Allowances(personal_data=0),
        **changes.pop("settings", {}),
    }
    expected = Expected(
        columns=duckdb_types(with_reasoning=False),
        band=(0.125, 0.75),
        domain_bands={"code": (0.1, 0.5)},
        kept=pairs,
        books=[Book("prompts that were decided on", pairs + 7, pairs + 7)],
        flagged=["flagged", "never released"],
        flagged_responses=["flagged-response"],
        untrusted=["doubted"],
        contradicted=["disputed"],
        clusters={"twin": "good", "good": "good"},
        guidelines=[SYSTEM],
        told_in_private=split_passages([PRIVATE]),
        limits=Limits(**GateSettings(**settings).model_dump()),
    )
    return replace(expected, **changes)


def failed(result: GateResult) -> set[str]:
    return {rule.rule for rule in result.rules if not rule.passed}


BY_RUBRIC = {"pass_rate": None, "low": None, "high": None, "key_source": "rubric"}


def good_rows() -> list[dict[str, Any]]:
    return [
        row("good"),
        row("no-reasoning", messages=chat("It is 4.")),
        row("edge", pass_rate=0.75),
        row("code", domain="code", pass_rate=0.1, low=0.0),
        row("told", messages=[{"role": "system", "content": "Be brief."}, *chat("Four.")]),
        row("other-split", split="validation"),
        row("example", messages=chat("Write to jo@mail.example.com or ring (212) 555-0143: 4.")),
        row("figures", messages=chat("As 100 + 200 - 300 = 0 and 123-456 < 7, it is 4.")),
        row("table", messages=chat("\n".join(f"| {n} | {n * n} | {n**3} |" for n in range(99)))),
        row("said-twice", messages=chat(f"<think>\n{TWICE}\n</think>\n\n{TWICE}So it is 4.")),
        row("clinic", messages=chat("According to the guidelines of the clinic, 4 tablets.")),
        row("greek", messages=chat("α + β ≤ γ² ⇒ Δ = 4 — “four”."), **BY_RUBRIC),
        row("chinese", messages=chat("所以答案显然就是四个苹果。", question="二加二等于多少?")),
        row("named", messages=chat(f"Pushkin (А. С. Пушкин) said {list(range(300))}.")),
    ]


def test_good_rows_pass_every_rule(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    result = run_gate(tmp_path, expect(14))
    assert [(rule.rule, rule.detail) for rule in result.rules if rule.found] == []
    assert (result.passed, result.rows) == (True, 14)
    assert result.figures["pairs"] == 14
    assert result.figures["share of code"] == round(1 / 14, 6)
    assert all(rule.description for rule in result.rules)


def test_each_fault_is_blamed_by_its_own_rule(tmp_path: Path) -> None:
    bad = [bad for rows in FAULTS.values() for bad in rows]
    write(tmp_path, [*good_rows(), *bad])
    result = run_gate(tmp_path, expect(14 + len(bad)))
    blamed = {rule.rule: set(rule.pair_ids) for rule in result.rules if not rule.passed}
    assert blamed == {
        rule: {bad["pair_id"] for bad in rows} | ALSO.get(rule, set())
        for rule, rows in FAULTS.items()
    }
    assert not result.passed
    assert {rule.rule for rule in result.failed_warning} == {"unknown_licence", "foreign_script"}
    found = {rule.rule: (rule.found, rule.detail) for rule in result.rules}
    assert found["wrong_verdict"][0] == 2
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


def test_mixture_and_drift_are_reported_with_their_figures(tmp_path: Path) -> None:
    write(tmp_path, good_rows())
    mixture = {"math": 0.5, "code": 0.05, "science": 0.45}
    before = {"pairs": 18.0, "pairs for validation": 1.0, "share of math": 0.7, "share of law": 1.0}
    result = run_gate(tmp_path, expect(14, mixture=mixture, previous=before))
    assert result.passed
    found = {rule.rule: (rule.found, rule.detail) for rule in result.failed_warning}
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
    (rule,) = result.failed_warning
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


def test_a_rule_that_raises_is_a_broken_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "rules"
    broken.mkdir()
    for name in ("measured_pairs", "figures", "pair_missing_key"):
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
    (rule,) = run_gate(tmp_path, expect(14, suite=str(file))).failed_warning
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
