"""Flow control: how many calls are let in, in what order, and what an outage does."""

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tasks.errors import ModelServerError
from tasks.llm.breaker import Breaker
from tasks.llm.engine import complete
from tasks.llm.failures import CallFailed
from tasks.llm.feed import Feed
from tasks.llm.limiter import Limiter, NotAdmitted, limiter_of, read_duration, read_reset
from tasks.llm.money import Purse, Usage
from tasks.llm.pending import leave_out_known
from tasks.llm.pulse import Pulse
from tasks.llm.request import Endpoint, Request, ResponseSchema, messages_after
from tasks.llm.under_way import Completion
from tasks.recipe import Budget, ModelSettings, Sampling
from tasks.simulator.launch import start_simulator
from tasks.store import Store
from tests.loopback import QuietHandler, serve
from tests.scripted import endpoint_at, said


def _ask_stats(base_url: str) -> dict[str, Any]:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/sim/stats", timeout=5) as answer:
        stats: dict[str, Any] = json.load(answer)
    return stats


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
