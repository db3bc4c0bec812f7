"""What can go wrong with a call, and what is done about each.

| class        | seen as                                       | done                            |
|--------------|-----------------------------------------------|---------------------------------|
| retryable    | timeout, dropped connection, 408/409/5xx,     | tried again with backoff, and   |
|              | an answer that is no chat completion          | again in the next run           |
| rate_limited | 429                                           | tried again after `Retry-After` |
| malformed    | not the asked structure                       | corrected once, tried once more |
| refused      | content filter, refusal                       | recorded, never asked again     |
| rejected     | another 4xx: this request can't work          | recorded, never asked again     |
| fatal        | wrong key, unknown model, no quota, no server | the run stops                   |
"""

import re
from collections.abc import Mapping
from typing import Literal

import aiohttp  # What the client speaks HTTP with.
import httpx2 as httpx  # The client library that openai 3 is built on.
import openai

from tasks.errors import ModelServerError
from tasks.llm.money import Usage
from tasks.llm.request import Endpoint

Failure = Literal["retryable", "rate_limited", "malformed", "refused", "rejected"]
MOST_MALFORMED = 3  # A model that misses the form three times would miss it again.
HOPELESS = 20  # So many failures before the first success: it is the server, not the rows.
PERMANENT: tuple[Failure, ...] = ("malformed", "refused", "rejected")
_NO_CONNECTION = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    httpx.ConnectError,
    httpx.UnsupportedProtocol,
)
_SECRET = re.compile(r"\b(?:sk|key|token)[-_][A-Za-z0-9_*-]{6,}|Bearer\s+\S+", re.IGNORECASE)
_HIDDEN = "[hidden]"
_SHORTEST_KEY = 8
_BODY_LIMIT = 20_000


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
        self.message = replace_surrogates(hide_secrets(message))[:2000]
        self.raw_body = (
            replace_surrogates(hide_secrets(raw_body))[:_BODY_LIMIT] if raw_body else None
        )
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


def hide_key(content: bytes, endpoint: Endpoint) -> bytes:
    """Blank the server's own key in what it sent, whatever it looks like and wherever it stands.

    What is too short for a key stays: it may be a word that answers have reason to use.
    """
    key = endpoint.api_key.encode()
    return content.replace(key, _HIDDEN.encode()) if len(key) >= _SHORTEST_KEY else content


def classify(error: Exception, endpoint: Endpoint) -> CallFailed:
    """Return what a client's exception means. Raises ModelServerError if no call can succeed."""
    if isinstance(error.__cause__, httpx.ConnectTimeout):  # A refused connection is one as well.
        return _without_connection(error)
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        why = f"no answer within {endpoint.settings.timeout_s:g} s"
        return CallFailed("retryable", why, timed_out=True, unanswered=True)
    if isinstance(error, openai.APIConnectionError):
        return _without_connection(error)
    if not isinstance(error, openai.APIStatusError):
        return CallFailed("retryable", f"{type(error).__name__}: {error}")
    return _classify_status(error, endpoint)


def _without_connection(error: Exception) -> CallFailed:
    was_sent = _was_sent(error)
    what = "connection lost" if was_sent else "connection failed"
    return CallFailed("retryable", f"{what}: {error.__cause__ or error}", unanswered=was_sent)


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
    body = hide_key(error.response.content, endpoint).decode("utf-8", "replace")
    message = hide_key(error.message.encode("utf-8", "replace"), endpoint).decode()
    if status in (401, 403):
        place = endpoint.settings.key_place
        hint = f"check {place}" if place else "set `api_key_env` in the recipe"
        raise ModelServerError(f"{endpoint.base_url} refused the key ({status}): {hint}") from None
    if status == 404 or code == "model_not_found":
        raise ModelServerError(
            f"{endpoint.base_url} does not know the model {endpoint.settings.model!r} (404): "
            f"{hide_secrets(message)[:300]}"
        ) from None
    if code == "insufficient_quota" or status == 402:
        raise ModelServerError(
            f"{endpoint.base_url} says the account's quota is used up: "
            f"{hide_secrets(message)[:300]}"
        ) from None
    if status == 429:
        return CallFailed(
            "rate_limited",
            message,
            raw_body=body,
            retry_after_s=_read_retry_after(error),
            headers=error.response.headers,
        )
    if status in (408, 409) or status >= 500:
        return CallFailed("retryable", f"status {status}: {message}", raw_body=body)
    if "content_filter" in code or "content_policy" in code:
        return CallFailed("refused", message, raw_body=body)
    return CallFailed("rejected", f"status {status}: {message}", raw_body=body)


def _read_retry_after(error: openai.APIStatusError) -> float | None:
    """Return the seconds the server asks to wait, at most ten minutes."""
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(600.0, max(0.0, float(headers[name]) * unit))
        except (KeyError, ValueError):
            continue
    return None
