"""The pages of releases over HTTP: reports, Data Docs and the files beside them, read-only.

    GET http://127.0.0.1:4201/quickstart-5b1c9a/quickstart-4089c7e7ec74/report.html

What can be had is what lies in a release on one of the shelves of tasks/operations/pages.py, and
nothing else: no listing, no file with a hidden name, nothing that a link inside leads out to. A
page that a model or a seed has found its way into runs no script: it is served under a policy that
allows none.
"""

import base64
import hmac
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import uvicorn
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
)
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.errors import TeachsetError
from tasks.operations.pages import ADDRESS_FILE, pages_folder
from tasks.release.layout import LATEST, MANIFEST, REFUSED, REFUSED_DOCS

_STARTS_WITHIN_S = 20
_HEADERS = {
    # `sandbox` also takes a page its origin away; what it links to may open in a tab of its own.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-popups",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
_TYPES = {
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
}
_ANY_TYPE = "application/octet-stream"
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1", "[::1]")
_NOTHING = "There is nothing here. The artifacts of runs in Prefect link to releases' pages.\n"


class Shelves(StaticFiles):
    """The files of the releases on the shelves, which may come and go meanwhile."""

    def __init__(self, shelves: Path) -> None:
        super().__init__()
        self._shelves = shelves

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Return a file that may be had and its figures; ("", None) for anything else."""
        file = find_file(self._shelves, path)
        return ("", None) if file is None else (str(file), file.stat())

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return a file as what it is; the type is never guessed from what is in it."""
        kind = _TYPES.get(Path(full_path).suffix, _ANY_TYPE)
        response = FileResponse(
            full_path, status_code=status_code, stat_result=stat_result, media_type=kind
        )
        if self.is_not_modified(response.headers, Request(scope).headers):
            return NotModifiedResponse(response.headers)
        return response


def find_file(shelves: Path, path: str) -> Path | None:
    """Return the file that `shelf/release/…` or `shelf/refused.html` names, if it may be had."""
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or any(part.startswith(".") or "\\" in part for part in parts):
        return None
    # RuntimeError: links that lead round in a circle. ValueError: a name that no file can have.
    with suppress(OSError, RuntimeError, ValueError):
        shelf = shelves / parts[0]
        if not shelf.is_symlink():
            return None
        releases = shelf.resolve(strict=True)
        if len(parts) == 2 and parts[1] in (REFUSED, REFUSED_DOCS):
            return _regular(releases / parts[1], releases)
        name = releases / parts[1]
        if name.is_symlink() and parts[1] != LATEST:
            return None
        release = name.resolve(strict=True)
        if release.parent == releases and (release / MANIFEST).is_file():
            return _regular(release.joinpath(*parts[2:]), release)
    return None


class _Password(AuthenticationBackend):
    """Asks for what Prefect's server is asked with: the user and the password of Basic."""

    def __init__(self, password: str) -> None:
        self._expected = base64.b64encode(password.encode())

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        scheme, _, given = conn.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or not hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), self._expected
        ):
            raise AuthenticationError
        return AuthCredentials(), SimpleUser("")


class _Protected:
    """Puts the protective headers on every answer, a refusal's as well."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, send_protected)


def make_app(shelves: Path, password: str | None) -> Starlette:
    """Return the application; without a password it answers to the names of loopback alone.

    Otherwise a foreign page could give itself a name that leads to 127.0.0.1, and read.
    """
    if password:
        door = Middleware(
            AuthenticationMiddleware, backend=_Password(password), on_error=_ask_for_password
        )
    else:
        door = Middleware(
            TrustedHostMiddleware, allowed_hosts=list(_LOOPBACK_NAMES), www_redirect=False
        )
    return Starlette(
        routes=[Mount("/", Shelves(shelves))],
        middleware=[Middleware(_Protected), door],
        exception_handlers={404: _nothing_here},
    )


@contextmanager
def serving_pages(home: Path, host: str, port: int, password: str | None) -> Iterator[str]:
    """Serve the pages for as long as the block runs and yield their address."""
    folder = pages_folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    config = uvicorn.Config(
        make_app(folder, password),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    with _listening(host, port) as listening:
        address = f"http://{_name_of(host)}:{listening.getsockname()[1]}"
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            _wait_started(server, thread)
            (folder / ADDRESS_FILE).write_text(address, encoding="utf-8")
            yield address
        finally:
            server.should_exit = True
            thread.join(timeout=5)


def _regular(file: Path, within: Path) -> Path | None:
    """Return a file's own path if it is a readable file and lies in a folder, links followed."""
    found = file.resolve(strict=True)
    if not found.is_relative_to(within) or not os.access(found, os.R_OK):
        return None
    hidden = any(part.startswith(".") for part in found.relative_to(within).parts)
    return found if stat.S_ISREG(found.stat().st_mode) and not hidden else None


def _ask_for_password(_: HTTPConnection, __: Exception) -> Response:
    return PlainTextResponse(
        "Unauthorized\n",
        status_code=401,
        headers={"WWW-Authenticate": 'Basic realm="Teachset", charset="UTF-8"'},
    )


def _nothing_here(_: Request, __: Exception) -> Response:
    return PlainTextResponse(_NOTHING, status_code=404)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise TeachsetError(
            f"{host}, port {port}: the pages of releases cannot be served there, perhaps another "
            f"program is; choose another port with --pages-port: {error}"
        ) from error
    with listening:
        yield listening


def _name_of(host: str) -> str:
    """Return what a browser calls a host."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _wait_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise TeachsetError("the pages of releases could not be served: see above")
        time.sleep(0.02)
