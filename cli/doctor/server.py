"""Prefect: its folder, the server that is set or running, the size of its database."""

import os
from collections.abc import Iterator
from functools import partial

from cli.doctor.finding import Finding
from cli.prefect_api import check_reachable, configured_url, prefect_home
from cli.prefect_server import STATE, read_state
from cli.terminal_log import prepare_environment
from tasks.errors import TeachsetError

AREA = "prefect"
LARGE = 2 * 2**30
_finding = partial(Finding, AREA)


def check_prefect() -> Iterator[Finding]:
    """Yield what is found out about Prefect, without starting any of it."""
    prepare_environment()
    try:
        home = prefect_home()
    except TeachsetError as error:
        yield _finding("home", "problem", str(error), "set PREFECT_HOME to a folder of your own")
        return
    if not os.access(home, os.W_OK):
        mend = "change its permissions, or set PREFECT_HOME to another folder"
        yield _finding("home", "problem", f"{home} cannot be written", mend)
    else:
        yield _finding("home", "ok", f"{home} can be written")
    yield _check_server()
    database = home / "prefect.db"
    if database.is_file():
        size = database.stat().st_size
        found = f"{database}: {size / 2**20:,.1f} MB"
        mend = "lower PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD (docs/operations.md)"
        large = size > LARGE
        yield _finding("database", "warning" if large else "ok", found, mend if large else "")


def _check_server() -> Finding:
    if url := configured_url():
        try:
            check_reachable(url)
        except TeachsetError as error:
            return _finding("server", "problem", str(error), "start it, or unset PREFECT_API_URL")
        return _finding("server", "ok", f"{url} answers")
    running = read_state(prefect_home() / STATE)
    if running is None:
        return _finding("server", "ok", "none is running; a run starts one, and so does `serve`")
    what = "`teachset serve` runs" if running.schedules else "a run has a server of its own"
    return _finding("server", "ok", f"{what}: {running.ui}, process {running.pid}")
