"""Verdicts: how fast, how faithful to math-verify, how right on labelled cases, how safe.

    {"bench": "verdicts", "measure": "labelled", "value": 0.98, "unit": "share right", …}

Run it with `python -m benchmarks.verdicts`. Real recorded answers are read from the folder named in
TEACHSET_SHARED_DATA (or ../shared/data); where there is none, generated ones stand in.
"""

import json
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks._escapes import ENDLESS, ESCAPES
from tasks.assess import sandbox
from tasks.assess.checker import as_latex
from tasks.assess.extract import extract_answer
from tasks.assess.grade import grade_chunk
from tasks.assess.labelled import Finding, find, judge_cases, read_cases
from tasks.assess.verdicts import Memory, Question
from tasks.assess.verifiers import Outcome
from tasks.assess.verifiers.math import decide_fast, decide_symbolic

ANSWERS = 1_000_000
CHUNK = 20_000
BASELINE_SAMPLE = 400
OPTIONS = ("strict", "allow_set_relation_comp")
HOSTILE = (
    "9**9**9**9",
    "9^{9^{9^{9}}}",
    "99999999999999999!",
    "{" * 10_000,
    "{" * 950 + "}" * 950,
    "(" * 40 + "1" + ")^9" * 40,
    "1" * 1_000_000,
    "1 1 " * 480,
    "$" * 1_999,
    "a" * 1_999,
    r"\frac{1}{" * 50 + "1" + "}" * 50,
    r"\int_0^\infty " * 30 + "x",
)


def main() -> None:
    """Print every measure as one JSON line."""
    folder = find_data()
    decide_symbolic("2x", "x+x")
    answers = load_answers(folder)
    measures = (*measure_speed(answers), measure_labels(folder), measure_hostile())
    for line in (*measures, measure_escapes(), measure_shipped()):
        print(json.dumps({"bench": "verdicts", **line}), flush=True)


def find_data() -> Path | None:
    """Return the folder of real data, or None."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TEACHSET_SHARED_DATA") or beside)
    return folder if folder.is_dir() else None


def load_answers(folder: Path | None) -> list[tuple[str, str, str]]:
    """Return (answer type, key, response) of recorded GSM8K solutions, else of generated ones.

    The four models' 5,276 solutions are drawn from at random, as eight samples of 125,000 prompts
    would repeat themselves, together with MATH keys answered in other spellings.
    """
    draw = random.Random(0)
    if folder is None:
        pool = [
            ("number", str(n), rf"so \boxed{{{n + draw.choice((0, 0, 1))}}}") for n in range(5_000)
        ]
    else:
        pool = list(read_gsm8k(folder / "outputs" / "gsm8k_example_model_solutions.jsonl"))
        pool += list(respell(folder / "seeds" / "math500.jsonl", draw))
    return draw.choices(pool, k=ANSWERS)


def read_gsm8k(file: Path) -> Iterator[tuple[str, str, str]]:
    """Yield key and solution of every model's every solution."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            key = row["ground_truth"].rsplit("A: ", 1)[-1].strip()
            for model in (
                "6b_finetuning",
                "6b_verification",
                "175b_finetuning",
                "175b_verification",
            ):
                yield "number", key, row[model]["solution"]


def respell(file: Path, draw: random.Random) -> Iterator[tuple[str, str, str]]:
    """Yield a MATH key with itself, with another spelling of it, and with another problem's key."""
    with file.open(encoding="utf-8") as lines:
        keys = [str(json.loads(line)["answer"]) for line in lines]
    for key in keys:
        other = key.replace("\\frac", "\\dfrac").replace("\\left", "").replace("\\right", "")
        for answer in (key, other, f"{key} + 0", draw.choice(keys)):
            yield "expression", key, rf"Thus \boxed{{{answer}}}."


def measure_speed(answers: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Grade all answers our way; call math-verify once per answer on a sample, in this same run."""
    frames = [
        pl.DataFrame(
            part, schema=["answer_type", "key_answer", "content"], orient="row"
        ).with_columns(finish_reason=pl.lit("stop"), tests=pl.lit(None), choices=pl.lit(None))
        for part in (answers[start : start + CHUNK] for start in range(0, len(answers), CHUNK))
    ]
    memory = Memory()
    began = time.perf_counter()
    for frame in frames:
        grade_chunk(frame, memory)
    ours = len(answers) / (time.perf_counter() - began)
    sample = random.Random(1).sample(answers, BASELINE_SAMPLE)
    theirs = BASELINE_SAMPLE / time_baseline(sample)
    speed = {
        "measure": "speed-up over math-verify once per answer",
        "value": round(ours / theirs, 1),
        "unit": "times",
        "target": ">= 50",
        "ok": ours / theirs >= 50,
        "detail": f"{ours:,.0f} verdicts/s from responses, extraction included, over "
        f"{len(answers):,} answers, {len(memory.known):,} distinct; math-verify alone "
        f"{theirs:,.0f}/s, measured in one process on {BASELINE_SAMPLE} of them and scaled",
    }
    return [speed, measure_agreement(memory)]


def time_baseline(sample: list[tuple[str, str, str]]) -> float:
    """Return the seconds that math-verify takes to grade the sample, its answers extracted."""
    pairs = [(key, extract_answer(content, kind) or "") for kind, key, content in sample]
    ask_math_verify("1", "2")
    began = time.perf_counter()
    for key, answer in pairs:
        ask_math_verify(key, answer)
    return time.perf_counter() - began


def ask_math_verify(key: str, answer: str) -> bool:
    """Return math-verify's own word: key first, both in a box as its authors advise."""
    import math_verify

    configs = [math_verify.LatexExtractionConfig(), math_verify.ExprExtractionConfig()]
    gold, found = (math_verify.parse(as_latex(text), configs) for text in (key, answer))
    return bool(math_verify.verify(gold, found))


def measure_agreement(memory: Memory) -> dict[str, Any]:
    """Compare every distinct verdict given without math-verify with what it would have said."""
    given = [
        (question.key, answer, outcome)
        for (question, answer), outcome in memory.known.items()
        if outcome.verdict in ("correct", "wrong") and outcome.reason not in ("symbolic",)
    ]
    asked = random.Random(2).sample(given, min(len(given), 2_000))
    differing = [
        (key, answer, outcome)
        for key, answer, outcome in asked
        if key is not None and ask_math_verify(key, answer) != (outcome.verdict == "correct")
    ]
    share = 1 - len(differing) / max(len(asked), 1)
    shown = [f"{key!r} / {answer!r}: {outcome.verdict}" for key, answer, outcome in differing[:10]]
    return {
        "measure": "agreement with math-verify",
        "value": round(share, 5),
        "unit": "share of distinct fast verdicts",
        "target": ">= 0.999",
        "ok": share >= 0.999,
        "detail": f"{len(asked):,} of {len(given):,} verdicts of the fast path; differing: {shown}",
    }


def labelled_cases(folder: Path | None) -> list[dict[str, Any]]:
    """Return the labelled (gold, pred, expected) rows, or a few of our own."""
    if folder is None:
        rows = [("1/2", "0.5", 1), ("x^2-1", "(x-1)(x+1)", 1), ("10000", "10001", 0)]
        return [dict(zip(("gold", "pred", "expected"), row, strict=True)) for row in rows]
    names = ("math_verify_cases", "olympiadbench_cases")
    files = [folder / "equivalence" / f"{name}.jsonl" for name in names]
    return [json.loads(line) for file in files for line in file.open(encoding="utf-8")]


def judge_case(row: dict[str, Any]) -> Outcome:
    """Judge a labelled case as a response is judged: extract, then check.

    Cases come without the instruction to state an answer, so the whole stands in for a missing one.
    """
    long_key = extract_answer(row["gold"], "expression") if len(row["gold"]) > 300 else None
    key = long_key or row["gold"]
    answer = extract_answer(row["pred"], "expression") or row["pred"]
    options = {name: row[name] for name in OPTIONS if name in row}
    if "precision" in row:
        options["float_rounding"] = row["precision"]
    quick = None if options else decide_fast(key, answer)
    return quick or decide_symbolic(key, answer, **options)


def measure_labels(folder: Path | None) -> dict[str, Any]:
    """Count labelled cases that are judged as they are labelled."""
    rows = labelled_cases(folder)
    outcomes = [judge_case(row) for row in rows]
    kinds: Counter[str] = Counter()
    misses = []
    for row, outcome in zip(rows, outcomes, strict=True):
        right = (outcome.verdict == "correct") == bool(row["expected"])
        if right:
            kinds["right"] += 1
            continue
        if outcome.verdict == "unverifiable":
            kinds["abstained"] += 1
        else:
            kinds["false positive" if outcome.verdict == "correct" else "false negative"] += 1
        misses.append(f"{row['gold'][:60]!r} / {row['pred'][-60:]!r}: {outcome.reason}")
    share = kinds["right"] / len(rows)
    return {
        "measure": "labelled cases",
        "value": round(share, 4),
        "unit": "share right",
        "target": ">= 0.98",
        "ok": share >= 0.98,
        "detail": f"{len(rows)} cases, {dict(kinds)}; misses: {misses}",
    }


def measure_shipped() -> dict[str, Any]:
    """Judge the mathematical cases of the shipped set, and have simple graders judge them too."""
    mathematical = ("number", "expression", "set", "interval", "tuple", "equation", "matrix")
    judged = [one for one in judge_cases(read_cases()) if one.case.kind in mathematical]
    ours: Counter[Finding] = Counter(one.finding for one in judged)
    theirs: Counter[Finding] = Counter()
    strings: Counter[Finding] = Counter()
    for one in judged:
        key, response, label = str(one.case.key), one.case.response, one.case.label
        theirs[find(label, "correct" if grade_whole(key, response) else "wrong")] += 1
        strings[find(label, "correct" if one.verdict.extracted == key else "wrong")] += 1
    return {
        "measure": "shipped labelled answers, mathematical",
        "value": round(ours["right"] / len(judged), 4),
        "unit": "share right",
        "target": ">= math-verify alone",
        "ok": ours["right"] >= theirs["right"],
        "detail": f"{len(judged)} cases; ours {dict(ours)}; math-verify on the whole response "
        f"{dict(theirs)}; equal strings {dict(strings)}",
    }


def grade_whole(key: str, response: str) -> bool:
    """Return math-verify's word on a whole response, as its README calls it; the key in a box."""
    import math_verify

    try:
        return bool(
            math_verify.verify(math_verify.parse(as_latex(key)), math_verify.parse(response))
        )
    except Exception:
        return False


def measure_hostile() -> dict[str, Any]:
    """Return the longest wall time that a hostile answer took."""
    times = []
    for answer in HOSTILE:
        decide_symbolic("2x", "x+x")
        began = time.perf_counter()
        Memory().decide([(Question("expression", "x+1"), answer)])
        times.append(time.perf_counter() - began)
    worst = max(times)
    return {
        "measure": "hostile answers",
        "value": round(worst, 2),
        "unit": "s at worst",
        "target": "<= 2",
        "ok": worst <= 2,
        "detail": f"{len(times)} answers, median {statistics.median(times):.3f} s; no run stopped",
    }


def measure_escapes() -> dict[str, Any]:
    """Return how many programs got out of the sandbox or passed; each must leave a reason."""
    programs = {**ESCAPES, **ENDLESS}
    works = sandbox.sandbox_works()
    runs = {
        name: sandbox.run_tests(program, ["assert True"], wall_s=5.0)
        for name, program in programs.items()
        if works
    }
    passed = [name for name, run in runs.items() if run.passed or not run.reason]
    reasons = Counter(run.reason for run in runs.values())
    return {
        "measure": "escape attempts",
        "value": len(passed) if works else None,
        "unit": "succeeded",
        "target": "0",
        "ok": works and not passed,
        "detail": f"of {len(runs)}; {dict(reasons)}" if works else "no sandbox works here",
    }


if __name__ == "__main__":
    main()
