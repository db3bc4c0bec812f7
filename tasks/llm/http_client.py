"""The HTTP below `openai`'s client: aiohttp, asked as directly as a plain call allows.

    async with HttpClient(timeout_s=600) as http: …
    POST /v1/chat/completions  {"model": "qwen3-8b", …} → httpx.Response(200, content=b'{"id": …}')

`openai` wants a client of httpx, and what httpx does around a request (parses its address, merges
headers, asks for an authentication, a redirect and cookies, wraps the body in four streams) takes
more processor time than the request itself. A body that is there as a whole goes straight to
aiohttp here. All else, such as the files of a batch, takes httpx's own way, and so does what a
proxy is to be asked for.

Either way an answer is read within `timeout_s` from beginning to end (but for one that is read as a
stream) and up to a bound, as UTF-8 whatever it says of itself, and what was to be posted goes to no
other origin, wherever the server points.
"""

import asyncio
from collections.abc import Sequence
from functools import cache, lru_cache
from ssl import SSLContext
from typing import Any

import aiohttp
import httpx2 as httpx  # The client library that openai 3 is built on.
from openai import DefaultAioHttpClient

_CONNECTIONS = 65_536  # As good as unbounded: the limiter alone says how many calls are under way.
_LONGEST_CONNECT_S = 30.0
_ENCODING = "utf-8"  # JSON has no other, and Python knows some that raise what nobody expects.
_IDLE_S = 4.0  # Servers on uvicorn close an idle connection after five: a call must not meet that.
# Bytes a second of the slowest network that a batch's file goes up on: it may take longer than an
# answer. Of a question it is nothing.
_SLOWEST_UPLOAD = 100_000
_ENCODED = b"content-encoding"
# Decoded bytes. The longest answers of today's models, a million tokens with their probabilities,
# are a third of it; a body without an end, or a gzip bomb, would take all memory there is.
_LARGEST_ANSWER = 64 * 2**20
_LARGEST_ERROR = 2**20  # Of an error page the rest says nothing.
_SAME_AGAIN = (307, 308)  # Redirects that ask for the same body; others would drop the question.
_MOST_REDIRECTS = 5
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
        self.encoding = _ENCODING
        self.is_closed = self.is_stream_consumed = True


class AnswerTooLarge(httpx.ReadError):
    """An answer was larger than any can be that was asked for; the rest of it was not read."""


class _Read:
    """What was read of a body so far: of an error page no more than its beginning."""

    def __init__(self, request: httpx.Request, *, is_error: bool) -> None:
        self._request = request
        self._is_error = is_error
        self._room = _LARGEST_ERROR if is_error else _LARGEST_ANSWER
        self._pieces: list[bytes] = []

    @property
    def has_room(self) -> bool:
        return self._room > 0

    @property
    def content(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def add(self, piece: bytes) -> None:
        """Take a decoded piece. Raises AnswerTooLarge at more than can have been asked for."""
        self._pieces.append(piece)
        self._room -= len(piece)
        if not self.has_room and not self._is_error:
            what = f"an answer of more than {_LARGEST_ANSWER // 2**20} MB; the rest was not read"
            raise AnswerTooLarge(what, request=self._request)


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
        self._session: aiohttp.ClientSession | None = None
        self._timeout_s = timeout_s
        self._connect_s = min(_LONGEST_CONNECT_S, timeout_s / 2)

    def build_request(self, method: str, url: httpx.URL | str, **parts: Any) -> httpx.Request:
        """Build what `openai` asks for; a whole body in little time."""
        body = parts.get("content")
        if (
            not isinstance(body, bytes)
            or method.upper() != "POST"
            or parts.get("params")
            or not self._is_direct(str(url))
        ):
            return super().build_request(method, url, **parts)
        return _WholeBody(str(url), parts["headers"], body)

    def _is_direct(self, address: str) -> bool:
        """Say whether httpx would ask no proxy for an address, which is all that it is needed for.

        What the environment names as proxies, and what not to ask them for, httpx has read.
        """
        return self._transport_for_url(take_apart(address)) is self._transport

    async def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        """Send a request and read its answer. Raises httpx's errors, with aiohttp's as cause."""
        if not isinstance(request, _WholeBody) or how.get("stream"):
            return await self._send_through_httpx(request, **how)
        address = request.address
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                answer = await self._post(address, request)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise _error_of_httpx(error, request) from error
            target = _target_of(answer, take_apart(address))
            if target is None:
                return answer
            address = str(target)
        raise httpx.TooManyRedirects("it points from one address to another", request=request)

    async def _post(self, address: str, request: _WholeBody) -> _WholeAnswer:
        if self._session is None:
            self._session = self._open_session()
        async with self._session.post(
            address, data=request.body, headers=request.as_given, allow_redirects=False
        ) as answer:
            read = _Read(request, is_error=not answer.ok)
            while not answer.content.at_eof() and read.has_room:
                read.add(await answer.content.readany())
        headers = [header for header in answer.raw_headers if header[0].lower() != _ENCODED]
        return _WholeAnswer(answer.status, headers, read.content, request)

    async def _send_through_httpx(self, request: httpx.Request, **how: Any) -> httpx.Response:
        """Send what has no body as httpx does, and what has one to no other origin.

        httpx counts its time anew with every byte that comes.
        """
        timeouts = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {**timeouts, "connect": self._connect_s}
        patience_s = None if how.get("stream") else self._patience_s(request)
        try:
            async with asyncio.timeout(patience_s):
                return await self._follow(request, **how)
        except TimeoutError as error:
            raise _error_of_httpx(error, request) from error

    def _patience_s(self, request: httpx.Request) -> float:
        size = request.headers.get("content-length", "0")
        return self._timeout_s + int(size) / _SLOWEST_UPLOAD

    async def _follow(self, request: httpx.Request, **how: Any) -> httpx.Response:
        as_stream = how.pop("stream", False)
        if request.method != "GET":
            how["follow_redirects"] = False
        for _ in range(_MOST_REDIRECTS + 1):
            response = await super().send(request, stream=True, **how)
            response.encoding = _ENCODING
            following = response.next_request
            if following is None or _target_of(response, request.url) is None:
                if not as_stream:
                    await _read_through_httpx(response)
                return response
            await response.aclose()
            request = following
        raise httpx.TooManyRedirects("it points from one address to another", request=request)

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
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=self._connect_s),
        )


def _target_of(answer: httpx.Response, asked: httpx.URL) -> httpx.URL | None:
    """Return where the same is to be asked again: at the same origin, or nowhere.

    Whoever is in the server's place could send the questions, and the bill, to anybody.
    """
    if answer.status_code not in _SAME_AGAIN:
        return None
    try:
        target = asked.join(answer.headers["location"])
    except (KeyError, ValueError, httpx.InvalidURL):
        return None
    return target if _origin_of(target) == _origin_of(asked) else None


def _origin_of(address: httpx.URL) -> tuple[str, str, int | None]:
    default = {"http": 80, "https": 443}.get(address.scheme)
    return address.scheme, address.host, address.port or default


async def _read_through_httpx(response: httpx.Response) -> None:
    """Read a body as `aread` does, within the bound."""
    read = _Read(response.request, is_error=response.is_error)
    try:
        async for piece in response.aiter_bytes():
            read.add(piece)
            if not read.has_room:
                break
    finally:
        await response.aclose()
    response._content = read.content


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
