"""Chat completions as values: a request is checked, answered and counted without any network.

asked    {"model": "sim-student", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}
choice   Choice(content="…The answer is \\boxed{4}.", reasoning="", finish_reason="stop", …)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.chance import fingerprint
from tasks.simulator.conversation import converse, is_conversation, let_slip
from tasks.simulator.faults import FaultName
from tasks.simulator.judging import SCHEMA as JUDGEMENT
from tasks.simulator.judging import read_judge_request, write_verdict
from tasks.simulator.models import ModelProfile
from tasks.simulator.pairs import SCHEMA as PAIR
from tasks.simulator.pairs import read_pair_request, write_comparison
from tasks.simulator.rating import SCHEMA as RATING
from tasks.simulator.rating import read_rating_request, write_rating
from tasks.simulator.replies import Text, write_reply
from tasks.simulator.routing import SCHEMA as ROUTE
from tasks.simulator.routing import read_route_request, write_route
from tasks.simulator.settings import Settings
from tasks.simulator.structured import (
    STRATEGIES,
    least_instance,
    read_rewrite_request,
    write_rewrite,
)

_CHARACTERS_A_TOKEN = 4
_MOST_CHOICES = 128
_SORTED = orjson.OPT_SORT_KEYS

FinishReason = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is not answered, in the words and codes of OpenAI's API."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked request. `digest` names the whole body, `asked` only what the answer depends on."""

    model: str
    prompt: str
    earlier: str  # What the user said before that, e.g. a task whose answer is now corrected.
    prompt_tokens: int
    digest: str
    asked: str
    n: int = 1
    ceiling: int | None = None
    seed: int | None = None
    stream: bool = False
    system: str = ""
    include_usage: bool = False
    response_format: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One sample, cut at the request's ceiling; completion tokens include the reasoning's."""

    content: str | None
    reasoning: str
    finish_reason: FinishReason
    completion_tokens: int
    reasoning_tokens: int
    refusal: str | None = None


def read_request(body: bytes) -> ChatRequest | Problem:
    """Check the body of a chat completion request."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Problem(400, f"We could not parse the JSON body of your request: {error}")
    if not isinstance(asked, dict):
        return Problem(400, "The request body must be a JSON object.")
    model, messages = asked.get("model"), asked.get("messages")
    if not isinstance(model, str):
        return Problem(400, "You must provide a model parameter.", param="model")
    if not isinstance(messages, list) or not messages:
        return Problem(400, "`messages` must be a list of messages.", param="messages")
    texts = [_message_text(message) for message in messages]
    if any(text is None for text in texts):
        place = texts.index(None)
        return Problem(400, "Expected a role and a text.", param=f"messages[{place}]")
    if problem := _check_fields(asked):
        return problem
    users = _texts_of(messages, texts, "user")
    stream_options = asked.get("stream_options") or {}
    ceiling = asked.get("max_completion_tokens")
    return ChatRequest(
        model=model,
        prompt=users[-1] if users else (texts[-1] or ""),
        earlier=users[-2] if len(users) > 1 else "",
        system="\n".join(_texts_of(messages, texts, "system")),
        prompt_tokens=3 + sum(4 + count_tokens(text or "") for text in texts),
        digest=fingerprint(orjson.dumps(asked, option=_SORTED).decode()).hex(),
        asked=fingerprint(
            orjson.dumps([model, messages, asked.get("response_format")], option=_SORTED).decode()
        ).hex(),
        n=asked.get("n") or 1,
        ceiling=asked.get("max_tokens") if ceiling is None else ceiling,
        seed=asked.get("seed"),
        stream=bool(asked.get("stream")),
        include_usage=bool(stream_options.get("include_usage")),
        response_format=asked.get("response_format"),
    )


def complete(
    settings: Settings, key: AnswerKey, request: ChatRequest, sample: str, fault: FaultName | None
) -> list[Choice]:
    """Answer a request: `n` choices that depend on the settings, what was asked and the sample."""
    model = settings.models[request.model]
    choices = []
    for index in range(request.n):
        said = f"{request.asked}:{sample}:{index}"
        text = _write(settings.seed, key, model, request, said)
        if model.reasoning == "tags" and text.reasoning:
            text = Text(f"<think>\n{text.reasoning}\n</think>\n\n{text.content}")
        choices.append(_spoil(_cut(text, request.ceiling), fault))
    return choices


def count_usage(settings: Settings, request: ChatRequest, choices: Sequence[Choice]) -> Any:
    """Count a reply's tokens in the fields of OpenAI's `usage`."""
    prompt = request.prompt_tokens
    cached = prompt // 128 * 128 if prompt >= settings.cache_from_tokens else 0
    completion = sum(choice.completion_tokens for choice in choices)
    reasoning = sum(choice.reasoning_tokens for choice in choices)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }


def count_tokens(text: str) -> int:
    """Count tokens as a quarter of the characters: no tokenizer is worth its start-up here."""
    return -(-len(text) // _CHARACTERS_A_TOKEN)


def _write(seed: int, key: AnswerKey, model: ModelProfile, request: ChatRequest, said: str) -> Text:
    wanted = request.response_format or {}
    if wanted.get("type") in (None, "text"):
        return _reply(seed, key, model, request, said)
    asked = read_rewrite_request(request.prompt) or read_rewrite_request(request.earlier)
    declared = wanted.get("json_schema") or {}
    question = read_judge_request(request.prompt) or read_judge_request(request.earlier)
    pair = read_pair_request(request.prompt) or read_pair_request(request.earlier)
    rated = read_rating_request(request.prompt) or read_rating_request(request.earlier)
    if rated and declared.get("name") == RATING:
        schema = declared.get("schema") or {}
        said = f"{request.model}:{said}"
        return Text(write_rating(seed, model, key, rated, request.system, schema, said))
    if pair and declared.get("name") == PAIR:
        return Text(write_comparison(seed, model, key, pair, f"{request.model}:{said}"))
    placed = read_route_request(request.prompt) or read_route_request(request.earlier)
    if placed and declared.get("name") == ROUTE:
        return Text(write_route(seed, model, placed, f"{request.model}:{said}"))
    if question and declared.get("name") == JUDGEMENT:
        return Text(write_verdict(seed, model, question, f"{request.model}:{said}"))
    if asked and declared.get("name") in (None, *STRATEGIES):
        return Text(write_rewrite(seed, model, key, asked, f"{request.model}:{said}"))
    return Text(orjson.dumps(least_instance(declared.get("schema", {}) or {})).decode())


def _reply(seed: int, key: AnswerKey, model: ModelProfile, request: ChatRequest, said: str) -> Text:
    """Answer in words: the problem that is asked, or a request that has no right answer."""
    question = key.find(request.prompt)
    unanswerable = question.item is None or question.answer_type == "open"
    if unanswerable and not question.options and is_conversation(request.system):
        text = converse(seed, request.model, model, request.prompt, said)
    else:
        text = write_reply(seed, request.model, model, question, said)
    return let_slip(seed, model, request.system, text, f"{request.model}:{said}")


def _cut(text: Text, ceiling: int | None) -> Choice:
    """Cut a text at a ceiling of tokens, which the reasoning uses up first."""
    thought, spoken = count_tokens(text.reasoning), count_tokens(text.content)
    if ceiling is None or thought + spoken <= ceiling:
        return Choice(text.content, text.reasoning, "stop", thought + spoken, thought)
    thought = min(thought, ceiling)
    spoken = ceiling - thought
    content = text.content[: spoken * _CHARACTERS_A_TOKEN]
    reasoning = text.reasoning[: thought * _CHARACTERS_A_TOKEN]
    return Choice(content, reasoning, "length", ceiling, thought)


def _spoil(choice: Choice, fault: FaultName | None) -> Choice:
    if fault == "truncated":
        content = (choice.content or "")[: len(choice.content or "") // 2]
        tokens = choice.reasoning_tokens + count_tokens(content)
        return replace(choice, content=content, finish_reason="length", completion_tokens=tokens)
    if fault == "refusal":
        refusal = "I'm sorry, but I can't help with that request."
        return Choice(None, "", "stop", count_tokens(refusal), 0, refusal)
    if fault == "content_filter":
        return Choice("", "", "content_filter", 0, 0)
    return choice


def _check_fields(asked: Mapping[str, Any]) -> Problem | None:
    for name, least, most in (
        ("n", 1, _MOST_CHOICES),
        ("max_tokens", 1, None),
        ("max_completion_tokens", 1, None),
        ("seed", None, None),
    ):
        value = asked.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            return Problem(400, f"Invalid type for '{name}': expected an integer.", param=name)
        if (least is not None and value < least) or (most is not None and value > most):
            return Problem(400, f"Invalid '{name}': {value} is out of range.", param=name)
    temperature = asked.get("temperature")
    if temperature is not None and not (
        isinstance(temperature, int | float) and 0 <= temperature <= 2
    ):
        return Problem(400, "Invalid 'temperature': expected 0 to 2.", param="temperature")
    for name in ("response_format", "stream_options"):
        if not isinstance(asked.get(name), dict | None):
            return Problem(400, f"Invalid type for '{name}': expected an object.", param=name)
    return _check_format(asked.get("response_format") or {})


def _check_format(wanted: Mapping[str, Any]) -> Problem | None:
    if wanted.get("type") in (None, "text", "json_object"):
        return None
    declared = wanted.get("json_schema")
    if wanted.get("type") != "json_schema" or not isinstance(declared, dict):
        message = "Invalid 'response_format': expected text, json_object or json_schema."
        return Problem(400, message, param="response_format")
    if not isinstance(declared.get("name"), str) or not isinstance(declared.get("schema"), dict):
        message = "Missing required parameter: 'response_format.json_schema.name' or '.schema'."
        return Problem(400, message, param="response_format.json_schema")
    return None


def _message_text(message: object) -> str | None:
    """Return a message's text, parts put together; None if it is no message."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        return None
    content = message.get("content")
    if content is None:
        return "" if message["role"] == "assistant" else None
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else None


def _texts_of(messages: Sequence[Any], texts: Sequence[str | None], role: str) -> list[str]:
    return [
        text
        for message, text in zip(messages, texts, strict=True)
        if text is not None and message["role"] == role
    ]
