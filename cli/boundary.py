"""The error boundary: whatever goes wrong becomes one message and an exit code, never a traceback.

    teachset: recipes/mine.yaml: no such recipe. Copy recipes/quickstart.yaml to begin.

What nobody foresaw goes, with its traceback, to a log file whose path is shown.
"""

import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from tasks.defects import DEFECTS
from tasks.errors import StoreError, TeachsetError, is_full_disk

INTERRUPTED = 130
UNFORESEEN = 70
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|AUTH_STRING", re.IGNORECASE)
_SECRET_SHAPES = re.compile(
    r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)|\bBearer\s+[\w.~+/=-]+|\bsk-[\w-]{8,}", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Place:
    """Where this command's log goes; it is set once the command knows its project."""

    log_folder: Path | None = None


def watch_for_interruptions() -> None:
    """Have Ctrl-C and a signal to end raise KeyboardInterrupt, and remember that they did.

    Whatever they interrupt may make an error of its own of it, as pydantic does.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)


class _DefectLog(logging.Handler):
    """Writes defects that ended nothing to the log file, as those that end a command."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            with suppress(OSError):  # Nothing ends for want of a log.
                write_log(error)


def write_defects_down() -> None:
    """Have defects that need not end the command written to the log file."""
    if not any(isinstance(handler, _DefectLog) for handler in DEFECTS.handlers):
        DEFECTS.addHandler(_DefectLog())


def explain_failure(error: BaseException) -> tuple[str, int]:
    """Return the message for stderr and the exit code of whatever ended a command."""
    if known := find_teachset_error(error):
        return plain(redact(str(known))), known.exit_code
    if is_interruption(error):
        return (
            "interrupted: what was completed is in the store; run again to continue",
            INTERRUPTED,
        )
    reason = plain(redact(f"{type(error).__name__}: {error}".strip().splitlines()[0]))[:300]
    if any(is_full_disk(each) for each in _chain(error)):
        return (
            f"the disk is full or failing: {reason}\n  What was completed is in the store; "
            "free some space and run again.",
            StoreError.exit_code,
        )
    try:
        file = write_log(error)
    except OSError as unwritable:
        return f"a defect of Teachset: {reason} (no log: {unwritable})", UNFORESEEN
    return f"a defect of Teachset: {reason}\n  The traceback is in {file}", UNFORESEEN


def find_teachset_error(error: BaseException) -> TeachsetError | None:
    """Return the error of ours that others have wrapped, if there is one."""
    return next((each for each in _chain(error) if isinstance(each, TeachsetError)), None)


def is_interruption(error: BaseException) -> bool:
    """Ctrl-C or a signal to end, possibly renamed by Prefect on its way, or lost in an error."""
    if _INTERRUPTIONS:
        return True
    names = {"KeyboardInterrupt", "TerminationSignal", "CancelledRun", "CancelledError"}
    return any(type(each).__name__ in names for each in _chain(error))


def write_log(error: BaseException) -> Path:
    """Append the traceback to the log file, secrets taken out, and return the file."""
    folder = Place.log_folder or Path(
        os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state"), "teachset"
    )
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "teachset.log"
    text = "".join(traceback.format_exception(error))
    command = " ".join(sys.argv[1:2])
    with file.open("a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(f"{datetime.now(UTC).isoformat()} teachset {command}\n{redact(text)}\n")
    return file


def redact(text: str) -> str:
    """Take out the values of secret environment variables and whatever looks like a credential."""
    for name, value in os.environ.items():
        if len(value) >= 8 and _SECRET_NAME.search(name):
            text = text.replace(value, "***")
    return _SECRET_SHAPES.sub("***", text)


def plain(text: str) -> str:
    """Make control characters visible, so that data can neither colour nor move the terminal."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def read_argument(text: str) -> str:
    """Return what was typed also where the locale could not decode it: it is read as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text).decode("utf-8", "replace")
    return text


def _interrupt(number: int, _: object) -> NoReturn:
    _INTERRUPTIONS.append(number)
    raise KeyboardInterrupt


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, those it groups and those it came from."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
        waiting += [each.__cause__, each.__context__]


_INTERRUPTIONS: list[int] = []
