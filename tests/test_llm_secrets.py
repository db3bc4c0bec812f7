"""What a server learns and what it can give away.

One that repeats its key gets it into no row, message or log: it is blanked on arrival. None is told
about the computer that asks.
"""

import itertools
import json
from collections.abc import Iterator

import pytest

from tasks.errors import ModelServerError
from tasks.llm.engine import complete
from tasks.llm.failures import keep_text
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


class _Ventriloquist(QuietHandler):
    """Says the key back, spelt so that it is not to be found before its JSON was read."""

    def answer(self) -> None:
        model = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
        key = self.headers["Authorization"].removeprefix("Bearer ")
        forms = itertools.cycle(("04x", "04X"))
        spelt = "".join(rf"\u{format(ord(letter), next(forms))}" for letter in key)
        message = {"content": "your key is KEY", "reasoning_content": "KEY?"}
        choice = {"message": message, "finish_reason": "KEY"}
        body = json.dumps({"choices": [choice], "model": "m KEY", "id": "KEY"})
        sent = {
            "in a header": body.replace("KEY", "").encode(),
            "escapes": body.replace("KEY", spelt).encode(),
            "escapes twice": body.replace("KEY", spelt.replace("\\", "\\\\")).encode(),
            "utf-16": body.replace("KEY", key).encode("utf-16"),
            "utf-16-le": body.replace("KEY", key).encode("utf-16-le"),
            "utf-32": body.replace("KEY", key).encode("utf-32"),
        }
        named = {"x-request-id": f"for {key}"} if model == "in a header" else {}
        fails = model.endswith("fails")
        content = sent[model.removesuffix(" fails")]
        self.send(400 if fails else 200, content, named)


@pytest.fixture
def ventriloquist() -> Iterator[str]:
    with serve(_Ventriloquist) as address:
        yield f"http://{address}/v1"


@pytest.fixture
def parrot() -> Iterator[str]:
    with serve(_Parrot) as address:
        yield f"http://{address}/v1"


def _ask(store: Store, base_url: str, model: str, key: str = KEY) -> None:
    settings = ModelSettings(model=model, base_url=base_url)
    request = Request("p", "student", "solve@1", (("user", "What is 2 + 2?"),), 0)
    endpoint = Endpoint(settings, base_url, base_url, key)
    assert key not in repr(endpoint)
    complete(store, endpoint, [request], run_id="r", purse=Purse(Budget()))


def test_a_key_that_is_repeated_is_blanked(store: Store, parrot: str) -> None:
    _ask(store, parrot, "answers")
    _ask(store, parrot, "rejects")
    with pytest.raises(ModelServerError, match=r"I do not like \[hidden\]"):
        _ask(store, parrot, "is absent")
    (answer,) = store.sql("select content, reasoning, raw_body from responses").rows()
    assert answer[:2] == ("your key is [hidden]", "[hidden]?")
    failures = store.sql("select message, raw_body from failures").rows()
    assert len(failures) == 2
    for message, _ in failures:
        assert message.endswith("I do not like [hidden]")
    assert KEY not in repr((answer, failures))


@pytest.mark.everyday(3)
@pytest.mark.parametrize(
    "way", ["in a header", "escapes", "escapes twice", "utf-16", "utf-16-le", "utf-32"]
)
def test_a_key_is_blanked_however_it_is_spelt(store: Store, ventriloquist: str, way: str) -> None:
    _ask(store, ventriloquist, way)
    (row,) = store.sql("select * from responses").rows(named=True)
    if way == "in a header":
        assert row["provider_request_id"] == "for [hidden]"
    else:
        assert row["content"] == "your key is [hidden]"
        assert [row["reasoning"], row["finish_reason"], row["resolved_model"]] == [
            "[hidden]?",
            "[hidden]",
            "m [hidden]",
        ]
        assert row["provider_request_id"] == "[hidden]"
        assert row["raw_body"].count("[hidden]") == 5
    _ask(store, ventriloquist, f"{way} fails")
    (row,) = store.sql("select * from failures").rows(named=True)
    assert KEY not in str(row).replace("\\x00", "")
    if way != "in a header":
        assert row["raw_body"].count("[hidden]") == 5


def test_a_text_that_is_only_like_a_key_stays_in_an_answer() -> None:
    endpoint = Endpoint(ModelSettings(model="m"), "http://h/v1", "h", KEY)
    for text in ("key_frames and token_counter", r"as \u0063 is c", "a\0b", "C:\\\\" * 10):
        assert keep_text(text, endpoint) == text
    assert keep_text(f"{KEY}\ud800", endpoint) == "[hidden]\ufffd"
    short = Endpoint(ModelSettings(model="m"), "http://h/v1", "h", "key")
    assert keep_text("a key", short) == "a key"


@pytest.mark.parametrize("key", ["password", "not-needed", "anything"])
def test_a_key_that_is_a_word_stays_in_an_answer_and_in_no_failure(
    store: Store, parrot: str, key: str
) -> None:
    _ask(store, parrot, "answers", key)
    _ask(store, parrot, "rejects", key)
    (answer,) = store.sql("select content, reasoning, raw_body from responses").rows()
    assert answer[:2] == (f"your key is {key}", f"{key}?")
    assert answer[2].count(key) == 2
    (failure,) = store.sql("select message, raw_body from failures").rows()
    assert failure[0].endswith("I do not like [hidden]")
    assert key not in repr(failure)


@pytest.mark.parametrize(
    "key", ["token-abc123", "abcd1234", "a-key-of-16-signs", "longpassphrases!"]
)
def test_a_key_that_can_be_a_secret_stays_nowhere(store: Store, parrot: str, key: str) -> None:
    _ask(store, parrot, "answers", key)
    (answer,) = store.sql("select content, reasoning, raw_body from responses").rows()
    assert answer[:2] == ("your key is [hidden]", "[hidden]?")
    assert key not in answer[2]


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
