"""A server in virtual time: a queue in front of some places, lognormal service, no waiting."""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tasks.llm.concurrency import Concurrency

SIGMA = 0.8
# When it happens, when the call was made, what happens, how late it was with the client.
Event = tuple[float, float, Literal["refused", "served", "handled"], float]


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of some calls: the wall time, the best possible one, and the second half."""

    wall_s: float
    ideal_s: float
    p95_s: float
    slots: float  # On average.


@dataclass(slots=True)
class VirtualServer:
    """Serves `capacity` calls at once in `mean(now)` seconds each; others queue unseen.

    The client takes `client_s` for each answer, one after the other; half of what an answer waits
    for that it can see itself.
    """

    capacity: int
    mean: Callable[[float], float] = lambda now: 0.5
    refusals: Callable[[float], float] = lambda now: 0.0
    client_s: float = 0.0
    seed: int = 1
    now: float = 0.0
    _drawn: list[float] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _queue: deque[float] = field(default_factory=deque)
    busy: int = 0
    _client_free: float = 0.0

    def work_off(self, concurrency: Concurrency, calls: int) -> Seen:
        """Let as many calls be under way as the limit says until so many are answered."""
        chance = random.Random(self.seed)
        coin = random.Random(self.seed + 1)
        answers: list[tuple[float, float, int]] = []
        under_way = begun = 0
        while len(answers) < calls:
            while under_way < concurrency.limit and begun < calls:
                begun, under_way = begun + 1, under_way + 1
                if coin.random() < self.refusals(self.now):
                    heapq.heappush(self._events, (self.now + 0.001, self.now, "refused", 0.0))
                else:
                    self._queue.append(self.now)
                    self._serve(chance)
            self.now, came, event, late = heapq.heappop(self._events)
            if event == "served":
                self.busy -= 1
                self._serve(chance)
                begin = max(self.now, self._client_free)
                self._client_free = begin + self.client_s
                handled: Event = (self._client_free, came, "handled", begin - self.now)
                heapq.heappush(self._events, handled)
                continue
            busy = under_way >= concurrency.limit
            under_way -= 1
            if event == "handled":
                answers.append((self.now, self.now - came, concurrency.limit))
                concurrency.answered(self.now - came, busy=busy, lag_s=late / 2)
            else:
                begun -= 1
                concurrency.refused(under_way)
        return self._describe(answers, concurrency.ceiling)

    def _serve(self, chance: random.Random) -> None:
        while self._queue and self.busy < self.capacity:
            self.busy += 1
            mu = math.log(self.mean(self.now)) - SIGMA**2 / 2
            self._drawn.append(chance.lognormvariate(mu, SIGMA))
            served: Event = (self.now + self._drawn[-1], self._queue.popleft(), "served", 0.0)
            heapq.heappush(self._events, served)

    def _describe(self, answers: list[tuple[float, float, int]], ceiling: int) -> Seen:
        free = [0.0] * min(self.capacity, ceiling)
        for seconds in self._drawn:
            heapq.heapreplace(free, free[0] + seconds)
        later = answers[len(answers) // 2 :]
        latencies = sorted(latency for _, latency, _ in later)
        return Seen(
            wall_s=self.now,
            ideal_s=max(free),
            p95_s=latencies[int(0.95 * len(latencies))],
            slots=sum(limit for _, _, limit in later) / len(later),
        )
