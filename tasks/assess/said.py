"""Said: warnings that a process gives once, whichever of its threads comes first.

>>> warn_once(logger, "no sandbox"), warn_once(logger, "no sandbox")  # One line in the log.
"""

import logging

_SAID: dict[str, object] = {}


def warn_once(logger: logging.Logger, text: str) -> None:
    """Log a warning unless it was given before."""
    own = object()
    if _SAID.setdefault(text, own) is own:  # One step, which two threads cannot both be first in.
        logger.warning("%s", text)
