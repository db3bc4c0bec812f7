"""Chunks: one function over part after part, on all cores, in order, few in memory at a time.

for signed in map_chunks(sign, store.stream("select_unsigned_prompts", 20_000)):
    ...
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from tasks.threads import declared_threads

Part = TypeVar("Part")
Result = TypeVar("Result")


def map_chunks(function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """Yield function(part) of every part in their order, at most a core's worth ahead.

    numpy and polars let go of the interpreter while they compute, so threads use all cores.
    """
    workers = count_workers()
    remaining = iter(parts)
    with ThreadPoolExecutor(workers) as pool:
        running: deque[Future[Result]] = deque(
            pool.submit(function, part) for part in islice(remaining, workers + 1)
        )
        while running:
            yield running.popleft().result()
            running.extend(pool.submit(function, part) for part in islice(remaining, 1))


def gather(
    parts: Iterable[Part], size: int, size_of: Callable[[Part], int]
) -> Iterator[list[Part]]:
    """Yield parts together, as few at a time as come to `size`; the last may come to less."""
    gathered: list[Part] = []
    for part in parts:
        gathered.append(part)
        if sum(size_of(each) for each in gathered) >= size:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


def count_workers() -> int:
    """Return how many cores there are for us: TEACHSET_THREADS, or all that we may run on."""
    declared = declared_threads()
    if declared is not None:
        return declared
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
