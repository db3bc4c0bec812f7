"""What the engine promises, against a real server over real HTTP: see docs/engine.md."""

import gc
import json
import threading
import urllib.request
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BudgetReached, ModelServerError, RunInterrupted
from tasks.llm.chunks import run_ranges
from tasks.llm.engine import complete
from tasks.llm.limiter import _MOST_LIMITERS, Limiter, limiter_of
from tasks.llm.money import Purse
from tasks.llm.pending import leave_out_known, ranges
from tasks.llm.request import Endpoint, Request, ResponseSchema
from tasks.llm.under_way import stop_calling
from tasks.recipe import Budget, ModelSettings, Prices, Sampling
from tasks.simulator.launch import RunningSimulator, start_simulator
from tasks.store import Store

ITEM = {"id": "a", "prompt": "What is 6 * 7?", "answer": "42", "answer_type": "number", "level": 1}


@pytest.fixture
def items(tmp_path: Path) -> Path:
    file = tmp_path / "items.jsonl"
    file.write_text(json.dumps(ITEM) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def simulator(items: Path) -> Iterator[RunningSimulator]:
    with start_simulator([items], {}) as running:
        yield running


def _endpoint(base_url: str, **settings: Any) -> Endpoint:
    declared: dict[str, Any] = {
        "model": "sim-student",
        "sampling": Sampling(temperature=1.0, max_tokens=500),
        "prices": Prices(input=1.0, output=2.0),
        "max_concurrency": 16,
        "timeout_s": 2.0,
    }
    return Endpoint(ModelSettings(**declared | settings), base_url, "simulator", "key", True)


def _requests(count: int, **changes: Any) -> list[Request]:
    messages = (("system", "Answer in \\boxed{}."), ("user", ITEM["prompt"]))
    declared: dict[str, Any] = {
        "prompt_id": "a",
        "role": "student",
        "template": "solve@1",
        "messages": messages,
    }
    return [Request(sample_index=index, **declared | changes) for index in range(count)]


def _stats(simulator: RunningSimulator) -> dict[str, Any]:
    address = simulator.base_url.removesuffix("/v1") + "/sim/stats"
    with urllib.request.urlopen(address, timeout=5) as answer:
        stats: dict[str, Any] = json.load(answer)
    return stats


def test_every_call_is_a_row_and_costs_what_its_tokens_cost(
    store: Store, simulator: RunningSimulator
) -> None:
    done = complete(
        store, _endpoint(simulator.base_url), _requests(40), run_id="r", purse=Purse(Budget())
    )
    rows = store.sql("select * from responses order by sample_index")
    assert (done.completed, done.failed) == (40, 0)
    assert rows["sample_index"].to_list() == list(range(40))
    assert rows["response_id"].n_unique() == 40
    assert rows["simulated"].all()
    assert rows["run_id"].unique().to_list() == ["r"]
    tokens = rows.select("prompt_tokens", "completion_tokens").sum().row(0)
    assert done.cost_usd == pytest.approx((tokens[0] * 1.0 + tokens[1] * 2.0) / 1e6)
    assert rows["cost_usd"].sum() == pytest.approx(done.cost_usd)
    body = json.loads(rows["raw_body"][0])
    assert body["choices"][0]["message"]["content"] == rows["content"][0]


def test_an_unknown_price_is_null_and_never_zero(store: Store, simulator: RunningSimulator) -> None:
    endpoint = _endpoint(simulator.base_url, prices=Prices())
    done = complete(store, endpoint, _requests(2), run_id="r", purse=Purse(Budget()))
    assert done.cost_usd is None
    assert store.sql("select cost_usd from responses")["cost_usd"].to_list() == [None, None]


def test_what_is_there_is_not_asked_again(store: Store, simulator: RunningSimulator) -> None:
    endpoint = _endpoint(simulator.base_url)
    complete(store, endpoint, _requests(5), run_id="r", purse=Purse(Budget()))
    left = list(leave_out_known(store, endpoint, "student", ["a"], _requests(8)))
    assert [request.sample_index for request in left] == [5, 6, 7]


@pytest.mark.slow
def test_a_higher_ceiling_asks_again_only_for_what_ran_into_the_lower(
    store: Store, simulator: RunningSimulator
) -> None:
    low = _endpoint(simulator.base_url, sampling=Sampling(temperature=1.0, max_tokens=45))
    complete(store, low, _requests(30), run_id="r", purse=Purse(Budget()))
    cut = set(
        store.sql("select sample_index from responses where finish_reason = 'length'")[
            "sample_index"
        ]
    )
    assert 0 < len(cut) < 30
    high = _endpoint(simulator.base_url, sampling=Sampling(temperature=1.0, max_tokens=500))
    left = leave_out_known(store, high, "student", ["a"], _requests(30))
    assert {request.sample_index for request in left} == cut


def test_what_was_cut_off_is_asked_again_under_a_higher_ceiling(
    store: Store, simulator: RunningSimulator
) -> None:
    low = _endpoint(simulator.base_url, sampling=Sampling(temperature=1.0, max_tokens=20))
    complete(store, low, _requests(12), run_id="r", purse=Purse(Budget()))
    sampling = Sampling(temperature=1.0, max_tokens=20, raise_to=45)
    rising = _endpoint(simulator.base_url, sampling=sampling)
    left = list(leave_out_known(store, rising, "student", ["a"], _requests(30)))
    assert [request.raised_to for request in left] == [40] * 12 + [None] * 18

    done = complete(store, rising, left, run_id="r", purse=Purse(Budget()))
    assert (done.completed, done.failed) == (30, 0)
    ceilings = store.sql(
        "select sample_index, list(max_tokens order by max_tokens) as tried, "
        "list(finish_reason order by max_tokens) as ended from responses group by sample_index"
    )
    for tried, ended in ceilings.select("tried", "ended").iter_rows():
        assert tried == [20, 40, 45][: len(tried)]
        assert set(ended[:-1]) <= {"length"}
        assert ended[-1] == "stop" or tried[-1] == 45
    assert set(ceilings["ended"].list.last()) == {"stop", "length"}
    assert not list(leave_out_known(store, rising, "student", ["a"], _requests(30)))
    completed = _stats(simulator)["completed_per_request"]
    assert set(completed) == {"1"}


def test_faults_lose_nothing_and_repeat_nothing(store: Store, items: Path) -> None:
    faults = {
        "rate_limit": 0.05,
        "server_error": 0.03,
        "dropped": 0.02,
        "malformed": 0.02,
        "refusal": 0.02,
        "retry_after_s": 0.05,
    }
    with start_simulator([items], {"faults": faults}) as simulator:
        endpoint = _endpoint(simulator.base_url, max_attempts=8)
        done = complete(store, endpoint, _requests(200), run_id="r", purse=Purse(Budget()))
        stats = _stats(simulator)
    responses = set(store.sql("select response_id from responses")["response_id"])
    failures = store.sql("select response_id, failure, raw_body from failures")
    assert done.completed == len(responses)
    assert done.failed == failures.height
    assert done.completed + done.failed == 200
    assert not responses & set(failures["response_id"])
    assert set(failures["failure"]) == {"refused"}
    assert failures["raw_body"].is_not_null().all()
    assert set(stats["completed_per_request"]) == {"1"}


def test_a_hang_ends_at_the_timeout_and_is_tried_again(store: Store, items: Path) -> None:
    with start_simulator([items], {"faults": {"hang": 0.3, "hang_s": 60}}) as simulator:
        endpoint = _endpoint(simulator.base_url, timeout_s=0.5, max_attempts=10)
        done = complete(store, endpoint, _requests(30), run_id="r", purse=Purse(Budget()))
    assert (done.completed, done.failed) == (30, 0)
    assert store.sql("select max(attempts) as most from responses")["most"][0] > 1


def test_a_budget_in_calls_is_never_exceeded_and_a_raised_one_continues(
    store: Store, simulator: RunningSimulator
) -> None:
    endpoint = _endpoint(simulator.base_url)
    with pytest.raises(BudgetReached, match="calls 25 of 25"):
        complete(store, endpoint, _requests(60), run_id="r", purse=Purse(Budget(calls=25)))
    assert store.sql("select count(*) as n from responses")["n"][0] == 25
    assert _stats(simulator)["received"] == 25
    left = list(leave_out_known(store, endpoint, "student", ["a"], _requests(60)))
    complete(store, endpoint, left, run_id="r", purse=Purse(Budget(calls=60)))
    assert _stats(simulator)["received"] == 60


@pytest.mark.everyday(2)
@pytest.mark.parametrize("cap", [0.0, 0.00013, 0.004, 0.02])
def test_a_budget_in_dollars_is_never_exceeded(
    store: Store, simulator: RunningSimulator, cap: float
) -> None:
    endpoint = _endpoint(simulator.base_url)
    with pytest.raises(BudgetReached):
        complete(store, endpoint, _requests(1000), run_id="r", purse=Purse(Budget(usd=cap)))
    spent = store.sql("select coalesce(sum(cost_usd), 0.0) as usd from responses")["usd"][0]
    assert spent <= cap


def test_a_wrong_key_stops_the_run_and_is_not_shown(
    store: Store, items: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR_KEY", "sk-the-right-one")
    endpoint_key = "sk-a-wrong-one-1234"
    with start_simulator([items], {}, api_key_env="SIMULATOR_KEY") as simulator:
        endpoint = Endpoint(
            ModelSettings(model="sim-student", api_key_env="MY_KEY", base_url=simulator.base_url),
            simulator.base_url,
            simulator.base_url,
            endpoint_key,
        )
        with pytest.raises(ModelServerError) as raised:
            complete(store, endpoint, _requests(50), run_id="r", purse=Purse(Budget()))
        assert _stats(simulator)["received"] < 50 + 1
    assert "MY_KEY" in str(raised.value)
    assert endpoint_key not in str(raised.value)


def test_an_unknown_model_stops_the_run(store: Store, simulator: RunningSimulator) -> None:
    endpoint = _endpoint(simulator.base_url, model="no-such-model")
    with pytest.raises(ModelServerError, match="does not know the model 'no-such-model'"):
        complete(store, endpoint, _requests(50), run_id="r", purse=Purse(Budget()))


def test_an_absent_server_stops_the_run_soon(store: Store) -> None:
    endpoint = _endpoint("http://127.0.0.1:9/v1", max_attempts=2)
    with pytest.raises(ModelServerError, match=r"http://127.0.0.1:9/v1 answered none"):
        complete(store, endpoint, _requests(500), run_id="r", purse=Purse(Budget()))


def test_a_stopped_run_keeps_what_was_in_flight_and_asks_for_no_more(
    store: Store, items: Path
) -> None:
    latency = {"latency": {"kind": "fixed", "seconds": 0.3}}
    with start_simulator([items], latency) as simulator:
        endpoint = _endpoint(simulator.base_url)

        def stop_at_the_first_answer(*_: object) -> None:
            stop_calling()

        with pytest.raises(RunInterrupted):
            complete(
                store,
                endpoint,
                _requests(5000),
                run_id="r",
                purse=Purse(Budget()),
                advance=stop_at_the_first_answer,
            )
        received = _stats(simulator)["received"]
    kept = store.sql("select count(*) as n from responses")["n"][0]
    assert 0 < kept == received < 5000


def test_a_structure_that_is_not_followed_is_a_failure_with_its_text(
    store: Store, simulator: RunningSimulator
) -> None:
    schema = ResponseSchema(
        "impossible",
        {
            "type": "object",
            "properties": {"a": {"type": "string", "pattern": "^never$"}},
            "required": ["a"],
        },
    )
    done = complete(
        store,
        _endpoint(simulator.base_url, max_attempts=1),
        _requests(1, schema=schema),
        run_id="r",
        purse=Purse(Budget()),
    )
    row = store.sql("select failure, message, raw_body from failures").row(0, named=True)
    assert done.failed == 1
    assert row["failure"] == "malformed"
    assert "impossible" in row["message"]
    assert "choices" in row["raw_body"]


def test_ranges_cover_every_id_once() -> None:
    assert ranges(0) == []
    cut = ranges(9_000)
    assert len(cut) == 5
    assert [asked.low for asked in cut] == ["0000", "3333", "6666", "9999", "cccc"]
    assert [asked.high for asked in cut] == ["3333", "6666", "9999", "cccc", "g"]
    assert len(ranges(11_000_000)) == 40


def test_ranges_run_two_at_a_time_and_stop_at_the_first_failure() -> None:
    submitted: list[str] = []

    class _Future:
        def __init__(self, low: str) -> None:
            self._low = low

        def result(self) -> str:
            if self._low == "3333":
                raise ModelServerError("down")
            return self._low

    def submit(asked: Any) -> Any:
        submitted.append(asked.low)
        return _Future(asked.low)

    with pytest.raises(ModelServerError):
        run_ranges("student", 9_000, submit)
    assert submitted == ["0000", "3333", "6666"]


def test_two_ranges_may_begin_at_the_same_moment(
    store: Store, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.llm.loop._LOOP", [])
    endpoint = _endpoint(simulator.base_url, max_concurrency=2)
    both = threading.Barrier(2)

    def draw(prompt_id: str) -> int:
        both.wait()
        requests = _requests(40, prompt_id=prompt_id)
        return complete(store, endpoint, requests, run_id="r", purse=Purse(Budget())).completed

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(draw, ["a", "b"])) == [40, 40]


def test_limiters_are_remembered_as_long_as_they_are_used_or_recent() -> None:
    settings = ModelSettings(model="m")

    def at(host: str) -> Limiter:
        return limiter_of(f"http://{host}/v1", settings)

    in_use = at("first")
    gone = weakref.ref(at("second"))
    recent = [at(f"host-{number}") for number in range(_MOST_LIMITERS)]
    assert at("host-0") is recent[0]
    gc.collect()
    assert gone() is None
    assert at("first") is in_use
