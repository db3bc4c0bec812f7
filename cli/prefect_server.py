"""The Prefect server of a command: the one that is set, else ours that runs, else one we start.

    with prefect_server() as server:
        build(recipe)            # server.url is http://127.0.0.1:41873/api

A server of ours serves everyone who uses this PREFECT_HOME and ends with the last of them, also
after a `kill -9`. Nothing here imports Prefect: its environment has to be set before that.
"""

import fcntl
import ipaddress
import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.prefect_api import (
    CLIENT_PASSWORD,
    check_reachable,
    configured_url,
    count_unfinished,
    get_json,
    prefect_home,
    settle_records,
)
from cli.processes import is_alive
from cli.project import ROOT
from cli.terminal_log import prepare_environment
from tasks.errors import InputError, TeachsetError
from tasks.whole_files import written_whole

LOOPBACK = "127.0.0.1"
SERVER_PASSWORD = "PREFECT_SERVER_API_AUTH_STRING"
STARTS_WITHIN_S = 90
_ENDS_WITHIN_S = 3  # A server that nobody uses any more.
STATE = "teachset-server.json"
# What only matters where deployments are scheduled; a single run is served without it.
SCHEDULING = (
    "SCHEDULER",
    "LATE_RUNS",
    "FOREMAN",
    "TRIGGERS",
    "PAUSE_EXPIRATIONS",
    "CANCELLATION_CLEANUP",
)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: its API's URL and, for one of ours, its process and its log."""

    url: str
    pid: int | None = None
    log: Path | None = None
    schedules: bool = True

    @property
    def ui(self) -> str:
        """The address that a person opens."""
        return self.url.removesuffix("/api")


@contextmanager
def prefect_server(
    *,
    schedules: bool = False,
    port: int | None = None,
    host: str = LOOPBACK,
    meanwhile: Callable[[], object] | None = None,
) -> Iterator[Server]:
    """Have a Prefect server for as long as the block runs; `meanwhile` runs while it starts.

    With `schedules` it also runs what deployments need. At the end it is waited for until the
    records of this process's runs are complete. Raises TeachsetError if there is no server.
    """
    prepare_environment()
    refuse_open_door(host)
    use_own_password()
    if url := configured_url():
        check_reachable(url)
        with _environment("PREFECT_API_URL", url):
            if meanwhile:
                meanwhile()
            abandoned = count_unfinished(url)
            try:
                yield Server(url)
            finally:  # Of a run that fails above all one wants to see how.
                settle_records(url, abandoned)
        return
    home = prefect_home()
    if schedules:
        _let_end(home / STATE)
    with _lease(home / "teachset-server.lease"):
        server = find_or_start(home, schedules=schedules, port=port, host=host)
        with _environment("PREFECT_API_URL", server.url):
            if meanwhile:
                meanwhile()
            wait_healthy(server)
            check_reachable(server.url)
            abandoned = count_unfinished(server.url)
            try:
                yield server
            finally:
                settle_records(server.url, abandoned)


def refuse_open_door(host: str) -> None:
    """Raise InputError if others could reach a server that asks for no password.

    Whoever can use Prefect's API can start runs, which cost money, and read what they log.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and ":" not in (password_at_the_door() or ""):
        raise InputError(
            f"--host {host}: others could start runs and read their logs there. Set "
            f"{SERVER_PASSWORD}=user:password, or leave --host out and use a tunnel "
            "(ssh -L 4200:127.0.0.1:4200 …)."
        )


def password_at_the_door() -> str | None:
    """Return the user:password that what we open asks for, if it asks for one.

    Where Prefect's server is not ours it is what that one asks for.
    """
    named = CLIENT_PASSWORD if configured_url() else SERVER_PASSWORD
    return os.environ.get(SERVER_PASSWORD) or os.environ.get(named) or None


def use_own_password() -> None:
    """Have what asks our server give the password that it asks for."""
    if password := os.environ.get(SERVER_PASSWORD):
        os.environ.setdefault(CLIENT_PASSWORD, password)


def find_or_start(home: Path, *, schedules: bool, port: int | None, host: str = LOOPBACK) -> Server:
    """Return the server of ours that runs for this home or a new one."""
    state = home / STATE
    with (home / "teachset-server.lock").open("ab") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        running = read_state(state)
        if running is None:
            return _start(home, state, schedules=schedules, port=port, host=host)
    if schedules and not running.schedules:
        raise TeachsetError(
            f"a run is using a Prefect server of its own ({running.ui}) that serves no schedules; "
            "try again when it has ended."
        )
    return running


def read_state(state: Path) -> Server | None:
    """Return the server that the state file names if its process is alive and takes calls.

    It listens before its state is written. A killed one keeps its number until its parent has
    ended, and after a restart of the machine somebody else may have it.
    """
    try:
        found = json.loads(state.read_text(encoding="utf-8"))
        server = Server(found["url"], found["pid"], Path(found["log"]), found["schedules"])
        if not is_alive(found["pid"]):
            return None
        address = urllib.parse.urlsplit(server.url)
        socket.create_connection((str(address.hostname), int(address.port or 0)), 5).close()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return server


def wait_healthy(server: Server) -> None:
    """Wait until the server answers. Raises TeachsetError if it ended or is too slow."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        try:
            get_json(f"{server.url}/health", timeout=5)
            return
        except (OSError, ValueError):
            time.sleep(0.1)
        if server.pid is not None and _has_ended(server.pid):
            raise TeachsetError(f"the Prefect server ended at its start; see {server.log}")
    raise TeachsetError(
        f"the Prefect server did not answer within {STARTS_WITHIN_S} s; see {server.log}"
    )


def _let_end(state: Path) -> None:
    """Wait until a server without schedules is gone, unless somebody goes on using it."""
    deadline = time.monotonic() + _ENDS_WITHIN_S
    while time.monotonic() < deadline:
        running = read_state(state)
        if running is None or running.schedules:
            return
        time.sleep(0.1)


def _start(home: Path, state: Path, *, schedules: bool, port: int | None, host: str) -> Server:
    door = _listen(host, port)
    port = int(door.getsockname()[1])
    url = f"http://{_address_of(host)}:{port}/api"
    log = home / "teachset-server.log"
    environment = {
        "PREFECT_UI_API_URL": "/api",  # Whatever the browser calls this host.
        **os.environ,
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_API_HOST": host,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    }
    if schedules:  # It stays up for months: runs that ended 90 days ago go, unless told otherwise.
        environment = {
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs"
        } | environment
    else:
        environment |= {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in SCHEDULING}
    lease = home / "teachset-server.lease"
    with door, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.server_process", str(door.fileno()), lease, state],
            cwd=ROOT,
            env=environment,
            pass_fds=[door.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(url, process.pid, log, schedules)
    written = {"url": url, "pid": process.pid, "log": str(log), "schedules": schedules}
    with written_whole(state) as partial:
        partial.write_text(json.dumps(written), encoding="utf-8")
    return server


@contextmanager
def _lease(file: Path) -> Iterator[None]:
    """Hold a shared lock on the lease file; waits while a server that is ending holds it."""
    with file.open("a+b") as held:
        fcntl.lockf(held, fcntl.LOCK_SH)
        yield


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def _address_of(host: str) -> str:
    """Return where we ourselves find a server that listens on a host."""
    own = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)
    return f"[{own}]" if ":" in own else own


def _listen(host: str, wanted: int | None) -> socket.socket:
    """Return a socket that listens, for the server to inherit.

    What is asked before the server is up waits for it. To ask again and again at a free port may
    end in a connection with oneself, which takes the port from the server.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        door.bind((host, wanted or 0))
        door.listen(2048)
    except OSError as error:
        door.close()
        raise TeachsetError(
            f"{host}, port {wanted}: cannot be served on, perhaps another program is; choose "
            f"others with --host and --port: {error}"
        ) from error
    return door


def _has_ended(process_id: int) -> bool:
    """Whether a server is gone; one of our own is there until somebody has asked after it."""
    with suppress(ChildProcessError):
        if os.waitpid(process_id, os.WNOHANG)[0] == process_id:
            return True
    return not is_alive(process_id)
