"""SQL at a prompt, in DuckDB's own shell and in its UI: on a real store that it cannot change."""

import http.client
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.reading import open_reader
from cli.shell import converse, find_duckdb_shell, init_script
from cli.shell_ui import check_pages, serving_ui
from tasks.errors import TeachsetError
from tasks.lake.place import find_extension
from tasks.store import Store, close_stores
from tests.conftest import MakeRecipe

ROOT = Path(__file__).resolve().parents[1]
ASK = "select 40 + 2 as answer, count(*) as prompts from prompts;"
WRITE = "create table mine as select 1;"
REFUSED = "attached in read-only mode"


def duckdb_shell() -> str:
    program = find_duckdb_shell()
    if program is None:
        pytest.skip("DuckDB's shell is not installed in our version")
    return program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_documented_commands_of_plain_duckdb_read_the_store(
    store: Store, tmp_path: Path
) -> None:
    close_stores()
    project = tmp_path / "projects" / "quickstart"
    project.mkdir(parents=True)
    (tmp_path / "store").rename(project / "store")
    told = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
    install, attach = told.split("```sql\n")[1].split("```")[0].split("\n", 1)
    assert install == "install ducklake; install sqlite; load ducklake;"
    # What `install` would fetch lies here in wheels; the rest is typed as it stands.
    loads = "".join(f"load '{find_extension(name)}';" for name in ("ducklake", "sqlite_scanner"))
    ran = subprocess.run(
        [duckdb_shell(), "-init", os.devnull, "-csv"],
        input=f"{loads}\n{attach}\n{ASK}\nfrom funnel;\n{WRITE}\n",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.splitlines()[:3] == [
        "answer,prompts",
        "42,0",
        "domain,kind,kept,stage,reason,prompts",
    ]
    assert REFUSED in ran.stderr


def test_what_our_shell_tells_duckdbs_attaches_the_store_read_only(
    store: Store, tmp_path: Path
) -> None:
    close_stores()
    script = tmp_path / "it's" / "init.sql"
    script.parent.mkdir()
    script.write_text(init_script(store.settings), encoding="utf-8")
    ran = subprocess.run(
        [duckdb_shell(), "-init", str(script), "-csv"],
        input=f"{ASK}\n{WRITE}\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.splitlines()[-2:] == ["answer,prompts", "42,0"]
    assert REFUSED in ran.stderr


def test_our_own_prompt_answers_and_goes_on_after_a_mistake(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["", "select 6 * 7", "as answer;", "selekt;", WRITE, ".tables", ".exit", "never"])
    with open_reader(store.settings) as connection:
        converse(connection, lambda _: next(lines))
    said = capsys.readouterr()
    assert "answer" in said.out
    assert "42" in said.out
    assert "prompts" in said.out
    assert "syntax error" in said.err
    assert REFUSED in said.err
    assert next(lines) == "never"


def test_a_prompt_ends_with_its_input(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    def ask(_: str) -> str:
        raise EOFError

    with open_reader(store.settings) as connection:
        converse(connection, ask)
    assert capsys.readouterr().out == "\n"


@pytest.fixture
def pages_of_the_ui() -> Iterator[str]:
    """A server in the place of ui.duckdb.org, which no test reaches."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<title>DuckDB UI</title>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run_in_ui(address: str, statement: str, **headers: str) -> tuple[int, str]:
    """Send a statement as DuckDB's UI does."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    connection.request("POST", "/ddb/run", statement, headers)
    reply = connection.getresponse()
    return reply.status, reply.read().decode("utf-8", "replace")


def test_duckdbs_ui_reads_the_store_and_cannot_change_it(
    store: Store, tmp_path: Path, pages_of_the_ui: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb_extension_ui")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("ui_remote_url", pages_of_the_ui)
    close_stores()
    with serving_ui(store.settings, free_port()) as address:
        check_pages(address)
        own = {"Origin": address}
        assert run_in_ui(address, "select 42") == (401, "")  # No page but its own may ask.
        assert run_in_ui(address, "select 42", Origin="http://evil.example") == (401, "")
        status, said = run_in_ui(address, "select name from lake.migrations limit 1", **own)
        assert (status, "0001_tables" in said) == (200, True)
        assert REFUSED in run_in_ui(address, "create table lake.mine as select 1", **own)[1]
        assert REFUSED in run_in_ui(address, "delete from lake.prompts", **own)[1]
    with pytest.raises(ConnectionRefusedError):
        run_in_ui(address, "select 42", **own)


def test_without_a_network_the_ui_says_so_and_names_the_prompt(
    store: Store, tmp_path: Path, make_recipe: MakeRecipe
) -> None:
    pytest.importorskip("duckdb_extension_ui")
    close_stores()
    recipe = tmp_path / "recipe.json"
    recipe.write_text(make_recipe().model_dump_json(exclude_defaults=True), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "cli", "shell", "--ui", "-r", recipe, "--port", str(free_port())],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path), "ui_remote_url": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1
    said = " ".join(ran.stderr.split())
    assert re.match(r"teachset: DuckDB's UI has no pages to show: .* which does not answer", said)
    assert said.endswith("Without a network there is the prompt: teachset shell")
    assert "Traceback" not in ran.stderr


def test_a_port_of_the_ui_that_is_taken_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb_extension_ui")
    monkeypatch.setenv("HOME", str(tmp_path))
    close_stores()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(TeachsetError, match=f"port {port}; choose another with --port"),
            serving_ui(store.settings, port),
        ):
            pass
