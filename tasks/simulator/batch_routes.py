"""Files and batches over HTTP, as OpenAI's API has them.

POST /v1/files   GET /v1/files   GET|DELETE /v1/files/{id}   GET /v1/files/{id}/content
POST /v1/batches   GET /v1/batches   GET /v1/batches/{id}   POST /v1/batches/{id}/cancel
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from hashlib import blake2b
from typing import Any

import orjson
from aiohttp import BodyPartReader, web

from tasks.simulator.batch_lines import ENDPOINT
from tasks.simulator.batches import OVER, Batch, Desk, StoredFile
from tasks.simulator.chance import draw
from tasks.simulator.completions import Problem
from tasks.simulator.http_replies import MARK, drop, refuse, reply
from tasks.simulator.settings import Settings

CheckKey = Callable[[web.Request], Problem | None]
_LARGEST_UPLOAD = 512 * 1024 * 1024
_PIECE = 1 << 16
_MOST_FIELD = 1_000
_MOST_LISTED = 100
_MOST_METADATA = 16


class Routes:
    """The handlers of one server."""

    def __init__(self, settings: Settings, desk: Desk, check_key: CheckKey) -> None:
        self._settings, self._desk, self._check_key = settings, desk, check_key
        self._creates: Counter[str] = Counter()

    def add_to(self, app: web.Application) -> None:
        """Serve files and batches in an application, and clear the desk when it ends."""
        for method, path, handler in (
            ("POST", "/v1/files", self._upload),
            ("GET", "/v1/files", self._list_files),
            ("GET", "/v1/files/{id}", self._tell_file),
            ("DELETE", "/v1/files/{id}", self._delete_file),
            ("GET", "/v1/files/{id}/content", self._tell_content),
            ("POST", "/v1/batches", self._create),
            ("GET", "/v1/batches", self._list_batches),
            ("GET", "/v1/batches/{id}", self._tell_batch),
            ("POST", "/v1/batches/{id}/cancel", self._cancel),
        ):
            app.router.add_route(method, path, self._with_key(handler))
        app.cleanup_ctx.append(self._closing)

    async def _closing(self, _: web.Application) -> AsyncIterator[None]:
        yield
        await self._desk.close()

    def _with_key(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(http: web.Request) -> web.StreamResponse:
            problem = self._check_key(http)
            return refuse(problem) if problem else await handler(http)

        return handle

    async def _upload(self, http: web.Request) -> web.StreamResponse:
        if not http.content_type.startswith("multipart/"):
            return refuse(Problem(400, "Expected multipart/form-data.", param="file"))
        stored, purpose = None, None
        async for part in await http.multipart():
            if not isinstance(part, BodyPartReader):
                continue
            if part.name == "purpose":
                purpose = (await part.read_chunk(_MOST_FIELD)).decode("utf-8", "replace")
            elif part.name == "file":
                stored = self._desk.new_file(part.filename or "file", "batch")
                while piece := await part.read_chunk(_PIECE):
                    stored.write(piece)
                    if stored.size > _LARGEST_UPLOAD:
                        stored.content.close()
                        return refuse(Problem(413, "Files may be at most 512 MB.", param="file"))
        if stored is None or purpose is None:
            missing = "file" if stored is None else "purpose"
            return refuse(Problem(400, f"Missing required parameter: '{missing}'.", param=missing))
        if purpose != "batch":
            return refuse(Problem(400, f"Not simulated: purpose {purpose!r}.", param="purpose"))
        self._desk.keep(stored)
        return reply(stored.describe())

    async def _list_files(self, http: web.Request) -> web.StreamResponse:
        files = [file.describe() for file in reversed(self._desk.files.values())]
        return _page(http, files)

    async def _tell_file(self, http: web.Request) -> web.StreamResponse:
        stored = self._desk.files.get(http.match_info["id"])
        return reply(stored.describe()) if stored else _no_such("File", http)

    async def _delete_file(self, http: web.Request) -> web.StreamResponse:
        stored = self._desk.files.get(http.match_info["id"])
        if stored is None:
            return _no_such("File", http)
        if any(each.input_file is stored for each in self._unfinished()):
            return refuse(Problem(409, "A batch is working on this file."))
        self._desk.forget(stored)
        return reply({"id": stored.file_id, "object": "file", "deleted": True})

    async def _tell_content(self, http: web.Request) -> web.StreamResponse:
        stored = self._desk.files.get(http.match_info["id"])
        if stored is None:
            return _no_such("File", http)
        response = web.StreamResponse(headers={**MARK, "content-length": str(stored.size)})
        response.content_type = "application/octet-stream"
        await response.prepare(http)
        for piece in stored.read():
            await response.write(piece)
        await response.write_eof()
        return response

    async def _create(self, http: web.Request) -> web.StreamResponse:
        asked = _read_object(await http.read())
        stored = self._desk.files.get(str(asked.get("input_file_id")))
        problem = _find_problem(asked, stored)
        if problem or stored is None:
            return refuse(problem or Problem(400, "No such file.", param="input_file_id"))
        batch = self._desk.create(stored, asked.get("metadata"))
        answer = batch.describe()
        timing = self._settings.batches
        if timing.create_answer_s:
            await asyncio.sleep(timing.create_answer_s)
        if timing.create_dropped and self._draw_drop(batch) < timing.create_dropped:
            return drop(http)
        return reply(answer)

    def _draw_drop(self, batch: Batch) -> float:
        digest = blake2b(digest_size=16)
        for piece in batch.input_file.read():
            digest.update(piece)
        content = digest.hexdigest()
        self._creates[content] += 1
        return draw(self._settings.seed, "create", content, self._creates[content])

    async def _list_batches(self, http: web.Request) -> web.StreamResponse:
        return _page(http, [batch.describe() for batch in reversed(self._desk.batches.values())])

    async def _tell_batch(self, http: web.Request) -> web.StreamResponse:
        batch = self._desk.batches.get(http.match_info["id"])
        return reply(batch.describe()) if batch else _no_such("Batch", http)

    async def _cancel(self, http: web.Request) -> web.StreamResponse:
        batch = self._desk.batches.get(http.match_info["id"])
        if batch is None:
            return _no_such("Batch", http)
        if not self._desk.cancel(batch):
            message = f"Cannot cancel a batch with status '{batch.state}'."
            return refuse(Problem(409, message))
        return reply(batch.describe())

    def _unfinished(self) -> list[Batch]:
        return [batch for batch in self._desk.batches.values() if batch.state not in OVER]


def _find_problem(asked: dict[str, Any], stored: StoredFile | None) -> Problem | None:
    """Return why a batch cannot be made of a request, if it cannot."""
    for name, wanted in (("endpoint", ENDPOINT), ("completion_window", "24h")):
        if asked.get(name) != wanted:
            return Problem(400, f"Invalid '{name}': expected '{wanted}'.", param=name)
    if stored is None:
        return Problem(400, "No such File object.", param="input_file_id")
    if stored.purpose != "batch":
        return Problem(400, "The file's purpose must be 'batch'.", param="input_file_id")
    metadata = asked.get("metadata")
    if metadata is None:
        return None
    fits = (
        isinstance(metadata, dict)
        and len(metadata) <= _MOST_METADATA
        and all(
            isinstance(value, str) and len(value) <= 512 and len(name) <= 64
            for name, value in metadata.items()
        )
    )
    return None if fits else Problem(400, "Expected at most 16 short texts.", param="metadata")


def _page(http: web.Request, values: Sequence[dict[str, Any]]) -> web.StreamResponse:
    """Return a page of a list, the newest first, after the id that the client has seen last."""
    limit = http.query.get("limit", "20")
    most = min(max(int(limit), 1), _MOST_LISTED) if limit.isascii() and limit.isdigit() else 20
    ids = [value["id"] for value in values]
    after = http.query.get("after")
    start = ids.index(after) + 1 if after in ids else 0
    page = values[start : start + most]
    return reply(
        {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": start + most < len(values),
        }
    )


def _no_such(what: str, http: web.Request) -> web.Response:
    return refuse(Problem(404, f"No such {what} object: {http.match_info['id']}", param="id"))


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
