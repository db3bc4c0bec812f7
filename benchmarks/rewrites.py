"""Rewrites: how many planted faults the gates refuse, and how many sound rewrites they accept.

    {"bench": "rewrites", "measure": "refused: wrong key", "value": 1.0, "unit": "share", …}

200 rewrites that a faultless simulated rewriter makes of the bundled seeds, each once as it is and
once with every kind of fault that its strategy leaves room for (benchmarks/_planted.py). A solver
that knows the truth stands for the reference: where a fault leaves the key right it agrees with it,
so only the gates can refuse; where several answers are right it says any of them. The last part
runs the rewrite stage itself on the bundled seeds, with the simulated models as they are.
"""

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from benchmarks._planted import (
    KINDS,
    Planted,
    Sound,
    load_seeds,
    make_sound,
    plant,
)
from tasks.assess.verdicts import decide
from tasks.ingest import ingest_seeds
from tasks.llm.pending import EVERYTHING
from tasks.progress import track
from tasks.recipe import Recipe
from tasks.rewrite.acceptance import find_refusal
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.routes import route_seeds
from tasks.rewrite.stage import rewrite_range
from tasks.rewrite.strategies import STRATEGIES
from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.programs import parse_number
from tasks.store import Store, close_stores, open_store

SOUND = 200
TRIES, CONFIRMATIONS = 3, 2
TARGET = 0.95
SEEDS = Path(__file__).resolve().parents[1] / "seeds"

Measure = dict[str, Any]


def main() -> None:
    """Print every measure as one JSON line."""
    parents, key = load_seeds()
    sound = make_sound(parents, key, SOUND)
    for line in (*measure_planted(sound), *measure_stage(key)):
        print(json.dumps({"bench": "rewrites", **line}), flush=True)


def measure_planted(sound: Sequence[Sound]) -> Iterator[Measure]:
    """Judge the sound rewrites and those with planted faults, as the stage does."""
    chance = Random(6)
    outcomes = [(made, judge_sound(made)) for made in sound]
    refused = Counter(
        f"{made.strategy} {refusal.reason}" for made, refusal in outcomes if refusal is not None
    )
    accepted = sum(refusal is None for _, refusal in outcomes)
    yield measure("accepted: sound", accepted, len(sound), f"refused: {_say(refused)}")
    judged: dict[str, list[tuple[Planted, Refusal | None]]] = defaultdict(list)
    for made in sound:
        for kind in KINDS:
            planted = plant(made, kind, chance)
            if planted is not None:
                judged[kind].append((planted, judge_planted(planted, chance)))
    for kind in KINDS:
        yield measure_kind(kind, judged[kind])


def measure_kind(kind: str, judged: Sequence[tuple[Planted, Refusal | None]]) -> Measure:
    """Say how many rewrites with a kind of fault were refused, why, and in which way not."""
    reasons = Counter(refusal.reason for _, refusal in judged if refusal is not None)
    missed = Counter(
        f"{planted.strategy} {planted.way}" for planted, refusal in judged if refusal is None
    )
    detail = f"{_say(reasons)}; missed: {_say(missed)}"
    return measure(f"refused: {kind}", reasons.total(), len(judged), detail)


def judge_sound(made: Sound) -> Refusal | None:
    """Judge a sound rewrite; the solver says what is true of it."""
    return judge(made.strategy, made.parent, made.reply, [made.answer] * TRIES)


def judge_planted(planted: Planted, chance: Random) -> Refusal | None:
    """Judge a faulty rewrite; the solver says any of the answers that are true of it."""
    said = [
        chance.choice(planted.answers) if planted.answers else "there is none" for _ in range(TRIES)
    ]
    return judge(planted.strategy, planted.parent, planted.reply, said)


def judge(name: str, parent: Parent, reply: dict[str, Any], said: list[str]) -> Refusal | None:
    """Pass a reply through the gates of its strategy and the vote on its key."""
    strategy = STRATEGIES[name]
    candidate = strategy.read(reply, parent)
    if isinstance(candidate, Refusal):
        return candidate
    if refusal := find_refusal(strategy.GATES, candidate, parent):
        return refusal
    agreeing = sum(agrees(candidate, answer) for answer in said)
    return None if agreeing >= CONFIRMATIONS else Refusal("unconfirmed", f"{agreeing} of {TRIES}")


def agrees(candidate: Candidate, answer: str) -> bool:
    """Grade an answer against a candidate's key, as a response is."""
    is_code = candidate.answer_type == "code"
    content = f"```python\n{answer}\n```" if is_code else rf"The answer is \boxed{{{answer}}}."
    verdict = decide(candidate.answer_type, candidate.answer, content, tests=candidate.tests)
    return verdict.verdict == "correct"


def measure_stage(key: AnswerKey) -> Iterator[Measure]:
    """Run the rewrite stage on the bundled seeds; recompute the keys and trace the children."""
    with tempfile.TemporaryDirectory(prefix="teachset-rewrites-") as folder:
        recipe = make_recipe(Path(folder))
        store = open_store(recipe.store)
        try:
            ingest_seeds(store, recipe, "bench")
            routed = route_seeds(store, "bench")
            with track("rewrite") as tracker:
                rewrite_range(store, recipe, "bench", EVERYTHING, tracker)
            yield from measure_store(store, key, routed)
        finally:
            close_stores()


def make_recipe(folder: Path) -> Recipe:
    """Return a recipe of the bundled seeds and every strategy on every seed."""
    return Recipe.model_validate(
        {
            "name": "bench",
            "store": {"catalog": str(folder / "store" / "catalog.sqlite")},
            "seeds": [{"path": str(SEEDS / "*.jsonl")}],
            "models": {
                "rewriter": {"model": "sim-rewriter"},
                "reference": {"model": "sim-reference"},
                "student": {"model": "sim-student"},
            },
            "rewrite": {"share": {}, "variants": 2},
            "release": {"folder": str(folder / "releases")},
        }
    )


def measure_store(store: Store, key: AnswerKey, routed: int) -> Iterator[Measure]:
    """Yield what can be said of accepted rewrites by looking at them again."""
    made = store.sql(
        "select text, answer, strategy from prompts where kind = 'rewrite' order by prompt_id"
    ).to_dicts()
    for name in STRATEGIES:
        answers = [
            (row["answer"], key.find(row["text"])) for row in made if row["strategy"] == name
        ]
        right = sum(
            question.item is not None and _is_same(answer, question.answer)
            for answer, question in answers
        )
        yield measure(
            f"keys recomputed: {name}", right, len(answers), "by the simulator's own program", 1.0
        )
    traced = store.sql(
        "select count(*) from prompts as child "
        "join responses on child.made_by = responses.response_id "
        "and child.template = responses.template and child.parent_id = responses.prompt_id "
        "join prompts as root on child.root_id = root.prompt_id and root.kind = 'seed' "
        "where child.kind = 'rewrite' and responses.model is not null"
    ).item()
    yield measure("traced to root, template and model", int(traced), len(made), "", 1.0)
    yield measure("seeds with a route", routed, 464, "bundled seeds", 1.0)
    replies = "select count(*) from responses where role = 'rewriter'"
    outcomes = "select count(*) from current_rewrites"
    accounted = int(store.sql(outcomes).item())
    yield measure("replies with an outcome", accounted, int(store.sql(replies).item()), "", 1.0)


def measure(name: str, hits: int, of: int, detail: str, target: float = TARGET) -> Measure:
    """Return a share as a measure; without a case nothing is shown, so it is missed."""
    share = hits / of if of else 0.0
    return {
        "measure": name,
        "value": round(share, 4),
        "unit": "share",
        "target": f">= {target:g}",
        "ok": bool(of) and share >= target,
        "detail": f"{hits} of {of}. {detail}".strip(),
    }


def _is_same(one: str, other: str) -> bool:
    """Compare two keys: numbers by value, all else as a text, which quotes may be around."""
    left, right = parse_number(one), parse_number(other)
    if left is not None and right is not None:
        return left == right
    return one.strip("$. ") == other.strip("$. ") or agrees_as_text(one, other)


def agrees_as_text(key: str, answer: str) -> bool:
    """Grade an answer as one in words is graded."""
    return decide("text", key, rf"\boxed{{{answer}}}").verdict == "correct"


def _say(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "none"


if __name__ == "__main__":
    main()
