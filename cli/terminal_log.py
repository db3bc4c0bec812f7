"""What of the log a person sees on the terminal: our own warnings, each once, and no more.

    warning: sample.keys_by: the student is its own reference; where it disagrees with itself …

Everything else is Prefect's, for its UI.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cli.boundary import plain, redact

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks,expectations,flows",
    # All goes to the server, for the UI; the terminal belongs to the command.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_CLI_PROMPT": "false",
}
_OURS = ("tasks", "expectations", "flows")
_SHOWN_AS_PROGRESS = "tasks.llm.limiter"  # What holds calls back stands beside their stage.
_MOST = 50


def prepare_environment() -> None:
    """Quieten Prefect; what the user has set stays. To be called before Prefect is imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


class _Warnings(logging.Handler):
    """Prints warnings as they come; those of before stay known."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        text = redact(plain(record.getMessage()))
        if record.name == _SHOWN_AS_PROGRESS or text in self.told or len(self.told) >= _MOST:
            return
        self.told[text] = None
        print(f"warning: {text}", file=sys.stderr, flush=True)


@contextmanager
def showing_warnings() -> Iterator[dict[str, None]]:
    """Show on stderr what is warned of while the block runs; yield the texts that were shown."""
    handler = _Warnings()
    loggers = [logging.getLogger(name) for name in _OURS]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield handler.told
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def repeat_warnings(told: dict[str, None]) -> None:
    """Say again, under the account of a run, what it was warned of."""
    for text in told:
        print(f"warning: {text}", file=sys.stderr, flush=True)
