"""The HTTP below `openai`'s client: aiohttp, asked as directly as a plain call allows.

    async with HttpClient(timeout_s=600) as http: …
    POST /v1/chat/completions  {"model": "qwen3-8b", …} → httpx.Response(200, content=b'{"id": …}')

`openai` wants a client of httpx, and what httpx does around a request (parses its address, merges
headers, asks for an authentication, a redirect and cookies, wraps the body in four streams) takes
more processor time than the request itself. A body that is there as a whole goes straight to
aiohttp here. All else, such as the files of a batch, takes httpx's own way, and so does everything
behind a proxy.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from ssl import SSLContext
from typing import Any
from urllib.request import getproxies

import aiohttp
import httpx2 as httpx  # The client library that openai 3 is built on.
from openai import DefaultAioHttpClient

_CONNECTIONS = 65_536  # As good as unbounded: the limiter alone says how many calls are under way.
_LONGEST_CONNECT_S = 30.0
_IDLE_S = 4.0  # Servers on uvicorn close an idle connection after five: a call must not meet that.
_PROXIED = frozenset(("http", "https", "all"))
_ENCODED = b"content-encoding"
Headers = Sequence[tuple[str, str]]
RawHeaders = Sequence[tuple[bytes, bytes]]


class _WholeBody(httpx.Request):
    """A POST whose body is there as a whole, to an address that was taken apart before."""

    def __init__(self, address: str, headers: Headers, body: bytes) -> None:
        stream = httpx.ByteStream(body)
        super().__init__("POST", take_apart(address), headers=headers, stream=stream)
        self.address = address
        self.as_given = headers
        self.body = body


class _WholeAnswer(httpx.Response):
    """An answer that was read and decoded: httpx would take it apart and put it together again."""

    def __init__(
        self, status: int, headers: RawHeaders, content: bytes, request: httpx.Request
    ) -> None:
        stream = httpx.ByteStream(content)
        super().__init__(status, headers=headers, stream=stream, request=request)
        self._content = content
        self.is_closed = self.is_stream_consumed = True


class HttpClient(DefaultAioHttpClient):
    """httpx's client, for which a whole body to a server costs little."""

    def __init__(self, *, timeout_s: float) -> None:
        super().__init__(
            timeout=timeout_s,
            verify=_tls(),
            limits=httpx.Limits(
                max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS
            ),
        )
        self._is_direct = _PROXIED.isdisjoint(getproxies())  # httpx knows how to ask a proxy.
        self._session: aiohttp.ClientSession | None = None
        self._patience = aiohttp.ClientTimeout(
            total=timeout_s, sock_connect=min(_LONGEST_CONNECT_S, timeout_s / 2)
        )

    def build_request(self, method: str, url: httpx.URL | str, **parts: Any) -> httpx.Request:
        """Build what `openai` asks for; a whole body in little time."""
        body = parts.get("content")
        if (
            not isinstance(body, bytes)
            or method.upper() != "POST"
            or parts.get("params")
            or not self._is_direct
        ):
            return super().build_request(method, url, **parts)
        return _WholeBody(str(url), parts["headers"], body)

    async def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        """Send a request and read its answer. Raises httpx's errors, with aiohttp's as cause."""
        if not isinstance(request, _WholeBody) or how.get("stream"):
            return await super().send(request, **how)
        if self._session is None:
            self._session = self._open_session()
        try:
            async with self._session.post(
                request.address, data=request.body, headers=request.as_given
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _error_of_httpx(error, request) from error
        headers = [header for header in answer.raw_headers if header[0].lower() != _ENCODED]
        return _WholeAnswer(answer.status, headers, content, request)

    async def aclose(self) -> None:
        """Close all connections."""
        await super().aclose()
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        """Open the connections, in the event loop that uses them; cookies are kept of nobody."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=_tls(), limit=_CONNECTIONS, keepalive_timeout=_IDLE_S
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._patience,
        )


def _error_of_httpx(error: Exception, request: httpx.Request) -> httpx.RequestError:
    what = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        return httpx.ConnectError(what, request=request)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return httpx.UnsupportedProtocol(what, request=request)
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout(what, request=request)
    return httpx.ReadError(what, request=request)


@lru_cache(maxsize=64)
def take_apart(address: str) -> httpx.URL:
    """Return an address in its parts: a process asks few, again and again."""
    return httpx.URL(address)


@cache
def _tls() -> SSLContext:
    """Return the certificates that are trusted; reading them takes longer than a call."""
    return httpx.create_ssl_context()
