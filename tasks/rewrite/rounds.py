"""Rounds: exchanges of more than one reply, each request made of what was said before it.

    self_revision@1    system, user                    → a draft
    self_revision@1+1  system, user, the draft, user   → what is wrong with it, and a better one
    self_revision@1+2  …                               → the same of that

A follow-up is a request like any other: it is paid for once, it is a row of `responses` of its own,
and since its messages hold the reply that it follows, that reply is all that has to be stored for
it to be found again after a kill. A reply that is followed up is decided as `continued`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tasks.llm.pending import leave_out_known
from tasks.llm.request import Endpoint, Request, identify
from tasks.llm.structured import parse_structured
from tasks.rewrite.candidate import Parent, Refusal
from tasks.rewrite.strategies import BY_TEMPLATE, FollowedUp, Strategy, template_of_round
from tasks.store import Store

CONTINUED = "continued"


def round_of(template: str) -> int:
    """Return how many replies came before the one of a template."""
    return int(template.partition("+")[2] or 0)


def follow_up_of(
    strategy: Strategy, parent: Parent, reply: Mapping[str, Any], template: str
) -> str | None:
    """Return what the user says after a reply; None if the reply has the last word."""
    said = round_of(template)
    if not isinstance(strategy, FollowedUp) or said >= strategy.ROUNDS:
        return None
    return strategy.follow_up(parent, reply, said + 1)


def refuse_unfinished_exchange(
    strategy: Strategy, parent: Parent, reply: Mapping[str, Any], template: str
) -> Refusal | None:
    """`continued`: a later reply of the same exchange decides."""
    if follow_up_of(strategy, parent, reply, template) is None:
        return None
    return Refusal(CONTINUED, f"round {round_of(template) + 1} decides")


def plan_follow_ups(
    store: Store,
    requests: Iterable[tuple[Parent, Request]],
    endpoint: Endpoint,
    prompt_ids: Sequence[str],
) -> Iterator[tuple[str, Request]]:
    """Yield each request that follows a stored reply, with the reuse key of that reply.

    `requests` are the first ones of the exchanges that are wanted, on these prompts.
    """
    opening = [
        (parent, request)
        for parent, request in requests
        if isinstance(BY_TEMPLATE[request.template], FollowedUp)
    ]
    if not opening:
        return
    said: dict[str, str] = {}
    replies = store.query("role_replies", role="rewriter", prompt_ids=list(prompt_ids))
    for row in replies.iter_rows(named=True):
        if row["finish_reason"] != "length":
            said.setdefault(row["reuse_key"], row["content"])
    for parent, request in opening:
        yield from _follow(parent, request, endpoint, said)


def find_open(
    store: Store,
    requests: Iterable[tuple[Parent, Request]],
    endpoint: Endpoint,
    prompt_ids: Sequence[str],
) -> set[str]:
    """Return the reuse keys of replies whose follow-up may still get an outcome in a later run."""
    follow_ups = list(plan_follow_ups(store, requests, endpoint, prompt_ids))
    before = {identify(endpoint, request).reuse_key: key for key, request in follow_ups}
    missing = leave_out_known(
        store, endpoint, "rewriter", prompt_ids, [request for _, request in follow_ups]
    )
    return {before[identify(endpoint, request).reuse_key] for request in missing}


def _follow(
    parent: Parent, request: Request, endpoint: Endpoint, said: Mapping[str, str]
) -> Iterator[tuple[str, Request]]:
    """Yield the follow-ups of an exchange as far as its replies are there."""
    strategy = BY_TEMPLATE[request.template]
    while (content := said.get(key := identify(endpoint, request).reuse_key)) is not None:
        reply = parse_structured(content, strategy.SCHEMA.schema)
        text = follow_up_of(strategy, parent, reply, request.template) if reply else None
        if text is None:
            return
        request = Request(
            prompt_id=request.prompt_id,
            role="rewriter",
            template=template_of_round(strategy, round_of(request.template) + 1),
            messages=(*request.messages, ("assistant", content), ("user", text)),
            sample_index=request.sample_index,
            schema=strategy.SCHEMA,
        )
        yield key, request
