"""Pages of releases over real HTTP: what is published can be read, and nothing else by any path."""

import base64
import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.pages import find_file, serving_pages
from tasks.errors import TeachsetError
from tasks.operations.pages import (
    Page,
    link_refusal,
    link_release,
    name_shelf,
    pages_folder,
    put_on_shelf,
    served_at,
)

SECRET = "not for anybody"


class Asked:
    """An answer: its status, its headers, its body."""

    def __init__(self, reply: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = reply.status, reply.headers, reply.read()


def ask(address: str, path: str, method: str = "GET", **headers: str) -> Asked:
    """Send a path as it stands: a URL library would tidy up what is hostile in it."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        return Asked(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A PREFECT_HOME whose shelf `mine` has one release, with secrets all around it."""
    releases = tmp_path / "project" / "releases"
    release = releases / "mine-0123456789ab"
    (release / "data").mkdir(parents=True)
    (release / "manifest.json").write_text("{}")
    (release / "report.html").write_text("<h1>Report</h1><script>alert(1)</script>")
    (release / "data_docs.html").write_text("<h1>Data Docs</h1>")
    (release / "README.md").write_text("# Card")
    (release / "odd.exe").write_text("<script>alert(1)</script>")
    (release / "data" / "train.parquet").write_bytes(b"PAR1")
    (release / ".hidden").write_text(SECRET)
    (release / "out").symlink_to(tmp_path / "project" / "secret.txt")
    (release / "around").symlink_to(release / "around")
    (release / "up").symlink_to(tmp_path / "project", target_is_directory=True)
    os.mkfifo(release / "pipe")
    (releases / "latest").symlink_to(release.name, target_is_directory=True)
    (releases / "elsewhere").symlink_to(tmp_path / "project", target_is_directory=True)
    (releases / "refused.html").write_text("<h1>Refused</h1>")
    (releases / "notes.txt").write_text(SECRET)
    (releases / ".staging-1").mkdir()
    (releases / ".staging-1" / "manifest.json").write_text(SECRET)
    (releases / "store").mkdir()
    (releases / "store" / "catalog.sqlite").write_text(SECRET)
    (tmp_path / "project" / "secret.txt").write_text(SECRET)
    (tmp_path / "project" / "manifest.json").write_text(SECRET)
    home = tmp_path / "prefect"
    put_on_shelf(home, "mine", releases)
    (home / "teachset-pages" / "file").write_text(SECRET)
    (home / "prefect.db").write_text(SECRET)
    return home


@pytest.fixture
def address(home: Path) -> Iterator[str]:
    """Where the pages of that home are served, without a password."""
    with serving_pages(home, "127.0.0.1", 0, None) as address:
        yield address


RELEASE = "/mine/mine-0123456789ab"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (f"{RELEASE}/report.html", "text/html; charset=utf-8"),
        (f"{RELEASE}/data_docs.html", "text/html; charset=utf-8"),
        ("/mine/latest/report.html", "text/html; charset=utf-8"),
        ("/mine/refused.html", "text/html; charset=utf-8"),
        (f"{RELEASE}/README.md", "text/markdown; charset=utf-8"),
        (f"{RELEASE}/manifest.json", "application/json"),
        (f"{RELEASE}/data/train.parquet", "application/vnd.apache.parquet"),
        (f"{RELEASE}/odd.exe", "application/octet-stream"),
    ],
)
def test_what_lies_in_a_release_is_served_as_what_it_is(address: str, path: str, kind: str) -> None:
    found = ask(address, path)
    assert (found.status, found.headers["Content-Type"]) == (200, kind)
    assert found.body
    policy = found.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert "script" not in policy
    assert "sandbox" in policy
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    again = ask(address, path, **{"If-None-Match": found.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


HOSTILE = [
    "/",
    "//",
    "/mine",
    "/mine/",
    "/file",
    "/address",
    RELEASE,
    f"{RELEASE}/",
    f"{RELEASE}/data",
    f"{RELEASE}/data/",
    f"{RELEASE}/none.html",
    f"{RELEASE}/report.html%00",
    f"{RELEASE}/data/%00/report.html",
    f"/%00{RELEASE}/report.html",
    f"{RELEASE}/{'x' * 300}/report.html",
    f"/{'x' * 300}/a/report.html",
    f"{RELEASE}/.hidden",
    f"{RELEASE}/data/../.hidden",
    f"{RELEASE}/out",
    f"{RELEASE}/around",
    f"{RELEASE}/up/secret.txt",
    f"{RELEASE}/pipe",
    f"{RELEASE}/../notes.txt",
    f"{RELEASE}/%2e%2e/notes.txt",
    f"{RELEASE}/..%2fnotes.txt",
    f"{RELEASE}/%2e%2e%2f%2e%2e%2fsecret.txt",
    f"{RELEASE}/..%5c..%5csecret.txt",
    f"{RELEASE}/....//....//secret.txt",
    f"{RELEASE}/../../../prefect.db",
    f"{RELEASE}/report.html%00.txt",
    f"{RELEASE}/%ff%fe",
    f"{RELEASE}/{'a' * 5000}",
    f"{RELEASE}/{'a/' * 3000}b",
    "/mine/notes.txt",
    "/mine/elsewhere/secret.txt",
    "/mine/store/catalog.sqlite",
    "/mine/.staging-1/manifest.json",
    "/mine/latest/../notes.txt",
    "/mine/../file",
    "/mine/../../prefect.db",
    "/../prefect.db",
    "/%2e%2e/prefect.db",
    "/..%2fprefect.db",
    "//etc/passwd",
    "/mine//etc/passwd",
    "/mine/%2fetc%2fpasswd",
    f"{RELEASE}//etc/passwd",
    f"{RELEASE}/%2fetc/passwd",
    "/etc/passwd",
    "/file:///etc/passwd",
    "/http://127.0.0.1/",
]


def test_no_path_leads_anywhere_else(address: str) -> None:
    for path in HOSTILE:
        # What is no path at all, the server refuses before we see it.
        found = ask(address, path)
        assert found.status in (400, 404), path
        assert SECRET.encode() not in found.body, path
        assert b"root:" not in found.body, path
        if found.status == 404:
            assert found.body.startswith(b"There is nothing here.")
            assert "default-src 'none'" in found.headers["Content-Security-Policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(address: str, method: str) -> None:
    assert ask(address, f"{RELEASE}/report.html", method).status == 405


def test_without_a_password_only_the_names_of_loopback_are_answered(address: str) -> None:
    port = address.rpartition(":")[2]
    for name in (f"127.0.0.1:{port}", f"localhost:{port}"):
        assert ask(address, f"{RELEASE}/report.html", Host=name).status == 200
    for name in (f"evil.example:{port}", "127.0.0.1.evil.example", ""):
        found = ask(address, f"{RELEASE}/report.html", Host=name)
        assert found.status == 400
        assert b"Report" not in found.body


def test_a_password_is_asked_for_before_anything_else(home: Path) -> None:
    def given(text: str) -> dict[str, str]:
        return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}

    with serving_pages(home, "127.0.0.1", 0, "nightly:pässword") as address:
        for headers in (
            {},
            given("nightly:other"),
            given("nightly:pässword "),
            given(""),
            {"Authorization": "Bearer nightly"},
            {"Authorization": "Basic"},
            {"Authorization": "Basic \xff\xfe"},
        ):
            for path in (f"{RELEASE}/report.html", "/none", "/"):
                refused = ask(address, path, **headers)
                assert (refused.status, refused.body) == (401, b"Unauthorized\n")
                assert refused.headers["WWW-Authenticate"].startswith('Basic realm="Teachset"')
        welcome = given("nightly:pässword") | {"Host": "nightbox:4201"}
        assert ask(address, f"{RELEASE}/report.html", **welcome).status == 200


def test_a_port_that_is_taken_is_told(home: Path, address: str) -> None:
    port = int(address.rpartition(":")[2])
    with (
        pytest.raises(TeachsetError, match=f"port {port}: .* with --pages-port"),
        serving_pages(home, "127.0.0.1", port, None),
    ):
        pass


def test_a_release_is_linked_where_pages_are_served(
    tmp_path: Path, home: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_HOME, temporary_settings

    releases = tmp_path / "project" / "releases"
    shelf = name_shelf("mine", releases)
    monkeypatch.delenv("TEACHSET_PAGES_URL", raising=False)
    with temporary_settings({PREFECT_HOME: home}):
        report, docs = link_release("mine", releases / "mine-0123456789ab")
        assert report == Page("report", "Report", f"{address}/{shelf}{RELEASE[5:]}/report.html")
        assert docs.address.endswith("/data_docs.html")
        (refused,) = link_refusal("mine", releases)
        for page, said in ((report, b"Report"), (docs, b"Data Docs"), (refused, b"Refused")):
            assert said in ask(address, page.address.removeprefix(address)).body
        monkeypatch.setenv("TEACHSET_PAGES_URL", "https://reports.example.org/teachset/")
        assert link_refusal("mine", releases)[0].address == (
            f"https://reports.example.org/teachset/{shelf}/refused.html"
        )
        assert link_release("mine", releases / "mine-none") == []
    monkeypatch.delenv("TEACHSET_PAGES_URL")
    with temporary_settings({PREFECT_HOME: tmp_path / "other"}):
        assert link_release("mine", releases / "mine-0123456789ab") == []  # Nobody serves there.
    assert served_at(home) == address


def test_folders_that_move_or_share_a_name_keep_their_addresses(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "releases", tmp_path / "b" / "releases"
    assert name_shelf("mine", first) != name_shelf("mine", second)
    assert name_shelf("mine", first) == name_shelf("mine", tmp_path / "a" / "." / "releases")
    for releases in (first, second):
        (releases / "mine-1").mkdir(parents=True)
        (releases / "mine-1" / "manifest.json").write_text(str(releases))
        put_on_shelf(tmp_path, "mine", releases)
        found = find_file(pages_folder(tmp_path), "mine/mine-1/manifest.json")
        assert found is not None
        assert found.read_text() == str(releases)
    (second / "mine-1" / "manifest.json").unlink()
    assert find_file(pages_folder(tmp_path), "mine/mine-1/manifest.json") is None
