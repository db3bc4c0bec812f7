"""What tests of the engine's books share: a server that answers by a script, and calls to it."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from tasks.llm.request import Endpoint, Request, ResponseSchema
from tasks.recipe import ModelSettings, Prices, Sampling
from tests.loopback import QuietHandler

SCHEMA = ResponseSchema("sum", {"type": "object", "required": ["sum"]})
MESSAGES = (("user", "What is 2 + 2?"),)
Reply = tuple[int, dict[str, Any]]


class Scripted(QuietHandler):
    """Answers the calls one after the other by (status, body); the last goes on for ever."""

    script: ClassVar[list[Reply]]
    asked: ClassVar[list[float]]

    def answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self.script[min(len(self.asked), len(self.script) - 1)]
        self.asked.append(time.monotonic())
        headers = {"content-type": "application/json"}
        if status == 429:
            headers["retry-after"] = "60"
        self.send(status, json.dumps(body).encode(), headers)


def script(*replies: Reply) -> type[Scripted]:
    """Return a handler with a script of its own."""
    return type("Handler", (Scripted,), {"script": list(replies), "asked": []})


def said(content: str, prompt_tokens: int | None, completion_tokens: int | None) -> Reply:
    """Return an answer; a count that is None is not said, and of none there is no `usage`."""
    body: dict[str, Any] = {
        "choices": [{"message": {"content": content}, "finish_reason": "stop"}],
    }
    counts = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    usage = {name: count for name, count in counts.items() if count is not None}
    return 200, body | ({"usage": usage} if usage else {})


def endpoint_at(address: str, **settings: Any) -> Endpoint:
    """Return a model at $1 and $2 a million tokens, with a ceiling of 50, asked one at a time."""
    declared: dict[str, Any] = {
        "model": "m",
        "sampling": Sampling(max_tokens=50),
        "prices": Prices(input=1.0, output=2.0),
        "max_concurrency": 1,
    }
    base_url = f"http://{address}/v1"
    return Endpoint(ModelSettings(**declared | settings), base_url, base_url, "key")


def samples(count: int = 1, **changes: Any) -> list[Request]:
    """Return requests that differ in their sample alone."""
    declared: dict[str, Any] = {
        "prompt_id": "p",
        "role": "student",
        "template": "solve@1",
        "messages": MESSAGES,
    }
    return [Request(sample_index=index, **declared | changes) for index in range(count)]


def once(
    there: Callable[[], bool], act: Callable[[], object], after_s: float = 0
) -> threading.Thread:
    """Do something, in a thread of its own, as soon as something is there, or so much later."""

    def watch() -> None:
        until = time.monotonic() + 20
        while not there() and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(after_s)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread
