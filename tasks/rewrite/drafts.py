"""Drafts: readable rewrites between the rewriter's response and the rows they leave behind.

row of rewrite_responses  →  Draft(response_id="77f0…", prompt_id="4c1d…", …)
                          |  Refusal("declined", "the rewriter replied valid=false")
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tasks.identity import prompt_id
from tasks.llm.structured import parse_structured
from tasks.rewrite import acceptance
from tasks.rewrite.acceptance import find_refusal
from tasks.rewrite.candidate import Candidate, Parent, Refusal, parent_of
from tasks.rewrite.rounds import refuse_unfinished_exchange
from tasks.rewrite.snippet import SnippetError
from tasks.rewrite.strategies import BY_TEMPLATE

ACCEPTED = "accepted"
_READERS = 2


@dataclass(frozen=True, slots=True)
class Draft:
    """A candidate that passed the gates, where it came from and what it would be called."""

    response_id: str
    prompt_id: str
    parent: Parent
    candidate: Candidate
    strategy: str
    template: str
    simulated: bool


@dataclass(slots=True)
class Shelf:
    """The rewrites that are prompts already: who made each, and how many a root has."""

    made_by: dict[str, str | None] = field(default_factory=dict)
    of_root: Counter[str] = field(default_factory=Counter)

    def put(self, made: str, root: str, response_id: str | None) -> None:
        """Count a rewrite, once."""
        if made not in self.made_by:
            self.made_by[made] = response_id
            self.of_root[root] += 1

    def take_off(self, made: str, root: str) -> None:
        """Forget a rewrite that is withdrawn."""
        if made in self.made_by:
            del self.made_by[made]
            self.of_root[root] -= 1


def read_response(row: Mapping[str, Any]) -> Draft | Refusal:
    """Return what a row of `rewrite_responses` holds, after the gates that need no model."""
    strategy = BY_TEMPLATE.get(row["template"])
    if strategy is None:
        return Refusal("outdated", f"{row['template']} is not a template of this version")
    if row["finish_reason"] == "length":
        return Refusal("truncated", "the reply ran into its token ceiling")
    reply = parse_structured(row["content"] or "", strategy.SCHEMA.schema)
    if reply is None:
        return Refusal("malformed", f"the reply does not follow the schema {strategy.SCHEMA.name}")
    parent = parent_of(row)
    if refusal := refuse_unfinished_exchange(strategy, parent, reply, row["template"]):
        return refusal
    try:
        candidate = strategy.read(reply, parent)
        if isinstance(candidate, Refusal):
            return candidate
        refusal = find_refusal(strategy.GATES, candidate, parent)
    except SnippetError as error:
        return Refusal("outdated", f"its parent's code cannot be used any more: {error}")
    return refusal or Draft(
        response_id=row["response_id"],
        prompt_id=prompt_id(
            candidate.text,
            domain=parent.domain,
            strategy=strategy.NAME,
            template=strategy.TEMPLATE,
        ),
        parent=parent,
        candidate=candidate,
        strategy=strategy.NAME,
        template=row["template"],
        simulated=row["simulated"],
    )


def read_responses(rows: Sequence[Mapping[str, Any]]) -> list[Draft | Refusal]:
    """Return what each row holds; where programs are run for that, two at a time."""
    with ThreadPoolExecutor(_READERS, thread_name_prefix="gates") as threads:
        return list(threads.map(read_response, rows))


def refuse_surplus(draft: Draft, shelf: Shelf, max_per_root: int) -> Refusal | None:
    """`duplicate` of a rewrite that is there, or `over_per_root`: its root has enough."""
    if draft.prompt_id in shelf.made_by:
        return Refusal("duplicate", f"this rewrite is there already: {draft.prompt_id}")
    if shelf.of_root[draft.parent.root_id] >= max_per_root:
        return Refusal("over_per_root", f"its root has {max_per_root} rewrites")
    return None


def take_batch(
    drafts: Sequence[Draft], shelf: Shelf, max_per_root: int
) -> tuple[list[Draft], list[Draft]]:
    """Split drafts into those worth confirming now and those that wait for the outcome of these.

    No more are taken of a root than it has room for: a surplus one would be confirmed for nothing.
    """
    batch: list[Draft] = []
    waiting: list[Draft] = []
    taken: set[str] = set()
    of_root: Counter[str] = Counter()
    for draft in drafts:
        root = draft.parent.root_id
        room = max_per_root - shelf.of_root[root] - of_root[root]
        if room > 0 and draft.prompt_id not in taken:
            batch.append(draft)
            taken.add(draft.prompt_id)
            of_root[root] += 1
        else:
            waiting.append(draft)
    return batch, waiting


def prompt_row(draft: Draft) -> dict[str, Any]:
    """Return a row of `prompts`."""
    return {
        "prompt_id": draft.prompt_id,
        "root_id": draft.parent.root_id,
        "parent_id": draft.parent.prompt_id,
        "kind": "rewrite",
        "domain": draft.parent.domain,
        "text": draft.candidate.text,
        "answer": draft.candidate.answer,
        "answer_type": draft.candidate.answer_type,
        "answer_source": draft.candidate.answer_source,
        "program": draft.candidate.program,
        "tests": list(draft.candidate.tests) or None,
        "strategy": draft.strategy,
        "template": draft.template,
        "made_by": draft.response_id,
        "simulated": draft.simulated,
    }


def rewrite_row(
    row: Mapping[str, Any], reason: str, detail: str = "", made: str | None = None
) -> dict[str, Any]:
    """Return a row of `rewrites` for a row of `rewrite_responses`."""
    return {
        "response_id": row["response_id"],
        "parent_id": row["prompt_id"],
        "root_id": row["root_id"],
        "strategy": row["template"].partition("@")[0],
        "template": row["template"],
        "prompt_id": made,
        "accepted": reason == ACCEPTED,
        "reason": reason,
        "detail": detail,
        "acceptance": acceptance.version_of(reason),
    }


def verdict_row(draft: Draft, refusal: Refusal | None) -> dict[str, Any]:
    """Return a row of `rewrites` for a draft: refused, or accepted if there is no refusal."""
    origin = {
        "response_id": draft.response_id,
        "prompt_id": draft.parent.prompt_id,
        "root_id": draft.parent.root_id,
        "template": draft.template,
    }
    if refusal is None:
        return rewrite_row(origin, ACCEPTED, made=draft.prompt_id)
    return rewrite_row(origin, refusal.reason, refusal.detail, made=draft.prompt_id)
