"""Tallies: after any appends they are the counts of the last words, and nothing but the counts."""

from collections import Counter
from itertools import count
from statistics import mean, median
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import StoreError
from tasks.lake.place import SQL_FOLDER
from tasks.store import Store
from tests.taught_store import fill, identify, taught

DOMAINS = {"a": "math", "b": "math", "c": "math", "d": "code"}
OUTCOMES = ((True, "select", "kept"), (False, "select", "too_easy"), (False, "teach", "unusable"))
BAND = (0.25, 0.75)
_NUMBERS = count()
_names = st.sampled_from(sorted(DOMAINS))
_decisions = st.lists(
    st.dictionaries(_names, st.sampled_from(OUTCOMES), min_size=1), min_size=1, max_size=4
)
_counts = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1))
_measures = st.lists(st.dictionaries(_names, _counts, min_size=1), min_size=1, max_size=4)
_on_one_store = settings(
    max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _decide(store: Store, policy: str, outcomes: dict[str, tuple[bool, str, str]]) -> int:
    rows = [
        {"policy": policy, "prompt_id": identify(name), "kept": kept, "stage": stage, "reason": why}
        for name, (kept, stage, why) in outcomes.items()
    ]
    return store.append("decisions", pl.DataFrame(rows), run_id="r")


def _measure(store: Store, student: str, counts: dict[str, tuple[int, int, int]]) -> int:
    rows = [
        {
            "prompt_id": identify(name),
            "student": student,
            "correct": correct,
            "wrong": wrong,
            "truncated": truncated,
            "unverifiable": 0,
            "pass_rate": _rate(correct, wrong),
            "band_low": BAND[0],
            "band_high": BAND[1],
            "gap": None if correct else 0.5,
        }
        for name, (correct, wrong, truncated) in counts.items()
    ]
    return store.append("difficulty", pl.DataFrame(rows, infer_schema_length=None), run_id="r")


def _rate(correct: int, wrong: int) -> float | None:
    return correct / (correct + wrong) if correct + wrong else None


def _funnel(store: Store, policy: str) -> Counter[tuple[Any, ...]]:
    rows = store.sql(
        "select domain, kept, stage, reason, prompts from funnels where policy = $policy",
        {"policy": policy},
    ).rows()
    assert all(row[-1] > 0 for row in rows)
    return Counter({row[:-1]: row[-1] for row in rows})


@pytest.fixture
def pool(store: Store) -> Store:
    """A store with four prompts of two domains and nothing measured or decided."""
    fill(store, *(taught(name, domain=domain, key=None) for name, domain in DOMAINS.items()))
    return store


@_on_one_store
@given(appends=_decisions)
def test_the_funnel_is_the_count_of_the_last_decisions(pool: Store, appends: Any) -> None:
    policy = f"policy@{next(_NUMBERS)}"
    last: dict[str, tuple[bool, str, str]] = {}
    for outcomes in appends:
        changed = {name: said for name, said in outcomes.items() if last.get(name) != said}
        assert _decide(pool, policy, outcomes) == len(changed)
        last |= outcomes
        told = Counter((DOMAINS[name], *said) for name, said in last.items())
        assert _funnel(pool, policy) == told
    assert pool.sql("from latest_policy")["policy"].to_list() == [policy]
    pool.recount()
    assert _funnel(pool, policy) == told
    assert pool.sql("from latest_policy")["policy"].to_list() == [policy]


@pytest.mark.slow
@_on_one_store
@given(appends=_measures)
def test_the_difficulty_of_a_domain_is_that_of_the_last_measures(pool: Store, appends: Any) -> None:
    student = f"student-{next(_NUMBERS)}"
    last: dict[str, tuple[int, int, int]] = {}
    for counts in appends:
        _measure(pool, student, counts)
        last |= counts
    for recounted in (False, True):
        if recounted:
            pool.recount()
        found = pool.sql(
            "from difficulty_by_domain where student = $student", {"student": student}
        ).to_dicts()
        assert [row["domain"] for row in found] == sorted({DOMAINS[name] for name in last})
        for row in found:
            those = [said for name, said in last.items() if DOMAINS[name] == row["domain"]]
            rates = [correct / (correct + wrong) for correct, wrong, _ in those if correct + wrong]
            assert row == {
                "domain": row["domain"],
                "student": student,
                "prompts": len(those),
                "decided": sum(correct + wrong for correct, wrong, _ in those),
                "truncated": sum(truncated for *_, truncated in those),
                "unverifiable": 0,
                "mean_pass_rate": pytest.approx(mean(rates)) if rates else None,
                "median_pass_rate": median(rates) if rates else None,
                "always_solved": sum(c > 0 and w == 0 for c, w, _ in those),
                "never_solved": sum(c == 0 and w > 0 for c, w, _ in those),
                "within_band": sum(BAND[0] <= rate <= BAND[1] for rate in rates),
                "mean_gap": 0.5 if any(correct == 0 for correct, *_ in those) else None,
            }


def test_a_row_and_its_tally_come_together_or_not_at_all(pool: Store) -> None:
    _decide(pool, "p@1", {"a": OUTCOMES[0]})
    pool.execute("alter table decision_tallies rename to elsewhere")
    with pytest.raises(StoreError):
        _decide(pool, "p@1", {"a": OUTCOMES[1], "b": OUTCOMES[0]})
    assert pool.sql("select kept from decisions").rows() == [(True,)]
    pool.execute("alter table elsewhere rename to decision_tallies")
    assert _decide(pool, "p@1", {"a": OUTCOMES[1], "b": OUTCOMES[0]}) == 2
    assert _funnel(pool, "p@1") == {("math", *OUTCOMES[0]): 1, ("math", *OUTCOMES[1]): 1}


@pytest.mark.slow
def test_a_store_of_before_is_counted_by_its_migration(pool: Store) -> None:
    for outcome in OUTCOMES:
        _decide(pool, "p@1", dict.fromkeys(DOMAINS, outcome))
    _measure(pool, "s", {"a": (1, 1, 0), "b": (0, 2, 1)})
    _measure(pool, "s", {"b": (2, 0, 0)})
    asked = ("from funnel", "from difficulty_by_domain", "from latest_policy")
    told = [pool.sql(statement) for statement in asked]
    for table in ("decision_tallies", "difficulty_tallies"):
        pool.execute(f"delete from {table}")
    pool.execute((SQL_FOLDER / "migrations" / "0052_tallied.sql").read_text(encoding="utf-8"))
    for statement, before in zip(asked, told, strict=True):
        assert pool.sql(statement).equals(before)


def test_repeating_what_is_there_leaves_no_trace(pool: Store) -> None:
    _decide(pool, "p@1", {"a": OUTCOMES[0]})
    newest = pool.query("lake_snapshot")
    assert _decide(pool, "p@1", {"a": OUTCOMES[0]}) == 0
    assert pool.query("lake_snapshot").equals(newest)


def test_what_the_newest_policy_keeps_is_its_last_word(pool: Store) -> None:
    _decide(pool, "p@1", dict.fromkeys(DOMAINS, OUTCOMES[0]))
    kept, dropped = OUTCOMES[0], OUTCOMES[1]
    _decide(pool, "p@2", {"a": kept, "b": kept, "c": dropped, "d": dropped})
    _decide(pool, "p@2", {"b": dropped, "c": kept})
    _decide(pool, "p@2", {"b": kept, "c": dropped})
    last = "select prompt_id from current_decisions where policy = 'p@2' and kept"
    told = {identify(name) for name in ("a", "b")}
    assert set(pool.sql("from latest_kept")["prompt_id"]) == told
    assert set(pool.sql(last)["prompt_id"]) == told
