"""The lines of batch files: what a request is sent as, and what its result means.

sent  {"custom_id": "91d0…", "method": "POST", "url": "/v1/chat/completions", "body": {…}}
got   {"custom_id": "91d0…", "response": {"status_code": 200, "body": {…}}, "error": null}
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx2 as httpx  # The client library that openai 3 is built on.
import openai
import orjson

from tasks.errors import ModelServerError
from tasks.llm.client import Answer, parse_body, read_answer
from tasks.llm.failures import CallFailed, classify
from tasks.llm.money import Amount, Bill
from tasks.llm.request import Endpoint, Keys, Request, render_body

ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
ROOM = "token_limit_exceeded"
"""The code of a batch for which the provider has no room until others are done."""


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


def read_lines(lines: Iterable[bytes]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (custom_id, result) of an output or an error file; what is no result is left out.

    Whatever was asked and has no result here failed, and is asked again: nothing is lost by it.
    """
    for line in lines:
        try:
            result = parse_body(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(result, dict) and isinstance(result.get("custom_id"), str):
            yield result["custom_id"], result


def read_result(result: Mapping[str, Any], request: Request, endpoint: Endpoint) -> Answer:
    """Take one result apart. Raises CallFailed, or ModelServerError if no call can succeed."""
    response = result.get("response")
    if not isinstance(response, Mapping):
        raise CallFailed("retryable", _describe_error(result.get("error")))
    status, body = response.get("status_code"), response.get("body")
    content = _dump(body)
    if not isinstance(status, int) or not 100 <= status <= 599:
        raise CallFailed("retryable", f"a result of status {status!r}", raw_body=content.decode())
    named = str(response.get("request_id") or "")
    headers = {"x-request-id": named.encode("ascii", "replace").decode()}
    received = httpx.Response(
        status, content=content, headers=headers, request=httpx.Request("POST", endpoint.base_url)
    )
    if status == 200:
        return read_answer(received, request, endpoint, latency_s=None)
    error = body.get("error") if isinstance(body, Mapping) else None
    message = error.get("message") if isinstance(error, Mapping) else None
    raise classify(
        openai.APIStatusError(str(message or f"status {status}"), response=received, body=error),
        endpoint,
    )


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


def _describe_error(error: object) -> str:
    if not isinstance(error, Mapping):
        return "the batch has no response for this request"
    return f"{error.get('code')}: {error.get('message')}"


def _dump(body: object) -> bytes:
    """Return a body as bytes; half a surrogate pair in it is replaced by the reader, not here."""
    try:
        return orjson.dumps(body)
    except (TypeError, ValueError):
        return json.dumps(body).encode()
