"""Serve simulated models on loopback until told to stop.

python -m tasks.simulator --port 0 --items seeds/math.jsonl --settings '{"seed": 0}'
{"base_url": "http://127.0.0.1:40123/v1", "pid": 4711, "items": 120, "skipped": 0}
"""

import argparse
import asyncio
import gzip
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import orjson

from tasks.errors import InputError, ModelServerError, RecipeError, TeachsetError
from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.items import Item, read_item
from tasks.simulator.settings import Settings, read_settings

_PARENT_CHECK_S = 1.0
_CONNECTIONS = 65_536


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server; return the exit code."""
    options = _read_options(arguments)
    try:
        settings = parse_settings(options.settings)
        api_key = _read_api_key(options.api_key_env)
        items, faults = load_items(options.items)
        for fault in faults:
            print(fault, file=sys.stderr)
        asyncio.run(_serve(options, settings, items, len(faults), api_key))
    except TeachsetError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        pass
    return 0


def parse_settings(text: str) -> Settings:
    """Read settings from JSON text; raise RecipeError if they are not what they should be."""
    try:
        return read_settings(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise RecipeError(f"--settings is not valid JSON: {error}") from error


def load_items(paths: Sequence[Path]) -> tuple[list[Item], list[str]]:
    """Read items from JSONL files (or JSON lists); return them and a line on each unusable row."""
    items: list[Item] = []
    faults: list[str] = []
    for path in paths:
        for number, line in enumerate(_read_rows(path), start=1):
            try:
                row = orjson.loads(line) if isinstance(line, bytes) else line
                if not isinstance(row, dict):
                    raise ValueError("not a JSON object")
                items.append(read_item(row))
            except ValueError as error:
                faults.append(f"{path}, row {number}: skipped: {error}")
    return items, faults


def _read_rows(path: Path) -> list[object]:
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: the items cannot be read: {error}") from error
    if data.lstrip()[:1] == b"[":
        try:
            return list(orjson.loads(data))
        except orjson.JSONDecodeError as error:
            raise InputError(f"{path}: not a valid JSON list: {error}") from error
    return [line for line in data.splitlines() if line.strip()]


async def _serve(
    options: argparse.Namespace,
    settings: Settings,
    items: Sequence[Item],
    skipped: int,
    api_key: str | None,
) -> None:
    # Here, so that wrong settings are refused before the slow import of an HTTP server.
    from tasks.simulator.server import build_app, serving

    _allow_many_connections()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    app = build_app(settings, AnswerKey(items), api_key)
    try:
        async with serving(app, options.port) as port:
            if options.stdin_lifeline:
                _watch_stdin(loop, stopped)
                watch = asyncio.create_task(_watch_parent(os.getppid(), stopped))
            url = f"http://127.0.0.1:{port}/v1"
            ready = {"base_url": url, "pid": os.getpid(), "items": len(items), "skipped": skipped}
            print(orjson.dumps(ready).decode(), flush=True)
            await stopped.wait()
            if options.stdin_lifeline:
                watch.cancel()
    except OSError as error:
        message = f"cannot listen on 127.0.0.1:{options.port}: {error.strerror or error}"
        raise ModelServerError(f"{message}. Choose another --port, or 0.") from error


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    """Stop when stdin closes: the parent holds its other end, and dies with it."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=watch, daemon=True).start()


async def _watch_parent(parent: int, stopped: asyncio.Event) -> None:
    """Stop when the parent is gone, even if a forked child of it still holds our stdin open."""
    while os.getppid() == parent:
        await asyncio.sleep(_PARENT_CHECK_S)
    stopped.set()


def _allow_many_connections() -> None:
    """Raise the limit on open files, often 1,024, to what the system lets us have."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS if most == resource.RLIM_INFINITY else min(most, _CONNECTIONS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, wanted), most))


def _read_api_key(name: str | None) -> str | None:
    if name is None:
        return None
    api_key = os.environ.get(name)
    if not api_key:
        raise RecipeError(f"--api-key-env: the environment variable {name} is not set")
    return api_key


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulator", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one (default)")
    parser.add_argument(
        "--items", type=Path, action="append", default=[], help="JSONL of problems with answers"
    )
    parser.add_argument("--settings", default="{}", help="JSON, see docs/simulator.md")
    parser.add_argument("--api-key-env", help="the variable with the key that clients must send")
    parser.add_argument("--stdin-lifeline", action="store_true", help="stop when stdin closes")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
