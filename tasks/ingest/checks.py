"""What only shows between rows: an id or an answer that does not agree with an earlier row's.

row 1  {"id": 7, "prompt": "2 + 2?", "answer": "4"}   stands
row 9  {"id": 8, "prompt": "2 + 2?", "answer": "5"}   conflicting_answer
row 10 {"id": 7, "prompt": "3 + 3?", "answer": "6"}   duplicate_external_id
"""

from collections.abc import Sequence

from tasks.ingest.answers import same_answer
from tasks.ingest.rows import Fault, QuarantinedRow, RawRow, quarantine_row
from tasks.ingest.seeds import Seed


def refuse_repeated_ids(
    rows: Sequence[RawRow], parsed: Sequence[Seed | QuarantinedRow], ids: dict[int, str]
) -> list[Seed | QuarantinedRow]:
    """Set aside every seed whose own id names another problem further up in its file.

    `ids` holds what was seen of the file, hashed id to prompt, and is added to.
    """
    kept: list[Seed | QuarantinedRow] = []
    for row, seed in zip(rows, parsed, strict=True):
        if isinstance(seed, Seed) and seed.external_id is not None:
            first = ids.setdefault(hash(seed.external_id), seed.prompt_id)
            if first != seed.prompt_id:
                detail = (
                    f"the id {seed.external_id!r} names another problem further up in this file; "
                    "give it an id of its own, or set `columns: {external_id: null}`"
                )
                kept.append(quarantine_row(row, "seed", Fault("duplicate_external_id", detail)))
                continue
        kept.append(seed)
    return kept


def refuse_other_answers(
    rows: Sequence[RawRow],
    parsed: Sequence[Seed | QuarantinedRow],
    answers: dict[str, str | None],
) -> list[Seed | QuarantinedRow]:
    """Set aside every seed whose answer is not the one that its problem has already.

    `answers` holds the answers of the problems known so far and is added to. A seed without an
    answer agrees with any.
    """
    kept: list[Seed | QuarantinedRow] = []
    for row, seed in zip(rows, parsed, strict=True):
        if isinstance(seed, Seed):
            known = answers.setdefault(seed.prompt_id, seed.answer)
            if fault := _compare(known, seed.answer):
                kept.append(quarantine_row(row, "seed", fault))
                continue
        kept.append(seed)
    return kept


def _compare(known: str | None, given: str | None) -> Fault | None:
    if given is None or (known is not None and same_answer(known, given)):
        return None
    if known is None:
        detail = (
            f"the same problem came before without an answer, here it has {given[:200]!r}: put the "
            "row that has it first, or leave the other out; a problem that this store knows as "
            "`open` stays so, and needs a new store"
        )
    else:
        detail = (
            f"the same problem came before with the answer {known[:200]!r}, here it has "
            f"{given[:200]!r}; the first one stands: leave the wrong one out"
        )
    return Fault("conflicting_answer", detail)
