"""The only way out: `openai`'s async client, asked for raw bodies so that nothing is lost.

ask(endpoint, request) → Answer(content="… \\boxed{4}", reasoning=None, finish_reason="stop", …)
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2 as httpx  # The client library that openai 3 is built on.
import openai
import orjson
from openai import AsyncOpenAI, Omit, RequestOptions

from tasks.defects import note_defect
from tasks.errors import ModelServerError
from tasks.llm.embedding import read_vector, render_embedding
from tasks.llm.endings import BROKEN_OFF, CUT_OFF, FILTERED, name_ending
from tasks.llm.failures import (
    CallFailed,
    classify,
    classify_answer,
    decode_body,
    hide_key,
    keep_answer,
    keep_text,
)
from tasks.llm.http_client import HttpClient, take_apart
from tasks.llm.money import UNBOUNDED_COMPLETION, Usage, most_prompt_tokens
from tasks.llm.reasoning import read_message
from tasks.llm.request import EMBEDDER, Endpoint, Request, ceiling_of, render_body, size_of
from tasks.llm.structured import parse_structured

_LONGEST_RAW = 2_000_000  # Bytes that are kept of a body beside its content.
_LOOKED_AT = 100_000  # Bytes of a body that is no answer; fewer are kept.
_TIMES, _MORE = 10, 100_000  # Tokens beyond so many times the most and so many more: a mistake.
_MOST_TOKENS = 10**12  # Beyond this a count is a server's mistake; a column of the store holds it.
# What the client would tell every server about this computer: nobody needs it, and each header
# takes its part of a call's processor time.
_UNTOLD: Mapping[str, Any] = {
    f"X-Stainless-{name}": Omit()
    for name in ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version", "Async")
}
_UNTOLD_OF_A_CALL: Mapping[str, Any] = {
    f"X-Stainless-{name}": Omit() for name in ("Retry-Count", "Read-Timeout")
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, taken apart; `raw_body` is what it sent."""

    content: str
    reasoning: str | None
    finish_reason: str | None
    usage: Usage
    model: str | None
    provider_request_id: str | None
    raw_body: str | None
    latency_s: float | None
    headers: Mapping[str, str]


class _Client(AsyncOpenAI):
    """`openai`'s client, which would take the same address apart for every call."""

    def _prepare_url(self, url: str) -> httpx.URL:
        return take_apart(url) if "://" in url else super()._prepare_url(url)


def open_client(endpoint: Endpoint) -> AsyncOpenAI:
    """Return a client for a server, to be used as a context manager; it retries nothing itself."""
    timeout = endpoint.settings.timeout_s
    return _Client(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        max_retries=0,
        timeout=timeout,
        default_headers=_UNTOLD,
        http_client=HttpClient(timeout_s=timeout),
    )


async def ask(
    client: AsyncOpenAI, endpoint: Endpoint, request: Request, spoilt: Sequence[str] = ()
) -> Answer:
    """Make one attempt, after `spoilt` answers that had not the form that was asked for.

    Raises CallFailed, or ModelServerError if no call can succeed.
    """
    began = time.perf_counter()
    try:
        if request.role == EMBEDDER:
            path, asked = "embeddings", render_embedding(endpoint, request)
        else:
            path, asked = "chat/completions", render_body(endpoint, request, spoilt)
        # What is said here the client need not work out for every call: the address in full, a
        # deep copy of each option that is not given, a name for its own retries (there are none).
        options: RequestOptions = {
            "headers": _UNTOLD_OF_A_CALL,
            "timeout": endpoint.settings.timeout_s,
            "max_retries": 0,
            "idempotency_key": "",
            "security": {"bearer_auth": True},
            "params": {},
        }
        # The client ends its address in a slash only where there is a path.
        url, body = f"{str(client.base_url).rstrip('/')}/{path}", orjson.dumps(asked)
        response = await client.post(url, cast_to=httpx.Response, content=body, options=options)
    except (openai.OpenAIError, TimeoutError, OSError) as error:
        raise classify(error, endpoint) from error
    except Exception as error:
        raise _unforeseen(error, endpoint) from error
    read = read_embedding if request.role == EMBEDDER else read_answer
    try:
        return read(response, request, endpoint, time.perf_counter() - began)
    except (CallFailed, ModelServerError):
        raise
    except Exception as error:
        raw = keep_text(decode_body(response.content[:_LOOKED_AT]), endpoint)
        raise _unforeseen(error, endpoint, raw) from error


def _unforeseen(error: Exception, endpoint: Endpoint, raw: str | None = None) -> CallFailed:
    """Return the failure of a call that met a defect of ours, or of a library, and note it.

    It is one call's affair. Where it is every call's, the run ends as with a server that answers
    nothing.
    """
    note_defect("a call failed for a reason that nobody foresaw", error)
    why = hide_key(f"a defect of Teachset, noted in its log: {error!r}", endpoint)
    return CallFailed("retryable", why, raw_body=raw, unanswered=True)


def read_answer(
    response: httpx.Response, request: Request, endpoint: Endpoint, latency_s: float | None
) -> Answer:
    """Take a response body apart.

    Raises CallFailed if it is no chat completion, was refused or was broken off, ModelServerError
    if it is an error after which no call can succeed.
    """
    content, usage, body = response.content, None, None
    try:
        body = parse_body(content)
        if body.get("usage"):  # Some servers count an answer without a choice.
            usage = _credible(read_usage(body["usage"]), request, endpoint)
        choice = body["choices"][0]
        message = {**choice["message"]}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable("a chat completion", error, response, body, usage, endpoint) from error
    raw = keep_answer(decode_body(content[:_LONGEST_RAW]), endpoint)
    usage = usage or Usage()
    finish_reason = _keep_or_none(choice.get("finish_reason"), endpoint)
    if finish_reason is not None and finish_reason != "stop":
        finish_reason = name_ending(finish_reason)
    if finish_reason == FILTERED or message.get("refusal"):
        why = hide_key(str(message.get("refusal") or "content filter"), endpoint)
        raise CallFailed("refused", why, raw_body=raw, usage=usage)
    fault = choice.get("error") or body.get("error")
    if finish_reason == BROKEN_OFF or fault:  # What came of it is no answer, but may be billed.
        why = f"the server broke its answer off: {_describe_fault(fault, choice)}"
        raise CallFailed("retryable", hide_key(why, endpoint), raw_body=raw, usage=usage)
    reasoning, text = read_message(message)
    reasoning, text = _keep_or_none(reasoning, endpoint), keep_answer(text, endpoint)
    if request.schema is not None and finish_reason != CUT_OFF:
        structure = parse_structured(text, request.schema.schema)
        if structure is None:
            why = f"does not follow the schema {request.schema.name!r}"
            raise CallFailed("malformed", why, raw_body=raw, usage=usage, text=text)
        text = json.dumps(structure, ensure_ascii=False)
    return Answer(
        content=text,
        reasoning=reasoning,
        finish_reason=finish_reason,
        usage=usage,
        model=_keep_or_none(body.get("model"), endpoint),
        provider_request_id=_request_id(response, body, endpoint),
        raw_body=raw,
        latency_s=latency_s,
        headers=response.headers,
    )


def read_embedding(
    response: httpx.Response, request: Request, endpoint: Endpoint, latency_s: float | None
) -> Answer:
    """Take an embedding apart; its numbers are the content.

    Raises CallFailed if there are none, ModelServerError if no call can succeed.
    """
    content, usage, body = response.content, None, None
    try:
        body = parse_body(content)
        if body.get("usage"):
            said = replace(read_usage(body["usage"]), completion_tokens=0)
            usage = _credible(said, request, endpoint)
        vector = read_vector(body["data"][0]["embedding"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable("an embedding", error, response, body, usage, endpoint) from error
    return Answer(
        content=vector,
        reasoning=None,
        finish_reason="stop",
        usage=usage or Usage(completion_tokens=0),
        model=_keep_or_none(body.get("model"), endpoint),
        provider_request_id=_request_id(response, body, endpoint),
        raw_body=None,  # It is the numbers once more, and longer.
        latency_s=latency_s,
        headers=response.headers,
    )


def _describe_fault(fault: object, choice: Mapping[str, Any]) -> str:
    """Say what a server says of an answer that it broke off, or else its word for that."""
    said = fault.get("message") if isinstance(fault, Mapping) else fault
    return said if isinstance(said, str) and said else repr(choice.get("finish_reason"))


def _unreadable(
    what: str,
    error: Exception,
    response: httpx.Response,
    body: object,
    usage: Usage | None,
    endpoint: Endpoint,
) -> CallFailed:
    """Return the failure of an answer that is not what was asked for.

    It may have been worked on and billed all the same, unless it says itself that it is an error.
    Raises ModelServerError if that is one after which no call can succeed.
    """
    if isinstance(body, Mapping) and body.get("error") and not body.get("choices"):
        failure = classify_answer(response, body["error"], endpoint)
        failure.usage = usage
        return failure
    raw = keep_text(decode_body(response.content[:_LOOKED_AT]), endpoint)
    why = f"not {what}, it begins {raw[:80]!r}; check `base_url` ({error!r})"
    return CallFailed(
        "retryable",
        hide_key(why, endpoint),
        raw_body=raw,
        usage=usage,
        unanswered=usage is None,
    )


def _credible(usage: Usage, request: Request, endpoint: Endpoint) -> Usage:
    """Return what a server counts without what it can't have: that is as good as not counted.

    The slack is for what is not seen from here: templates, prompts of the server's own, thoughts
    that a ceiling does not bound.
    """
    ceiling = ceiling_of(endpoint, request)
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    most = UNBOUNDED_COMPLETION if ceiling is None else ceiling
    if completion is not None and completion > _TIMES * most + _MORE:
        usage = replace(usage, completion_tokens=None, reasoning_tokens=None)
    if (
        prompt is not None
        and prompt > _MORE  # So that the rest is seldom asked.
        and prompt > _TIMES * most_prompt_tokens(size_of(request)) + _MORE
    ):
        usage = replace(usage, prompt_tokens=None, cached_tokens=None)
    return usage


def parse_body(content: bytes) -> Any:
    """Parse JSON; half a surrogate pair in it, which some models write, is no reason to refuse it.

    Raises ValueError, or RecursionError if it is nested too deeply.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            return json.loads(content)
        except UnicodeDecodeError as error:
            raise ValueError(str(error)) from None  # It would carry all of the body with it.


def read_usage(usage: object) -> Usage:
    """Read the token counts; what the server does not say, or not as a count, stays None.

    What is in the total alone was written as well: some servers count thoughts nowhere else.
    """
    prompt, completion, total = (
        _read_count(usage, f"{kind}_tokens") for kind in ("prompt", "completion", "total")
    )
    if prompt is not None and completion is not None and total is not None:
        completion = max(completion, total - prompt)
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=_read_count(usage, "prompt_tokens_details", "cached_tokens"),
        completion_tokens=completion,
        reasoning_tokens=_read_count(usage, "completion_tokens_details", "reasoning_tokens"),
    )


def _read_count(node: object, *steps: str) -> int | None:
    for step in steps:
        node = node.get(step) if isinstance(node, Mapping) else None
    if isinstance(node, float) and node.is_integer():
        node = int(node)  # JSON has one kind of number, and some write 20.0.
    if isinstance(node, int) and not isinstance(node, bool) and 0 <= node <= _MOST_TOKENS:
        return node
    return None


def _request_id(
    response: httpx.Response, body: Mapping[str, Any], endpoint: Endpoint
) -> str | None:
    return _keep_or_none(response.headers.get("x-request-id") or body.get("id"), endpoint)


def _keep_or_none(value: object, endpoint: Endpoint) -> str | None:
    return keep_answer(value, endpoint) if isinstance(value, str) else None
