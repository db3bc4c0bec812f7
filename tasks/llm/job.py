"""A job: what the workers of one `engine.complete` share, and one call of it on its way.

Call(request, keys, call_id="5d1e…-17", bill=Bill(attempts=2), spoilt=["not JSON"])
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from openai import AsyncOpenAI

from tasks.llm.failures import CallFailed
from tasks.llm.feed import Feed
from tasks.llm.limiter import Limiter
from tasks.llm.money import Bill, Purse
from tasks.llm.request import Endpoint, Keys, Request
from tasks.llm.under_way import Progress
from tasks.llm.writer import Writer

Advance = Callable[[int, int, float | None], None]
_CALL_IDS = map(f"{uuid.uuid4().hex}-{{}}".format, count())


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A request on its way to an outcome: its identity, its attempts' bill, its spoilt answers."""

    request: Request
    keys: Keys
    call_id: str = field(default_factory=lambda: next(_CALL_IDS))
    bill: Bill = field(default_factory=Bill)
    spoilt: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What the workers of one `complete` share."""

    endpoint: Endpoint
    client: AsyncOpenAI
    feed: Feed
    limiter: Limiter
    purse: Purse
    writer: Writer
    progress: Progress
    advance: Advance
    rejected: list[tuple[Call, CallFailed]] = field(default_factory=list)  # Since an answer came.
