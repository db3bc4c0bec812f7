"""Counts: the query finds what counting one grade after another finds."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tasks.assess.difficulty import measure_difficulty, share_sampled
from tasks.recipe import SelectSettings
from tasks.store import Store
from tests.conftest import MakeRecipe

Row = Mapping[str, Any]
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
TYPES = ("number", "code", "text")
SAID = {
    "number": ("7", "7.0", "1,000", "1000", "x", None),
    "code": ("a", "b", None),
    "text": ("Rome", " rome ", "Oslo", ""),
}
VERDICTS = ("correct", "wrong", "wrong", "truncated", "unverifiable")
PLACE = ("prompt_id", "role", "model", "completion_tokens")
RESPONSE = ("response_id", "prompt_id", "role", "model")
GRADINGS = (
    (("math", 1, 1),),
    (("math", 1, None),),
    (("math", 1, 1), ("math", 2, 1)),
    (("math", 1, 1), ("judge", 1, 1)),
    (("math", 2, 1), ("math", 2, 2)),
)


def write_pool(store: Store, seed: int, *, placed: bool) -> list[dict[str, Any]]:
    """Write prompts, keys that may have changed, and responses graded once or more often."""
    chance = random.Random(seed)
    prompts, keys, responses, grades = [], [], [], []
    for _ in range(40):
        prompt_id = f"{chance.getrandbits(64):016x}"
        answer_type = chance.choice(TYPES)
        prompts.append({"prompt_id": prompt_id, "domain": chance.choice(("math", None))})
        words = [f"{prompt_id}{word}" for word in range(chance.choice((1, 1, 2)))]
        keys += [
            {"key_id": key, "prompt_id": prompt_id, "answer_type": answer_type}
            | {"created_at": BEGAN + timedelta(seconds=place)}
            for place, key in enumerate(words)
        ]
        for role, model in (
            ("student", "s"),
            ("student", "t"),
            ("reference", "r"),
            ("teacher", "s"),
        ):
            for index in range(chance.choice((0, 1, 5))):
                response = {
                    "response_id": f"{prompt_id}{role}{model}{index}",
                    "prompt_id": prompt_id,
                    "role": role,
                    "model": model,
                    "completion_tokens": chance.choice((None, 10, 20)),
                }
                responses.append(response)
                place = {name: response[name] for name in (*PLACE, "response_id")}
                grades += [
                    {
                        **(place if placed else {"response_id": response["response_id"]}),
                        "key_id": key,
                        "verifier": verifier,
                        "version": version,
                        "attempt": attempt,
                        "verdict": chance.choice(VERDICTS),
                        "extracted": chance.choice(SAID[answer_type]),
                        "created_at": BEGAN + timedelta(seconds=second),
                    }
                    for key in words
                    for (verifier, version, attempt), second in zip(
                        chance.choice(GRADINGS), chance.sample(range(5), 2), strict=False
                    )
                ]
    for table, rows in (("prompts", prompts), ("keys", keys), ("responses", responses)):
        insert(store, table, rows)
    insert(store, "grades", grades)
    return count_plainly(prompts, keys, responses, grades)


def insert(store: Store, table: str, rows: Sequence[Row]) -> None:
    """Insert rows with their own times."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    store.cursor().register("rows_of_test", frame)
    store.cursor().execute(f"insert into {table} by name select * from rows_of_test")
    store.cursor().unregister("rows_of_test")


def class_of(answer_type: str, grade: Row) -> str | None:
    """Name the set of answers that one belongs to, as docs/teachable.md says."""
    if grade["verdict"] == "correct":
        return ""
    if grade["verdict"] != "wrong" or answer_type == "code" or grade["extracted"] is None:
        return None
    try:
        return str(float(grade["extracted"].replace(",", "")))
    except ValueError:
        return str(grade["extracted"]).strip().lower()


def last_words(grades: Sequence[Row]) -> Iterator[Row]:
    """Yield the grade that counts of every response and key."""
    by_response = defaultdict(list)
    for grade in grades:
        by_response[grade["response_id"], grade["key_id"]].append(grade)
    for said in by_response.values():
        said.sort(key=lambda grade: grade["verifier"])
        yield max(said, key=lambda grade: (grade["created_at"], grade["version"]))


def count_plainly(
    prompts: Sequence[Row], keys: Sequence[Row], responses: Sequence[Row], grades: Sequence[Row]
) -> list[dict[str, Any]]:
    """Count one prompt after another, one response after another."""
    counted = []
    current = {key["prompt_id"]: key for key in keys}  # In the order of their times.
    of_response = {(each["response_id"], each["key_id"]): each for each in last_words(grades)}
    for prompt in prompts:
        key = current[prompt["prompt_id"]]
        said = [
            (response, of_response[response["response_id"], key["key_id"]])
            for response in responses
            if response["prompt_id"] == prompt["prompt_id"]
        ]
        reference = [grade for response, grade in said if response["role"] == "reference"]
        votes = Counter(class_of(key["answer_type"], grade) for grade in reference)
        votes.pop(None, None)
        favourite = min(votes, key=lambda name: (-votes[name], name or ""), default=None)
        for model in ("s", "t"):
            mine = [
                each for each in said if each[0]["role"] == "student" and each[0]["model"] == model
            ]
            if mine:
                counted.append(row_of(key, model, mine, favourite, reference))
    return sorted(counted, key=lambda row: (row["prompt_id"], row["student"]))


def row_of(
    key: Row,
    model: str,
    mine: Sequence[tuple[Row, Row]],
    favourite: str | None,
    reference: Sequence[Row],
) -> dict[str, Any]:
    """Return the row of a prompt and a student."""
    verdicts = Counter(grade["verdict"] for _, grade in mine)
    # A wrong answer that is spelt like nothing is not the class of the correct ones.
    classes = Counter(
        (grade["verdict"] == "correct", name)
        for _, grade in mine
        if (name := class_of(key["answer_type"], grade)) is not None
    )
    total = sum(classes.values())
    tokens = [response["completion_tokens"] for response, _ in mine]
    tokens = [count for count in tokens if count is not None]
    right = Counter(grade["verdict"] for grade in reference)
    decided = right["correct"] + right["wrong"]
    return {
        "prompt_id": key["prompt_id"],
        "student": model,
        "key_id": key["key_id"],
        **{name: verdicts[name] for name in ("correct", "wrong", "truncated", "unverifiable")},
        "mean_tokens": sum(tokens) / len(tokens) if tokens else None,
        "answers": len(classes) or None,
        "entropy": -sum(n / total * math.log2(n / total) for n in classes.values())
        if total
        else None,
        "agreement": sum(n for (_, name), n in classes.items() if name == favourite) / total
        if total and favourite is not None
        else None,
        "reference_rate": right["correct"] / decided if decided else None,
        "reference_decided": decided or None,
    }


@pytest.mark.parametrize("placed", [True, False])
def test_counts_are_those_of_counting_one_by_one(store: Store, placed: bool) -> None:
    expected = write_pool(store, seed=7, placed=placed)
    assert measure_difficulty(store, SelectSettings(), "run") == len(expected)
    rows = store.sql("select * from current_difficulty order by prompt_id, student").to_dicts()
    assert len(rows) == len(expected) > 40
    for row, plain in zip(rows, expected, strict=True):
        seen = {name: row[name] for name in plain}
        entropy, plain_entropy = seen.pop("entropy"), plain.pop("entropy")
        assert (entropy is None) == (plain_entropy is None)
        assert entropy is None or entropy == pytest.approx(plain_entropy, abs=1e-6)
        assert seen == pytest.approx(plain)
    assert measure_difficulty(store, SelectSettings(), "again") == 0


def test_a_grade_without_a_place_is_counted_beside_those_with_one(store: Store) -> None:
    expected = write_pool(store, seed=3, placed=True)
    store.execute("update grades set prompt_id = null where hash(response_id) % 2 = 0")
    measure_difficulty(store, SelectSettings(), "run")
    rows = store.sql(
        "select prompt_id, student, correct, wrong from current_difficulty order by 1, 2"
    )
    assert rows.rows() == [
        (row["prompt_id"], row["student"], row["correct"], row["wrong"]) for row in expected
    ]


@pytest.mark.parametrize(("sampled", "gap"), [(0.0, None), (1.0, 0.5)])
def test_answers_that_only_confirmed_a_rewrite_are_no_rate_to_compare_with(
    store: Store, sampled: float, gap: float | None
) -> None:
    kinds = {"a" * 16: "rewrite", "b" * 16: "seed"}
    insert(store, "prompts", [{"prompt_id": name, "kind": kind} for name, kind in kinds.items()])
    grades = []
    for name in kinds:
        key = {"key_id": name, "prompt_id": name, "created_at": BEGAN}
        insert(store, "keys", [{**key, "answer_type": "number"}])
        for role, verdicts in (("reference", ["correct"] * 2), ("student", ["correct", "wrong"])):
            grades += [
                {**key, "role": role, "model": role, "verifier": "math", "version": 1}
                | {"response_id": f"{name}{role}{place}", "verdict": verdict}
                for place, verdict in enumerate(verdicts)
            ]
    insert(store, "responses", [{name: each[name] for name in RESPONSE} for each in grades])
    insert(store, "grades", grades)
    measure_difficulty(store, SelectSettings(), "run", sampled)
    rows = store.sql("select prompt_id, reference_rate, reference_decided, gap from difficulty")
    assert sorted(rows.rows()) == [("a" * 16, 1.0, 2, gap), ("b" * 16, 1.0, 2, 0.5)]


@pytest.mark.parametrize(
    ("sample", "share"),
    [
        ({}, 0.0),
        ({"reference_on": "all", "reference": 4}, 1.0),
        ({"reference_on": "all", "reference": 2}, 0.0),  # Some have a third, those that differed.
        ({"gold_share": 0.25, "reference": 3}, 0.25),
    ],
)
def test_a_rewrite_is_measured_where_as_many_samples_are_drawn_as_may_confirm_it(
    make_recipe: MakeRecipe, sample: Any, share: float
) -> None:
    assert share_sampled(make_recipe(sample=sample)) == share
