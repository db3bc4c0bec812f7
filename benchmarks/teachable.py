"""Teachable: what keys, difficulty and sampling cost, and how right they are where truth is known.

    {"bench": "teachable", "measure": "calls per prompt", "value": 0.39, "unit": "share saved", …}

Run it with `python -m benchmarks.teachable`. The students and references are the simulator's, whose
true pass rates and answers are known. Problems are read from the folder named in
TEACHSET_SHARED_DATA (or ../shared/data); where there is none, the bundled ones stand in.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.assess.extract import extract_answer
from tasks.assess.keys import MIN_SAMPLES
from tasks.assess.membership import jeffreys_interval
from tasks.assess.stopping import (
    USUAL_ERROR,
    Edges,
    leads_for_good,
    next_look,
    plan_stopping,
)
from tasks.assess.verdicts import same_answer
from tasks.assess.votes import Plurality, plurality
from tasks.recipe import AdaptiveReference, AdaptiveStudent, SelectSettings
from tasks.simulator.answer_key import AnswerKey, Question
from tasks.simulator.items import read_item
from tasks.simulator.models import ROSTER, ModelProfile, pass_rate, solve_rate
from tasks.simulator.replies import write_reply

ROOT = Path(__file__).resolve().parents[1]
POOL = 200_000
FIXED = 16
PROMPTS, GRADES = 1_400_000, 8
ITEMS = 1_500
LONG_VOTE = 40
BAND = SelectSettings().band
SHARE = SelectSettings().min_key_share
GIB = 2**30
Counts = npt.NDArray[np.int64]
Rates = npt.NDArray[np.float64]


def main() -> None:
    """Print every measure as one JSON line."""
    if sys.argv[1:2] == ["--scale"]:
        print(json.dumps(run_scale(Path(sys.argv[2]))))
        return
    for measure in (measure_calls, measure_coverage, measure_votes, measure_keys, measure_scale):
        for line in measure():
            print(json.dumps({"bench": "teachable", **line}), flush=True)


def measure_calls() -> Iterator[dict[str, Any]]:
    """Sample a U-shaped pool with a fixed number and with the stopping rule."""
    rates = u_shaped_pool()
    draws = np.random.default_rng(1)
    fixed = accuracy(draws.binomial(FIXED, rates), np.full(POOL, FIXED), rates)
    settings = AdaptiveStudent()
    correct, drawn = sample_adaptively(rates, settings, draws)
    adaptive, saved = accuracy(correct, drawn, rates), 1 - drawn.mean() / FIXED
    stated = USUAL_ERROR
    yield {
        "measure": f"calls saved against fixed {FIXED} at equal accuracy",
        "value": round(float(saved), 4),
        "unit": "share",
        "target": ">= 0.35",
        "ok": bool(saved >= 0.35 and adaptive >= fixed),
        "detail": f"{drawn.mean():.2f} calls a prompt, {adaptive:.4f} on the right side of the "
        f"band, against {fixed:.4f}; {POOL:,} prompts with Big-Math's shape",
    }
    yield {
        "measure": "prompts on the wrong side of the band",
        "value": round(1 - adaptive, 4),
        "unit": "share",
        "target": f"<= {stated}, as stated, + 0.005",
        "ok": 1 - adaptive <= stated + 0.005,
        "detail": f"the rule promises {plan().error:.4f} over Jeffreys' prior; this pool is not it",
    }
    shorter = AdaptiveStudent(most=16, error=0.13)
    correct, drawn = sample_adaptively(rates, shorter, draws)
    yield {
        "measure": "calls saved with at most 16",
        "value": round(float(1 - drawn.mean() / FIXED), 4),
        "unit": "share",
        "target": None,
        "ok": None,
        "detail": f"{accuracy(correct, drawn, rates):.4f} on the right side, fixed {fixed:.4f}",
    }


def measure_coverage() -> Iterator[dict[str, Any]]:
    """Count how often the 95 % interval holds the true rate of a simulated student."""
    draws = np.random.default_rng(2)
    students = [ROSTER["sim-student"], ROSTER["sim-student-tuned"], ModelProfile(skill=-0.6)]
    rates = np.array([pass_rate(0, model, q) for model in students for q in questions()])
    for name, samples in (("8", 8), ("16", 16), ("adaptive", None)):
        repeated = np.tile(rates, 40)
        if samples is None:
            correct, drawn = sample_adaptively(repeated, AdaptiveStudent(), draws)
        else:
            correct = draws.binomial(samples, repeated)
            drawn = np.full(repeated.size, samples)
        low, high = jeffreys_interval(correct, drawn - correct)
        covered = float(np.mean((low <= repeated) & (repeated <= high)))
        yield {
            "measure": f"coverage of the 95 % interval, {name} samples",
            "value": round(covered, 4),
            "unit": "share",
            "target": "0.94 to 0.97",
            "ok": 0.94 <= covered <= 0.97,
            "detail": f"{len(students)} students, {rates.size:,} true rates, 40 times each",
        }


def measure_votes() -> Iterator[dict[str, Any]]:
    """Let references vote 40 times and until the Beta rule says stop."""
    for name in ("sim-reference", "sim-student-tuned"):
        ballots = [ballot(name, ROSTER[name], question, LONG_VOTE) for question in questions()]
        long = [vote(question, given) for question, given in zip(questions(), ballots, strict=True)]
        short = [stop_vote(question, b) for question, b in zip(questions(), ballots, strict=True)]
        right_long = share_right(long)
        right_short = share_right([voted for voted, _ in short])
        samples = float(np.mean([drawn for _, drawn in short]))
        is_measured = name == "sim-reference"
        differing = sum(
            is_right(*one) != is_right(*other)
            for one, other in zip(
                ((question, voted.answer) for question, voted in long),
                ((question, voted.answer) for (question, voted), _ in short),
                strict=True,
            )
        )
        noise = 2 * differing**0.5 / len(long)
        yield {
            "measure": f"key samples of {name} against fixed {LONG_VOTE} at equal accuracy",
            "value": round(LONG_VOTE / samples, 2),
            "unit": "times fewer",
            "target": ">= 4" if is_measured else None,
            "ok": LONG_VOTE / samples >= 4 and right_short >= right_long - noise
            if is_measured
            else None,
            "detail": f"{samples:.2f} samples a prompt, {right_short:.4f} of the pluralities "
            f"right, against {right_long:.4f}, differing on {differing} of {len(long):,} problems "
            f"(equal within {noise:.4f})",
        }


def measure_keys() -> Iterator[dict[str, Any]]:
    """Check the keys of what is kept in the band against the truth, errors correlated or not."""
    reference = ROSTER["sim-reference"]
    for family in (reference.family, "small"):
        student = ModelProfile(skill=0.0, family=family)
        kept = keep_in_band(student)
        together = family == reference.family
        yield {
            "measure": "precision of keys in the band, "
            + ("errors shared with the student" if together else "errors of another family"),
            "value": round(kept.precision, 4),
            "unit": "share right",
            "target": f">= {kept.of_reference - 0.05:.4f}",
            "ok": kept.precision >= kept.of_reference - 0.05,
            "detail": f"{kept.prompts} prompts kept; the reference's trusted keys are right "
            f"{kept.of_reference:.4f} of the time; one model as its own reference: "
            f"{kept.one_model:.4f} of {kept.one_model_prompts} kept",
        }


def measure_scale() -> Iterator[dict[str, Any]]:
    """Measure and select 1.4 million prompts in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        fill_store(Path(folder))
        command = [sys.executable, "-m", "benchmarks.teachable", "--scale", folder]
        cores = {**os.environ, "TEACHSET_THREADS": "2", "POLARS_MAX_THREADS": "2"}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=cores)
    result = json.loads(done.stdout)
    for measure, unit, limit in (("seconds", "s", 60), ("peak memory", "GiB", 4)):
        yield {
            "measure": f"difficulty and selection of {PROMPTS:,} prompts x {GRADES}, {measure}",
            "value": result[measure],
            "unit": unit,
            "target": f"<= {limit}",
            "ok": result[measure] <= limit,
            "detail": result["detail"],
        }


def u_shaped_pool() -> Rates:
    """Return true rates in the shape that Big-Math (arXiv 2502.17387) publishes."""
    return np.array([solve_rate((place + 0.5) / POOL) for place in range(POOL)])


@cache
def plan() -> Any:
    """Return the default rule for the default band."""
    return plan_stopping(Edges(BAND.low, BAND.high), AdaptiveStudent())


def sample_adaptively(
    rates: Rates, settings: AdaptiveStudent, draws: np.random.Generator
) -> tuple[Counts, Counts]:
    """Return correct and drawn samples of each prompt, stopped by the rule."""
    rule = plan_stopping(Edges(BAND.low, BAND.high), settings)
    correct, drawn = draws.binomial(settings.start, rates), settings.start
    all_drawn = np.full(rates.size, drawn)
    still = ~rule.settled[drawn][correct]
    while still.any():
        more = min(settings.step, settings.most - drawn)
        drawn += more
        correct[still] += draws.binomial(more, rates[still])
        all_drawn[still] = drawn
        still[still] = ~rule.settled[drawn][correct[still]]
    return correct, all_drawn


def accuracy(correct: Counts, drawn: Counts, rates: Rates) -> float:
    """Return how many prompts the measured rate puts on the side of the band where they are."""
    measured = correct / drawn
    kept = (measured >= BAND.low) & (measured <= BAND.high)
    return float(np.mean(kept == ((rates >= BAND.low) & (rates <= BAND.high))))


@cache
def questions() -> tuple[Question, ...]:
    """Return problems as the simulator knows them."""
    beside = ROOT.parent / "shared" / "data"
    folder = Path(os.environ.get("TEACHSET_SHARED_DATA") or beside)
    file = folder / "seeds" / "gsm8k_train.jsonl"
    if not file.is_file():
        file = ROOT / "seeds" / "math.jsonl"
    with file.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(ITEMS), strict=False)]
    key = AnswerKey([read_item(row) for row in rows])
    return tuple(key.question_of(item) for item in key.items.values())


def ballot(name: str, model: ModelProfile, question: Question, samples: int) -> list[str | None]:
    """Return the answers that a simulated model gives."""
    said = (
        write_reply(0, name, model, question, f"{question.key}:{index}") for index in range(samples)
    )
    return [extract_answer(text.content, question.answer_type) for text in said]


def vote(question: Question, answers: Sequence[str | None]) -> tuple[Question, Plurality]:
    """Count votes by meaning."""
    return question, plurality(answers, partial(same_answer, question.answer_type))


def stop_vote(
    question: Question, answers: Sequence[str | None]
) -> tuple[tuple[Question, Plurality], int]:
    """Count the votes until the leader leads for good; return how many samples it took."""
    settings, drawn = AdaptiveReference(), 0
    while True:
        drawn = next_look(drawn + 1, settings.start, settings.step, settings.most)
        voted = vote(question, answers[:drawn])
        if drawn >= settings.most or leads_for_good(
            voted[1].votes, voted[1].runner_up, settings.confidence
        ):
            return voted, drawn


def is_right(question: Question, answer: str | None) -> bool:
    """Tell whether an answer is the simulator's own."""
    return answer is not None and same_answer(question.answer_type, question.answer, answer)


def share_right(votes: Sequence[tuple[Question, Plurality]]) -> float:
    """Return how many of the pluralities are right; a tie is not."""
    return float(np.mean([is_right(question, voted.answer) for question, voted in votes]))


@dataclass(frozen=True, slots=True)
class KeptKeys:
    """How right the keys of what is kept are."""

    prompts: int
    precision: float
    of_reference: float
    one_model: float
    one_model_prompts: int


def keep_in_band(student: ModelProfile) -> KeptKeys:
    """Keep prompts by trusted reference keys, and by the student's own plurality."""
    reference, trusted, kept, own = ROSTER["sim-reference"], [], [], []
    for question in questions():
        same = partial(same_answer, question.answer_type)
        answers = ballot("student", student, question, GRADES)
        given = [answer for answer in answers if answer is not None]
        long = ballot("sim-reference", reference, question, AdaptiveReference().most)
        (_, voted), _ = stop_vote(question, long)
        if voted.answer and voted.share >= SHARE and voted.samples >= MIN_SAMPLES:
            right = is_right(question, voted.answer)
            trusted.append(right)
            rate = float(np.mean([float(same(voted.answer, answer)) for answer in given] or [0.0]))
            if BAND.low <= rate <= BAND.high:
                kept.append(right)
        alone = plurality(answers, same)
        if alone.answer and alone.share <= BAND.high:
            own.append(is_right(question, alone.answer))
    return KeptKeys(
        len(kept), float(np.mean(kept)), float(np.mean(trusted)), float(np.mean(own)), len(own)
    )


def fill_store(folder: Path) -> None:
    """Write a store with a graded pool of the full size, as the stages before would leave it."""
    from tasks.recipe import StoreSettings
    from tasks.store import close_stores, open_store

    store = open_store(StoreSettings(catalog=str(folder / "catalog.sqlite")))
    statements = (ROOT / "benchmarks" / "teachable_pool.sql").read_text(encoding="utf-8")
    for statement in filter(str.strip, statements.split(";")):
        store.execute(statement, {"prompts": PROMPTS, "samples": GRADES})
    close_stores()


def run_scale(folder: Path) -> dict[str, Any]:
    """Measure and select in this process and return its time and its own peak memory."""
    from tasks.assess.difficulty import measure_difficulty
    from tasks.recipe import Recipe
    from tasks.select.decide import decide_prompts
    from tasks.store import open_store

    recipe = Recipe.model_validate(
        {
            "name": "scale",
            "store": {"catalog": str(folder / "catalog.sqlite")},
            "seeds": [{"path": "none.jsonl"}],
            "models": {"student": {"model": "student"}},
            "select": {"mixture": {"math": 0.6, "code": 0.4}, "hard_share": 0.1, "easy_share": 0.05}
            | {"max_per_root": 2},
            "release": {"folder": str(folder / "releases")},
        }
    )
    store = open_store(recipe.store)
    began, busy = time.perf_counter(), time.process_time()
    measured = measure_difficulty(store, recipe.select, "run")
    between = time.perf_counter()
    decided = decide_prompts(store, recipe, "run")
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    return {
        "seconds": round(ended - began, 1),
        "peak memory": round(peak, 2),
        "detail": f"{measured:,} measured in {between - began:.1f} s, {decided.prompts:,} decided "
        f"in {ended - between:.1f} s, {decided.kept:,} kept; {time.process_time() - busy:.1f} s of "
        f"processor time, load {os.getloadavg()[0]:.1f}",
    }


if __name__ == "__main__":
    main()
