"""The views for people: each row and figure worked out by hand, from every side they are asked."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from cli.reading import open_reader
from cli.snapshot import copy_store
from tasks.lake.place import SQL_FOLDER, attach_statement
from tasks.recipe import StoreSettings
from tasks.store import Store
from tests.taught_store import STUDENT, fill, identify, taught

MONDAY = datetime(2026, 11, 16, 23, 30, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(hours=1)


def _put(store: Store, table: str, *rows: Mapping[str, Any], at: datetime) -> None:
    """Put rows in as if it had been then: `append` would stamp them with now."""
    frame = pl.DataFrame([{**row, "created_at": at} for row in rows], infer_schema_length=None)
    store.cursor().register("given", frame)
    store.execute(f"insert into {table} by name select * from given")


def _call(name: str, **changes: Any) -> dict[str, Any]:
    row = {"response_id": name, "role": "student", "model": "m", "server": "s", "attempts": 1}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "cost_usd": 0.25}
    return {**row, **usage, **changes}


def test_spend_by_day_counts_attempts_dollars_and_what_has_no_price(store: Store) -> None:
    _put(store, "responses", _call("a"), _call("b", attempts=3), at=MONDAY)
    _put(store, "responses", _call("c", cost_usd=None, attempts=2), at=TUESDAY)
    _put(store, "responses", _call("imported", server="import"), at=TUESDAY)
    lost = {"failure": "refused", "prompt_tokens": None, "completion_tokens": None}
    _put(store, "failures", _call("d", attempts=6, cost_usd=0.5, **lost), at=TUESDAY)
    _put(store, "responses", _call("e", role="teacher", cost_usd=2.0), at=TUESDAY)
    assert store.sql("from spend_by_day").rows() == [
        (date(2026, 11, 17), "teacher", "m", 1, 1, 0, 10, 5, 2.0, 0),
        (date(2026, 11, 17), "student", "m", 8, 1, 1, 10, 5, 0.5, 2),
        (date(2026, 11, 16), "student", "m", 4, 2, 0, 20, 10, 0.5, 0),
    ]


def test_spend_by_stage_tells_what_a_role_was_asked_for_and_of_which_domain(store: Store) -> None:
    seeds = [{"prompt_id": name, "domain": name} for name in ("math", "code")]
    _put(store, "prompts", *seeds, at=MONDAY)
    refused = {"response_id": "w", "prompt_id": "refused", "parent_id": "code", "accepted": False}
    _put(store, "rewrites", refused, at=MONDAY)
    judge = {"role": "judge", "run_id": "r"}
    confirmed = {"role": "reference", "prompt_id": "refused", "stage": "rewrite", "run_id": "r"}
    _put(store, "responses", _call("a", prompt_id="math", stage="rate", **judge), at=MONDAY)
    _put(store, "responses", _call("b", prompt_id="math", stage="assess", **judge), at=MONDAY)
    _put(store, "responses", _call("c", attempts=2, **confirmed), at=MONDAY)
    # From before stages were noted: a student is asked by one stage, a judge by several.
    _put(store, "responses", _call("d", prompt_id="code", run_id="old"), at=MONDAY)
    _put(store, "responses", _call("e", role="judge", run_id="old", cost_usd=None), at=MONDAY)
    cut_off = {"failure": "retryable", "prompt_tokens": None, "completion_tokens": None}
    failed = _call("f", prompt_id="math", stage="rate", cost_usd=None, **judge, **cut_off)
    _put(store, "failures", failed, at=MONDAY)
    assert sorted(store.sql("from spend_by_stage").rows(), key=str) == [
        ("old", "sample", "student", "m", "code", 1, 1, 0, 10, 5, 0.25, 0),
        ("old", None, "judge", "m", None, 1, 1, 0, 10, 5, None, 1),
        ("r", "assess", "judge", "m", "math", 1, 1, 0, 10, 5, 0.25, 0),
        ("r", "rate", "judge", "m", "math", 2, 1, 1, 10, 5, 0.25, 1),
        ("r", "rewrite", "reference", "m", "code", 2, 1, 0, 10, 5, 0.25, 0),
    ]


def test_difficulty_by_domain_tells_solved_from_unsolved_and_undecided(store: Store) -> None:
    fill(
        store,
        taught("half", correct=2, wrong=2),
        taught("easy", correct=4, wrong=0),
        taught("hard", correct=0, wrong=3, truncated=1),
        taught("cut", correct=0, wrong=0, truncated=4),
        taught("other", domain="code", correct=1, wrong=3),
    )
    store.execute("update difficulty set band_low = 0.25, band_high = 0.75, gap = 0.5")
    store.recount()
    found = store.sql("from difficulty_by_domain").to_dicts()
    assert found == [
        {
            "domain": "code",
            "student": STUDENT,
            "prompts": 1,
            "decided": 4,
            "truncated": 0,
            "unverifiable": 0,
            "mean_pass_rate": 0.25,
            "median_pass_rate": 0.25,
            "always_solved": 0,
            "never_solved": 0,
            "within_band": 1,
            "mean_gap": 0.5,
        },
        {
            "domain": "math",
            "student": STUDENT,
            "prompts": 4,
            "decided": 11,
            "truncated": 5,
            "unverifiable": 0,
            "mean_pass_rate": 0.5,
            "median_pass_rate": 0.5,
            "always_solved": 1,
            "never_solved": 1,
            "within_band": 1,
            "mean_gap": 0.5,
        },
    ]


def test_failures_recent_reaches_back_a_week_from_the_newest_run(store: Store) -> None:
    lost = {"failure": "rate_limited", "message": "slow down"}
    fill(store, taught("asked"))
    asked = identify("asked")
    _put(store, "failures", _call("early", **lost), at=TUESDAY - timedelta(days=8))
    assert store.sql("from failures_recent").height == 1  # No run is there to reach back from.
    store.append("runs", pl.DataFrame([{"run_id": "r", "started_at": TUESDAY}]))
    _put(store, "failures", _call("mended", prompt_id=asked, **lost), at=MONDAY)
    _put(store, "failures", _call("open", prompt_id="unknown", **lost), at=TUESDAY)
    _put(store, "responses", _call("mended"), at=TUESDAY)
    columns = "select response_id, answered_since, prompt, domain, message from failures_recent"
    assert store.sql(columns).rows() == [
        ("open", False, None, None, "slow down"),
        ("mended", True, taught("asked").text, "math", "slow down"),
    ]


def _changes(source: Store | duckdb.DuckDBPyConnection, moment: str) -> list[tuple[Any, ...]]:
    statement = f"select what, detail, rows from what_changed_since({moment})"
    if isinstance(source, Store):
        return source.sql(statement).rows()
    return source.execute(statement).fetchall()


@pytest.mark.slow
def test_what_changed_since_counts_what_came_in_from_that_moment_on(
    store: Store, tmp_path: Path
) -> None:
    prompt = {"kind": "seed", "domain": "math"}
    decision = {"policy": "p", "prompt_id": "one"}
    _put(store, "prompts", {"prompt_id": "one", **prompt}, at=MONDAY)
    _put(store, "decisions", {**decision, "kept": True, "stage": "select"}, at=MONDAY)
    store.append("runs", pl.DataFrame([{"run_id": "r", "flow": "build", "started_at": TUESDAY}]))
    _put(store, "prompts", {"prompt_id": "two", **prompt}, {"prompt_id": "three"}, at=TUESDAY)
    dropped = {"kept": False, "stage": "select", "reason": "too_easy"}
    _put(store, "decisions", {**decision, **dropped}, at=TUESDAY)
    _put(store, "responses", _call("a"), _call("b"), at=TUESDAY + timedelta(seconds=1))
    since_tuesday = [
        ("runs", "build", 1),
        ("prompts", "", 1),
        ("prompts", "seed math", 1),
        ("responses", "student m", 2),
        ("decisions", "select too_easy", 1),
    ]
    moment = "'2026-11-17T00:30:00Z'"
    assert _changes(store, moment) == since_tuesday
    last_run = "select what, detail, rows from what_changed_last_run"
    assert store.sql(last_run).rows() == since_tuesday
    assert _changes(store, "timestamptz '2026-11-18 00:00:00Z'") == []

    with open_reader(store.settings) as reader:
        assert _changes(reader, moment) == since_tuesday
        copy_store(reader, tmp_path / "copy.duckdb")
    with duckdb.connect(str(tmp_path / "copy.duckdb"), read_only=True) as copied:
        assert _changes(copied, moment) == since_tuesday
        assert copied.execute(last_run).fetchall() == since_tuesday


def _ask(store: Store, name: str) -> pl.DataFrame:
    statement = (SQL_FOLDER / "adhoc" / f"{name}.sql").read_text(encoding="utf-8")
    return store.sql(statement.rstrip().rstrip(";"))


def _judge(store: Store, name: str, *verdicts: str, version: int = 1, placed: bool = True) -> None:
    """Have the reference answer a prompt so often, with these verdicts on the prompt's key."""
    prompt_id = identify(name)
    ((key_id,),) = store.sql(
        "select key_id from current_keys where prompt_id = $prompt_id", {"prompt_id": prompt_id}
    ).rows()
    place = {"prompt_id": prompt_id, "role": "reference", "model": "big"}
    ids = [f"{name}-{number}" for number in range(len(verdicts))]
    store.append("responses", pl.DataFrame([{"response_id": each, **place} for each in ids]))
    grade = {"key_id": key_id, "verifier": "number", "version": version, "extracted": "5"}
    rows = [
        {"response_id": each, "verdict": verdict, **grade, **(place if placed else {})}
        for each, verdict in zip(ids, verdicts, strict=True)
    ]
    store.append("grades", pl.DataFrame(rows))


def test_a_key_is_suspicious_if_the_reference_is_wrong_every_time_as_graded_now(
    store: Store,
) -> None:
    names = ("always", "before", "often", "twice", "voted", "healed")
    fill(store, *(taught(name, teacher=(), trusted=name != "voted") for name in names))
    _judge(store, "always", "wrong", "wrong", "wrong")
    _judge(store, "before", "wrong", "wrong", "wrong", placed=False)
    _judge(store, "often", "wrong", "wrong", "wrong", "correct")
    _judge(store, "twice", "wrong", "wrong")
    _judge(store, "voted", "wrong", "wrong", "wrong")
    _judge(store, "healed", "wrong", "wrong", "wrong")
    _judge(store, "healed", "correct", version=2)  # Of the first of them.
    found = _ask(store, "suspicious_keys")
    assert set(found["prompt_id"]) == {identify("always"), identify("before")}
    assert set(found.select("gold", "reference_says", "samples").iter_rows()) == {("4", "5", 3)}


@pytest.mark.slow
def test_the_hardest_kept_are_those_that_are_kept_now_by_their_last_pass_rate(
    store: Store,
) -> None:
    fill(store, *(taught(name, correct=2, wrong=6) for name in ("hard", "easier", "dropped")))
    fill(store, taught("middle", correct=4, wrong=4))
    fill(store, taught("easier", correct=6, wrong=2))
    for kept in (True, False):
        names = ("hard", "easier", "dropped", "middle") if kept else ("dropped",)
        rows = [{"policy": "p", "prompt_id": identify(name), "kept": kept} for name in names]
        store.append("decisions", pl.DataFrame(rows))
    columns = ("prompt_id", "pass_rate", "correct", "wrong")
    assert _ask(store, "hardest_kept").select(columns).rows() == [
        (identify("hard"), 0.25, 2, 6),
        (identify("middle"), 0.5, 4, 4),
        (identify("easier"), 0.75, 6, 2),
    ]


def test_documented_attach_statement_is_ours() -> None:
    settings = StoreSettings(catalog="projects/quickstart/store/catalog.sqlite")
    told = (SQL_FOLDER.parent / "docs" / "queries.md").read_text(encoding="utf-8")
    said = " ".join(told.split("```sql")[1].split("```")[0].split("attach ")[1].split())
    assert set(_options(said)) == set(_options(attach_statement(settings, read_only=True)))


def _options(statement: str) -> list[str]:
    inside = statement.split("(", 1)[1].split(")")[0]
    return sorted(" ".join(option.split()) for option in inside.split(","))


def test_every_view_for_people_is_documented_with_its_columns(store: Store) -> None:
    told = (SQL_FOLDER.parent / "docs" / "queries.md").read_text(encoding="utf-8")
    for name in (
        "funnel",
        "pairs",
        "spend_by_day",
        "spend_by_stage",
        "difficulty_by_domain",
        "pass_rates",
        "failures_recent",
        "what_changed_since(now())",
    ):
        section = told.split(f"### {name.replace('now()', 'moment')}\n")[1].split("###")[0]
        columns = store.sql(f"from {name} limit 0").columns
        assert [column for column in columns if f"`{column}`" not in section] == []
