"""Batches at a server that keeps to nothing: whatever it says, every request has its outcome or is
known to be out, nothing is submitted twice, nothing is polled for ever, and the budget holds."""

import dataclasses
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import pytest

from tasks.errors import ModelServerError, RunInterrupted
from tasks.llm.batch.batches import at_batch_prices, complete_in_batches
from tasks.llm.batch.folding import BatchJob
from tasks.llm.batch.records import load_reserved
from tasks.llm.money import Amount, Purse, add_amounts, reserve_for
from tasks.llm.pending import leave_out_known
from tasks.llm.request import Endpoint, size_of
from tasks.llm.under_way import Completion, stop_calling
from tasks.progress import track
from tasks.recipe import BatchSettings, Budget
from tasks.store import Store
from tests.conftest import about
from tests.loopback import QuietHandler, serve
from tests.scripted import endpoint_at, once, samples

KEY = "correct-horse-battery"  # No prefix by which it could be known for a key.
ANSWER = {
    "choices": [{"message": {"content": "4"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 10},
}
Object = dict[str, Any]


class _Provider(QuietHandler):
    """Takes files and batches, which are over at the first look; what it says can be bent.

    `describe` bends a batch (as it is made if it is `in_progress`, later `completed`), `say_made`
    the answer to its making, `page` the list, `result` a line's result, `write` the whole file.
    """

    files: ClassVar[dict[str, list[str]]]
    batches: ClassVar[dict[str, Object]]
    lists: ClassVar[list[str]]

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, _, kind, *rest = self.path.split("?")[0].split("/")
        said: object
        if kind == "files" and not rest:
            lines = [json.loads(line) for line in body.split(b"\n") if line.startswith(b'{"cu')]
            name = f"file-{len(self.files)}"
            self.files[name] = [line["custom_id"] for line in lines]
            said = {"id": name, "object": "file"}
        elif kind == "files":
            names = self.files[self.batches[rest[0].removeprefix("out-")]["input_file_id"]]
            return self.send(200, self.write([self.result(_result(name)) for name in names]))
        elif rest:
            ended = {"status": "completed", "output_file_id": f"out-{rest[0]}"}
            said = self.describe(self.batches[rest[0]] | ended)
        elif self.command == "POST":
            name = f"batch-{len(self.batches)}"
            fresh = {"id": name, "status": "in_progress", "created_at": int(time.time())}
            self.batches[name] = json.loads(body) | fresh
            said = self.say_made(self.describe(self.batches[name]))
        else:
            self.lists.append(self.path)
            said = self.page([self.describe(each) for each in reversed(self.batches.values())])
        status, said = said if isinstance(said, tuple) else (200, said)
        self.send(status, json.dumps(said).encode(), {"content-type": "application/json"})

    def describe(self, batch: Object) -> object:
        return batch

    def say_made(self, batch: object) -> object:
        return batch

    def page(self, batches: list[object]) -> object:
        return {"object": "list", "data": batches, "has_more": False}

    def result(self, result: Object) -> object:
        return result

    def write(self, results: list[object]) -> bytes:
        return "\n".join(json.dumps(result) for result in results).encode()


def _result(custom_id: str) -> Object:
    response = {"status_code": 200, "request_id": "q", "body": ANSWER}
    return {"custom_id": custom_id, "response": response, "error": None}


def _provider(**bent: Callable[..., object]) -> type[_Provider]:
    methods = {name: _without_self(bend) for name, bend in bent.items()}
    return type("Handler", (_Provider,), {**methods, "files": {}, "batches": {}, "lists": []})


def _without_self(bend: Callable[..., object]) -> Callable[..., object]:
    return lambda _, *given: bend(*given)


def _endpoint(address: str, batch: Object | None = None, **settings: Any) -> Endpoint:
    batching = BatchSettings.model_validate({"poll_interval_s": 0.05} | (batch or {}))
    declared = {"mode": "batch", "batch": batching, "timeout_s": 5.0, "max_attempts": 2}
    endpoint = endpoint_at(address, **declared | settings)
    return at_batch_prices(dataclasses.replace(endpoint, api_key=KEY))


def _run(store: Store, endpoint: Endpoint, count: int = 4) -> tuple[Completion, Amount]:
    """Do what a stage does in batches; return what came of it and what the budget counts."""
    purse = Purse(Budget(), spent=_spent(store), submitted=load_reserved(store))
    with track("student", count) as tracker:
        job = BatchJob(store, endpoint, "student", ["p"], "r", purse, tracker)
        done = complete_in_batches(
            job, lambda: leave_out_known(store, endpoint, "student", ["p"], samples(count))
        )
    assert dataclasses.replace(purse.spent, usd=about(purse.spent.usd)) == _spent(store)
    assert (purse.submitted.tokens, purse.submitted.calls) == (0, 0)
    assert load_reserved(store) == Amount()
    return done, purse.spent


def _spent(store: Store) -> Amount:
    return Amount(**store.query("spent").row(0, named=True))


def _failures(store: Store) -> list[tuple[Any, ...]]:
    return store.sql("select distinct failure, attempts, message from failures").rows()


def _bent(**fields: object) -> Callable[[Object], Object]:
    return lambda batch: batch | fields


def _ended(**fields: object) -> Callable[[Object], Object]:
    return lambda batch: batch | (fields if batch["status"] == "completed" else {})


@pytest.mark.slow
def test_a_line_that_is_said_to_be_cancelled_in_a_batch_that_was_not_is_an_attempt(
    store: Store,
) -> None:
    cancelled = {"response": None, "error": {"code": "batch_cancelled", "message": "m"}}
    handler = _provider(result=lambda result: result | cancelled)
    with serve(handler) as address:
        done, spent = _run(store, _endpoint(address))
    assert (done.completed, done.failed, len(handler.batches)) == (0, 4, 2)
    assert _failures(store) == [("retryable", 2, "batch_cancelled: m")]
    assert spent == Amount(calls=8)  # The server turned them away.


ODD_FIELDS: list[Object] = [
    {"request_counts": None},
    {"request_counts": "many"},
    {"request_counts": [1]},
    {"request_counts": {"completed": None, "failed": True}},
    {"request_counts": {"completed": "4", "failed": "x"}},
    {"request_counts": {"completed": 10**30, "failed": -5}},
    {"metadata": "x", "created_at": None, "input_file_id": {"a": 1}},
    {"errors": {"data": [None]}, "error_file_id": ""},
]


def test_an_odd_field_of_a_batch_costs_nothing_but_itself(store: Store) -> None:
    statuses = iter(["validating", "in_progress", "finalizing"] * len(ODD_FIELDS))
    odd = iter(ODD_FIELDS)
    # Each status is new, so that each oddity is to be written down.
    handler = _provider(
        describe=lambda batch: (
            batch | {"status": next(statuses)} | fields if (fields := next(odd, None)) else batch
        )
    )
    with serve(handler) as address:
        done, _ = _run(store, _endpoint(address))
    assert (done.completed, len(handler.batches), next(odd, None)) == (4, 1, None)


@pytest.mark.slow
def test_why_a_batch_failed_is_told_in_whatever_shape_it_is_said(store: Store) -> None:
    shapes: list[tuple[object, str]] = [
        ("bad", "error: bad"),
        ([{"code": "x"}], "x: no reason"),
        ({"data": "bad"}, "error: bad"),
        ({"data": ["bad", None]}, "error: bad"),
        ({"data": [{"code": {"a": 1}, "message": 5, "line": "x"}]}, '{"a":1}: 5'),
        ({"data": [{"code": "c", "message": "m", "line": [1]}]}, "c: m"),
        (7, "error: 7"),
        (None, "no reason"),
    ]
    for errors, said in shapes:
        failed = _ended(status="failed", errors=errors, output_file_id=None)
        with (
            serve(_provider(describe=failed)) as address,
            pytest.raises(ModelServerError, match="refused a batch of 4 calls") as caught,
        ):
            _run(store, _endpoint(address))
        assert str(caught.value).endswith(said)
        assert load_reserved(store) == Amount()


def test_a_batch_whose_making_was_answered_by_nonsense_is_found_by_the_next_run(
    store: Store,
) -> None:
    nonsense: Iterator[Callable[[object], object]] = itertools.cycle(
        [lambda batch: [batch], lambda _: "x", lambda _: None]
    )
    handler = _provider(describe=lambda batch: next(nonsense)(batch))
    with serve(handler) as address:
        with pytest.raises(ModelServerError, match="cannot be read through"):
            _run(store, _endpoint(address, max_attempts=3))
        assert load_reserved(store).calls == 4
        assert not list(
            leave_out_known(store, _endpoint(address), "student", ["p"], samples(4))
        )  # Nobody asks for them again.
        handler.describe = _Provider.describe  # type: ignore[method-assign]
        done, _ = _run(store, _endpoint(address))
    assert (done.completed, len(handler.batches)) == (4, 1)


@pytest.mark.slow
def test_a_batch_is_known_by_its_file_where_the_server_keeps_no_metadata(store: Store) -> None:
    kept: list[object] = [None, {}, "x"]
    for count, metadata in enumerate(kept, 1):
        handler = _provider(describe=_bent(metadata=metadata), say_made=lambda _: (500, "oops"))
        with serve(handler) as address:
            done, _ = _run(store, _endpoint(address, model=f"m{count}"))
        assert (done.completed, len(handler.batches)) == (4, 1)


def test_results_in_a_file_without_a_readable_name_are_not_paid_for_again(store: Store) -> None:
    handler = _provider(describe=_ended(output_file_id={"a": 1}))
    with serve(handler) as address:
        with pytest.raises(ModelServerError, match="file of an unreadable name"):
            _run(store, _endpoint(address))
        handler.describe = _Provider.describe  # type: ignore[method-assign]
        done, _ = _run(store, _endpoint(address))
    assert (done.completed, len(handler.batches)) == (4, 1)


def _cut_first(results: list[object]) -> bytes:
    first, *rest = (json.dumps(result).encode() for result in results)
    return b"\n".join([first[:-9], *rest])


def _respond(**fields: object) -> Callable[[Object], Object]:
    return lambda result: result | {"response": result["response"] | fields}


@pytest.mark.slow
def test_a_budget_counts_what_may_have_been_paid_and_cannot_be_read(store: Store) -> None:
    unread = "the batch has no result for this request; lines that nobody can read: 1"
    missing = "the batch has no result for this request"
    # How it is bent, what is said of it, how many of the four calls are lost each time.
    cases: list[tuple[Object, str, int]] = [
        ({"write": _cut_first}, unread, 1),
        ({"write": lambda results: json.dumps(results).encode()}, unread, 4),
        ({"write": lambda results: json.dumps(results[0]).encode()}, missing, 3),
        ({"describe": _ended(output_file_id=None)}, missing, 4),
        ({"result": _respond(body=None)}, "not a chat completion", 4),
        ({"result": _respond(body="x")}, "not a chat completion", 4),
        ({"result": _respond(body=None, status_code="OK")}, "a result of status 'OK'", 4),
        ({"result": lambda result: result | {"response": 7}}, "the batch has no response", 4),
    ]
    for number, (bent, message, lost) in enumerate(cases):
        before = _spent(store)
        with serve(_provider(**bent)) as address:
            endpoint = _endpoint(address, model=f"m{number}", max_attempts=1)
            done, after = _run(store, endpoint)
        most = reserve_for(endpoint.settings, size_of(samples()[0]))
        assert (done.completed, done.failed) == (4 - lost, lost)
        said = store.sql(
            "select distinct message from failures where model = $model", {"model": f"m{number}"}
        )["message"].to_list()
        assert [each[: len(message)] for each in said] == [message]
        assert add_amounts(after, before, -1) == Amount(
            usd=about(lost * most.usd + (4 - lost) * 20e-6),
            tokens=lost * most.tokens + (4 - lost) * 30,
            calls=4,
            uncounted=lost,
        )


def test_a_status_is_read_however_it_is_written(store: Store) -> None:
    good: list[object] = ["200", 200.0, 201]
    # An answer under no status is paid for as it says.
    written = itertools.cycle([*good, 10**30, True, None, "2e2", 99, [200]])
    with serve(_provider(result=lambda line: _respond(status_code=next(written))(line))) as address:
        done, spent = _run(store, _endpoint(address, max_attempts=1), 9)
    assert (done.completed, done.failed) == (3, 6)
    assert (spent.tokens, spent.uncounted) == (9 * 30, 0)


@pytest.mark.slow
def test_a_result_that_is_nested_too_deeply_is_a_failure_of_its_own(store: Store) -> None:
    deep = b'"z": ' + b"[" * 1000 + b"]" * 1000
    spelt = "".join(f"\\u{ord(letter):04x}" for letter in KEY).encode()

    def write(results: Iterable[object]) -> bytes:
        first, *rest = (json.dumps(result).encode() for result in results)
        return b"\n".join(
            [first.replace(b'"choices"', deep + b', "k": "' + spelt + b'", "choices"'), *rest]
        )

    with serve(_provider(write=write)) as address:
        done, spent = _run(store, _endpoint(address))
    assert (done.completed, done.failed, spent.tokens) == (3, 1, 5 * 30)
    (kept,) = store.sql("select message, raw_body from failures").rows()
    assert kept[0] == "its result is nested too deeply to be read"
    assert '"content": "4"' in kept[1]
    assert KEY not in kept[1]
    assert "[hidden]" in kept[1]


def test_a_list_without_end_is_read_once_and_a_batch_that_is_not_in_it_is_made(
    store: Store,
) -> None:
    others = [{"id": f"other-{number}", "created_at": 2**33, "metadata": {}} for number in range(3)]
    made: list[object] = []

    def say_made(batch: object) -> object:
        made.append(batch)
        return batch if len(made) > 1 else (500, "oops")

    handler = _provider(
        say_made=say_made, page=lambda _: {"data": others, "has_more": True, "object": "list"}
    )
    with serve(handler) as address:
        done, _ = _run(store, _endpoint(address))
    assert (done.completed, len(made)) == (4, 2)
    assert ["after=other-2" in path for path in handler.lists] == [False, True]


def test_nothing_is_made_again_where_the_list_cannot_be_read(store: Store) -> None:
    pages = itertools.cycle([{"data": "x"}, {"data": [None]}, {"data": [{"id": "a"}, 5]}, []])
    handler = _provider(say_made=lambda _: (500, "oops"), page=lambda _: next(pages))
    with serve(handler) as address:
        with pytest.raises(ModelServerError, match="list of batches"):
            _run(store, _endpoint(address, max_attempts=5))
        handler.page = _Provider.page  # type: ignore[method-assign]
        done, _ = _run(store, _endpoint(address))
    assert (done.completed, len(handler.batches)) == (4, 1)


@pytest.mark.everyday(1)
@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("succeeded", "'succeeded', which the Batch API does not know"),
        ("finalizing", "'finalizing' after its window of 1s"),
        pytest.param(None, "'null', which the Batch API does not know", marks=pytest.mark.slow),
    ],
)
def test_a_batch_that_does_not_end_is_named_once_and_borne_with_for_so_many_windows(
    store: Store, status: object, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler = _provider(describe=_ended(status=status))
    with serve(handler) as address:
        with pytest.raises(ModelServerError, match=f"batch-0 is {said}.*ask_again"):
            _run(store, _endpoint(address, {"completion_window": "1s"}))
        told = [each.message for each in caplog.records if "asking again until" in each.message]
        assert len(told) == 1
        assert f"batch batch-0 is {said}" in told[0]
        assert load_reserved(store).calls == 4
        # Who gives it up pays again: the most that it can have cost stays counted.
        handler.describe = _spoilt_first(_ended(status=status))  # type: ignore[method-assign]
        again = _endpoint(address, {"completion_window": "1s", "when_lost": "ask_again"})
        done, spent = _run(store, again)
    assert (done.completed, len(handler.batches), spent.uncounted) == (4, 2, 4)


def test_a_batch_within_its_window_is_waited_for_without_a_word(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    looks = itertools.count()
    handler = _provider(
        describe=lambda batch: batch | ({"status": "in_progress"} if next(looks) < 9 else {})
    )
    with serve(handler) as address:
        done, _ = _run(store, _endpoint(address))
    assert (done.completed, len(handler.batches)) == (4, 1)
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.slow
def test_a_download_that_does_not_end_is_left_when_the_run_is_stopped(store: Store) -> None:
    release = threading.Event()
    handler = _provider(write=lambda _: release.wait(30) and b"")
    with serve(handler) as address:
        stopping = once(lambda: bool(handler.batches), stop_calling, after_s=1)
        with pytest.raises(RunInterrupted, match=r"1 batch\(es\) with 4 calls go on"):
            _run(store, _endpoint(address, timeout_s=60.0))
        assert not release.is_set()
        release.set()
        stopping.join()
        handler.write = _Provider.write  # type: ignore[method-assign]
        done, _ = _run(store, _endpoint(address))
    assert (done.completed, len(handler.batches)) == (4, 1)


def _spoilt_first(bend: Callable[[Object], Object]) -> Any:
    def describe(_: _Provider, batch: Object) -> object:
        return bend(batch) if batch["id"] == "batch-0" else batch

    return describe


@pytest.mark.slow
def test_a_server_cannot_have_a_batch_forgotten_by_a_word_of_ours(store: Store) -> None:
    words = itertools.cycle(["folded", "abandoned", "uploaded"])
    handler = _provider(describe=lambda batch: _ended(status=next(words))(batch))
    with serve(handler) as address:
        stopping = once(lambda: bool(handler.batches), stop_calling, after_s=1)
        with pytest.raises(RunInterrupted, match=r"1 batch\(es\) with 4 calls go on"):
            _run(store, _endpoint(address))
        stopping.join()
        assert load_reserved(store).calls == 4
        handler.describe = _Provider.describe  # type: ignore[method-assign]
        done, _ = _run(store, _endpoint(address))
    assert (done.completed, len(handler.batches)) == (4, 1)


@pytest.mark.slow
def test_a_key_that_is_repeated_gets_into_no_row(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    fault = {"code": f"c {KEY}", "message": f"m {KEY}", "line": 1}
    cases: list[Object] = [
        {"result": lambda line: line | {"response": None, "error": {"code": KEY, "message": KEY}}},
        {"result": lambda line: line | {"response": None, "error": {"code": [KEY]}}},
        {"result": _respond(request_id=f"of {KEY}")},
        {"result": _respond(status_code=KEY, body={"said": KEY})},
        {"result": _respond(status_code=400, body={"error": {"message": KEY, "code": KEY}})},
        {"result": _respond(status_code=400, body={"error": {"message": {"a": KEY}}})},
        {"describe": _bent(input_file_id=KEY)},
        {"describe": _ended(status="failed", errors={"data": [fault]})},
        # These two stay out.
        {"describe": _ended(status=KEY)},
        {"describe": _ended(output_file_id=KEY)},
    ]
    said = []
    for number, bent in enumerate(cases):
        settings: Object = {"model": f"m{number}", "max_attempts": 1}
        with serve(_provider(**bent)) as address:
            try:
                _run(store, _endpoint(address, {"completion_window": "1s"}, **settings))
            except ModelServerError as error:
                said.append(str(error))
    names = ("responses", "failures", "batches", "batch_requests", "batch_states", "batch_retries")
    rows = [store.sql(f"select * from {name}").rows() for name in names]
    assert KEY not in repr((rows, said, caplog.text))


@pytest.mark.parametrize("headers", [{}, {"content-encoding": "gzip"}])
def test_results_that_are_cut_off_or_garbled_are_fetched_again(
    store: Store, headers: dict[str, str]
) -> None:
    class Cutting(_Provider):
        files: ClassVar[dict[str, list[str]]] = {}
        batches: ClassVar[dict[str, Object]] = {}
        lists: ClassVar[list[str]] = []
        fetched: ClassVar[list[str]] = []

        def send(self, status: int, content: bytes, more: Any = None) -> None:
            if not self.path.endswith("/content") or self.fetched:
                return super().send(status, content, more)
            self.fetched.append(self.path)
            self.send_response(status)
            for name, value in {**headers, "content-length": str(2 * len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

    with serve(Cutting) as address:
        done, _ = _run(store, _endpoint(address))
    assert (done.completed, len(Cutting.batches), len(Cutting.fetched)) == (4, 1, 1)
