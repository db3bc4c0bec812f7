"""A server on loopback, and the part of a handler that every one of them has.

with serve(type("Handler", (QuietHandler,), {"answer": …})) as address:  # 127.0.0.1:43817
"""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietHandler(BaseHTTPRequestHandler):
    """Answers every request by `answer`, keeps connections, and writes no log."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Send a response to the request that was just read."""
        raise NotImplementedError

    def send(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a response; to a HEAD only its headers."""
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()


@contextmanager
def serve(
    handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serve requests by a handler on a free port; give `host:port`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
