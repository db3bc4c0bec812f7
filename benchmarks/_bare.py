"""The client alone, which the engine is measured against: nothing is checked, counted or kept.

    python -m benchmarks._bare http://127.0.0.1:8000/v1 50000
    {"imports_mb": 59.4, "peak_mb": 100.2}

It is a module of its own so that its memory is that of `openai[aiohttp]` and of nothing else.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, DefaultAioHttpClient

TEXT = "A shop sells boxes of pencils and crates of paper at a price of coins each. " * 4
CALLS, SLOTS = 4_000, 64


async def call_bare(
    base_url: str, api_key: str, bodies: Iterable[Mapping[str, Any]], slots: int
) -> None:
    """Make calls, so many at a time."""
    pending = iter(bodies)
    async with AsyncOpenAI(
        base_url=base_url,
        api_key=api_key,
        max_retries=0,
        http_client=DefaultAioHttpClient(),
    ) as client:

        async def work() -> None:
            for body in pending:
                await client.chat.completions.create(**body)

        await asyncio.gather(*(work() for _ in range(slots)))


def peak_mb() -> float:
    """Return the most memory that this process has had so far, in millions of bytes.

    `getrusage` would say no less than what the process had that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kibibytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) * 1024 / 1e6


def main(base_url: str, count: int) -> None:
    """Have so many prompts pending, make the calls of the first few thousand, say what it took."""
    imports_mb = peak_mb()
    bodies = [
        {"model": "sim-student", "messages": [{"role": "user", "content": f"{TEXT} {number}"}]}
        for number in range(count)
    ]
    asyncio.run(call_bare(base_url, "key", bodies[:CALLS], SLOTS))
    print(json.dumps({"imports_mb": imports_mb, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
