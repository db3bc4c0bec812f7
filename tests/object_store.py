"""A server on loopback that speaks as much of S3 as reading takes: list, HEAD and GET by ranges."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape


@contextmanager
def object_store(bucket: str, objects: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve a bucket's objects by path; give `host:port` and the credentials that were shown."""
    shown: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            shown.append(self.headers.get("authorization", ""))
            asked = urlsplit(self.path)
            query, key = parse_qs(asked.query), asked.path.removeprefix(f"/{bucket}/")
            if "list-type" in query:
                self._send(200, _list(objects, query.get("prefix", [""])[0]))
            elif key in objects:
                self._send_part(objects[key])
            else:
                self._send(404, b"")

        def _send_part(self, content: bytes) -> None:
            wanted = self.headers.get("range")
            if wanted is None:
                self._send(200, content)
                return
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = min(int(last or len(content)), len(content) - 1)
            self._send(206, content[int(first) : end + 1], f"bytes {first}-{end}/{len(content)}")

        def _send(self, status: int, body: bytes, part: str | None = None) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("last-modified", "Sat, 01 Jan 2022 00:00:00 GMT")
            if part:
                self.send_header("content-range", part)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _list(objects: Mapping[str, bytes], prefix: str) -> bytes:
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size></Contents>"
        for key, content in sorted(objects.items())
        if key.startswith(prefix)
    )
    return (
        f"<ListBucketResult>{contents}<IsTruncated>false</IsTruncated></ListBucketResult>".encode()
    )
