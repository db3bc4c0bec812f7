"""What the simulator's tests share: items, and a server in this process to ask about them."""

import asyncio
import contextlib
import http.client
import re
import threading
from collections.abc import Iterator
from typing import Any

import orjson

from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.items import read_item
from tasks.simulator.server import build_app, serving
from tasks.simulator.settings import read_settings

BAKER: dict[str, Any] = {
    "id": "math-0001",
    "domain": "math",
    "prompt": "A baker fills 12 trays with 9 rolls each and sells 35 rolls. "
    "How many rolls are left?",
    "choices": None,
    "answer": "73",
    "answer_type": "number",
    "program": "n0 * n1 - n2",
    "solution": "12 trays of 9 rolls are 12*9 = 108 rolls. 108 - 35 = 73.",
    "level": 3,
}
FORCE: dict[str, Any] = {
    "id": "science-0001",
    "domain": "science",
    "prompt": "Which of the following is the unit of force?",
    "choices": ["joule", "newton", "watt", "pascal"],
    "answer": "B",
    "answer_type": "choice",
    "level": 2,
}
CLIPS: dict[str, Any] = {
    "question": "Natalia sold clips to 48 of her friends in April, and then she sold half as many "
    "clips in May. How many clips did Natalia sell altogether in April and May?",
    "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n"
    "Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.\n#### 72",
}
AREA: dict[str, Any] = {
    "id": "code-0001",
    "domain": "code",
    "prompt": "Write a function area(w, h) that returns the area of a rectangle.",
    "answer": "area",
    "answer_type": "code",
    "tests": ["assert area(2, 3) == 6", "assert area(0, 3) == 0"],
    "reference": "def area(w, h):\n    return w * h\n",
    "level": 1,
}
HALF: dict[str, Any] = {
    "prompt": "What is one half of one?",
    "answer": "1/2",
    "level": 1,
}
ROWS = [BAKER, FORCE, CLIPS, AREA, HALF]
SURE: dict[str, Any] = {"skill": 50.0, "unboxed": 0.0, "other_form": 0.0}
SOUND = {"wrong_key": 0.0, "leaked": 0.0, "unchanged": 0.0, "malformed_json": 0.0}
BOXED = re.compile(r"\\boxed\{(.*)\}\.$")
OPTIONS = "\n\nA. joule\nB. newton\nC. watt\nD. pascal"


@contextlib.contextmanager
def simulating(settings: object, api_key: str | None = None) -> Iterator[str]:
    """Serve the items over real HTTP from a thread of this process; give the base URL."""
    app = build_app(read_settings(settings), key_of(*ROWS), api_key)
    loop = asyncio.new_event_loop()
    server = serving(app, 0)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        yield f"http://127.0.0.1:{port}/v1"
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def send(
    base_url: str,
    method: str,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
    timeout: float = 10,
) -> tuple[int, http.client.HTTPMessage, bytes]:
    port = int(base_url.rsplit(":", 1)[1].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        connection.request(method, path, data if body is not None else None, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def chat(base_url: str, prompt: str, **fields: object) -> dict[str, Any]:
    status, _, body = send(base_url, "POST", "/v1/chat/completions", ask(prompt, **fields))
    assert status == 200, body
    return dict(orjson.loads(body))


def ask(prompt: str, **fields: object) -> dict[str, object]:
    messages = [
        {"role": "system", "content": "Put the final answer in \\boxed{}."},
        {"role": "user", "content": prompt},
    ]
    return {"model": "sim-student", "messages": messages, **fields}


def text_of(reply: dict[str, Any]) -> str:
    return str(reply["choices"][0]["message"]["content"])


def boxed(text: str) -> str | None:
    found = BOXED.search(text)
    return found[1] if found else None


def stats(base_url: str) -> dict[str, Any]:
    return dict(orjson.loads(send(base_url, "GET", "/sim/stats?requests")[2]))


def key_of(*rows: dict[str, Any]) -> AnswerKey:
    return AnswerKey([read_item(row) for row in rows])
