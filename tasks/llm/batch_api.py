"""OpenAI's Batch API: files up, batches made and asked for, files down; `tenacity` alone retries.

retrieve(client, endpoint, "batch_04…") → Remote(status="in_progress", completed=120, failed=0, …)

A batch is never made blindly twice: before a second attempt the server's list is searched for one
whose metadata names ours.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import IO, TypeVar

import openai
from openai import AsyncOpenAI
from openai.types import Batch
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from tasks.errors import ModelServerError, StoreError
from tasks.llm.batch_lines import ENDPOINT, BatchFault
from tasks.llm.failures import CallFailed, classify, hide_secrets, replace_surrogates
from tasks.llm.request import Endpoint

ENDED = ("completed", "failed", "expired", "cancelled")
OUR_ID = "teachset_batch"
_BACKOFF = wait_random_exponential(multiplier=0.5, max=30)
_CLOCK_SKEW_S = 3600
_PIECE = 1 << 20
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remote:
    """A batch as the server describes it."""

    provider_batch_id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    completed: int = 0
    failed: int = 0
    faults: tuple[BatchFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Intent:
    """A batch that is to be made of an uploaded file; `began` is when we set out to, in seconds."""

    batch_id: str
    input_file_id: str
    role: str
    began: float


async def upload(client: AsyncOpenAI, endpoint: Endpoint, name: str, content: IO[bytes]) -> str:
    """Upload an input file and return its id. Raises CallFailed or ModelServerError."""

    async def send() -> str:
        content.seek(0)
        stored = await client.files.create(file=(name, content), purpose="batch")
        return _text(getattr(stored, "id", None), "file")

    try:
        return await _call(endpoint, send)
    except openai.NotFoundError as error:
        raise _no_batch_api(endpoint, error) from error


async def create(
    client: AsyncOpenAI, endpoint: Endpoint, intent: Intent, *, asked_before: bool = False
) -> Remote:
    """Make the batch, unless it is found to be made. Raises CallFailed or ModelServerError."""
    asked = [asked_before]

    async def send() -> Remote:
        if asked[0] and (made := await _find(client, intent)):
            return made
        asked[0] = True
        batch = await client.batches.create(
            input_file_id=intent.input_file_id,
            endpoint=ENDPOINT,
            # Other servers know other windows than the one that OpenAI's types allow.
            completion_window=endpoint.settings.batch.completion_window,  # type: ignore[arg-type]
            metadata={OUR_ID: intent.batch_id, "role": intent.role},
        )
        return _read(batch)

    try:
        return await _call(endpoint, send)
    except openai.NotFoundError as error:
        raise _no_batch_api(endpoint, error) from error


async def find(client: AsyncOpenAI, endpoint: Endpoint, intent: Intent) -> Remote | None:
    """Return the batch that an intent has led to, if it has."""
    return await _call(endpoint, lambda: _find(client, intent))


async def retrieve(
    client: AsyncOpenAI, endpoint: Endpoint, provider_batch_id: str
) -> Remote | None:
    """Return a batch as it is now; None if the server does not know it."""

    async def ask() -> Remote:
        return _read(await client.batches.retrieve(provider_batch_id))

    try:
        return await _call(endpoint, ask)
    except openai.NotFoundError:
        return None


async def download(client: AsyncOpenAI, endpoint: Endpoint, file_id: str, into: IO[bytes]) -> bool:
    """Write a file's content into `into`; False if the server does not know the file."""

    async def fetch() -> bool:
        into.seek(0)
        into.truncate()
        async with client.files.with_streaming_response.content(file_id) as response:
            await _write_all(response.iter_bytes(_PIECE), into)
        return True

    try:
        return await _call(endpoint, fetch)
    except openai.NotFoundError:
        return False


async def _write_all(pieces: AsyncIterator[bytes], into: IO[bytes]) -> None:
    async for piece in pieces:
        try:
            into.write(piece)
        except OSError as error:
            raise StoreError(f"the results of a batch cannot be written down: {error}") from error


async def _find(client: AsyncOpenAI, intent: Intent) -> Remote | None:
    async for batch in client.batches.list(limit=100):
        if (batch.metadata or {}).get(OUR_ID) == intent.batch_id:
            return _read(batch)
        if batch.created_at < intent.began - _CLOCK_SKEW_S:
            break  # The newest come first.
    return None


async def _call(endpoint: Endpoint, send: Callable[[], Awaitable[T]]) -> T:
    """Make one request, again where that can help. A 404 is left to the caller."""
    retrying = AsyncRetrying(
        retry=retry_if_exception(_can_help),
        wait=_wait_before_retry,
        stop=stop_after_attempt(endpoint.settings.max_attempts),
        reraise=True,
    )
    return await retrying(_attempt, endpoint, send)


async def _attempt(endpoint: Endpoint, send: Callable[[], Awaitable[T]]) -> T:
    try:
        return await send()
    except openai.NotFoundError:
        raise
    except (openai.OpenAIError, TimeoutError, OSError) as error:
        raise classify(error, endpoint) from error


def _can_help(error: BaseException) -> bool:
    return isinstance(error, CallFailed) and error.can_be_retried


def _wait_before_retry(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, CallFailed) else None
    return max(asked or 0.0, _BACKOFF(state))


def _read(batch: Batch) -> Remote:
    """Take a batch object apart. Raises CallFailed if it is none."""
    if not isinstance(batch, Batch):
        raise CallFailed("retryable", "the server's answer is no batch; check `base_url`")
    counts = batch.request_counts
    faults = (batch.errors.data if batch.errors else None) or ()
    return Remote(
        provider_batch_id=_text(batch.id, "batch"),
        status=batch.status,
        input_file_id=batch.input_file_id,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        completed=counts.completed if counts else 0,
        failed=counts.failed if counts else 0,
        faults=tuple(
            BatchFault(replace_surrogates(str(fault.code)), _clean(fault.message), fault.line)
            for fault in faults
        ),
    )


def _clean(said: object) -> str:
    """Return what a server says as a text that may be shown and kept."""
    return replace_surrogates(hide_secrets(str(said)))[:500]


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise CallFailed("retryable", f"the server's answer is no {what}; check `base_url`")
    return value


def _no_batch_api(endpoint: Endpoint, error: openai.NotFoundError) -> ModelServerError:
    return ModelServerError(
        f"{endpoint.base_url} has no Batch API, or not for this file (404): "
        f"{hide_secrets(error.message)[:300]}. Set `mode: live` for this model."
    )
