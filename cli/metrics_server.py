"""Metrics over HTTP: http://127.0.0.1:9464/metrics while a command runs, if a port is set.

The runs of `teachset serve` are processes of their own. They write into a folder that it reads, so
that one address has the sum of all of them and no counter falls when a run ends.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from cli.processes import is_alive
from tasks.errors import InputError, TeachsetError

VARIABLE = "TEACHSET_METRICS_PORT"
_SHARED = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own name; read when it is imported.


def metrics_port() -> int | None:
    """Return the port that is set, if one is. Raises InputError if it is no port."""
    value = os.environ.get(VARIABLE, "").strip()
    if not value:
        return None
    if not value.isdigit() or not 0 < int(value) < 65_536:
        raise InputError(f"{VARIABLE}: expected a port such as 9464, found {value[:40]!r}")
    return int(value)


@contextmanager
def own_metrics() -> Iterator[None]:
    """Hand out this process's metrics for as long as the block runs, if a port is set."""
    port = metrics_port()
    if port is None:
        yield
        return
    with _listening(port):
        yield


@contextmanager
def metrics_of_children(home: Path) -> Iterator[None]:
    """Hand out the sum of what processes started in the block count, if a port is set."""
    port = metrics_port()
    if port is None:
        yield
        return
    folder = home / "teachset-metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    before = os.environ.get(_SHARED)
    os.environ[_SHARED] = str(folder)
    try:
        with _listening(port, folder):
            yield
    finally:
        del os.environ[_SHARED]
        if before is not None:
            os.environ[_SHARED] = before


class _Living(Collector):
    """What all processes have counted, and how full those are that still live."""

    def __init__(self, folder: Path, shared: Collector) -> None:
        self._folder, self._shared = folder, shared

    def collect(self) -> Iterable[Metric]:
        """Forget the gauges of processes that have ended, however they did, and add up the rest."""
        for file in self._folder.glob("gauge_live*_*.db"):
            pid = file.stem.rsplit("_", 1)[1]
            if not is_alive(int(pid)):
                file.unlink(missing_ok=True)
        return self._shared.collect()


@contextmanager
def _listening(port: int, folder: Path | None = None) -> Iterator[None]:
    registry = CollectorRegistry()
    if folder is None:
        from tasks import metrics

        for metric in metrics.ALL:
            registry.register(metric)
    else:
        shared = MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]
        registry.register(_Living(folder, shared))
    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise TeachsetError(
            f"{VARIABLE}: port {port} is in use by another program; choose another: {error}"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
