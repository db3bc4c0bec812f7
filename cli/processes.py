"""Processes: whether one that somebody wrote down is still there."""

import os


def is_alive(process_id: int) -> bool:
    """Whether there is such a process, whoever's it is and whatever it does by now."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # Somebody else's, which is there all the same.
        return True
    return True
