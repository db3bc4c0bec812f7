"""A server on loopback that speaks as much of S3 as reading takes: list, HEAD and GET by ranges."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from tests.loopback import QuietHandler, serve

_MODIFIED = {"last-modified": "Sat, 01 Jan 2022 00:00:00 GMT"}


@contextmanager
def object_store(bucket: str, objects: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve a bucket's objects by path; give `host:port` and the credentials that were shown."""
    shown: list[str] = []

    class Handler(QuietHandler):
        def answer(self) -> None:
            shown.append(self.headers.get("authorization", ""))
            asked = urlsplit(self.path)
            query, key = parse_qs(asked.query), asked.path.removeprefix(f"/{bucket}/")
            if "list-type" in query:
                self.send(200, _list(objects, query.get("prefix", [""])[0]), _MODIFIED)
            elif key in objects:
                self._send_part(objects[key])
            else:
                self.send(404, b"", _MODIFIED)

        def _send_part(self, content: bytes) -> None:
            wanted = self.headers.get("range")
            if wanted is None:
                self.send(200, content, _MODIFIED)
                return
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = min(int(last or len(content)), len(content) - 1)
            part = {"content-range": f"bytes {first}-{end}/{len(content)}"}
            self.send(206, content[int(first) : end + 1], _MODIFIED | part)

    with serve(Handler) as address:
        yield address, shown


def _list(objects: Mapping[str, bytes], prefix: str) -> bytes:
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size></Contents>"
        for key, content in sorted(objects.items())
        if key.startswith(prefix)
    )
    return (
        f"<ListBucketResult>{contents}<IsTruncated>false</IsTruncated></ListBucketResult>".encode()
    )
