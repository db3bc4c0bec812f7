"""Rows for the gate: good ones, and for each rule rows that it alone must blame.

write(folder, [*good_rows(), *FAULTS["looping"]]); run_gate(folder, expect(18))
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from expectations.gate import Book, Expected, Limits
from expectations.release_suite import NEVER_NULL
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
    **{f"no_null_{name}": [row(f"no-{name}", **{name: None})] for name in NEVER_NULL},
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
    "foreign_language": [
        row(
            "spanish",
            messages=chat("Hay dos manzanas en la mesa y otras dos en el plato, así que son 4."),
        ),
        row(
            "half-german",
            messages=chat(
                "First we count the apples that are on the table, and there are two of them. "
                "Dann nehmen wir noch die zwei Äpfel dazu, die auf dem Teller sind, und es sind 4."
            ),
        ),
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


BY_RUBRIC = {"pass_rate": None, "low": None, "high": None, "key_source": "rubric"}


def good_rows() -> list[dict[str, Any]]:
    return [
        row("good"),
        row("no-reasoning", messages=chat("It is 4.")),
        row("edge", pass_rate=0.75),
        row("code", domain="code", answer_type="code", key=None, pass_rate=0.1, low=0.0),
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
