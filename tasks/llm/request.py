"""Requests and their identity: everything that changes an answer is in the key, nothing else is.

Request(prompt_id="3c7b…", role="student", template="solve@1",
        messages=(("system", "…"), ("user", "What is 2 + 2?")), sample_index=3)
→ Keys(response_id="91d0…", reuse_key="5be2…")
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import orjson

from tasks.identity import content_id
from tasks.llm.ceiling_field import ceiling_field_of
from tasks.recipe import ModelSettings, Role

_LONGEST_SPOILT = 8_000
_CORRECTION = (
    "That was not a JSON object that follows the schema. "
    "Answer again with the JSON object alone: no other text and no code fence."
)
_SEED_STEP = 1_000_003  # Larger than any sample index, so that no two samples share a seed.
EMBEDDER: Role = "embedder"  # Whose answers are numbers; all others are asked to chat.
Messages = tuple[tuple[str, str], ...]
Stage = Literal["rewrite", "rate", "sample", "assess", "embed", "compare", "teach"]


@dataclass(frozen=True, slots=True)
class ResponseSchema:
    """A JSON Schema that the answer has to follow, and the name it is sent under."""

    name: str
    schema: Mapping[str, Any]
    digest: str = field(init=False)
    size: int = field(init=False)  # Bytes.

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", len(self.name) + len(orjson.dumps(dict(self.schema))))
        object.__setattr__(self, "digest", content_id(self.name, dict(self.schema)))


@dataclass(frozen=True, slots=True)
class Request:
    """One sample to be drawn of one model on one prompt."""

    prompt_id: str
    role: Role
    template: str
    messages: Messages
    sample_index: int
    schema: ResponseSchema | None = None
    raised_to: int | None = None  # A ceiling above the recipe's, after an answer was cut off.
    has_failed: bool = False  # With every attempt of an earlier run: the fault may be its own.
    stage: Stage | None = None  # What it is paid for; no part of its identity.


@dataclass(frozen=True, slots=True)
class Keys:
    """The identity of a response, with and without the token ceiling.

    A response that stopped by itself is the same under a higher ceiling, so it is looked up by
    `reuse_key`; `response_id` is what the store knows it by.
    """

    response_id: str
    reuse_key: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at a server; `server` is its identity, stable where the port is not (simulator)."""

    settings: ModelSettings
    base_url: str
    server: str
    api_key: str = field(repr=False)
    simulated: bool = False
    parameters_id: str = field(init=False, repr=False)  # Of what is sent but for the ceiling.

    def __post_init__(self) -> None:
        """Hash the parameters once: they are a part of the identity of each of its requests."""
        digest = content_id(parameters_of(self.settings), self.settings.send_seed)
        object.__setattr__(self, "parameters_id", digest)


def ceiling_of(endpoint: Endpoint, request: Request) -> int | None:
    """Return how many tokens an answer may have; None if nobody says, 0 if it has no words."""
    if request.role == EMBEDDER:
        return 0
    return request.raised_to or endpoint.settings.sampling.max_tokens


def ask_above(endpoint: Endpoint, request: Request, cut_off_at: int) -> Request | None:
    """Return what to ask after an answer that was cut off; None if the recipe goes no higher."""
    sampling = endpoint.settings.sampling
    if sampling.max_tokens is None or sampling.max_tokens > cut_off_at:
        return request
    if sampling.raise_to is None or sampling.raise_to <= cut_off_at:
        return None
    return replace(request, raised_to=min(2 * cut_off_at, sampling.raise_to))


def identify(endpoint: Endpoint, request: Request) -> Keys:
    """Return the keys of a request at an endpoint."""
    base = _identify_messages(
        endpoint.server,
        endpoint.settings.model,
        endpoint.parameters_id,
        request.prompt_id,
        request.role,
        request.template,
        request.messages,
        request.schema.digest if request.schema else None,
    )
    return Keys(
        response_id=content_id(base, ceiling_of(endpoint, request), request.sample_index),
        reuse_key=content_id(base, request.sample_index),
    )


def form_of(endpoint: Endpoint, request: Request) -> str:
    """Return the identity of all that a request has in common with others but for its own text.

    It is the key without the prompt, the sample and the ceiling: the store can tell by it which
    samples were drawn as the recipe says now, without rendering a message.
    """
    return _identify_form(
        endpoint.server,
        endpoint.settings.model,
        endpoint.parameters_id,
        request.role,
        request.template,
        tuple(text for speaker, text in request.messages if speaker == "system"),
        request.schema.digest if request.schema else None,
    )


def render_body(endpoint: Endpoint, request: Request, spoilt: Sequence[str] = ()) -> dict[str, Any]:
    """Return the body of the HTTP request. The sample index is sent as `seed`.

    After `spoilt` answers another seed is sent: the same one would bring the same answer again.
    """
    settings = endpoint.settings
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": [
            {"role": role, "content": content} for role, content in messages_after(request, spoilt)
        ],
        **parameters_of(settings),
    }
    if (ceiling := ceiling_of(endpoint, request)) is not None:
        body[ceiling_field_of(endpoint.base_url, settings)] = ceiling
    if settings.send_seed:
        body["seed"] = request.sample_index + len(spoilt) * _SEED_STEP
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": request.schema.name,
                "schema": dict(request.schema.schema),
                "strict": True,
            },
        }
    return body


def messages_after(request: Request, spoilt: Sequence[str]) -> Messages:
    """Return the messages of an attempt: after the first spoilt answer, a round of correction.

    A second one shows that pointing it out does not help, and the question is asked afresh.
    """
    if len(spoilt) != 1:
        return request.messages
    shown = spoilt[0][:_LONGEST_SPOILT]
    return (*request.messages, ("assistant", shown or "(empty)"), ("user", _CORRECTION))


def size_of(request: Request, spoilt: Sequence[str] = ()) -> int:
    """Return the bytes of all that a server may count as a prompt, the schema as well."""
    sent = sum(len(content.encode()) for _, content in messages_after(request, spoilt))
    return sent + (request.schema.size if request.schema else 0)


def parameters_of(settings: ModelSettings) -> dict[str, Any]:
    """Return the sampling parameters that are sent, without the ceiling."""
    sampling = settings.sampling
    declared = {"temperature": sampling.temperature, "top_p": sampling.top_p, **sampling.extra}
    return {name: value for name, value in declared.items() if value is not None}


@lru_cache(maxsize=4096)
def _identify_form(*parts: object) -> str:
    return content_id("form", *parts)


@lru_cache(maxsize=4096)
def _identify_messages(*parts: object) -> str:
    """Hash what the samples of one prompt share: asked for every sample, computed once."""
    return content_id("response", *parts)
