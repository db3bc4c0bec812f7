"""Flow control: how many calls are under way, how fast they are sent, and what an outage does."""

import asyncio
import json
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import ModelServerError
from tasks.llm.breaker import Breaker
from tasks.llm.concurrency import Concurrency
from tasks.llm.engine import Completion, complete
from tasks.llm.failures import CallFailed
from tasks.llm.feed import Feed
from tasks.llm.limiter import Limiter, NotAdmitted, limiter_of, read_duration, read_reset
from tasks.llm.money import Purse, Usage
from tasks.llm.pending import leave_out_known
from tasks.llm.pulse import Pulse
from tasks.llm.request import Endpoint, Request, ResponseSchema, messages_after
from tasks.llm.windows import Entry, Window
from tasks.recipe import Budget, ModelSettings, Sampling
from tasks.simulator.launch import start_simulator
from tasks.store import Store
from tests.loopback import QuietHandler, serve
from tests.scripted import endpoint_at, said
from tests.virtual_server import VirtualServer

ENDLESS = 10**9
P95_AT_REST = 1.35  # The 95th percentile of a lognormal of mean 0.5 and sigma 0.8.


def _ask_stats(base_url: str) -> dict[str, Any]:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/sim/stats", timeout=5) as answer:
        stats: dict[str, Any] = json.load(answer)
    return stats


def _concurrency(ceiling: int, server: VirtualServer) -> Concurrency:
    return Concurrency(ceiling, clock=lambda: server.now)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("refusals", [0.0, 0.055])
def test_a_server_that_can_take_it_gets_all_there_is(seed: int, refusals: float) -> None:
    server = VirtualServer(ENDLESS, refusals=lambda now: refusals, seed=seed)
    seen = server.work_off(_concurrency(256, server), 20_000)
    assert seen.wall_s <= 1.05 * seen.ideal_s
    assert seen.slots > 250


@pytest.mark.parametrize("seed", range(1, 5))
def test_few_slots_are_hardly_ever_left_empty(seed: int) -> None:
    server = VirtualServer(ENDLESS, seed=seed)
    seen = server.work_off(_concurrency(64, server), 5_000)
    assert seen.wall_s <= 1.025 * seen.ideal_s


# With the eleventh the first answers are so quick that the rest was held against them.
@pytest.mark.parametrize("seed", [1, 2, 11])
@pytest.mark.parametrize(("ceiling", "capacity"), [(256, 64), (1024, 200), (64, 40), (64, 16)])
def test_a_server_that_only_queues_is_not_flooded(ceiling: int, capacity: int, seed: int) -> None:
    server = VirtualServer(capacity, seed=seed)
    concurrency = _concurrency(ceiling, server)
    settling = server.work_off(concurrency, 80 * capacity)
    settled_at = server.now
    seen = server.work_off(concurrency, 160 * capacity)
    assert settling.wall_s <= 1.25 * settling.ideal_s
    assert 160 * capacity / (seen.wall_s - settled_at) >= 0.8 * capacity / 0.5
    assert seen.p95_s <= 2 * P95_AT_REST


@pytest.mark.parametrize(("latency_s", "burst_s"), [(0.5, 5), (2, 5), (20, 30)])
def test_slots_that_a_burst_of_refusals_took_come_back(latency_s: float, burst_s: float) -> None:
    began, ended = 30 * latency_s, 30 * latency_s + burst_s
    limits: list[tuple[float, int]] = []

    def refuse(now: float) -> float:
        limits.append((now, concurrency.limit))
        return float(began <= now < ended)

    server = VirtualServer(ENDLESS, mean=lambda now: latency_s, refusals=refuse)
    concurrency = _concurrency(64, server)
    server.work_off(concurrency, 6_000)
    assert min(limit for now, limit in limits if now > began) < 16
    assert any(limit >= 58 for now, limit in limits if ended < now < ended + 40 * latency_s)


@pytest.mark.parametrize(("capacity", "ceiling"), [(3, 16), (16, 64), (64, 256)])
def test_a_server_that_refuses_what_is_too_much_is_not_asked_for_it(
    capacity: int, ceiling: int
) -> None:
    server = VirtualServer(ENDLESS)
    concurrency = _concurrency(ceiling, server)
    server.refusals = lambda now: float(server.busy >= capacity)
    seen = server.work_off(concurrency, 200 * capacity)
    assert seen.slots <= 1.25 * capacity


def test_longer_answers_are_no_reason_to_have_fewer() -> None:
    server = VirtualServer(ENDLESS, mean=lambda now: 0.5 if now < 20 else 2.0)
    concurrency = _concurrency(64, server)
    assert server.work_off(concurrency, 6_000).slots > 56


def test_a_server_that_refuses_what_is_too_much_gets_less() -> None:
    concurrency = Concurrency(64, clock=lambda: 0.0)
    assert [concurrency.refused(under_way=20) for _ in range(9)] == [False] * 9
    before = concurrency.limit
    assert concurrency.refused(under_way=20)
    assert concurrency.limit == int(before * (1 - 10 / 30))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_this_process_is_late_with_is_not_the_servers_fault(seed: int) -> None:
    server = VirtualServer(ENDLESS, client_s=1 / 300, seed=seed)
    concurrency = _concurrency(256, server)
    begun_at = server.work_off(concurrency, 1_000).wall_s
    seen = server.work_off(concurrency, 20_000)
    assert seen.wall_s - begun_at <= 1.05 * 20_000 / 300
    assert seen.slots == 256


def test_few_slots_are_somebodys_wish() -> None:
    server = VirtualServer(ENDLESS, seed=5)
    concurrency = _concurrency(4, server)
    seen = server.work_off(concurrency, 1_000)
    assert seen.slots == 4


@given(
    limit=st.integers(1, 500),
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=200),
    units=st.integers(1, 40),
)
def test_no_minute_holds_more_than_its_limit(limit: int, gaps: list[float], units: int) -> None:
    window, now, sent = Window(limit), 0.0, []
    units = min(units, limit)
    for gap in gaps:
        now += gap
        while (wait := window.wait_s(units, now)) > 0:
            now += max(wait, 1e-6)
        window.settle(window.spend(units, now), units, now)
        sent.append(now)
    for moment in sent:
        assert sum(units for other in sent if moment - 60 < other <= moment) <= limit


def test_a_minute_is_used_up_and_evenly() -> None:
    window, now, sent = Window(600), 0.0, []
    while now < 300:
        wait = window.wait_s(1, now)
        if wait > 0:
            now += wait
            continue
        window.settle(window.spend(1, now), 1, now)
        sent.append(now)
    assert len([moment for moment in sent if 60 <= moment < 300]) >= 0.95 * 4 * 600
    assert len([moment for moment in sent if 100 <= moment < 101]) <= 20


def test_what_is_under_way_counts_in_full_and_then_as_what_it_was() -> None:
    window = Window(1000)
    first = window.spend(600, 0.0)
    assert window.wait_s(600, 40.0) == 1.0
    window.settle(first, 200, 41.0)
    assert window.wait_s(600, 50.0) == 0.0
    window.spend(780, 50.0)
    assert window.wait_s(200, 99.0) == pytest.approx(41.0 + 60.5 - 99.0)


def test_a_minute_is_spread_by_what_calls_come_to_and_holds_what_they_may_take() -> None:
    """Of 4,000 tokens 400 are used, after 8 s: 60 calls could be sent a minute, 7 at a time."""
    window, now = Window(30_000), 0.0
    under_way, sent = deque[tuple[float, Entry | None]](), 0
    while now < 300:
        while under_way and under_way[0][0] <= now:
            window.settle(under_way.popleft()[1], 400, now)
        if window.wait_s(4_000, now) > 0:
            now += 0.05
            continue
        under_way.append((now + 8, window.spend(4_000, now)))
        assert window.total <= 30_000
        sent += 1
    assert sent * 400 / 5 > 0.36 * 30_000  # 0.20 when each was spread by its ceiling.


def test_a_call_is_taken_back_at_the_limit_that_it_was_sent_under() -> None:
    window = Window()
    window.heard = 1_000
    entry = window.spend(900, 0.0)
    window.heard = 1_000_000
    window.settle(entry, 9, 2.0)
    assert window.wait_s(900, 2.0) == 0.0


def test_a_limit_of_nothing_counts_nothing() -> None:
    window = Window()
    window.settle(window.spend(10**9, 0.0), 10**9, 0.0)
    assert (window.wait_s(10**9, 0.0), window.total) == (0.0, 0)


def test_what_ends_while_there_is_no_limit_is_counted_no_longer_than_a_minute() -> None:
    window = Window(1000)
    entry = window.spend(900, 0.0)
    window.declared = None
    window.settle(entry, 20, 10.0)
    assert (window.total, window.wait_s(900, 10.0)) == (20, 0.0)
    window.heard = 1000
    assert window.total == 20
    # 960 are 980 less 20, and what is counted of the call is gone 60.5 s after its end.
    assert window.wait_s(980, 60.0) == pytest.approx(10.0 + 60.5 - 60.0)
    assert (window.wait_s(980, 70.6), window.total) == (0.0, 0)


def test_the_lower_of_what_the_recipe_and_the_server_say_is_the_limit() -> None:
    window = Window()
    assert window.limit is None
    window.heard = 600
    assert window.limit == 600
    window.declared = 500
    assert window.limit == 500
    window.heard = 400
    assert window.limit == 400
    window.declared = None
    assert window.limit == 400


def test_a_breaker_opens_after_twenty_failures_and_closes_with_the_first_answer() -> None:
    now = [100.0]
    breaker = Breaker(clock=lambda: now[0])
    before = [breaker.failed("down", is_first=True) for _ in range(50)]
    assert not any(before), "it never answered: no outage"
    breaker.answered()
    assert [breaker.failed("down", is_first=True) for _ in range(20)] == [False] * 19 + [True]
    assert breaker.pause_s(100.0) == 1.0
    now[0] = 101.0
    assert breaker.pause_s(101.0) == 0.0
    breaker.begin_trial(101.0)
    assert breaker.pause_s(101.0) == 1.0, "one trial at a time"
    breaker.failed("still down", is_first=False)
    assert (breaker.pause_s(101.0), breaker.outage_s(101.0)) == (2.0, 1.0)
    assert breaker.answered()
    assert (breaker.is_open, breaker.pause_s(101.0)) == (False, 0.0)
    assert not any(breaker.failed("one again and again", is_first=False) for _ in range(50))


class _Unanswerable(QuietHandler):
    """Answers at once, but for what it says that nobody can answer."""

    asked: ClassVar[list[str]]

    def answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        (text,) = (message["content"] for message in body["messages"])
        self.asked.append(text)
        if "nobody" in text:
            return self.send(500, b'{"error": {"message": "EngineGenerateError"}}')
        return self.send(200, json.dumps(said("4", 10, 5)[1]).encode())


def _ask_all(store: Store, endpoint: Endpoint, texts: Sequence[str]) -> Completion:
    requests = [Request(text, "student", "t", (("user", text),), 0) for text in texts]
    pending = leave_out_known(store, endpoint, "student", texts, requests)
    return complete(store, endpoint, pending, run_id="r", purse=Purse(Budget()))


def test_what_no_server_can_answer_stops_neither_the_others_nor_the_next_run(store: Store) -> None:
    handler: type[_Unanswerable] = type("Handler", (_Unanswerable,), {"asked": []})
    texts = [f"{'nobody' if number % 3 == 0 else 'anybody'} knows {number}" for number in range(75)]
    with serve(handler) as address:
        endpoint = endpoint_at(address, max_concurrency=8, max_attempts=3, max_outage_s=1)
        done = _ask_all(store, endpoint, texts)
        assert (done.completed, done.failed) == (50, 25)
        handler.asked.clear()
        again = endpoint_at(address, max_concurrency=8, max_attempts=3, model="m")
        done = _ask_all(store, again, texts)
    assert (done.completed, done.failed) == (0, 25)
    assert len(handler.asked) == 25, "each is asked once more, and once only"
    assert set(store.sql("select failure from failures")["failure"]) == {"retryable"}


def _settings(**changes: Any) -> ModelSettings:
    return ModelSettings(model="m", **changes)


async def _enter(limiter: Limiter, order: list[str], name: str, hold: asyncio.Event) -> None:
    async with limiter.admit(1, name):
        order.append(name)
        await hold.wait()


def test_who_came_first_goes_first_and_a_stopped_owner_goes_away() -> None:
    async def scenario() -> list[str]:
        limiter, order = Limiter(_settings(max_concurrency=1)), list[str]()
        hold = asyncio.Event()
        tasks = []
        for name in "abcd":
            tasks.append(asyncio.create_task(_enter(limiter, order, name, hold)))
            await asyncio.sleep(0)
        limiter.turn_away("b")
        tasks[2].cancel()
        hold.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[1], NotAdmitted)
        assert isinstance(results[2], asyncio.CancelledError)
        return order

    assert asyncio.run(scenario()) == ["a", "d"]


def test_a_call_that_is_cancelled_as_it_is_let_in_gives_its_slot_back() -> None:
    async def scenario() -> None:
        limiter, order = Limiter(_settings(max_concurrency=1)), list[str]()
        hold = asyncio.Event()
        first = asyncio.create_task(_enter(limiter, order, "a", hold))
        second = asyncio.create_task(_enter(limiter, order, "b", hold))
        await asyncio.sleep(0)
        hold.set()
        await first
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        async with asyncio.timeout(1), limiter.admit(1, "c"):
            pass

    asyncio.run(scenario())


def test_retry_after_holds_everybody_only_if_refusals_are_no_accident() -> None:
    async def scenario(refusals: int) -> float:
        limiter = Limiter(_settings(max_concurrency=64))
        began = time.monotonic()
        for _ in range(refusals):
            async with limiter.admit(1, "a") as call:
                call.failed(CallFailed("rate_limited", "slow down", retry_after_s=0.3))
        async with limiter.admit(1, "a"):
            return time.monotonic() - began

    assert asyncio.run(scenario(9)) < 0.2
    assert asyncio.run(scenario(10)) > 0.3


def test_a_server_that_does_not_say_how_long_to_wait_is_left_alone_for_longer_each_time() -> None:
    async def refuse(limiter: Limiter) -> float:
        began = time.monotonic()
        async with limiter.admit(1, "a") as call:
            waited = time.monotonic() - began
            call.failed(CallFailed("rate_limited", "slow down"))
        return waited

    async def scenario() -> list[float]:
        limiter = Limiter(_settings(max_concurrency=1))
        waits = [await refuse(limiter) for _ in range(3)]
        async with limiter.admit(1, "a") as call:
            call.answered(0.01, Usage(5, 0, 15, 0), {})
        return [*waits, await refuse(limiter), await refuse(limiter)]

    first, second, third, after_an_answer, again = asyncio.run(scenario())
    assert first < 0.5 and after_an_answer < 0.5
    assert 1 <= second < 1.5 and 2 <= third < 2.5
    assert 1 <= again < 1.5, "it begins anew"


def test_limits_are_read_from_the_servers_headers() -> None:
    async def scenario(counted: int) -> bool:
        """Two calls that might take 5,300 tokens and took 20; the server says what it counts."""
        limiter = Limiter(_settings())
        for number in (1, 2):
            headers = {
                "x-ratelimit-limit-tokens": "60000",
                "x-ratelimit-remaining-tokens": str(60_000 - number * counted),
            }
            async with limiter.admit(5_300, "a") as call:
                call.answered(0.01, Usage(5, 0, 15, 0), headers)
        try:
            async with asyncio.timeout(0.05), limiter.admit(5_300, "a"):
                return True
        except TimeoutError:
            return False

    assert asyncio.run(scenario(counted=20)) is True
    assert asyncio.run(scenario(counted=5_300)) is False


class _Strict(QuietHandler):
    """Says at first that there is nearly no limit, then a low one; answers when it may."""

    may_end: ClassVar[threading.Event]
    asked: ClassVar[list[int]]

    def answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(1)
        first = len(self.asked) == 1
        if not first:
            self.may_end.wait(20)
        limit = 100_000_000 if first else 60_000
        body = {
            "choices": [{"message": {"content": "4"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 1},
        }
        self.send(
            200,
            json.dumps(body).encode(),
            {"content-type": "application/json", "x-ratelimit-limit-tokens": str(limit)},
        )


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_range_that_begins_beside_another_forgets_no_limit_and_leaves_nothing_counted(
    store: Store,
) -> None:
    handler: type[_Strict] = type(
        "Handler", (_Strict,), {"asked": [], "may_end": threading.Event()}
    )
    settings = _settings(sampling=Sampling(max_tokens=20_000), max_concurrency=8)
    with serve(handler) as address, ThreadPoolExecutor(2) as pool:
        base_url = f"http://{address}/v1"
        endpoint = Endpoint(settings, base_url, base_url, "key")

        def draw(prompt_id: str, count: int) -> int:
            requests = [_request(index, prompt_id=prompt_id) for index in range(count)]
            return complete(store, endpoint, requests, run_id="r", purse=Purse(Budget())).completed

        assert draw("learnt", 1) == 1
        limits = limiter_of(base_url, settings)._limits
        one = pool.submit(draw, "one", 4)  # 4 × 20,000 tokens and more, while nothing is answered.
        _wait_until(lambda: len(handler.asked) == 1 + 4)
        other = pool.submit(draw, "other", 1)
        _wait_until(lambda: len(handler.asked) == 1 + 4 + 1)
        assert limits.actuals.limit == 100_000_000
        handler.may_end.set()
        assert (one.result(30), other.result(30)) == (4, 1)
        # The first was not counted, nobody knew of a limit; the five others took 9 + 1 tokens each.
        assert (limits.actuals.total, limits.actuals.limit) == (50, 60_000)
        assert draw("more", 1) == 1


def _wait_until(there: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not there():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1.0), ("6m0s", 360.0), ("250ms", 0.25), ("1.5", 1.5), ("", 0.0), ("soon", 0.0)],
)
def test_durations_of_headers(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds
    assert read_reset(text) == seconds


def test_a_reset_may_be_a_moment() -> None:
    assert 28 < read_reset(str(int(time.time()) + 30)) <= 30
    assert read_reset("1700000000") == 0.0


def _request(index: int, **changes: Any) -> Request:
    messages = (("system", "Answer in \\boxed{}."), ("user", "What is 6 * 7?"))
    declared = {"prompt_id": "a", "role": "student", "template": "solve@1", "messages": messages}
    return Request(sample_index=index, **declared | changes)


def test_a_feed_reads_no_further_ahead_than_it_must_and_hands_out_each_once() -> None:
    read = 0

    def source() -> Iterator[Request]:
        nonlocal read
        for index in range(5_000):
            read += 1
            yield _request(index)

    async def scenario() -> None:
        feed = Feed(source())
        first = [await feed.take() for _ in range(10)]
        await asyncio.sleep(0.05)
        assert read < 1_000
        rest: list[Request | None] = []

        async def work() -> None:
            while (request := await feed.take()) is not None:
                rest.append(request)

        await asyncio.gather(*(work() for _ in range(7)))
        taken = [request.sample_index for request in [*first, *rest] if request is not None]
        assert sorted(taken) == list(range(5_000))

    asyncio.run(scenario())


def test_a_feed_that_fails_says_so_to_whoever_takes() -> None:
    def source() -> Iterator[Request]:
        yield _request(0)
        raise ValueError("the store is gone")

    async def scenario() -> None:
        feed = Feed(source())
        with pytest.raises(ValueError, match="the store is gone"):
            while True:
                await feed.take()

    asyncio.run(scenario())


def test_a_spoilt_answer_is_shown_to_its_model_once() -> None:
    request = _request(0)
    assert messages_after(request, []) == request.messages
    corrected = messages_after(request, ["{not json"])
    assert corrected[:2] == request.messages
    assert corrected[2] == ("assistant", "{not json")
    assert corrected[3][0] == "user" and "schema" in corrected[3][1]
    assert messages_after(request, ["{not json", "still not"]) == request.messages


@pytest.fixture
def items(tmp_path: Path) -> Path:
    file = tmp_path / "items.jsonl"
    file.write_text('{"prompt": "What is 6 * 7?", "answer": "42"}\n', encoding="utf-8")
    return file


def _endpoint(base_url: str, **settings: Any) -> Endpoint:
    declared: dict[str, Any] = {
        "model": "sim-student",
        "sampling": Sampling(max_tokens=500),
        "max_concurrency": 16,
        "timeout_s": 2.0,
    }
    return Endpoint(ModelSettings(**declared | settings), base_url, "simulator", "key", True)


def test_a_malformed_structure_is_corrected_in_one_round(store: Store, items: Path) -> None:
    schema = ResponseSchema("new_numbers", {"type": "object", "required": ["valid"]})
    task = json.dumps({"strategy": "new_numbers", "problem": "What is 6 * 7?", "variant": 0})
    requests = [_request(n, messages=(("user", task),), schema=schema) for n in range(60)]
    with start_simulator([items], {"models": {"sim-student": {"malformed_json": 0.5}}}) as running:
        endpoint = _endpoint(running.base_url)
        done = complete(store, endpoint, requests, run_id="r", purse=Purse(Budget()))
    attempts = store.sql("select attempts, count(*) as n from responses group by all order by all")
    assert done.completed + done.failed == 60
    assert attempts["attempts"].to_list() == [1, 2, 3]
    failures = store.sql("select failure, attempts from failures")
    assert set(failures["attempts"]) <= {3} and set(failures["failure"]) <= {"malformed"}


@pytest.mark.slow
def test_every_slot_has_a_connection(store: Store, items: Path) -> None:
    with start_simulator([items], {"latency": {"kind": "fixed", "seconds": 1.5}}) as running:
        endpoint = _endpoint(running.base_url, max_concurrency=180, adaptive_concurrency=False)
        requests = [_request(index) for index in range(180)]
        complete(store, endpoint, requests, run_id="r", purse=Purse(Budget()))
        assert _ask_stats(running.base_url)["peak_in_flight"] == 180


@pytest.mark.slow
def test_a_server_that_goes_away_is_waited_for_and_then_left(store: Store, items: Path) -> None:
    with start_simulator([items], {"latency": {"kind": "fixed", "seconds": 0.02}}) as running:
        endpoint = _endpoint(running.base_url, max_outage_s=2.5, max_attempts=20)
        notes: list[str] = []

        def advance(completed: int, failed: int, cost: float | None) -> None:
            if completed and running.process.poll() is None:
                running.process.kill()

        with pytest.raises(ModelServerError, match=r"has not answered for \d+ s"):
            complete(
                store,
                endpoint,
                [_request(index) for index in range(4_000)],
                run_id="r",
                purse=Purse(Budget()),
                advance=advance,
                tick=lambda so_far: notes.append(so_far.note),
            )
    assert any("no answer for" in note for note in notes)
    assert 0 < store.sql("select count(*) as n from responses")["n"][0] < 4_000


@pytest.mark.slow
def test_a_limit_that_only_the_server_knows_sets_the_pace(store: Store, items: Path) -> None:
    with start_simulator([items], {"limits": {"requests_per_minute": 300}}) as running:
        endpoint = _endpoint(running.base_url, max_concurrency=4)
        began = time.monotonic()
        requests = [_request(index) for index in range(24)]
        complete(store, endpoint, requests, run_id="r", purse=Purse(Budget()))
        wall = time.monotonic() - began
        outcomes = _ask_stats(running.base_url)["outcomes"]
    assert outcomes == {"ok": 24}
    assert wall > 2.5  # 5 a second; 4 before the limit is known, 5 in one go, 15 at that pace.


def test_a_process_that_stood_still_says_nothing_about_its_server() -> None:
    """64 calls of 0.1 to 0.2 s are under way when this process looks for garbage for 0.5 s."""
    limiter = Limiter(ModelSettings(model="m", max_concurrency=64))
    slots = []

    async def call(number: int) -> None:
        async with limiter.admit(1, None) as admitted:
            began = time.monotonic()
            await asyncio.sleep(0.1 + 0.1 * (37 * number % 64) / 64)
            if number == 900:
                time.sleep(0.5)
            admitted.answered(time.monotonic() - began, Usage(), {})
            if number >= 900:
                slots.append(limiter.slots)

    async def call_all() -> None:
        await asyncio.gather(*(call(number) for number in range(1_500)))

    asyncio.run(call_all())
    assert min(slots) == 64


def test_a_pulse_counts_what_a_loop_stood_still_and_nothing_else() -> None:
    async def beat() -> list[float]:
        under_way = [True]
        pulse = Pulse(lambda: bool(under_way))
        pulse.start()
        await asyncio.sleep(0.3)
        said = [pulse.stood_still_s()]
        time.sleep(0.4)
        said.append(pulse.stood_still_s())  # Before its next tick.
        await asyncio.sleep(0.1)
        said.append(pulse.stood_still_s())
        under_way.clear()
        await asyncio.sleep(0.1)
        time.sleep(0.2)
        said.append(pulse.stood_still_s())
        return said

    calm, still, after, idle = asyncio.run(beat())
    assert calm == 0
    assert 0.3 < still <= after == idle < 0.6
