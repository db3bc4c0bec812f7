"""Replies over HTTP: JSON bodies and refusals in OpenAI's shape, marked as simulated.

HTTP/1.1 404 … x-teachset-simulated: 1 … {"error": {"message": "…", "code": "model_not_found"}}
"""

from collections.abc import Mapping

import orjson
from aiohttp import web

from tasks.simulator.completions import Problem
from tasks.simulator.wire import error_body

MARK = {"x-teachset-simulated": "1"}


def refuse(problem: Problem, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a problem as the response that OpenAI's clients expect."""
    return web.Response(
        status=problem.status,
        body=error_body(problem),
        content_type="application/json",
        headers={**MARK, **(headers or {})},
    )


def reply(value: object) -> web.Response:
    """Return a value as JSON."""
    body = orjson.dumps(value)
    return web.Response(body=body, content_type="application/json", headers=MARK)


def drop(http: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Close the connection without another byte, as a network does."""
    if http.transport is not None:
        http.transport.abort()
    return response or web.Response()
