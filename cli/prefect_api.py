"""What a command asks of a Prefect server: where it is, whether it answers, what it has recorded.

configured_url() → "http://127.0.0.1:4200/api"; check_reachable(url); settle_records(url)

Nothing here imports Prefect: its environment has to be set before that.
"""

import base64
import json
import os
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tasks.errors import TeachsetError

CLIENT_PASSWORD = "PREFECT_API_AUTH_STRING"


def configured_url() -> str | None:
    """Return PREFECT_API_URL from the environment or from Prefect's active profile."""
    if url := os.environ.get("PREFECT_API_URL"):
        return url.rstrip("/")
    try:
        profiles = tomllib.loads((prefect_home() / "profiles.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    active = os.environ.get("PREFECT_PROFILE") or profiles.get("active")
    url = profiles.get("profiles", {}).get(active, {}).get("PREFECT_API_URL")
    return str(url).rstrip("/") if url else None


def prefect_home() -> Path:
    """Return the user's PREFECT_HOME, made if need be."""
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TeachsetError(
            f"{home}: Prefect's folder cannot be made: {error}. Set PREFECT_HOME to one that can."
        ) from error
    return home.resolve()


def check_reachable(url: str) -> None:
    """Raise TeachsetError unless a Prefect server answers at the URL."""
    try:
        get_json(f"{url}/health", timeout=10)
        _count(url, "flow_runs")  # /health asks nobody who they are.
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise TeachsetError(
                f"the Prefect server at {url} refuses the credentials ({error.code}): "
                f"set PREFECT_API_KEY or {CLIENT_PASSWORD}."
            ) from error
        raise TeachsetError(
            f"what answers at {url} is no Prefect server (its /health says {error.code}). "
            "Correct PREFECT_API_URL or unset it, and Teachset starts a server of its own."
        ) from error
    except (OSError, ValueError) as error:
        raise TeachsetError(
            f"no Prefect server answers at {url} ({getattr(error, 'reason', error)}). Start it, "
            "or unset PREFECT_API_URL (`prefect config unset PREFECT_API_URL` if a profile sets "
            "it) and Teachset starts one of its own."
        ) from error


def count_unfinished(url: str) -> int:
    """Return how many task runs the server takes for unfinished; 0 if it does not say."""
    try:
        return _count(url, "task_runs", unfinished=True)
    except (OSError, ValueError):
        return 0


def settle_records(url: str, abandoned: int = 0, patience_s: float = 30) -> None:
    """Send what this process still holds back for the server and wait until it has recorded it.

    Task runs reach the server as events, after the fact; a server stopped at once loses them.
    `abandoned` is how many were unfinished before: of processes that were killed, and will stay so.
    """
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all(timeout=patience_s)
    deadline = time.monotonic() + patience_s
    calm_since, last = time.monotonic(), (-1, -1)
    while time.monotonic() < deadline:
        try:
            counts = (_count(url, "task_runs"), _count(url, "task_runs", unfinished=True))
        except (OSError, ValueError):
            return
        if counts != last:
            calm_since, last = time.monotonic(), counts
        elif time.monotonic() - calm_since >= (0.6 if counts[1] <= abandoned else 5):
            return
        time.sleep(0.2)


def _count(url: str, what: str, *, unfinished: bool = False) -> int:
    unfinished_states = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]
    body: dict[str, Any] = {}
    if unfinished:
        body = {what: {"state": {"type": {"any_": unfinished_states}}}}
    return int(get_json(f"{url}/{what}/count", timeout=10, body=body))


def get_json(url: str, *, timeout: float, body: dict[str, Any] | None = None) -> Any:
    """Return what a GET, or a POST of a JSON body, is answered; no proxy is asked for loopback."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    elif password := os.environ.get(CLIENT_PASSWORD):
        headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)
    local = any(f"//{host}" in url for host in ("127.0.0.1", "localhost", "[::1]"))
    proxies = urllib.request.ProxyHandler({}) if local else urllib.request.ProxyHandler()
    with urllib.request.build_opener(proxies).open(request, timeout=timeout) as reply:
        return json.loads(reply.read())
