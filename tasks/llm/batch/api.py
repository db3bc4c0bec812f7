"""OpenAI's Batch API: files up, batches made and asked for, files down; `tenacity` alone retries.

retrieve(client, endpoint, "batch_04…") → Remote(status="in_progress", completed=120, failed=0, …)

A batch is never made blindly twice: before a second attempt the server's list is searched for one
whose metadata names ours.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import NoneType
from typing import IO, Any, TypeVar

import httpx2 as httpx  # The client library that openai 3 is built on.
import openai
from openai import AsyncOpenAI, omit
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from tasks.errors import ModelServerError, StoreError
from tasks.llm.batch.lines import ENDPOINT, clean
from tasks.llm.batch.objects import Remote, is_name, read_batch, read_name, read_object
from tasks.llm.failures import CallFailed, classify
from tasks.llm.request import Endpoint

OUR_ID = "teachset_batch"
_BACKOFF = wait_random_exponential(multiplier=0.5, max=30)
_CLOCK_SKEW_S = 3600
_PIECE = 1 << 20
_PAGE = 100
_MOST_PAGES = 1_000
T = TypeVar("T")


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
        stored = await client.files.with_raw_response.create(file=(name, content), purpose="batch")
        return read_name(read_object(stored.content, "file"), endpoint, "file")

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
        if asked[0] and (made := await _find(client, endpoint, intent)):
            return made
        asked[0] = True
        made_now = await client.batches.with_raw_response.create(
            input_file_id=intent.input_file_id,
            endpoint=ENDPOINT,
            # Other servers know other windows than the one that OpenAI's types allow.
            completion_window=endpoint.settings.batch.completion_window,  # type: ignore[arg-type]
            metadata={OUR_ID: intent.batch_id, "role": intent.role},
        )
        return read_batch(read_object(made_now.content, "batch"), endpoint)

    try:
        return await _call(endpoint, send)
    except openai.NotFoundError as error:
        raise _no_batch_api(endpoint, error) from error


async def find(client: AsyncOpenAI, endpoint: Endpoint, intent: Intent) -> Remote | None:
    """Return the batch that an intent has led to, if it has."""
    return await _call(endpoint, lambda: _find(client, endpoint, intent))


async def retrieve(
    client: AsyncOpenAI, endpoint: Endpoint, provider_batch_id: str
) -> Remote | None:
    """Return a batch as it is now; None if the server does not know it."""

    async def ask() -> Remote:
        answer = await client.batches.with_raw_response.retrieve(provider_batch_id)
        batch = read_batch(read_object(answer.content, "batch"), endpoint)
        # It is asked for by the name that it was given when it was made, whatever it says later.
        return replace(batch, provider_batch_id=provider_batch_id)

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


async def _find(client: AsyncOpenAI, endpoint: Endpoint, intent: Intent) -> Remote | None:
    """Look for a batch in the server's list, in which the newest come first.

    Raises CallFailed where that cannot be read through: what is not seen may be there all the same.
    """
    is_legible = True
    async for batch in _listed(client, endpoint):
        if not isinstance(batch, dict):
            is_legible = False
        elif _is_meant(batch, intent):
            return read_batch(batch, endpoint)
        elif _is_older(batch, intent):
            break
        else:
            is_legible = is_legible and _tells_whose(batch)
    if not is_legible:
        raise _illegible()
    return None


async def _listed(client: AsyncOpenAI, endpoint: Endpoint) -> AsyncIterator[object]:
    """Yield what the server lists. Some know no `after`, and send the same page for ever."""
    seen: set[str] = set()
    last = ""
    for _ in range(_MOST_PAGES):
        answer = await client.batches.with_raw_response.list(limit=_PAGE, after=last or omit)
        page = read_object(answer.content, "list of batches")
        batches = page.get("data") or []
        if not isinstance(batches, list):
            break
        known = len(seen)
        for batch in batches:
            yield batch
            name = batch.get("id") if isinstance(batch, dict) else None
            if is_name(name, endpoint):
                seen.add(last := str(name))
        if page.get("has_more") is False or len(seen) == known:
            return
    raise _illegible()


def _is_meant(batch: Mapping[str, Any], intent: Intent) -> bool:
    """Say whether a batch is the intended one, by our id, or by its file where nobody kept that."""
    metadata = batch.get("metadata")
    if isinstance(metadata, dict) and OUR_ID in metadata:
        return bool(metadata[OUR_ID] == intent.batch_id)
    is_of_file = batch.get("input_file_id") == intent.input_file_id
    return is_of_file and not _is_older(batch, intent)


def _tells_whose(batch: Mapping[str, Any]) -> bool:
    """Say whether a batch that is not meant can be told from the one that is."""
    return isinstance(batch.get("metadata"), dict | NoneType) or isinstance(
        batch.get("input_file_id"), str
    )


def _is_older(batch: Mapping[str, Any], intent: Intent) -> bool:
    made = batch.get("created_at")
    return isinstance(made, int | float) and made < intent.began - _CLOCK_SKEW_S


def _illegible() -> CallFailed:
    return CallFailed("retryable", "the server's list of batches cannot be read through")


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
    except (openai.OpenAIError, httpx.HTTPError, TimeoutError, OSError) as error:
        raise classify(error, endpoint) from error


def _can_help(error: BaseException) -> bool:
    return isinstance(error, CallFailed) and error.can_be_retried


def _wait_before_retry(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, CallFailed) else None
    return max(asked or 0.0, _BACKOFF(state))


def _no_batch_api(endpoint: Endpoint, error: openai.NotFoundError) -> ModelServerError:
    return ModelServerError(
        f"{endpoint.base_url} has no Batch API, or not for this file (404): "
        f"{clean(error.message, endpoint)[:300]}. Set `mode: live` for this model."
    )
