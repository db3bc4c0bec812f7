"""What can go wrong with a call, and what is done about each.

| class        | seen as                                       | done                            |
|--------------|-----------------------------------------------|---------------------------------|
| retryable    | timeout, dropped connection, 408/409/5xx,     | tried again with backoff or     |
|              | a redirect, what is amiss on the way there    | after `Retry-After`, and again  |
|              | (405/407/421/424/425/426/498), an answer that | in the next run                 |
|              | is no chat completion, of no end or broken    |                                 |
|              | off (`endings`), the ceiling in the wrong     |                                 |
|              | field; an error in a 200 goes by its code     |                                 |
| rate_limited | 429                                           | tried again after `Retry-After` |
| malformed    | not the asked structure                       | corrected once, tried once more |
| refused      | content filter, refusal, a prompt that was    | recorded, never asked again     |
|              | flagged (403 as well)                         |                                 |
| rejected     | another 4xx of a server that has answered     | recorded, never asked again     |
|              | others: this request can't work               |                                 |
| fatal        | wrong key, unknown model, no server, an       | the run stops                   |
|              | account that has run dry                      |                                 |
"""

import json
import re
from collections.abc import Mapping, Set
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Literal

import aiohttp  # What the client speaks HTTP with.
import httpx2 as httpx  # The client library that openai 3 is built on.
import openai

from tasks.errors import ModelServerError
from tasks.llm.ceiling_field import note_wanted_field
from tasks.llm.http_client import AnswerTooLarge
from tasks.llm.money import Usage
from tasks.llm.request import Endpoint

Failure = Literal["retryable", "rate_limited", "malformed", "refused", "rejected"]
MOST_MALFORMED = 3  # A model that misses the form three times would miss it again.
HOPELESS = 20  # So many failures before the first success: it is the server, not the rows.
PERMANENT: tuple[Failure, ...] = ("malformed", "refused", "rejected")
_NO_CONNECTION = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,  # The proxy refused to connect: it was sent no request.
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    httpx.ConnectError,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_SECRET = re.compile(r"\b(?:sk|key|token)[-_][A-Za-z0-9_*-]{6,}|Bearer\s+\S+", re.IGNORECASE)
_STATUS = re.compile("[45][0-9][0-9]")
_HIDDEN = "[hidden]"
_SHORTEST_KEY = 8
_NO_WORD = 16  # A key of so many characters is none, whatever it is made of.
_BODY_LIMIT = 20_000
_MESSAGE_LIMIT = 2_000
_LOOKED_AT = 4  # Times the limit: no more is searched for secrets, which shorten a text.
_LONGEST_WAIT_S = 600.0
# Statuses that say nothing of the request, but of what is set up between here and the model. 424 is
# TGI's, whose model failed under it; 498 is Groq's, whose flex tier has no room at the moment.
_AMISS_ON_THE_WAY = (405, 407, 408, 409, 421, 424, 425, 426, 498)
# What an account that has run dry is told, as an error's code or type. It comes with any status: to
# go on asking would have every prompt left rejected for good.
_DRY = frozenset(
    (
        "insufficient_quota",  # OpenAI, 429
        "billing_hard_limit_reached",  # OpenAI, 400
        "arrearage",  # DashScope, 400
        "budget_exceeded",  # LiteLLM, 400 or 429
        "exceeded_current_quota_error",  # Moonshot, 429
    )
)
# The same from those that have no word of its own for it, in the words of their messages.
_SAID_WHEN_DRY = (
    "your credit balance is too low",  # Anthropic, 400
    "budget has been exceeded! current cost",  # LiteLLM before another LiteLLM, 400
)
# What an error's code or type has in it where this prompt is declined, and no other is.
_FLAGGED = ("content_filter", "content_policy", "moderation")
# The same from xAI, whose code is that of a key without permission.
_SAID_WHEN_FLAGGED = "violates usage guidelines"
_QUOTED = 300  # Characters of a server's words in a message that ends the run.


class CallFailed(Exception):
    """One attempt of a call failed; `failure` says whether another can help."""

    def __init__(
        self,
        failure: Failure,
        message: str,
        *,
        raw_body: str | None = None,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        text: str | None = None,
        timed_out: bool = False,
        unanswered: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.failure: Failure = failure
        self.message = _shorten(message, _MESSAGE_LIMIT)
        self.raw_body = _shorten(raw_body, _BODY_LIMIT) if raw_body else None
        self.retry_after_s = retry_after_s
        self.usage = usage  # What the attempt is billed for, where the server said so.
        # The answer, if there was one of the wrong form.
        self.text = None if text is None else replace_surrogates(text)
        self.timed_out = timed_out
        self.unanswered = unanswered  # It was sent, and may have been worked on all the same.
        self.headers: Mapping[str, str] = headers or {}
        super().__init__(self.message)  # It is shown, too.

    @property
    def can_be_retried(self) -> bool:
        """Say whether the same request may succeed later."""
        return self.failure in ("retryable", "rate_limited", "malformed")


def hide_secrets(text: str) -> str:
    """Blank what looks like a key: servers repeat the wrong key in their error messages."""
    return _SECRET.sub(_HIDDEN, text)


def replace_surrogates(text: str) -> str:
    """Replace halves of surrogate pairs, which no file and no store can hold, by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _shorten(text: str, limit: int) -> str:
    """Return what is kept of a text that came with a failure; a long one is looked at in part."""
    return replace_surrogates(hide_secrets(text[: _LOOKED_AT * limit]))[:limit]


def hide_key(text: str, endpoint: Endpoint) -> str:
    """Blank the endpoint's own key in a text of its server, whatever it looks like.

    It is for every text that is kept or shown, after it was taken out of its JSON. A key of which
    letters are spelt as JSON may spell them (`\\u0073k-…`) is found as well. What is too short for
    a key stays.
    """
    key = endpoint.api_key
    if len(key) < _SHORTEST_KEY:
        return text
    if key in text:
        text = text.replace(key, _HIDDEN)
    if "\\u00" in text or "\\/" in text or "\0" in text:
        text = _spelt(key).sub(_HIDDEN, text)
    return text


@lru_cache(maxsize=64)
def _spelt(key: str) -> re.Pattern[str]:
    """Return how a key may be spelt in JSON, and in UTF-16 that was taken for something else."""
    letters = (rf"(?:\\{{0,4}}{re.escape(each)}|\\{{1,4}}u{_hexadecimal(each)})" for each in key)
    return re.compile("\\0{0,3}".join(letters))


def _hexadecimal(letter: str) -> str:
    """Return a pattern of a letter's number: its digits may be of either case."""
    digits = f"{ord(letter):04x}"
    return "".join(each if each.isdigit() else f"[{each}{each.upper()}]" for each in digits)


def keep_text(text: str, endpoint: Endpoint) -> str:
    """Return a text of the endpoint's server as it may be kept: its key blanked, no surrogates.

    Every text that goes into a row passes here, or `keep_answer`, after it was taken out of its
    JSON. What only looks like somebody's key is blanked in messages alone (`hide_secrets`).
    """
    return replace_surrogates(hide_key(text, endpoint))


def keep_answer(text: str, endpoint: Endpoint) -> str:
    """Return a text of an answer as it may be kept: it keeps what can be a word, a key or not.

    A server of one's own is often given a key such as `password` or `not-needed`, and a program
    that is asked for may well have a `password`, or a `token_counter`.
    """
    return keep_text(text, endpoint) if _is_secret(endpoint.api_key) else replace_surrogates(text)


@lru_cache(maxsize=64)
def _is_secret(key: str) -> bool:
    """Say whether a key can be a secret: it is long, or has letters and digits."""
    has_both = any(map(str.isalpha, key)) and any(map(str.isdigit, key))
    return len(key) >= _NO_WORD or (len(key) >= _SHORTEST_KEY and has_both)


def decode_body(content: bytes) -> str:
    """Return a body as a text: JSON is UTF-8, or one of the others that it tells by its zeros."""
    return content.decode(json.detect_encoding(content), "replace")


def classify(error: Exception, endpoint: Endpoint) -> CallFailed:
    """Return what a client's exception means. Raises ModelServerError if no call can succeed."""
    if isinstance(error.__cause__, AnswerTooLarge):
        return CallFailed("retryable", str(error.__cause__), unanswered=True)
    if isinstance(error.__cause__, httpx.ConnectTimeout):  # A refused connection is one as well.
        return _without_connection(error, endpoint)
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        why = f"no answer within {endpoint.settings.timeout_s:g} s"
        return CallFailed("retryable", why, timed_out=True, unanswered=True)
    if isinstance(error, openai.APIConnectionError):
        return _without_connection(error, endpoint)
    if not isinstance(error, openai.APIStatusError):
        why = hide_key(f"{type(error).__name__}: {error}", endpoint)
        return CallFailed("retryable", why, unanswered=True)
    return _classify_status(error, endpoint)


def classify_answer(response: httpx.Response, fault: object, endpoint: Endpoint) -> CallFailed:
    """Return what an answer means that is none but an error, as if it had come with its own status.

    OpenRouter says so what goes wrong once it has sent its headers: the code is the status that it
    would have had. Raises ModelServerError if no call can succeed.
    """
    parts = fault if isinstance(fault, Mapping) else {"message": fault}
    said, code = parts.get("message"), str(parts.get("code"))
    message = said if isinstance(said, str) and said else "an error without a message"
    is_status = _STATUS.fullmatch(code) is not None
    if is_status:
        message = f"{message} (in an answer of status {response.status_code})"
    error = openai.APIStatusError(message, response=response, body=fault)
    if is_status:
        error.status_code = int(code)
    return _classify_status(error, endpoint)


def _without_connection(error: Exception, endpoint: Endpoint) -> CallFailed:
    was_sent = _was_sent(error)
    what = "connection lost" if was_sent else "connection failed"
    why = hide_key(f"{what}: {error.__cause__ or error}", endpoint)
    return CallFailed("retryable", why, unanswered=was_sent)


def _was_sent(error: BaseException) -> bool:
    """Say whether a request may have reached the server: there was a connection to send it on."""
    reason: BaseException | None = error
    while reason is not None:
        if isinstance(reason, _NO_CONNECTION):
            return False
        reason = reason.__cause__
    return True


def _classify_status(error: openai.APIStatusError, endpoint: Endpoint) -> CallFailed:
    status, code = error.status_code, str(error.code or "")
    names = {code.lower(), str(error.type or "").lower()}
    headers = error.response.headers
    body = hide_key(decode_body(error.response.content[: _LOOKED_AT * _BODY_LIMIT]), endpoint)
    message = hide_key(error.message[: _LOOKED_AT * _MESSAGE_LIMIT], endpoint)
    words = _words_of(error)
    is_flagged = _is_flagged(error, names, body)
    if status in (401, 403) and not is_flagged:
        place = endpoint.settings.key_place
        hint = f"check {place}" if place else "set `api_key_env` in the recipe"
        raise ModelServerError(
            f"{endpoint.base_url} refused the key ({status}): {hint}. It says: "
            f"{_quote(words, endpoint)}"
        ) from None
    if error.response.status_code == 404 and not _speaks_of_model(f"{code} {body}", endpoint):
        lacks = "" if "/v1" in endpoint.base_url else ", which may lack /v1"
        raise ModelServerError(
            f"{endpoint.base_url} has nothing where a model is asked (404): check `base_url`"
            f"{lacks}. It says: {_quote(words, endpoint)}"
        ) from None
    if status == 404 or code == "model_not_found":
        raise ModelServerError(
            f"{endpoint.base_url} does not know the model {endpoint.settings.model!r} (404): "
            f"{_quote(message, endpoint)}"
        ) from None
    if _is_dry(status, names, words.lower()):
        raise ModelServerError(
            f"{endpoint.base_url} says the account's quota is used up: {_quote(words, endpoint)}"
        ) from None
    if status == 429:
        return CallFailed(
            "rate_limited",
            message,
            raw_body=body,
            retry_after_s=_read_retry_after(headers),
            headers=headers,
        )
    if is_flagged and status // 100 in (2, 4):
        return CallFailed("refused", hide_key(words, endpoint), raw_body=body)
    if 300 <= status < 400 and "location" in headers:
        place = hide_key(headers["location"], endpoint)
        message = f"it points to {place!r}, where nothing is sent; set `base_url` if it has moved"
    is_amiss = status < 400 or status in _AMISS_ON_THE_WAY or status >= 500
    if not is_amiss and status == 400:
        is_amiss = note_wanted_field(endpoint.base_url, endpoint.settings, message)
    if is_amiss:
        return CallFailed(
            "retryable",
            f"status {status}: {message}",
            raw_body=body,
            retry_after_s=_read_retry_after(headers),
        )
    return CallFailed("rejected", f"status {status}: {message}", raw_body=body)


def _quote(said: str, endpoint: Endpoint) -> str:
    """Return the beginning of a server's words, in one line and without a key, to be shown."""
    shown = replace_surrogates(hide_secrets(hide_key(said, endpoint)))
    return " ".join(shown.split())[:_QUOTED]


def _words_of(error: openai.APIStatusError) -> str:
    """Return what an error says, also where it is no object with a message, as OpenAI's are."""
    said = error.body if isinstance(error.body, str) else None
    return (said or error.message)[: _LOOKED_AT * _MESSAGE_LIMIT]


def _is_flagged(error: openai.APIStatusError, names: Set[str], body: str) -> bool:
    """Say whether it is this prompt alone that a server declines."""
    metadata = error.body.get("metadata") if isinstance(error.body, Mapping) else None
    if isinstance(metadata, Mapping) and ("reasons" in metadata or "flagged_input" in metadata):
        return True  # OpenRouter, whose 403 means this.
    if any(mark in name for mark in _FLAGGED for name in names):
        return True
    return _SAID_WHEN_FLAGGED in body.lower()  # Anywhere: OpenRouter passes it on in a part of its.


def _is_dry(status: int, names: Set[str], said: str) -> bool:
    """Say whether an error is that of an account which has nothing left to pay with."""
    return (
        status == 402
        or not _DRY.isdisjoint(names)
        or any(words in said for words in _SAID_WHEN_DRY)
        or (status == 412 and "suspended" in said)  # Fireworks, at a spending limit.
    )


def _speaks_of_model(answer: str, endpoint: Endpoint) -> bool:
    """Say whether an answer has the word or the name: what a wrong path is answered has neither."""
    name = re.escape(endpoint.settings.model)
    return "model" in answer.lower() or re.search(rf"(?<!\w){name}(?!\w)", answer) is not None


def _read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds the server asks to wait, at most ten minutes; it may name a time."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return _bound(float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    try:
        until = parsedate_to_datetime(headers["retry-after"])
        if until.tzinfo is None:  # "-0000": the time of nowhere, which is that of Greenwich.
            until = until.replace(tzinfo=UTC)
        return _bound((until - datetime.now(UTC)).total_seconds())
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None


def _bound(seconds: float) -> float:
    return min(_LONGEST_WAIT_S, max(0.0, seconds))
