"""`teachset shell --ui`: DuckDB's own UI in a browser, on the store, read-only.

    DuckDB's UI is at http://localhost:4213. The store is the database `lake`. Ctrl-C ends it.

DuckDB serves it on loopback, from this process, and answers pages of its own alone. The pages
themselves it fetches from ui.duckdb.org; what is asked and what comes back stays here.
"""

import socket
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from cli.prefect_server import LOOPBACK
from cli.project import find_store
from cli.reading import open_reader
from tasks.errors import TeachsetError
from tasks.lake.place import LAKE, StorePlace

EXTENSION = "ui"
_PAGES = "https://ui.duckdb.org"
_ANSWERS_WITHIN_S = 30
_LISTENS_WITHIN_S = 5.0


def open_ui(recipe: Path | None, port: int) -> None:
    """Show the UI in a browser until Ctrl-C. Raises TeachsetError if it cannot be shown."""
    with serving_ui(find_store(recipe), port) as address:
        check_pages(address)
        print(
            f"DuckDB's UI is at {address}. The store is the database `{LAKE}`, open for reading; a "
            "run may go on writing.\nCtrl-C ends it.",
            flush=True,
        )
        webbrowser.open(address)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print()


@contextmanager
def serving_ui(settings: StorePlace, port: int) -> Iterator[str]:
    """Have DuckDB serve its UI on a port of loopback for as long as the block runs."""
    _refuse_taken_port(port)
    # Where the extension keeps notebooks it makes one folder, and not the one above it.
    (Path.home() / ".duckdb").mkdir(exist_ok=True)
    with open_reader(settings, EXTENSION) as connection:
        try:
            connection.execute("set ui_local_port = $port", {"port": port})
            connection.execute("call start_ui_server()")
        except duckdb.Error as error:
            raise TeachsetError(f"DuckDB's UI cannot be served: {error}") from error
        try:
            _wait_listening(port)
            yield f"http://localhost:{port}"
        finally:
            connection.execute("call stop_ui_server()")


def check_pages(address: str) -> None:
    """Raise TeachsetError if the UI has no pages to show, as where there is no network."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            address, timeout=_ANSWERS_WITHIN_S
        ):
            return
    except urllib.error.HTTPError as error:
        reason = error.read(300).decode("utf-8", "replace").strip() or str(error)
    except OSError as error:
        reason = str(error)
    raise TeachsetError(
        f"DuckDB's UI has no pages to show: it fetches them from {_PAGES}, which does not answer "
        f"({reason}). Without a network there is the prompt: teachset shell"
    )


def _wait_listening(port: int) -> None:
    """Wait for the UI's thread, which listens a moment after DuckDB has said that it serves."""
    deadline = time.monotonic() + _LISTENS_WITHIN_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
            return
        time.sleep(0.05)


def _refuse_taken_port(port: int) -> None:
    """Raise TeachsetError if the port is in use: DuckDB would wait for that program's answer."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        raise TeachsetError(
            f"DuckDB's UI cannot be served on port {port}; choose another with --port: {error}"
        ) from error
