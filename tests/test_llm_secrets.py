"""What a server learns and what it can give away.

One that repeats its key gets it into no row, message or log: it is blanked on arrival. None is told
about the computer that asks.
"""

import json
from collections.abc import Iterator

import pytest

from tasks.errors import ModelServerError
from tasks.llm.engine import complete
from tasks.llm.money import Purse
from tasks.llm.request import Endpoint, Request
from tasks.recipe import Budget, ModelSettings
from tasks.store import Store
from tests.loopback import QuietHandler, serve

KEY = "correct-horse-battery"  # No prefix by which it could be known for a key.


class _Parrot(QuietHandler):
    """Says the key back: as an answer, as a fault of the request, as a model that is not there.

    One of its models lists what it was told beside the question.
    """

    def answer(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Authorization"].removeprefix("Bearer ")
        status = {"rejects": 400, "is absent": 404}.get(asked["model"], 200)
        if status == 200:
            told = {"answers": f"your key is {key}", "lists": " ".join(self.headers)}
            message = {"content": told[asked["model"]], "reasoning_content": f"{key}?"}
            body: dict[str, object] = {"choices": [{"message": message, "finish_reason": "stop"}]}
        else:
            body = {"error": {"message": f"I do not like {key}"}}
        self.send(status, json.dumps(body).encode(), {"content-type": "application/json"})


@pytest.fixture
def parrot() -> Iterator[str]:
    with serve(_Parrot) as address:
        yield f"http://{address}/v1"


def _ask(store: Store, base_url: str, model: str) -> None:
    settings = ModelSettings(model=model, base_url=base_url)
    request = Request("p", "student", "solve@1", (("user", "What is 2 + 2?"),), 0)
    endpoint = Endpoint(settings, base_url, base_url, KEY)
    assert KEY not in repr(endpoint)
    complete(store, endpoint, [request], run_id="r", purse=Purse(Budget()))


def test_a_key_that_is_repeated_is_blanked(store: Store, parrot: str) -> None:
    _ask(store, parrot, "answers")
    _ask(store, parrot, "rejects")
    with pytest.raises(ModelServerError, match=r"I do not like \[hidden\]"):
        _ask(store, parrot, "is absent")
    (answer,) = store.sql("select content, reasoning, raw_body from responses").rows()
    assert answer[:2] == ("your key is [hidden]", "[hidden]?")
    failures = store.sql("select failure, message, raw_body from failures order by failure").rows()
    assert [failure for failure, _, _ in failures] == ["rejected", "retryable"]
    for _, message, _ in failures:
        assert message.endswith("I do not like [hidden]")
    assert KEY not in repr((answer, failures))


def test_a_server_is_told_nothing_about_the_computer_that_asks(store: Store, parrot: str) -> None:
    _ask(store, parrot, "lists")
    told = store.sql("select content from responses")["content"][0]
    assert sorted(told.lower().split()) == [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ]
