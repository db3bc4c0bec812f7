"""A Prefect server in a process of its own that ends when nobody holds its lease any more.

Every command that uses the server holds a shared lock on the lease file; the operating system lets
go of it when the command ends, however it ends. The server is gone a moment after the last one.
"""

import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from cli.imports import spared_from_collection

_LOOKS_EVERY_S = 0.3
_STOPS_WITHIN_S = 15


def main(door: int, lease: Path, state: Path) -> None:
    """Serve Prefect's API and UI at an inherited socket until the lease ends or a signal comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_lease, args=(lease, state), daemon=True).start()

    with spared_from_collection():
        import uvicorn
        from prefect.server.api.server import create_app

        logging.getLogger("prefect.server").setLevel(logging.WARNING)
        app = create_app(final=True)
    config = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
    server.run([socket.socket(fileno=door)])


def end_with_lease(lease: Path, state: Path) -> None:
    """Wait until no process holds the lease, then take it and end this process.

    The lease stays taken until the process is gone, so that nobody counts on a server that is
    about to end.
    """
    with lease.open("r+b") as file:
        while True:
            time.sleep(_LOOKS_EVERY_S)
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                continue
        state.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_STOPS_WITHIN_S)
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
