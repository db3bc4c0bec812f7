"""Half a surrogate pair in what a server says, which no store can hold, ends no run: every failure
that a call can have is kept with the half replaced."""

import json
from typing import Any, ClassVar

import pytest

from tasks.llm.batch.lines import read_result
from tasks.llm.engine import complete
from tasks.llm.failures import CallFailed
from tasks.llm.money import Purse
from tasks.llm.request import Endpoint, Request
from tasks.recipe import Budget, ModelSettings
from tasks.store import Store
from tests.loopback import QuietHandler, serve

HALF = "no \ud83d to that"  # What json.dumps writes as the escape that some providers send.
KEPT = "no \ufffd to that"
REQUEST = Request("p", "student", "solve@1", (("user", "What is 2 + 2?"),), 0)


class _Refusing(QuietHandler):
    """Answers every call by one status and body."""

    status: ClassVar[int]
    body: ClassVar[dict[str, Any]]

    def answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        content = json.dumps(self.body).encode()
        self.send(self.status, content, {"content-type": "application/json"})


def _endpoint(base_url: str) -> Endpoint:
    settings = ModelSettings(model="m", base_url=base_url, max_attempts=1)
    return Endpoint(settings, base_url, base_url, "key")


@pytest.mark.parametrize(
    ("status", "body", "kept"),
    [
        (
            200,
            {"choices": [{"message": {"refusal": HALF}, "finish_reason": "stop"}]},
            ("refused", KEPT),
        ),
        (
            400,
            {"error": {"message": HALF, "code": "content_filter"}},
            ("refused", f"Error code: 400 - {KEPT}"),
        ),
        (
            400,
            {"error": {"message": HALF}},
            ("retryable", f"status 400: Error code: 400 - {KEPT}"),
        ),
        (
            503,
            {"error": {"message": HALF}},
            ("retryable", f"status 503: Error code: 503 - {KEPT}"),
        ),
    ],
)
def test_a_refusal_is_kept(
    store: Store, status: int, body: dict[str, Any], kept: tuple[str, str]
) -> None:
    handler = type("Handler", (_Refusing,), {"status": status, "body": body})
    with serve(handler) as address:
        endpoint = _endpoint(f"http://{address}/v1")
        done = complete(store, endpoint, [REQUEST], run_id="r", purse=Purse(Budget()))
    assert done.failed == 1
    assert store.sql("select failure, message from failures").rows() == [kept]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"error": {"code": "server_error", "message": HALF}}, f"server_error: {KEPT}"),
        (
            {"response": {"status_code": HALF, "body": HALF}},
            "a result of status 'no \\ud83d to that'",
        ),
        (
            {
                "response": {
                    "status_code": 200,
                    "request_id": HALF,
                    "body": {"choices": [{"message": {"refusal": HALF}}]},
                }
            },
            KEPT,
        ),
    ],
)
def test_a_result_of_a_batch_is_kept(result: dict[str, Any], message: str) -> None:
    with pytest.raises(CallFailed) as raised:
        read_result(result, REQUEST, _endpoint("http://127.0.0.1:9/v1"))
    assert raised.value.message == str(raised.value) == message
    (raised.value.raw_body or "").encode()  # As strict as the store is.
