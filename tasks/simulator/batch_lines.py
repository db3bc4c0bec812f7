"""The lines of a batch: what a file must hold, and what each request of it comes to.

in   {"custom_id": "91d0…", "method": "POST", "url": "/v1/chat/completions", "body": {…}}
out  {"id": "batch_req_…", "custom_id": "91d0…", "response": {"status_code": 200, "body": {…}}, …}
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.chance import draw, fingerprint
from tasks.simulator.completions import (
    ChatRequest,
    Problem,
    complete,
    count_usage,
    read_request,
)
from tasks.simulator.faults import FaultName, pick_fault
from tasks.simulator.settings import Settings
from tasks.simulator.traffic import Traffic
from tasks.simulator.wire import BROKEN, TOO_MANY, completion_body, error_body

ENDPOINT = "/v1/chat/completions"
EXPIRED = (
    "batch_expired",
    "This request could not be executed before the completion window expired.",
)
CANCELLED = ("batch_cancelled", "This request was not executed: the batch was cancelled.")
_UNANSWERED = ("request_timeout", "This request got no answer in time.")
_LONGEST_ID = 64
_MOST_FAULTS = 100  # A provider does not list fifty thousand either.


@dataclass(slots=True)
class FileCheck:
    """What validation finds out about a file, line by line; `faults` are OpenAI's batch errors."""

    settings: Settings
    lines: int = 0
    prompt_tokens: int = 0
    model: str | None = None
    custom_ids: set[str] = field(default_factory=set)
    digests: list[str] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)

    def add(self, line: bytes) -> None:
        """Look at the next line; an empty one does not count."""
        if not line.strip():
            return
        self.lines += 1
        if fault := self._find_fault(line):
            code, message, param = fault
            if len(self.faults) < _MOST_FAULTS:
                self.faults.append(batch_error(code, message, param, self.lines))

    def _find_fault(self, line: bytes) -> tuple[str, str, str | None] | None:
        """Return code, message and parameter of what is wrong with a line, if anything."""
        try:
            asked = orjson.loads(line)
        except orjson.JSONDecodeError:
            return "invalid_json_line", "This line is not parseable as valid JSON.", None
        if not isinstance(asked, dict):
            return "invalid_json_line", "This line is not a JSON object.", None
        for name, kind in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
            if not isinstance(asked.get(name), kind) or not asked[name]:
                return "missing_required_parameter", f"Missing required parameter: '{name}'.", name
        custom_id, body = asked["custom_id"], asked["body"]
        if len(custom_id) > _LONGEST_ID:
            return "invalid_custom_id", f"A custom_id has at most {_LONGEST_ID} characters.", None
        if custom_id in self.custom_ids:
            message = "The custom_id for this request is a duplicate of another request."
            return "duplicate_custom_id", message, "custom_id"
        self.custom_ids.add(custom_id)
        if asked["method"] != "POST":
            return "invalid_method", "The method of a request must be POST.", "method"
        if asked["url"] != ENDPOINT:
            message = "The URL provided for this request does not match the batch endpoint."
            return "mismatched_url", message, "url"
        return self._find_body_fault(body)

    def _find_body_fault(self, body: dict[str, Any]) -> tuple[str, str, str | None] | None:
        model = body.get("model")
        if model not in self.settings.models:
            message = f"The provided model '{model}' is not supported by the Batch API."
            return "model_not_found", message, "body.model"
        self.model = self.model or model
        if model != self.model:
            message = "The model of this request is not that of the other requests in the batch."
            return "mismatched_model", message, "body.model"
        if body.get("stream"):
            return "invalid_request", "Streaming is not supported in a batch.", "body.stream"
        request = read_request(orjson.dumps(body))
        if isinstance(request, Problem):
            return None  # The rest of a body is looked at when the request is executed.
        self.digests.append(request.digest)
        self.prompt_tokens += request.prompt_tokens
        refused = self.settings.batches.invalid_lines
        if draw(self.settings.seed, "invalid_line", request.digest) < refused:
            return "invalid_request", "This request was refused by validation.", "body.messages"
        return None


def batch_error(
    code: str, message: str, param: str | None = None, line: int | None = None
) -> dict[str, Any]:
    """Return an entry of a batch's `errors`; `line` counts from 1."""
    return {"code": code, "message": message, "param": param, "line": line}


def answer_line(
    settings: Settings, key: AnswerKey, traffic: Traffic, asked: dict[str, Any]
) -> tuple[bool, bytes]:
    """Execute one request; return whether it belongs into the output file, and its line."""
    request = read_request(orjson.dumps(asked["body"]))
    if isinstance(request, Problem):
        return False, _problem_line(asked, "bad_request", request)
    attempt = traffic.next_attempt(request.digest)
    fault = pick_fault(settings.faults, settings.seed, request.digest, attempt)
    traffic.outcomes[fault or "ok"] += 1
    name = f"{request.digest[:20]}-{attempt}"
    if fault == "rate_limit":
        return False, _problem_line(asked, name, TOO_MANY)
    if fault == "server_error":
        return False, _problem_line(asked, name, BROKEN)
    if fault in ("hang", "dropped"):
        return False, unexecuted_line(asked, *_UNANSWERED)
    line = _completed_line(settings, key, traffic, asked, request, fault, name)
    if fault == "malformed":
        return True, line[: len(line) // 2]
    traffic.completed[request.digest] += 1
    return True, line


def unexecuted_line(asked: dict[str, Any], code: str, message: str) -> bytes:
    """Return the error file's line of a request that got no response at all."""
    return orjson.dumps(
        {
            "id": _line_id(asked),
            "custom_id": asked["custom_id"],
            "response": None,
            "error": {"code": code, "message": message},
        }
    )


def read_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file that is read in pieces, without their ends."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _completed_line(
    settings: Settings,
    key: AnswerKey,
    traffic: Traffic,
    asked: dict[str, Any],
    request: ChatRequest,
    fault: FaultName | None,
    name: str,
) -> bytes:
    counted = request.seed is None
    sample = f"#{traffic.next_sample(request.digest)}" if counted else str(request.seed)
    choices = complete(settings, key, request, sample, fault)
    body = completion_body(request, choices, count_usage(settings, request, choices))
    return _response_line(asked, 200, name, body)


def _problem_line(asked: dict[str, Any], name: str, problem: Problem) -> bytes:
    return _response_line(asked, problem.status, name, error_body(problem))


def _response_line(asked: dict[str, Any], status: int, name: str, body: bytes) -> bytes:
    return orjson.dumps(
        {
            "id": _line_id(asked),
            "custom_id": asked["custom_id"],
            "response": {
                "status_code": status,
                "request_id": f"req-{name}",
                "body": orjson.Fragment(body),
            },
            "error": None,
        }
    )


def _line_id(asked: dict[str, Any]) -> str:
    return f"batch_req_{fingerprint('line', asked['custom_id']).hex()[:24]}"
