"""The lines of batch files: what a request is sent as, and what its result means.

sent  {"custom_id": "91d0…", "method": "POST", "url": "/v1/chat/completions", "body": {…}}
got   {"custom_id": "91d0…", "response": {"status_code": 200, "body": {…}}, "error": null}
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx2 as httpx  # The client library that openai 3 is built on.
import openai
import orjson

from tasks.errors import ModelServerError
from tasks.llm.client import Answer, parse_body, read_answer, read_usage
from tasks.llm.failures import CallFailed, classify, decode_body, hide_secrets, keep_text
from tasks.llm.money import Amount, Bill, Usage
from tasks.llm.request import Endpoint, Keys, Request, render_body

ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
ROOM = "token_limit_exceeded"
"""The code of a batch for which the provider has no room until others are done."""
_LONGEST_SAID = 500
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Member:
    """A request of a batch: `bill` is what its earlier attempts came to, `line` counts from 1."""

    request: Request
    keys: Keys
    line: int
    submission: int
    bill: Bill
    reserved: Amount
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class BatchFault:
    """One entry of a failed batch's `errors`."""

    code: str
    message: str
    line: int | None


def input_line(
    endpoint: Endpoint, request: Request, keys: Keys, spoilt: Sequence[str] = ()
) -> bytes:
    """Return a request's line of the input file, after `spoilt` answers of the wrong form."""
    asked = {
        "custom_id": keys.response_id,
        "method": "POST",
        "url": ENDPOINT,
        "body": render_body(endpoint, request, spoilt),
    }
    return orjson.dumps(asked, option=orjson.OPT_APPEND_NEWLINE)


def read_lines(lines: Iterable[bytes]) -> Iterator[tuple[str | None, Mapping[str, Any], bytes]]:
    """Yield (custom_id, result, line) of an output or an error file.

    Without an id the line is no result, or one of nobody knows what: whatever was asked and has no
    result here failed, and is asked again; nothing is lost by it, but it may have been paid for.
    """
    for line in lines:
        if not line.strip():
            continue
        try:
            result = parse_body(line)
        except (ValueError, RecursionError):
            result = None
        if isinstance(result, dict) and isinstance(result.get("custom_id"), str):
            yield result["custom_id"], result, line
        else:
            yield None, {}, line


def read_result(
    result: Mapping[str, Any], request: Request, endpoint: Endpoint, line: bytes = b""
) -> Answer:
    """Take one result, which came as `line`, apart.

    Raises CallFailed, or ModelServerError if no call can succeed. A failure has a usage where there
    was an answer, though nobody says what it took: it may have been paid for.
    """
    response = result.get("response")
    if not isinstance(response, Mapping):
        error = result.get("error")
        why = _describe_error(error, endpoint)
        raise CallFailed("retryable", why, unanswered=not isinstance(error, Mapping))
    try:
        return _read_response(response, request, endpoint)
    except RecursionError as error:
        raise CallFailed(
            "retryable",
            "its result is nested too deeply to be read",
            raw_body=_show_line(line, endpoint),
            usage=_usage_of(response.get("body")),
        ) from error


def _read_response(response: Mapping[str, Any], request: Request, endpoint: Endpoint) -> Answer:
    status, body = _read_status(response.get("status_code")), response.get("body")
    content = _dump(body)
    if status is None:
        raise CallFailed(
            "retryable",
            f"a result of status {clean(repr(response.get('status_code')), endpoint)}",
            raw_body=keep_text(decode_body(content), endpoint),
            usage=_usage_of(body),
        )
    name = response.get("request_id")
    named = clean(name, endpoint)[:_LONGEST_NAME] if isinstance(name, str) else ""
    headers = {"x-request-id": named.encode("ascii", "replace").decode()}
    received = httpx.Response(
        status, content=content, headers=headers, request=httpx.Request("POST", endpoint.base_url)
    )
    if received.is_success:
        try:
            return read_answer(received, request, endpoint, latency_s=None)
        except CallFailed as failure:
            failure.usage = failure.usage or Usage()
            raise
    error = body.get("error") if isinstance(body, Mapping) else None
    message = error.get("message") if isinstance(error, Mapping) else None
    said = clean(message, endpoint) if message else f"status {status}"
    raise classify(openai.APIStatusError(said, response=received, body=error), endpoint)


def find_faulty(
    faults: Sequence[BatchFault], members: Sequence[Member], endpoint: Endpoint
) -> dict[str, str]:
    """Return the members that validation refused, with the reason; none if there was no room.

    Raises ModelServerError if the fault is not that of single lines: the same file would fail
    again.
    """
    if any(fault.code == ROOM for fault in faults):
        return {}
    by_line = {fault.line: fault for fault in faults if fault.line is not None}
    refused = {
        member.keys.response_id: f"{by_line[member.line].code}: {by_line[member.line].message}"
        for member in members
        if member.line in by_line
    }
    unknown_model = any(fault.code == "model_not_found" for fault in faults)
    if not refused or unknown_model or len(refused) == len(members) > 1:
        said = "; ".join(f"{fault.code}: {fault.message}" for fault in faults[:3]) or "no reason"
        raise ModelServerError(
            f"{endpoint.base_url} refused a batch of {len(members):,} calls to "
            f"{endpoint.settings.model!r}: {said}"
        )
    return refused


def clean(said: object, endpoint: Endpoint, *, hides_any_key: bool = True) -> str:
    """Return what a server says as a text that may be shown and kept.

    The endpoint's own key is blanked in it, and what looks like another's if `hides_any_key`.
    """
    try:
        text = said if isinstance(said, str) else _dump(said).decode()
    except RecursionError:
        text = "(nested too deeply)"
    text = keep_text(text, endpoint)
    return (hide_secrets(text) if hides_any_key else text)[:_LONGEST_SAID]


def _describe_error(error: object, endpoint: Endpoint) -> str:
    if not isinstance(error, Mapping):
        return "the batch has no response for this request"
    said = [error[field] for field in ("code", "message") if error.get(field) is not None]
    return ": ".join(clean(each, endpoint) for each in said) or "an error without a reason"


def _read_status(status: object) -> int | None:
    """Return an HTTP status, however a server writes a number; None if it is none."""
    if isinstance(status, str) and re.fullmatch("[1-5][0-9][0-9]", status):
        return int(status)
    if isinstance(status, float) and status.is_integer():
        status = int(status)
    if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599:
        return status
    return None


def _usage_of(body: object) -> Usage:
    """Return what a body says that it took; of one that says nothing, that nobody knows."""
    return read_usage(body.get("usage")) if isinstance(body, Mapping) else Usage()


def _show_line(line: bytes, endpoint: Endpoint) -> str:
    """Return a line that cannot be taken apart; a key in it is found in any spelling."""
    return keep_text(decode_body(line), endpoint)


def _dump(body: object) -> bytes:
    """Return a body as bytes; half a surrogate pair in it is replaced by the reader, not here."""
    try:
        return orjson.dumps(body)
    except (TypeError, ValueError):
        return json.dumps(body).encode()
