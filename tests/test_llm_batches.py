"""Batches: half the price, nothing submitted twice, nothing lost on the way: see docs/engine.md."""

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import IO, Any

import polars as pl
import pytest
from prometheus_client import REGISTRY

from tasks.errors import BudgetReached, ModelServerError, RunInterrupted
from tasks.llm.batch.batches import at_batch_prices, complete_in_batches
from tasks.llm.batch.folding import BatchJob
from tasks.llm.batch.records import load_reserved
from tasks.llm.drawing import draw
from tasks.llm.engine import complete
from tasks.llm.money import Amount, Purse, reserve_for
from tasks.llm.pending import leave_out_known
from tasks.llm.request import Endpoint, Request, ResponseSchema
from tasks.llm.under_way import Completion, stop_calling
from tasks.progress import Tracker, track
from tasks.recipe import BatchSettings, Budget, ModelSettings, Prices, Sampling
from tasks.simulator.completions import count_tokens
from tasks.store import Store
from tests.conftest import MakeRecipe, about
from tests.scripted import once
from tests.simulated import BAKER, send, simulating, stats

MESSAGES = (("system", "Answer in \\boxed{}."), ("user", BAKER["prompt"]))
BYTES = sum(len(text.encode()) for _, text in MESSAGES)
TOKENS = 3 + sum(4 + count_tokens(text) for _, text in MESSAGES)


def _endpoint(base_url: str, batch: dict[str, Any] | None = None, **settings: Any) -> Endpoint:
    declared: dict[str, Any] = {
        "model": "sim-student",
        "mode": "batch",
        "batch": BatchSettings(**{"poll_interval_s": 0.2} | (batch or {})),
        "sampling": Sampling(temperature=1.0, max_tokens=200),
        "prices": Prices(input=2.0, output=4.0),
        "timeout_s": 5.0,
        "max_attempts": 3,
    }
    return Endpoint(ModelSettings(**declared | settings), base_url, "simulator", "key")


def _requests(count: int, **changes: Any) -> list[Request]:
    declared: dict[str, Any] = {
        "prompt_id": "a",
        "role": "student",
        "template": "solve@1",
        "messages": MESSAGES,
    }
    return [Request(sample_index=index, **declared | changes) for index in range(count)]


def _run(
    store: Store,
    endpoint: Endpoint,
    count: int,
    budget: Budget | None = None,
    tracker: Tracker | None = None,
    run_id: str = "r",
    **changes: Any,
) -> Completion:
    """What a stage does in batches: look at what is there, ask for the rest."""
    purse = Purse(budget or Budget(), spent=_spent(store), submitted=load_reserved(store))
    endpoint = at_batch_prices(endpoint)
    with track("student", count) as tracked:
        job = BatchJob(store, endpoint, "student", ["a"], run_id, purse, tracker or tracked)
        wanted = _requests(count, **changes)
        done = complete_in_batches(
            job, lambda: leave_out_known(store, endpoint, "student", ["a"], wanted)
        )
    # What the next run will count is what this one has, and it holds nothing back.
    assert dataclasses.replace(purse.spent, usd=about(purse.spent.usd)) == _spent(store)
    assert (purse.submitted.tokens, purse.submitted.calls) == (0, 0)
    return done


@contextmanager
def _once(url: str, state: str, act: Callable[[], object], batches: int = 1) -> Iterator[None]:
    """Do something as soon as so many batches are in a state at the server."""

    def are_there() -> bool:
        return int(stats(url)["batches"]["states"].get(state, 0)) >= batches

    def act_after_a_while() -> None:
        time.sleep(0.3)
        act()

    thread = once(are_there, act_after_a_while)
    yield
    thread.join(20)


def _count(store: Store, what: str) -> Any:
    return store.sql(f"select {what} as value")["value"][0]


def _spent(store: Store) -> Amount:
    return Amount(**store.query("spent").row(0, named=True))


def _metrics() -> dict[str, float]:
    """What Prometheus would get of the student's calls."""
    who = {"role": "student", "model": "sim-student"}
    samples = {
        "completed": ("teachset_calls_total", {"outcome": "completed"}),
        "failed": ("teachset_calls_total", {"outcome": "failed"}),
        "retryable": ("teachset_attempt_failures_total", {"failure": "retryable"}),
        "usd": ("teachset_dollars_total", {}),
        "prompt": ("teachset_tokens_total", {"kind": "prompt"}),
        "completion": ("teachset_tokens_total", {"kind": "completion"}),
    }
    found = {
        name: REGISTRY.get_sample_value(sample, {**who, **labels}) or 0.0
        for name, (sample, labels) in samples.items()
    }
    return {**found, "tokens": found["prompt"] + found["completion"]}


def test_what_is_asked_live_or_in_a_batch_is_asked_once_and_a_batch_costs_half(
    store: Store,
) -> None:
    with simulating({"batches": {"in_progress_s": 0.3}}) as url:
        live = _endpoint(url, mode="live")
        complete(store, live, _requests(10), run_id="r", purse=Purse(Budget()))
        with track("student", 30) as tracker:
            done = _run(store, _endpoint(url, {"max_requests": 20}), 40, tracker=tracker)
            shown = tracker.snapshot()
        seen = stats(url)
        assert not list(leave_out_known(store, live, "student", ["a"], _requests(40)))
        assert _run(store, _endpoint(url), 40) == Completion()
        assert stats(url)["batches"] == seen["batches"]

    assert (done.completed, done.failed) == (30, 0)
    assert (shown.done, shown.failed, shown.note) == (30, 0, "batches at the provider: 0")
    # Two files: no more than 20 requests may be in one.
    assert seen["batches"]["created"] == seen["batches"]["uploaded"] == 2
    assert seen["batches"]["submitted_per_request"] == {"1": 30}
    assert seen["completed_per_request"] == {"1": 40}

    rows = store.sql("select * from responses order by sample_index")
    assert rows["sample_index"].to_list() == list(range(40))
    assert rows["attempts"].to_list() == [1] * 40
    assert rows["latency_s"].is_null().to_list() == [False] * 10 + [True] * 30
    for row in rows.iter_rows(named=True):
        usual = (row["prompt_tokens"] * 2.0 + row["completion_tokens"] * 4.0) / 1e6
        share = 1.0 if row["sample_index"] < 10 else 0.5
        assert row["cost_usd"] == pytest.approx(usual * share)
    assert done.cost_usd == pytest.approx(rows["cost_usd"][10:].sum())
    assert shown.cost_usd == pytest.approx(done.cost_usd)

    batches = store.sql("select * from current_batches order by created_at").to_dicts()
    assert [batch["requests"] for batch in batches] == [20, 10]
    assert [batch["ended"] for batch in batches] == ["completed", "completed"]
    assert [batch["detail"] for batch in batches] == [
        f"{count} responses, 0 failures, 0 to be asked again" for count in (20, 10)
    ]
    for batch in batches:
        states = store.sql(
            "select state from batch_states where batch_id = $batch_id order by created_at",
            {"batch_id": batch["batch_id"]},
        )["state"].to_list()
        assert states[:2] == ["uploaded", "validating"]
        assert states[-2:] == ["completed", "folded"]


@pytest.mark.slow
def test_what_an_expired_batch_did_is_kept_and_the_rest_is_asked_again(store: Store) -> None:
    expiring = {"batches": {"expired": 1.0, "expired_after": 0.75}}
    before = _metrics()
    with simulating(expiring) as url:
        done = _run(store, _endpoint(url, max_attempts=3), 40)
        seen = stats(url)
    # Three quarters of 40, of 10 and of 3 are 30, 7 and 2; one is left after three attempts.
    assert (done.completed, done.failed) == (39, 1)
    attempts = store.sql("select attempts, count(*) from responses group by all order by 1").rows()
    assert attempts == [(1, 30), (2, 7), (3, 2)]
    failure = store.sql("select failure, attempts, message from failures").row(0)
    assert failure[:2] == ("retryable", 3)
    assert failure[2].startswith("batch_expired: ")
    assert seen["batches"]["created"] == 3
    assert seen["batches"]["submitted_per_request"] == {"1": 30, "2": 7, "3": 3}
    assert seen["completed_per_request"] == {"1": 39}
    spent = store.query("spent").row(0, named=True)
    assert spent["calls"] == 30 + 2 * 7 + 3 * 3
    assert spent["usd"] == pytest.approx(done.cost_usd)
    counted = {name: value - before[name] for name, value in _metrics().items()}
    assert (counted["completed"], counted["failed"]) == (39, 1)
    assert counted["retryable"] == 10 + 3 + 1
    assert counted["usd"] == pytest.approx(spent["usd"])
    assert counted["tokens"] == spent["tokens"] > 0


@pytest.mark.slow
def test_lines_that_fail_are_tried_again_or_recorded_with_their_class(store: Store) -> None:
    faults = {
        "rate_limit": 0.05,
        "server_error": 0.05,
        "dropped": 0.05,
        "malformed": 0.05,
        "refusal": 0.1,
    }
    with simulating({"faults": faults, "batches": {"invalid_lines": 0.05}}) as url:
        done = _run(store, _endpoint(url, max_attempts=8), 50)
        seen = stats(url)
        assert _run(store, _endpoint(url), 50) == Completion()
        assert stats(url)["batches"] == seen["batches"]
    failures = store.sql("select failure, message, raw_body from failures order by failure")
    assert done.completed + done.failed == 50
    assert done.completed == _count(store, "(select count(distinct response_id) from responses)")
    assert done.failed == failures.height
    assert set(failures["failure"]) == {"refused", "rejected"}
    for row in failures.iter_rows(named=True):
        if row["failure"] == "rejected":
            assert row["message"] == "invalid_request: This request was refused by validation."
        else:
            assert "refusal" in row["raw_body"]
    assert _count(store, "(select count(*) from carried_attempts)") == 0
    assert set(seen["completed_per_request"]) == {"1"}


@pytest.mark.slow
def test_attempts_that_were_billed_are_paid_for_once(store: Store) -> None:
    """A model that never follows its schema: asked, corrected, asked afresh, then a failure."""
    schema = ResponseSchema(
        "impossible",
        {
            "type": "object",
            "properties": {"a": {"type": "string", "pattern": "^never$"}},
            "required": ["a"],
        },
    )
    with simulating({}) as url:
        done = _run(store, _endpoint(url, max_attempts=6), 4, schema=schema)
        assert stats(url)["batches"]["created"] == 3
    rows = store.sql(
        "select failure, attempts, prompt_tokens, completion_tokens, cost_usd from failures"
    )
    assert rows["failure"].to_list() == ["malformed"] * 4
    assert rows["attempts"].to_list() == [3] * 4
    spent = store.query("spent").row(0, named=True)
    assert done.cost_usd == pytest.approx(spent["usd"])
    assert spent["calls"] == 12
    paid = store.sql(
        "select attempts, prompt_tokens, cost_usd, spoilt from batch_retries "
        "where response_id = (select min(response_id) from failures) order by submission"
    ).rows(named=True)
    assert [row["attempts"] for row in paid] == [1, 2, 0]
    assert [bool(row["spoilt"]) for row in paid] == [True, True, False]
    corrected = paid[1]["prompt_tokens"] - paid[0]["prompt_tokens"]
    assert paid[0]["prompt_tokens"] == TOKENS
    assert corrected > TOKENS + count_tokens(paid[0]["spoilt"])  # It is shown what it wrote.
    assert rows["prompt_tokens"].to_list() == [2 * TOKENS + corrected] * 4
    for prompt, completion, cost in rows.select(
        "prompt_tokens", "completion_tokens", "cost_usd"
    ).rows():
        assert cost == pytest.approx((2.0 * prompt + 4.0 * completion) / 2 / 1e6)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "no-such-model"}, "model_not_found: The provided model 'no-such-model'"),
        ({"batch": {"completion_window": "48h"}}, "did not take a batch of 4 calls"),
    ],
)
def test_a_refused_batch_stops_the_run_and_holds_nothing(
    store: Store, settings: dict[str, Any], said: str
) -> None:
    with simulating({}) as url, pytest.raises(ModelServerError, match=said):
        _run(store, _endpoint(url, **settings), 4)
    assert load_reserved(store) == Amount()
    assert store.query("batch_unfinished", role="student").is_empty()


@pytest.mark.slow
def test_a_batch_that_does_not_fit_the_budget_is_cut(store: Store) -> None:
    with simulating({}) as url:
        endpoint = _endpoint(url, sampling=Sampling(max_tokens=50))
        with pytest.raises(BudgetReached, match="calls 6 of 6"):
            _run(store, endpoint, 40, Budget(calls=6))
        assert stats(url)["batches"]["submitted"] == 6
        # Four fit at their greatest cost; what they did not use lets others follow.
        one = reserve_for(at_batch_prices(endpoint).settings, BYTES).usd
        cap = _count(store, "(select sum(cost_usd) from responses)") + 4.5 * one
        with pytest.raises(BudgetReached, match="usd"):
            _run(store, endpoint, 40, Budget(usd=cap))
        seen = stats(url)
    sizes = store.sql("select requests from batches order by created_at")["requests"].to_list()
    assert sizes[:2] == [6, 4]
    assert len(sizes) > 2
    assert cap - one < _count(store, "(select sum(cost_usd) from responses)") <= cap
    assert set(seen["batches"]["submitted_per_request"]) == {"1"}
    assert load_reserved(store) == Amount()


def test_a_batch_whose_making_nobody_confirmed_is_found_and_not_made_twice(store: Store) -> None:
    with simulating({"batches": {"create_dropped": 1.0}}) as url:
        done = _run(store, _endpoint(url), 5)
        assert stats(url)["batches"]["created"] == 1
    assert done.completed == 5


@pytest.mark.slow
def test_without_room_at_the_provider_batches_get_smaller_and_wait(store: Store) -> None:
    with simulating({"batches": {"enqueued_tokens": 8 * TOKENS, "in_progress_s": 0.5}}) as url:
        done = _run(store, _endpoint(url), 10)
        seen = stats(url)
    assert done.completed == 10
    assert seen["batches"]["submitted_per_request"] == {"1": 10}
    # Ten find no room, then five do; the next five may be turned away until these are done.
    sizes = store.sql("select requests from batches order by created_at")["requests"].to_list()
    assert sizes == [10] + [5] * (len(sizes) - 1)
    assert seen["batches"]["states"] == {"completed": 2, "failed": len(sizes) - 2}
    assert _count(store, "(select max(attempts) from responses)") == 1


@pytest.mark.slow
def test_a_batch_is_not_halved_for_the_room_that_another_of_ours_had(store: Store) -> None:
    # The second five are turned away while the first are under way, and both are over at one look
    # (on a slow machine the first may be over before the second are made: then there was room).
    with simulating({"batches": {"enqueued_tokens": 8 * TOKENS, "in_progress_s": 1.5}}) as url:
        done = _run(store, _endpoint(url, batch={"poll_interval_s": 1.0}), 10)
    assert done.completed == 10
    sizes = store.sql("select requests from batches order by created_at")["requests"].to_list()
    assert sizes in ([10, 5, 5, 5], [10, 5, 5])


@pytest.mark.slow
def test_a_stopped_run_leaves_its_batches_and_the_next_one_has_their_results(
    store: Store,
) -> None:
    with simulating({"batches": {"in_progress_s": 4.0}}) as url:
        endpoint = _endpoint(url, {"max_requests": 3})
        with (
            _once(url, "in_progress", stop_calling, batches=2),
            pytest.raises(RunInterrupted, match=r"2 batch\(es\) with 5 calls go on at http"),
        ):
            _run(store, endpoint, 5)
        reserved = load_reserved(store)
        assert (reserved.calls, _count(store, "(select count(*) from responses)")) == (5, 0)
        assert not list(leave_out_known(store, endpoint, "student", ["a"], _requests(5)))
        # The recipe has changed in between: what was paid for is taken as it was asked for.
        changed = _endpoint(url, sampling=Sampling(temperature=1.0, max_tokens=300))
        done = _run(store, changed, 2, run_id="s")
        seen = stats(url)
    assert done.completed == 5
    assert seen["batches"]["submitted_per_request"] == {"1": 5}
    rows = store.sql("select distinct max_tokens, run_id from responses").rows()
    assert rows == [(200, "s")]


@pytest.mark.slow
def test_a_batch_cancelled_at_the_provider_stops_the_run_and_keeps_its_results(
    store: Store,
) -> None:
    with simulating({"batches": {"in_progress_s": 5.0}}) as url:

        def cancel() -> None:
            batch = json.loads(send(url, "GET", "/v1/batches")[2])["data"][0]
            assert send(url, "POST", f"/v1/batches/{batch['id']}/cancel", {})[0] == 200

        with (
            _once(url, "in_progress", cancel),
            pytest.raises(RunInterrupted, match="was cancelled at the provider"),
        ):
            _run(store, _endpoint(url), 40)
        kept = _count(store, "(select count(*) from responses)")
        assert 0 < kept < 40
        assert _run(store, _endpoint(url), 40).completed == 40 - kept
        assert stats(url)["completed_per_request"] == {"1": 40}
    assert _count(store, "(select max(attempts) from responses)") == 1


@pytest.mark.slow
def test_a_batch_that_its_server_forgot_is_paid_for_again_only_if_the_recipe_says_so(
    store: Store,
) -> None:
    with (
        simulating({"batches": {"in_progress_s": 60}}) as url,
        _once(url, "in_progress", stop_calling),
        pytest.raises(RunInterrupted),
    ):
        _run(store, _endpoint(url), 3)
    with simulating({}) as url:
        with pytest.raises(ModelServerError, match="does not know the batch batch_"):
            _run(store, _endpoint(url), 3)
        assert stats(url)["batches"]["created"] == 0
        lost = load_reserved(store)
        assert (lost.tokens, lost.calls) == (3 * (BYTES + 64 + 200), 3)
        assert _run(store, _endpoint(url, {"when_lost": "ask_again"}), 3).completed == 3
    # Nobody knows what the first was paid: a cap counts the most, and the books have no sum.
    answered = store.sql("select attempts, cost_usd from responses").rows()
    assert answered == [(2, None)] * 3
    paid = store.sql(
        "select sum(prompt_tokens + completion_tokens)::bigint as tokens, "
        "sum(prompt_tokens * 1.0 + completion_tokens * 2.0) / 1e6 as usd from responses"
    ).row(0, named=True)
    assert _spent(store) == Amount(
        usd=about(lost.usd + paid["usd"]),
        tokens=lost.tokens + paid["tokens"],
        calls=6,
        uncounted=3,
    )


def test_a_server_without_a_batch_api_says_so(store: Store) -> None:
    with simulating({}) as url, pytest.raises(ModelServerError, match="has no Batch API"):
        _run(store, _endpoint(url.replace("/v1", "/v2")), 3)
    assert load_reserved(store) == Amount()


@pytest.mark.slow
def test_a_stage_draws_in_batches_and_a_role_that_is_live_again_waits_for_them(
    store: Store, make_recipe: MakeRecipe
) -> None:
    with simulating({"batches": {"in_progress_s": 4.0}}) as url:
        student = {
            "model": "sim-student",
            "base_url": url,
            "batch": {"poll_interval_s": 0.2},
            "prices": {"input": 2.0, "output": 4.0},
        }
        budget = {"calls": 6}
        in_batches = make_recipe(models={"student": {**student, "mode": "batch"}}, budget=budget)
        live = make_recipe(models={"student": student}, budget=budget)

        def plan(count: int) -> Callable[[Endpoint, pl.DataFrame], list[Request]]:
            return lambda *_: _requests(count)

        tracker = Tracker("student", 6, time.monotonic)
        page = [pl.DataFrame({"prompt_id": ["a"]})]
        go = partial(draw, store, stage="sample", role="student", pages=page, tracker=tracker)
        with _once(url, "in_progress", stop_calling), pytest.raises(RunInterrupted):
            go(in_batches, make_requests=plan(4), run_id="r1")
        done = go(live, make_requests=plan(6), run_id="r2")
        seen = stats(url)
    assert (done.completed, done.failed) == (6, 0)
    assert (seen["batches"]["submitted"], seen["received"]) == (4, 2)
    costs = store.sql("select sum(cost_usd) from responses").row(0)[0]
    assert done.cost_usd == pytest.approx(costs)
    # What it was asked for is known of a batch as well, whoever folds it in.
    assert store.sql("from spend_by_stage select run_id, stage, calls").sort("run_id").rows() == [
        ("r2", "sample", 6)
    ]


@pytest.mark.slow
def test_two_draws_at_once_share_the_batches_of_an_earlier_run(store: Store) -> None:
    with simulating({"batches": {"in_progress_s": 5.0}}) as url:
        endpoint = at_batch_prices(_endpoint(url))
        purse = Purse(Budget())

        def go(prompt_ids: list[str], samples: int) -> Completion:
            wanted = [each for name in prompt_ids for each in _requests(samples, prompt_id=name)]
            tracker = Tracker("student", None, time.monotonic)
            job = BatchJob(store, endpoint, "student", prompt_ids, "r", purse, tracker)
            return complete_in_batches(
                job, lambda: leave_out_known(store, endpoint, "student", prompt_ids, wanted)
            )

        with _once(url, "in_progress", stop_calling), pytest.raises(RunInterrupted):
            go(["a", "b"], 3)
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda name: go([name], 5), ["a", "b"]))
        seen = stats(url)
    assert sum(each.completed for each in done) == 10
    assert _count(store, "(select count(*) from responses)") == 10
    # One prompt text: each sample was asked for under two prompt ids, and no more often.
    assert seen["batches"]["submitted_per_request"] == {"2": 5}
    assert (purse.submitted, purse.spent.calls) == (Amount(), 10)


def test_no_file_of_requests_is_left_open(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[IO[bytes]] = []
    make = tempfile.TemporaryFile

    def make_file(**settings: Any) -> IO[bytes]:
        made.append(make(**settings))
        return made[-1]

    def breaks_off() -> Iterator[Request]:
        yield from _requests(3)
        raise ZeroDivisionError("the plan")

    monkeypatch.setattr(tempfile, "TemporaryFile", make_file)
    with simulating({}) as url, track("student") as tracker:
        endpoint = at_batch_prices(_endpoint(url, {"max_requests": 2}))
        job = BatchJob(store, endpoint, "student", ["a"], "r", Purse(Budget()), tracker)
        with pytest.raises(ZeroDivisionError):
            complete_in_batches(job, breaks_off)
        assert [file.closed for file in made] == [True, True]
