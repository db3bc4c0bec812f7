"""What a server may answer that no server should: no answer is lost, and no run ended, by it."""

import gzip
import itertools
import json
import logging
import re
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar

import httpx2 as httpx  # The client library that openai 3 is built on.
import openai
import pytest

from tasks import defects
from tasks.errors import ModelServerError, RunInterrupted
from tasks.llm.engine import complete
from tasks.llm.failures import CallFailed, classify
from tasks.llm.http_client import HttpClient
from tasks.llm.limiter import Limiter
from tasks.llm.money import Amount, Purse
from tasks.llm.pending import leave_out_known
from tasks.llm.under_way import Completion, stop_calling
from tasks.recipe import Budget
from tasks.store import Store
from tests.conftest import about
from tests.loopback import QuietHandler, serve
from tests.scripted import SCHEMA, endpoint_at, said, samples

GOOD = said("four", 100, 10)[1]
JSON = {"content-type": "application/json"}


class Whole(QuietHandler):
    """Answers the calls one after the other by (status, headers, body); the last goes on."""

    replies: ClassVar[list[tuple[int, Mapping[str, str], bytes]]]
    asked: ClassVar[list[str]]

    def answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, body = self.replies[min(len(self.asked), len(self.replies) - 1)]
        self.asked.append(self.path)
        self.send(status, body, headers)


def whole(*replies: tuple[int, Mapping[str, str], bytes]) -> type[Whole]:
    """Return a handler with replies of its own."""
    return type("Handler", (Whole,), {"replies": list(replies), "asked": []})


def dump(body: object) -> bytes:
    return json.dumps(body).encode()


def make_calls(
    store: Store,
    *replies: tuple[int, Mapping[str, str], bytes],
    count: int = 1,
    purse: Purse | None = None,
    changes: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Completion:
    """Make calls that get these replies, without a second attempt unless the settings say so."""
    with serve(whole(*replies)) as address:
        endpoint = endpoint_at(address, **{"max_attempts": 1, **settings})
        requests = samples(count, **(changes or {}))
        return complete(store, endpoint, requests, run_id="r", purse=purse or Purse(Budget()))


@pytest.mark.parametrize("digits", [16, 400, 5_000])
def test_a_limit_that_nobody_can_mean_loses_no_answer(store: Store, digits: int) -> None:
    headers = JSON | {f"x-ratelimit-limit-{what}": "9" * digits for what in ("requests", "tokens")}
    headers["x-ratelimit-remaining-tokens"] = "8" * digits
    headers["x-ratelimit-reset-tokens"] = "9" * digits + "h"
    assert make_calls(store, (200, headers, dump(GOOD)), count=3).completed == 3


def test_an_answer_outlives_a_defect_of_what_takes_note_of_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OverflowError("a defect")

    monkeypatch.setattr(Limiter, "note_answer", fail)
    monkeypatch.setattr(defects, "_NOTED", itertools.count(1))
    with caplog.at_level(logging.ERROR):
        assert make_calls(store, (200, JSON, dump(GOOD)), count=2).completed == 2
    assert store.sql("select content from responses")["content"].to_list() == ["four"] * 2
    noted = [record for record in caplog.records if record.name == "tasks.defects"]
    assert all(record.exc_info and record.exc_info[0] is OverflowError for record in noted)
    assert noted


@pytest.mark.everyday(2)
@pytest.mark.parametrize(
    "charset", ["utf-16", "undefined", "idna", "hex", "rot13", "base64", "zlib", "nosuch"]
)
def test_an_error_page_is_read_whatever_charset_it_names(store: Store, charset: str) -> None:
    page = (503, {"content-type": f"text/html; charset={charset}"}, b"<h1>busy \xff</h1>")
    assert make_calls(store, page, (200, JSON, dump(GOOD)), max_attempts=2).completed == 1
    assert make_calls(store, page, changes={"prompt_id": "q"}).failed == 1
    (said,) = store.sql("select failure, message, raw_body from failures").rows()
    assert said == ("retryable", "status 503: Error code: 503", "<h1>busy \ufffd</h1>")


def test_a_call_that_meets_a_defect_is_a_failure_and_the_others_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(defects, "_NOTED", itertools.count(1))
    post, times = HttpClient.send, itertools.count(1)

    async def send(self: HttpClient, request: httpx.Request, **how: Any) -> httpx.Response:
        if next(times) in (2, 4):
            raise LookupError("a defect")
        return await post(self, request, **how)

    monkeypatch.setattr(HttpClient, "send", send)
    purse = Purse(Budget())
    done = make_calls(store, (200, JSON, dump(GOOD)), count=5, purse=purse)
    assert (done.completed, done.failed) == (3, 2)
    assert purse.spent.calls == 5 and purse.spent.uncounted == 2
    why = "a defect of Teachset, noted in its log: LookupError('a defect')"
    said = store.sql("select failure, message from failures").rows()
    assert said == [("retryable", why)] * 2
    noted = [record for record in caplog.records if record.name == "tasks.defects"]
    assert [record.exc_info[0] for record in noted if record.exc_info] == [LookupError] * 2


@pytest.mark.parametrize(
    "nested", ["[" * 1000 + "]" * 1000, '{"a":' * 1000 + "1" + "}" * 1000], ids=["list", "object"]
)
def test_a_structure_without_an_end_is_malformed_and_kept(store: Store, nested: str) -> None:
    deep = dump(said(f'{{"sum": {nested}}}', 10, 10)[1])
    done = make_calls(store, (200, JSON, deep), changes={"schema": SCHEMA}, max_attempts=1)
    assert (done.completed, done.failed) == (0, 1)
    (row,) = store.sql("select failure, raw_body from failures").rows()
    assert row == ("malformed", deep.decode())


@pytest.mark.everyday(4)
@pytest.mark.parametrize(
    ("headers", "body", "counted"),
    [
        (JSON, b'data: {"choices":[{"delta":{"content":"4"}}]}\n\ndata: [DONE]\n\n', True),
        (JSON | {"content-encoding": "gzip"}, gzip.compress(dump(GOOD))[:-12], True),
        (JSON, dump(GOOD).replace(b"four", b"\xff\xfe\x80"), True),
        (JSON, dump({"choices": []}), True),
        (JSON, b"", True),
        (JSON, b"[]", True),
        (JSON, dump({"error": {"message": "boom"}}), False),
        (JSON, dump({"error": "boom"}), False),
        (
            JSON,
            dump({"error": "boom", "usage": {"prompt_tokens": 9, "completion_tokens": 9}}),
            None,
        ),
    ],
)
def test_an_answer_that_cannot_be_read_may_have_been_billed(
    store: Store, headers: Mapping[str, str], body: bytes, counted: bool | None
) -> None:
    purse = Purse(Budget())
    make_calls(store, (200, headers, body), purse=purse)
    (row,) = store.sql("select failure, budget_usd, uncounted from failures").rows()
    most = (14 + 64 + 2 * 50) / 1e6
    usd = most if counted else 0.0 if counted is False else 27e-6
    assert row == ("retryable", pytest.approx(usd), int(counted or 0))
    assert purse.spent.usd == pytest.approx(usd)


class Endless(QuietHandler):
    """Sends a body without an end, and keeps how many megabytes of it were taken."""

    status: ClassVar[int]
    sent: ClassVar[list[int]]

    def answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.close_connection = True
        self.send_response(self.status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        with suppress(OSError):
            for number in range(400):
                self.wfile.write(b" " * 2**20)
                self.sent.append(number)


def test_an_answer_without_an_end_is_given_up(store: Store) -> None:
    handler: type[Endless] = type("Handler", (Endless,), {"status": 200, "sent": []})
    purse = Purse(Budget())
    with serve(handler) as address:
        endpoint = endpoint_at(address, max_attempts=1)
        assert complete(store, endpoint, samples(), run_id="r", purse=purse).failed == 1
    assert len(handler.sent) < 120
    assert purse.spent.uncounted == 1
    (row,) = store.sql("select failure, message from failures").rows()
    assert row == ("retryable", "an answer of more than 64 MB; the rest was not read")


def test_an_answer_that_unpacks_without_an_end_is_given_up(store: Store) -> None:
    packed = gzip.compress(b" " * (80 * 2**20), compresslevel=1)
    headers = JSON | {"content-encoding": "gzip"}
    assert make_calls(store, (200, headers, packed), purse=(purse := Purse(Budget()))).failed == 1
    assert purse.spent.uncounted == 1
    (message,) = store.sql("select message from failures")["message"]
    assert message == "an answer of more than 64 MB; the rest was not read"


def test_of_an_error_page_without_an_end_the_beginning_is_read(store: Store) -> None:
    handler: type[Endless] = type("Handler", (Endless,), {"status": 500, "sent": []})
    with serve(handler) as address:
        endpoint = endpoint_at(address, max_attempts=1)
        assert complete(store, endpoint, samples(), run_id="r", purse=Purse(Budget())).failed == 1
    assert len(handler.sent) < 50
    (message,) = store.sql("select message from failures")["message"]
    assert message.startswith("status 500: ")


def test_a_long_body_is_searched_for_secrets_in_part_alone() -> None:
    began = time.process_time()
    failure = CallFailed("retryable", "x" * 20_000_000, raw_body="<" * 20_000_000)
    assert time.process_time() - began < 0.5
    assert (len(failure.message), len(failure.raw_body or "")) == (2_000, 20_000)


def _row_of(store: Store, status: int, headers: Mapping[str, str], number: int) -> tuple[str, str]:
    prompt_id = f"p{number}"
    make_calls(
        store,
        (200, JSON, dump(GOOD)),
        (status, headers, b"no"),
        count=2,
        changes={"prompt_id": prompt_id},
        max_concurrency=1,
    )
    query = f"select failure, message from failures where prompt_id = '{prompt_id}'"
    (row,) = store.sql(query).rows()
    return row[0], row[1]


@pytest.mark.slow
def test_what_is_amiss_on_the_way_is_tried_again(store: Store) -> None:
    for status in (300, 301, 304, 405, 407, 421, 424, 425, 426, 498):
        assert _row_of(store, status, {}, status)[0] == "retryable", status
    for status in (400, 413, 422, 451):
        assert _row_of(store, status, {}, status)[0] == "rejected", status


@pytest.mark.everyday(2)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"404: Not Found", r"where a model is asked \(404\): check `base_url`. It says: "),
        (dump({"detail": "Not Found"}), r"/v1 has nothing where a model is asked \(404\)"),
        (b"<p>The form is gone</p>", r"has nothing where a model is asked \(404\)"),
        (b"m: no such thing", r"does not know the model 'm' \(404\): "),
        (dump({"error": {"code": "model_not_found"}}), r"does not know the model 'm' \(404\): "),
    ],
)
def test_a_path_that_is_not_there_is_no_unknown_model(
    store: Store, body: bytes, message: str
) -> None:
    with pytest.raises(ModelServerError, match=message):
        make_calls(store, (404, JSON, body))


class _Newer(QuietHandler):
    """A model that is told in `max_completion_tokens` how long its answer may be, or refuses."""

    asked: ClassVar[list[dict[str, Any]]] = []

    def answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        if "max_tokens" not in body:
            return self.send(200, dump(GOOD), JSON)
        error = {
            "message": "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "type": "invalid_request_error",
            "param": "max_tokens",
            "code": "unsupported_parameter",
        }
        return self.send(400, dump({"error": error}), JSON)


def test_a_model_that_wants_the_ceiling_in_another_field_gets_it(store: Store) -> None:
    with serve(_Newer) as address:
        endpoint = endpoint_at(address, max_concurrency=2)
        done = complete(store, endpoint, samples(8), run_id="r", purse=Purse(Budget()))
        again = complete(store, endpoint, samples(8)[4:], run_id="r", purse=Purse(Budget()))
    assert (done.completed, done.failed, again.completed) == (8, 0, 4)
    refused = [body for body in _Newer.asked if "max_tokens" in body]
    assert len(refused) <= 2  # Of those that were under way together.
    answered = [body for body in _Newer.asked if "max_tokens" not in body]
    assert {body["max_completion_tokens"] for body in answered} == {50}
    assert store.sql("select * from failures").is_empty()


REJECTED = (400, JSON, dump({"error": {"message": "the chat template is broken"}}))


def _asked_again(store: Store, address: str) -> int:
    endpoint = endpoint_at(address)
    return len(list(leave_out_known(store, endpoint, "student", ["p"], samples(30))))


def _make(store: Store, address: str, low: int, high: int) -> Completion:
    endpoint = endpoint_at(address, max_concurrency=1, max_attempts=1)
    return complete(store, endpoint, samples(30)[low:high], run_id="r", purse=Purse(Budget()))


def test_what_a_server_rejects_that_answers_nothing_is_asked_again(store: Store) -> None:
    with serve(whole(REJECTED)) as address:
        assert _make(store, address, 0, 8).failed == 8
        said = store.sql("select distinct failure, message from failures").rows()
        assert said == [("retryable", "status 400: Error code: 400 - the chat template is broken")]
        assert _asked_again(store, address) == 30


def test_what_is_rejected_beside_an_answer_is_not_asked_again(store: Store) -> None:
    with serve(whole(REJECTED, (200, JSON, dump(GOOD)), REJECTED)) as address:
        assert _make(store, address, 0, 3) == Completion(1, 2, about(0.00012))
        assert _asked_again(store, address) == 27
        assert _make(store, address, 3, 5).failed == 2  # It has answered, though not this time.
        assert _asked_again(store, address) == 25
        assert store.sql("select distinct failure from failures").rows() == [("rejected",)]


def test_a_run_that_ends_as_all_was_rejected_blames_no_row(store: Store) -> None:
    with serve(whole((200, JSON, dump(GOOD)), REJECTED)) as address:
        assert _make(store, address, 0, 1).completed == 1
        with pytest.raises(ModelServerError, match="answered none of the first 20 calls"):
            _make(store, address, 1, 30)
        assert store.sql("select distinct failure from failures").rows() == [("retryable",)]
        assert _asked_again(store, address) == 29


def test_an_account_that_runs_dry_in_unknown_words_stops_the_run(store: Store) -> None:
    with serve(whole(*[(200, JSON, dump(GOOD))] * 3, REJECTED)) as address:
        with pytest.raises(ModelServerError, match=r"in the same words: .* template is broken"):
            _make(store, address, 0, 30)
        assert set(store.sql("select failure from failures")["failure"]) == {"retryable"}
        assert _asked_again(store, address) == 27


def test_a_server_that_finds_fault_with_each_call_goes_on_being_asked(store: Store) -> None:
    too_long = [
        (400, JSON, dump({"error": {"message": f"{9_000 + number} tokens are too many"}}))
        for number in range(25)
    ]
    with serve(whole((200, JSON, dump(GOOD)), *too_long, (200, JSON, dump(GOOD)))) as address:
        assert _make(store, address, 0, 30).completed == 5
        assert _asked_again(store, address) == 0


def test_a_question_goes_to_no_other_origin(store: Store) -> None:
    other = whole((200, JSON, dump(GOOD)))
    with serve(other) as address:
        for status in (301, 302, 307, 308):
            target = f"http://{address}/v1/chat/completions"
            failure, message = _row_of(store, status, {"location": target}, status)
            assert failure == "retryable"
            assert message == (
                f"status {status}: it points to {target!r}, where nothing is sent; "
                "set `base_url` if it has moved"
            )
    assert not other.asked
    nowhere = ("file:///etc/passwd", "http://[::1", "http://localhost:9999999")
    for number, target in enumerate(nowhere):
        assert _row_of(store, 307, {"location": target}, number)[0] == "retryable"
    _, message = _row_of(store, 307, {"location": "/v1/chat/completions"}, 9)
    assert message == "connection lost: it points from one address to another"


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_may_name_the_time_until_which_to_wait(store: Store, status: int) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(days=4), usegmt=True)
    endpoint = endpoint_at("127.0.0.1:9")
    waits = {}
    for named in (soon, past, "Fri, 31 Dec 2099 23:59:59 GMT", "7", "soon", "Fri, 99 Foo", "nan"):
        request = httpx.Request("POST", endpoint.base_url)
        answer = httpx.Response(status, headers={"retry-after": named}, request=request)
        error = openai.APIStatusError("busy", response=answer, body=None)
        waits[named] = classify(error, endpoint).retry_after_s
    assert 2 < (waits.pop(soon) or 0) <= 4
    assert list(waits.values()) == [0.0, 600.0, 7.0, None, None, 0.0]


def test_a_wait_that_a_server_asks_for_is_kept_after_any_status(store: Store) -> None:
    began = time.monotonic()
    done = make_calls(
        store, (503, {"retry-after": "2"}, b""), (200, JSON, dump(GOOD)), max_attempts=2
    )
    assert done.completed == 1
    assert time.monotonic() - began >= 2


@pytest.mark.everyday(2)
@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 10**12, "completion_tokens": 10**12},
        {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 10**12},
        {"prompt_tokens": 10**6, "completion_tokens": 10},
        {"prompt_tokens": 20, "completion_tokens": 10**6},
        {"prompt_tokens": 10**30, "completion_tokens": 10**30},
    ],
)
def test_a_count_that_cannot_be_is_none(store: Store, usage: Mapping[str, int]) -> None:
    purse = Purse(Budget())
    assert make_calls(store, (200, JSON, dump(GOOD | {"usage": usage})), purse=purse).completed == 1
    assert purse.spent == Amount(
        usd=about((14 + 64 + 2 * 50) / 1e6), tokens=128, calls=1, uncounted=1
    )
    (cost,) = store.sql("select cost_usd from responses")["cost_usd"]
    assert cost is None


def test_a_count_above_the_most_is_a_count(store: Store) -> None:
    """Servers add prompts of their own, and thoughts that a ceiling does not bound."""
    usage = {"prompt_tokens": 60_000.0, "completion_tokens": 9e4}
    purse = Purse(Budget())
    make_calls(store, (200, JSON, dump(GOOD | {"usage": usage})), purse=purse)
    assert purse.spent == Amount(usd=about(0.24), tokens=150_000, calls=1)
    (row,) = store.sql("select prompt_tokens, completion_tokens from responses").rows()
    assert row == (60_000, 90_000)


@pytest.mark.parametrize("numbers", ["[1" + "0" * 400 + ", 1]", "[1e300, 1]", "[1e39]"])
def test_numbers_that_no_vector_holds_are_a_failure(store: Store, numbers: str) -> None:
    body = f'{{"data": [{{"embedding": {numbers}}}], "usage": {{"prompt_tokens": 5}}}}'.encode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = make_calls(store, (200, JSON, body), changes={"role": "embedder"})
    assert done.failed == 1
    (row,) = store.sql("select failure, message from failures").rows()
    assert row[0] == "retryable" and "no finite numbers" in row[1]


def test_what_the_limit_of_a_minute_holds_back_is_said(store: Store) -> None:
    notes = list[str]()

    def tick(done: Completion) -> None:
        notes.append(done.note)
        if len(notes) == 3:
            stop_calling()

    limited = (200, JSON | {"x-ratelimit-limit-requests": "1"}, dump(GOOD))
    with serve(whole(limited)) as address, pytest.raises(RunInterrupted):
        endpoint = endpoint_at(address, max_concurrency=4)
        complete(store, endpoint, samples(9), run_id="r", purse=Purse(Budget()), tick=tick)
    pattern = r"held back by the limit of requests a minute, 1; next call in \d\d s"
    assert any(re.fullmatch(pattern, note) for note in notes)
