"""Mending: another answer to a problem, or its first one, from the only file that has it.

    prompt_id  answer  answer_type  uri          row_number
    9f2c…      72      number       seeds.jsonl  7          the answer column was mapped wrongly

`prompts` keeps the first answer; what a later reading gives in its place becomes a new gold key
(before it, there may have been none, and models have voted), and the responses that are there are
graded by it without a call. Two files that the recipe names
and that disagree stay in conflict, and so do two rows of one file: the first one stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tasks.ingest.answers import same_answer
from tasks.ingest.places import Sighting
from tasks.ingest.seeds import Seed
from tasks.store import Store

# No answer is compared, or more than an answer is to be mended.
_UNCHECKED = frozenset(("open", "code"))


@dataclass(frozen=True, slots=True)
class Mended:
    """The answers of a chunk's prompts, and the prompts that are nowhere but in its file."""

    answers: dict[str, str | None]
    held: frozenset[str] = frozenset()


def mend_answers(
    store: Store,
    run_id: str,
    sighting: Sighting,
    seeds: Sequence[Seed],
    known: Mapping[str, str | None],
) -> Mended:
    """Let the seeds of a chunk mend the answers of prompts that no other file has.

    To be called before the chunk is seen: of a prompt that this reading has seen already the
    answer stands.
    """
    first: dict[str, Seed] = {}
    for seed in seeds:
        first.setdefault(seed.prompt_id, seed)
    otherwise = {
        name: seed
        for name, seed in first.items()
        if name in known and _differs(seed.answer, known[name])
    }
    if not otherwise:
        return Mended(dict(known))
    ids = pl.Series("prompt_id", list(otherwise))
    for earlier in sighting.prompts:
        ids = ids.filter(~ids.hash().is_in(earlier.implode()))
    held = store.query(
        "ingest_held_here", ids=ids.to_list(), uri=sighting.uri, leaving=sorted(sighting.leaving)
    )
    mended = [
        otherwise[name]
        for name, answer_type in held.iter_rows()
        if _UNCHECKED.isdisjoint((answer_type, otherwise[name].answer_type))
    ]
    names = ("prompt_id", "answer", "answer_type", "uri", "row_number")
    rows = [{name: getattr(seed, name) for name in names} for seed in mended]
    store.append("mended_answers", pl.DataFrame(rows), run_id=run_id)
    answers = {**known, **{seed.prompt_id: seed.answer for seed in mended}}
    return Mended(answers, frozenset(held["prompt_id"]))


def _differs(given: str | None, known: str | None) -> bool:
    return given is not None and (known is None or not same_answer(known, given))
