"""Replies as OpenAI's API words them: completions, event streams and errors, as bytes.

{"id": "chatcmpl-…", "object": "chat.completion", "model": "sim-student",
 "system_fingerprint": "teachset-simulator", "choices": […], "usage": {…}}
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tasks.simulator.completions import ChatRequest, Choice, Problem

FINGERPRINT = "teachset-simulator"
CREATED = 1_767_225_600
"""The first second of 2026, for all replies: what is said must not depend on when."""
_PIECE = 48


def unknown_model(name: object) -> Problem:
    """Return OpenAI's refusal of a model that is not served."""
    message = f"The model `{name}` does not exist or you do not have access to it."
    return Problem(404, message, param="model", code="model_not_found")


def not_for_this(name: str) -> Problem:
    """Return OpenAI's refusal of a model that answers where it should embed, or embeds."""
    return Problem(400, f"The model `{name}` does not support this.", param="model")


TOO_MANY = Problem(429, "Rate limit reached.", "rate_limit_error", code="rate_limit_exceeded")
BROKEN = Problem(500, "The server had an error while processing your request.", "server_error")


def retry_after(seconds: float) -> dict[str, str]:
    """Return the headers that say how long to wait, in seconds and in OpenAI's milliseconds."""
    return {"retry-after": f"{seconds:g}", "retry-after-ms": str(round(seconds * 1000))}


def error_body(problem: Problem) -> bytes:
    """Return an error in the shape in which OpenAI's clients expect it."""
    error = {
        "message": problem.message,
        "type": problem.kind,
        "param": problem.param,
        "code": problem.code,
    }
    return orjson.dumps({"error": error})


def stream_body(request: ChatRequest, choices: Sequence[Choice], usage: Any) -> bytes:
    """Return a reply as a whole server-sent event stream."""
    chunks = stream_chunks(request, choices, usage)
    return b"".join(b"data: " + chunk + b"\n\n" for chunk in chunks)


def completion_body(request: ChatRequest, choices: Sequence[Choice], usage: Any) -> bytes:
    """Return a reply as one JSON object."""
    return orjson.dumps(
        {
            **_envelope(request, "chat.completion"),
            "choices": [
                {
                    "index": index,
                    "message": _message(choice),
                    "logprobs": None,
                    "finish_reason": choice.finish_reason,
                }
                for index, choice in enumerate(choices)
            ],
            "usage": usage,
        }
    )


def _message(choice: Choice) -> dict[str, object]:
    message: dict[str, object] = {
        "role": "assistant",
        "content": choice.content,
        "refusal": choice.refusal,
    }
    return {**message, "reasoning_content": choice.reasoning} if choice.reasoning else message


def stream_chunks(request: ChatRequest, choices: Sequence[Choice], usage: Any) -> list[bytes]:
    """Return a reply as the chunks of a server-sent event stream, the end mark last."""
    envelope = _envelope(request, "chat.completion.chunk")

    def chunk(index: int, delta: Mapping[str, object], finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage_field = {"usage": None} if request.include_usage else {}
        return orjson.dumps({**envelope, "choices": [choice], **usage_field})

    chunks: list[bytes] = []
    for index, choice in enumerate(choices):
        chunks.append(chunk(index, {"role": "assistant", "content": ""}))
        for name, text in (
            ("reasoning_content", choice.reasoning),
            ("content", choice.content),
            ("refusal", choice.refusal),
        ):
            for start in range(0, len(text or ""), _PIECE):
                chunks.append(chunk(index, {name: (text or "")[start : start + _PIECE]}))
        chunks.append(chunk(index, {}, choice.finish_reason))
    if request.include_usage:
        chunks.append(orjson.dumps({**envelope, "choices": [], "usage": usage}))
    return [*chunks, b"[DONE]"]


def _envelope(request: ChatRequest, kind: str) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{request.digest}",
        "object": kind,
        "created": CREATED,
        "model": request.model,
        "system_fingerprint": FINGERPRINT,
    }
