"""`python -m cli` is the same as `teachset`."""

import signal

# While modules are imported there is nothing to save, and Ctrl-C needs no traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from cli.main import run  # noqa: E402

if __name__ == "__main__":
    run()
