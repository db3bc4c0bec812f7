"""What a server may do to a call on the wire, and what the client makes of it."""

import asyncio
import datetime
import gzip
import io
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from ipaddress import IPv4Address
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tasks.errors import ModelServerError
from tasks.llm import http_client
from tasks.llm.batch.api import retrieve, upload
from tasks.llm.client import Answer, ask, open_client
from tasks.llm.failures import CallFailed
from tasks.llm.request import Endpoint, Request
from tasks.recipe import ModelSettings
from tests.loopback import QuietHandler, serve

ANSWER = json.dumps(
    {"choices": [{"message": {"content": "four"}, "finish_reason": "stop"}]}
).encode()


class _Server(QuietHandler):
    """Answers in the way that the address names, and keeps what it was asked."""

    seen: ClassVar[list[tuple[str, Message]]]
    elsewhere: ClassVar[str]

    def answer(self) -> None:
        self.seen.append((self.path, self.headers))
        if self.command == "POST":
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert json.loads(body)["model"] == "m"
        way = urlsplit(self.path).path.split("/")[1]
        if way == "moved":
            self.send(307, b"", {"Location": "/here/v1/chat/completions"})
        elif way == "elsewhere":
            self.send(307, b"", {"Location": self.elsewhere})
        elif way == "gzip":
            self.send(200, gzip.compress(ANSWER), {"Content-Encoding": "gzip"})
        elif way == "spoilt":
            self.send(200, ANSWER, {"Content-Encoding": "gzip"})
        elif way == "cookie":
            self.send(200, ANSWER, {"Set-Cookie": "seen=you"})
        elif way == "cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(ANSWER[:10])
            self.close_connection = True
        elif way == "drips":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            with suppress(ConnectionError):  # The client does not wait for all of it.
                for _ in range(40):
                    time.sleep(0.1)
                    self.wfile.write(b" ")
        elif way == "absent":
            self.send(404, b"404: Not Found")
        elif way == "gone":
            self.close_connection = True
        else:
            self.send(200, ANSWER)


@dataclass(frozen=True)
class _Served:
    """A server under way: its address, and what it was asked so far."""

    address: str
    handler: type[_Server]

    def base_url(self, way: str, scheme: str = "http") -> str:
        return f"{scheme}://{self.address}/{way}/v1"


@contextmanager
def _serving(tls: ssl.SSLContext | None = None) -> Iterator[_Served]:
    handler = type("Handler", (_Server,), {"seen": []})
    with serve(handler, tls) as address:
        yield _Served(address, handler)


@pytest.fixture
def server() -> Iterator[_Served]:
    with _serving() as server:
        yield server


def _endpoint(base_url: str, timeout_s: float = 20) -> Endpoint:
    settings = ModelSettings(model="m", timeout_s=timeout_s, max_attempts=1)
    return Endpoint(settings, base_url, base_url, "key")


def _ask(base_url: str, times: int = 1, timeout_s: float = 20) -> Answer:
    endpoint = _endpoint(base_url, timeout_s)
    request = Request("p", "student", "solve@1", (("user", "What is 2 + 2? 😀"),), 0)

    async def ask_all() -> list[Answer]:
        async with open_client(endpoint) as client:
            return [await ask(client, endpoint, request) for _ in range(times)]

    return asyncio.run(ask_all())[-1]


@pytest.mark.parametrize("way", ["here", "gzip", "moved"])
def test_an_answer_is_read_however_it_comes(server: _Served, way: str) -> None:
    answer = _ask(server.base_url(way))
    assert (answer.content, answer.raw_body) == ("four", ANSWER.decode())


@pytest.mark.parametrize(
    ("end", "path"),
    [
        ("", "/chat/completions"),
        ("/", "/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1//", "/v1/chat/completions"),
    ],
)
def test_an_address_may_end_in_any_way(server: _Served, end: str, path: str) -> None:
    assert _ask(f"http://{server.address}{end}").content == "four"
    assert [asked for asked, _ in server.handler.seen] == [path]


def test_an_address_without_its_path_is_said_to_lack_it(server: _Served) -> None:
    with pytest.raises(ModelServerError, match=r"check `base_url`, which may lack /v1\. It"):
        _ask(f"http://{server.address}/absent")


@pytest.mark.parametrize("proxied", [False, True])
def test_neither_key_nor_question_is_sent_to_where_a_server_points(
    server: _Served, monkeypatch: pytest.MonkeyPatch, proxied: bool
) -> None:
    base_url = server.base_url("elsewhere")
    if proxied:
        monkeypatch.setenv("http_proxy", f"http://{server.address}")
        base_url = "http://nowhere.invalid/elsewhere/v1"
    with _serving() as other:
        server.handler.elsewhere = other.base_url("here") + "/chat/completions"
        with pytest.raises(CallFailed, match=f"it points to 'http://{other.address}") as caught:
            _ask(base_url)
        assert not other.handler.seen
    assert caught.value.failure == "retryable"
    assert not caught.value.unanswered
    ((_, asked),) = server.handler.seen
    assert asked["Authorization"] == "Bearer key"


def test_one_connection_does_for_one_call_after_another(server: _Served) -> None:
    before = threading.active_count()
    _ask(server.base_url("here"), times=5)
    assert len(server.handler.seen) == 5
    assert threading.active_count() <= before + 1  # The server has a thread for each.


def test_no_cookie_is_sent_back(server: _Served) -> None:
    _ask(server.base_url("cookie"), times=2)
    assert all("Cookie" not in headers for _, headers in server.handler.seen)


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("cut", "connection lost: "),
        ("gone", "connection lost: "),
        ("spoilt", "connection lost: "),
        ("drips", "no answer within 1 s"),
    ],
)
def test_an_answer_that_does_not_come_whole_was_sent_for(
    server: _Served, way: str, message: str
) -> None:
    with pytest.raises(CallFailed) as caught:
        _ask(server.base_url(way), timeout_s=1)
    assert caught.value.failure == "retryable"
    assert caught.value.message.startswith(message)
    assert caught.value.unanswered
    assert caught.value.timed_out == (way == "drips")


@pytest.mark.parametrize("no_proxy", ["", "127.0.0.1"], ids=["proxied", "excepted"])
def test_an_answer_has_its_time_from_beginning_to_end_where_there_is_a_proxy_too(
    server: _Served, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{server.address}")
    monkeypatch.setenv("no_proxy", no_proxy)
    began = time.monotonic()
    with pytest.raises(CallFailed, match="no answer within 1 s") as caught:
        _ask(server.base_url("drips"), timeout_s=1)
    assert time.monotonic() - began < 2
    assert (caught.value.timed_out, caught.value.unanswered) == (True, True)
    ((asked, _),) = server.handler.seen
    path = "/drips/v1/chat/completions"
    assert asked == (path if no_proxy else f"http://{server.address}{path}")


def test_what_is_asked_of_a_batch_has_its_time_from_beginning_to_end(server: _Served) -> None:
    endpoint = _endpoint(server.base_url("drips"), timeout_s=1)

    async def look() -> None:
        async with open_client(endpoint) as client:
            await retrieve(client, endpoint, "batch-0")

    began = time.monotonic()
    with pytest.raises(CallFailed, match="no answer within 1 s"):
        asyncio.run(look())
    assert time.monotonic() - began < 2


@pytest.mark.slow
def test_a_file_may_go_up_for_longer_than_an_answer_may_take() -> None:
    megabytes = 16

    class Slow(QuietHandler):
        """Takes a file in two seconds and a half."""

        def setup(self) -> None:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
            super().setup()

        def answer(self) -> None:
            left = int(self.headers["Content-Length"])
            while left:
                left -= len(self.rfile.read(min(left, 2**20)))
                time.sleep(0.15)
            self.send(200, b'{"id": "file-0", "object": "file"}')

    async def send() -> str:
        async with open_client(endpoint) as client:
            return await upload(client, endpoint, "lines", io.BytesIO(b" " * megabytes * 2**20))

    began = time.monotonic()
    with serve(Slow) as address:
        endpoint = _endpoint(f"http://{address}/v1", timeout_s=1)
        assert asyncio.run(send()) == "file-0"
    assert time.monotonic() - began > 2


def test_a_server_that_is_not_there_was_sent_nothing() -> None:
    with _serving() as server:
        address = server.base_url("here")
    with pytest.raises(CallFailed, match="connection failed: ") as caught:
        _ask(address)
    assert not caught.value.unanswered


def test_a_proxy_of_the_environment_is_used(
    server: _Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{server.address}")
    assert _ask("http://nowhere.invalid/v1").content == "four"
    ((asked, _),) = server.handler.seen
    assert asked == "http://nowhere.invalid/v1/chat/completions"


def test_a_certificate_counts_only_if_it_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _make_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with _serving(tls) as server:
        address = server.base_url("here", "https")
        http_client._tls.cache_clear()
        with pytest.raises(CallFailed, match="certificate verify failed") as caught:
            _ask(address)
        assert not caught.value.unanswered
        assert server.handler.seen == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        http_client._tls.cache_clear()
        assert _ask(address).content == "four"
    http_client._tls.cache_clear()


def _make_certificate(folder: Path) -> Path:
    """Write a certificate of 127.0.0.1 that vouches for itself, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
