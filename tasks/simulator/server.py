"""The simulator's HTTP server: OpenAI's protocol under /v1, the truth and the traffic under /sim.

GET  /v1/models              GET  /sim/truth?model=sim-student   one JSON line an item
POST /v1/chat/completions    POST /sim/truth {"model", "prompts"}   GET /sim/stats
POST /v1/embeddings          POST /sim/items [{"prompt", "answer", …}, …]
Files and batches (/v1/files, /v1/batches) are in batch_routes.
"""

import asyncio
import contextlib
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from tasks.identity import normalise
from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.batch_routes import Routes
from tasks.simulator.batches import Desk
from tasks.simulator.completions import (
    ChatRequest,
    Problem,
    complete,
    count_usage,
    read_request,
)
from tasks.simulator.embeddings import EmbeddingRequest, embedding_body, read_embedding_request
from tasks.simulator.faults import FaultName, pick_delay, pick_fault
from tasks.simulator.http_replies import MARK, drop, refuse, reply
from tasks.simulator.items import Item, read_item
from tasks.simulator.models import difficulty, guess_rate, pass_rate
from tasks.simulator.settings import Settings
from tasks.simulator.traffic import Traffic, Window
from tasks.simulator.wire import (
    BROKEN,
    CREATED,
    FINGERPRINT,
    TOO_MANY,
    completion_body,
    not_for_this,
    retry_after,
    stream_body,
    unknown_model,
)

_LARGEST_BODY = 64 * 1024 * 1024


@dataclass(slots=True)
class Simulation:
    """The running server's state: what it knows, and what it has seen."""

    settings: Settings
    key: AnswerKey
    api_key: str | None = None
    traffic: Traffic = field(default_factory=Traffic)
    capacity: asyncio.Semaphore | None = None
    requests_window: Window = field(default_factory=lambda: Window(None))
    tokens_window: Window = field(default_factory=lambda: Window(None))
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(self.settings, self.key, self.traffic)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A request that is answered: with what fault, and with which headers."""

    headers: Mapping[str, str]
    fault: FaultName | None


_Outcome = tuple[str, web.StreamResponse]
_SIMULATION = web.AppKey("simulation", Simulation)


def build_app(settings: Settings, key: AnswerKey, api_key: str | None = None) -> web.Application:
    """Return the application that serves a roster of models and an answer key."""
    capacity = settings.latency.capacity
    app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[_as_json_errors])
    simulation = app[_SIMULATION] = Simulation(
        settings,
        key,
        api_key,
        capacity=asyncio.Semaphore(capacity) if capacity else None,
        requests_window=Window(settings.limits.requests_per_minute),
        tokens_window=Window(settings.limits.tokens_per_minute),
    )
    Routes(settings, simulation.desk, lambda http: _check_key(simulation, http)).add_to(app)
    app.router.add_get("/v1/models", _list_models)
    app.router.add_post("/v1/chat/completions", _chat)
    app.router.add_post("/v1/embeddings", _embed)
    app.router.add_get("/sim/truth", _tell_truth_of_items)
    app.router.add_post("/sim/truth", _tell_truth_of_prompts)
    app.router.add_get("/sim/stats", _tell_traffic)
    app.router.add_post("/sim/items", _add_items)
    return app


async def _chat(http: web.Request) -> web.StreamResponse:
    return await _count(http, _answer)


async def _embed(http: web.Request) -> web.StreamResponse:
    return await _count(http, _answer_embedding)


async def _count(
    http: web.Request, answer: Callable[[Simulation, web.Request], Awaitable[_Outcome]]
) -> web.StreamResponse:
    """Answer a request and count it, whatever becomes of it."""
    simulation = http.app[_SIMULATION]
    traffic = simulation.traffic
    traffic.arrive(time.monotonic())
    outcome = "abandoned"
    try:
        outcome, response = await answer(simulation, http)
        return response
    finally:
        if http.transport is None or http.transport.is_closing():
            outcome = outcome if outcome in ("hang", "dropped") else "abandoned"
        traffic.leave(outcome)


async def _answer(simulation: Simulation, http: web.Request) -> _Outcome:
    """Answer one chat request; return what became of it beside the response."""
    request = read_request(await http.read())
    admitted = await _admit(simulation, http, request)
    if not isinstance(admitted, _Admitted):
        return admitted
    assert isinstance(request, ChatRequest)
    settings, traffic = simulation.settings, simulation.traffic
    counted = request.seed is None
    sample = f"#{traffic.next_sample(request.digest)}" if counted else str(request.seed)
    choices = complete(settings, simulation.key, request, sample, admitted.fault)
    usage = count_usage(settings, request, choices)
    if request.stream:
        body, kind = stream_body(request, choices, usage), "text/event-stream"
    else:
        body, kind = completion_body(request, choices, usage), "application/json"
    return await _respond(simulation, http, request.digest, body, kind, admitted)


async def _answer_embedding(simulation: Simulation, http: web.Request) -> _Outcome:
    """Answer one embedding request; return what became of it beside the response."""
    request = read_embedding_request(await http.read())
    admitted = await _admit(simulation, http, request)
    if not isinstance(admitted, _Admitted):
        return admitted
    assert isinstance(request, EmbeddingRequest)
    dimensions = simulation.settings.models[request.model].dimensions
    body = embedding_body(request, dimensions)
    return await _respond(simulation, http, request.digest, body, "application/json", admitted)


async def _admit(
    simulation: Simulation, http: web.Request, request: ChatRequest | EmbeddingRequest | Problem
) -> _Admitted | _Outcome:
    """Check a request against key, roster and limits; wait as long as the server works on it.

    Returns what became of one that is not answered.
    """
    if problem := _check_key(simulation, http):
        return "unauthorized", refuse(problem)
    if isinstance(request, Problem):
        return "bad_request", refuse(request)
    settings, traffic = simulation.settings, simulation.traffic
    if request.model not in settings.models:
        return "unknown_model", refuse(unknown_model(request.model))
    if problem := _check_kind(settings, request):
        return "bad_request", refuse(problem)
    headers, wait = _use_limits(simulation, request)
    if wait:
        return "limit", refuse(TOO_MANY, {**headers, **retry_after(wait)})
    attempt = traffic.next_attempt(request.digest)
    headers["x-request-id"] = f"req-{request.digest[:20]}-{attempt}"
    fault = pick_fault(settings.faults, settings.seed, request.digest, attempt)
    if fault == "rate_limit":
        wait = settings.faults.retry_after_s
        return fault, refuse(TOO_MANY, {**headers, **retry_after(wait)})
    if fault == "server_error":
        return fault, refuse(BROKEN, headers)
    if fault == "hang":
        await asyncio.sleep(settings.faults.hang_s)
        return fault, drop(http)
    delay = pick_delay(settings.latency, settings.seed, request.digest, attempt)
    async with simulation.capacity or contextlib.nullcontext():
        if delay:
            await asyncio.sleep(delay)
    return _Admitted(headers, fault)


async def _respond(
    simulation: Simulation,
    http: web.Request,
    digest: str,
    body: bytes,
    kind: str,
    admitted: _Admitted,
) -> _Outcome:
    """Send a body, or what a fault leaves of it."""
    fault, headers = admitted.fault, {**MARK, **admitted.headers}
    response: web.StreamResponse
    if fault == "dropped":
        partial = web.StreamResponse(headers={**headers, "content-length": str(len(body))})
        partial.content_type = kind
        await partial.prepare(http)
        await partial.write(body[: len(body) // 2])
        response = drop(http, partial)
    else:
        body = body[: len(body) // 2] if fault == "malformed" else body
        response = web.Response(body=body, content_type=kind, headers=headers)
    gone = http.transport is None or http.transport.is_closing()
    if fault not in ("dropped", "malformed") and not gone:
        simulation.traffic.completed[digest] += 1
    return fault or "ok", response


def _check_kind(settings: Settings, request: ChatRequest | EmbeddingRequest) -> Problem | None:
    """Refuse to embed with a model that answers, to ask one that embeds, and too many numbers."""
    dimensions = settings.models[request.model].dimensions
    embeds = isinstance(request, EmbeddingRequest)
    if embeds != bool(dimensions):
        return not_for_this(request.model)
    if isinstance(request, EmbeddingRequest) and (request.dimensions or 0) > dimensions:
        message = f"This model has at most {dimensions} dimensions."
        return Problem(400, message, param="dimensions")
    return None


def _use_limits(
    simulation: Simulation, request: ChatRequest | EmbeddingRequest
) -> tuple[dict[str, str], float]:
    """Count a request against the configured limits; return headers and how long to wait."""
    now, headers = time.monotonic(), {}
    requests, tokens = simulation.requests_window, simulation.tokens_window
    wait = requests.wait_for(now, 1)
    if not wait:
        ceiling = request.ceiling if isinstance(request, ChatRequest) else None
        wait = tokens.wait_for(now, request.prompt_tokens + (ceiling or 0))
    for name, window in (("requests", requests), ("tokens", tokens)):
        if window.limit is not None:
            headers[f"x-ratelimit-limit-{name}"] = str(window.limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(max(window.limit - window.used, 0))
    return headers, wait


def _check_key(simulation: Simulation, http: web.Request) -> Problem | None:
    if simulation.api_key is None:
        return None
    given = http.headers.get("authorization", "").removeprefix("Bearer ").encode()
    if hmac.compare_digest(given, simulation.api_key.encode()):
        return None
    message = "Incorrect API key provided." if given else "You didn't provide an API key."
    return Problem(401, message, code="invalid_api_key")


async def _list_models(http: web.Request) -> web.Response:
    simulation = http.app[_SIMULATION]
    if problem := _check_key(simulation, http):
        return refuse(problem)
    models = [
        {
            "id": name,
            "object": "model",
            "created": CREATED,
            "owned_by": FINGERPRINT,
            "pricing": {"input": model.input_price, "output": model.output_price},
        }
        for name, model in simulation.settings.models.items()
    ]
    return reply({"object": "list", "data": models})


async def _tell_truth_of_items(http: web.Request) -> web.Response:
    simulation = http.app[_SIMULATION]
    model = simulation.settings.models.get(http.query.get("model", ""))
    if model is None:
        return refuse(unknown_model(http.query.get("model")))
    seed, key = simulation.settings.seed, simulation.key
    lines = []
    for item in key.items.values():
        question = key.question_of(item)
        truth = {
            "id": item.item_id,
            "text_hash": hash_text(item),
            "domain": item.domain,
            "answer_type": question.answer_type,
            "difficulty": difficulty(seed, question),
            "guess": guess_rate(question),
            "pass_rate": pass_rate(seed, model, question),
        }
        lines.append(orjson.dumps(truth, option=orjson.OPT_APPEND_NEWLINE))
    body = b"".join(lines)
    return web.Response(body=body, content_type="application/x-ndjson", headers=MARK)


async def _tell_truth_of_prompts(http: web.Request) -> web.Response:
    simulation = http.app[_SIMULATION]
    asked = await _read_json(http)
    prompts = asked.get("prompts") if isinstance(asked, dict) else None
    if not isinstance(prompts, list) or not all(isinstance(text, str) for text in prompts):
        return refuse(Problem(400, "Expected {model, prompts: [texts]}.", param="prompts"))
    model = simulation.settings.models.get(asked.get("model", ""))
    if model is None:
        return refuse(unknown_model(asked.get("model")))
    questions = map(simulation.key.find, prompts)
    seed = simulation.settings.seed
    return reply([pass_rate(seed, model, asks) if asks.item else None for asks in questions])


async def _tell_traffic(http: web.Request) -> web.Response:
    simulation = http.app[_SIMULATION]
    counts = simulation.traffic.describe(requests="requests" in http.query)
    return reply({**counts, "batches": simulation.desk.describe()})


async def _add_items(http: web.Request) -> web.Response:
    simulation = http.app[_SIMULATION]
    rows = await _read_json(http)
    if not isinstance(rows, list):
        return refuse(Problem(400, "Expected a JSON list of items."))
    items: list[Item] = []
    for place, row in enumerate(rows):
        try:
            items.append(read_item(row if isinstance(row, dict) else {}))
        except ValueError as error:
            return refuse(Problem(400, f"Item {place}: {error}", param=f"[{place}]"))
    return reply({"added": simulation.key.add(items), "items": len(simulation.key.items)})


def hash_text(item: Item) -> str:
    """Return the first 128 bits of SHA-256 of an item's normalised text."""
    return hashlib.sha256(normalise(item.text).encode("utf-8", "surrogatepass")).hexdigest()[:32]


async def _read_json(http: web.Request) -> Any:
    try:
        return orjson.loads(await http.read())
    except orjson.JSONDecodeError:
        return None


@web.middleware
async def _as_json_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        message = f"{error.reason}: {request.method} {request.path}"
        return refuse(Problem(error.status, message))


@contextlib.asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[int]:
    """Serve on loopback while the block runs; yield the port, chosen freely if asked for port 0."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, backlog=2048)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
