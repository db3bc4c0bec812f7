"""Release: how fast the gate is, whether it catches every planted fault, whether bytes repeat.

    {"bench": "release", "measure": "gate", "value": 31.4, "unit": "s", "target": "<= 60", …}

Run it with `python -m benchmarks.release`; TEACHSET_PAIRS says how many pairs the gate reads
(1,400,000 if absent), TEACHSET_REPEATED of how many two releases are compared (20,000). The pairs
are made of the sentences of the bundled problems, each with a
number of its own, at 2 kB a pair; they are staged as a release stages them.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from expectations.gate import Book, Expected, GateResult, Limits, run_gate
from expectations.release_suite import NEVER_NULL
from tasks.rate.guidelines import split_passages
from tasks.recipe import Allowances, GateSettings, load_recipe
from tasks.release.formats import COLUMNS, duckdb_types, pair_columns
from tasks.release.publish import release
from tasks.release.shards import ROW_GROUP, SHARD
from tasks.store import close_stores, open_store

ROOT = Path(__file__).resolve().parents[1]
PAIRS = 1_400_000
GOOD = 100_000
REPEATED = 20_000
SENTENCES = 20  # about 2 kB
MOST_SECONDS, MOST_RELEASE_SECONDS, MOST_BYTES = 60, 240, 4 * 1024**3
RECIPE = """
name: bench
store: {catalog: store/catalog.sqlite}
seeds: [{path: seeds.jsonl}]
models: {student: {model: sim-student}, teacher: {model: sim-teacher}}
release: {folder: releases, formats: [parquet, jsonl], validation_share: 0.05}
"""
_TIMELY = frozenset({"origin.json", "report.html"})  # what says when, how long and at what cost
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
PRIVATE = "Say what is asked for in one plain sentence and offer help with whatever is safe."
DOMAINS = ("math", "code", "science", "safety")
_SPAN = 50  # at least as many sentences lie between two that a pair has in common with itself
_SCHEMA = pa.schema([(name, COLUMNS[name]) for name in pair_columns(with_reasoning=False)])
MAKE_PAIRS = """
    -- One row per pair: a question and a response of sentences, no two pairs the same.
    select
        md5('pair' || i) as pair_id,
        [
            {
                'role': 'user',
                'content': 'Problem ' || i || '. ' || sentences[1 + i % len(sentences)]
            },
            {
                'role': 'assistant',
                'content': e'<think>\n' || array_to_string(list_transform(
                    range($sentences),
                    lambda k: sentences[1 + ((hash(i) // 7 + k * $span) % len(sentences))::integer]
                        || ' Step ' || (hash(i * 64 + k) % 100000)::varchar
                ), '. ') || e'\n</think>\n\nThe answer is \\boxed{' || i % 1000 || '}.'
            }
        ] as messages,
        ['math', 'code', 'science', 'safety'][1 + i % 4] as domain,
        if(i % 3 = 0, 'rewrite', 'seed') as kind,
        if(i % 3 = 0, 'new_numbers', null) as strategy,
        (i % 1000)::varchar as key,
        'number' as answer_type,
        'gold' as key_source,
        (1 + i % 6) / 8 as pass_rate,
        0.02 as low,
        0.95 as high,
        'sim-teacher' as teacher,
        'correct' as verdict,
        'bundled' as source,
        'Apache-2.0' as licence,
        md5('prompt' || i) as prompt_id,
        md5('root' || i // 3) as root_id,
        md5('response' || i) as response_id,
        true as simulated,
        if(hash(i // 3) % 20 = 0, 'validation', 'train') as split
    from (select range as i from range($first, $first + $pairs)), known
"""


def main() -> None:
    """Print every measure as one JSON line."""
    pairs = int(os.environ.get("TEACHSET_PAIRS", PAIRS))
    repeated = int(os.environ.get("TEACHSET_REPEATED", REPEATED))
    measures = (
        measure_faults(),
        measure_bytes(repeated),
        measure_gate(pairs),
        measure_release(pairs),
    )
    for lines in measures:
        for line in lines:
            print(json.dumps({"bench": "release", **line}), flush=True)


def read_sentences() -> list[str]:
    """Return the sentences of the bundled problems and their solutions."""
    texts: list[str] = []
    for file in sorted((ROOT / "seeds").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            texts += [row["prompt"], row.get("solution") or "", row.get("reference") or ""]
    parts = (part.strip() for text in texts for part in text.replace("\n\n", "\n").split(". "))
    return sorted({part for part in parts if 40 < len(part) < 400})


def make_pairs(first: int, pairs: int) -> pa.Table:
    """Return good rows with these numbers, as a release has them."""
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        connection.execute(
            "create table known as select $sentences::varchar[] as sentences",
            {"sentences": read_sentences()},
        )
        asked = {"sentences": SENTENCES, "span": _SPAN, "first": first, "pairs": pairs}
        return connection.execute(MAKE_PAIRS, asked).to_arrow_table().cast(_SCHEMA)


def stage(folder: Path, tables: Iterator[pa.Table]) -> None:
    """Write tables as the Parquet shards of a release."""
    (folder / "data").mkdir(parents=True)
    for number, table in enumerate(tables):
        file = folder / "data" / f"train-{number:05d}.parquet"
        pq.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP)


def expect(pairs: int, **settings: Any) -> Expected:
    """Return what the good rows are expected to be."""
    return Expected(
        columns=duckdb_types(with_reasoning=False),
        band=(0.125, 0.75),
        kept=pairs,
        books=[Book("prompts that were decided on", pairs, pairs)],
        mixture=dict.fromkeys(DOMAINS, 0.25),
        told_in_private=split_passages([PRIVATE]),
        limits=Limits(**GateSettings(**settings).model_dump()),
    )


def measure_faults() -> Iterator[dict[str, Any]]:
    """Plant a fault of every rule in good rows: each must be found by its own rule alone."""
    good = make_pairs(0, GOOD)
    planted = plant_faults(good.slice(0, 90).to_pylist())
    bad = pa.Table.from_pylist([row for rows in planted.values() for row in rows], _SCHEMA)
    total = good.num_rows + bad.num_rows
    settings: dict[str, Any] = {"allow": Allowances(personal_data=0), "max_tokens": 2_000}
    references: dict[str, Any] = {
        "flagged": [planted["benchmark_item"][0]["prompt_id"]],
        "flagged_responses": [planted["benchmark_item"][1]["response_id"]],
        "untrusted": [planted["untrusted_key"][0]["prompt_id"]],
        "contradicted": [planted["contradicted_verdict"][0]["response_id"]],
        "clusters": {
            planted["shared_cluster"][0]["prompt_id"]: "cluster",
            good["prompt_id"][_first_of(good, "train")].as_py(): "cluster",
        },
    }
    alone = _gate([good], expect(GOOD, **settings))
    expected = replace(expect(total, **settings), **references, previous=alone.figures)
    result = _gate([good, bad], expected)
    of_wholes = {
        name: _gate(
            tables, replace(expect(GOOD, **settings), **{"previous": alone.figures, **changes})
        )
        for name, (tables, changes) in plant_wholes(good, alone.figures).items()
    }
    known = {str(name) for name in good["pair_id"].to_pylist()}
    yield describe_faults((alone, result), planted, of_wholes, known)


def plant_wholes(
    good: pa.Table, figures: Mapping[str, float]
) -> dict[str, tuple[list[pa.Table], dict[str, Any]]]:
    """Return, by the rule that is to find it, a release of good rows that is wrong as a whole.

    Either its files are others than a release's, or the recipe and the store say something else.
    """
    typed = good.set_column(good.column_names.index("key"), "key", good["key"].cast(pa.int64()))
    renamed = good.rename_columns(["name" if n == "key" else n for n in good.column_names])
    rows = good.num_rows
    unlike = dict.fromkeys(DOMAINS, 0.2) | {"math": 0.4}
    book = Book("prompts that were decided on", rows + 1, rows)
    return {
        "columns": ([renamed], {}),
        "wrong_types": ([typed], {}),
        "enough_pairs": ([good], {"min_pairs": rows + 1}),
        "off_mixture": ([good], {"mixture": unlike}),
        "drift": ([good], {"previous": {**figures, "pairs": 2 * figures["pairs"]}}),
        "unbalanced_books": ([good], {"books": [book]}),
    }


def _gate(tables: list[pa.Table], expected: Expected) -> GateResult:
    with tempfile.TemporaryDirectory() as folder:
        stage(Path(folder), iter(tables))
        return run_gate(Path(folder), expected)


def describe_faults(
    results: tuple[GateResult, GateResult],
    planted: dict[str, list[dict[str, Any]]],
    of_wholes: Mapping[str, GateResult],
    good: set[str],
) -> dict[str, Any]:
    """Return the measure: faults found by their own rule; anything else that was blamed.

    `results` are of the good rows alone and of those with the planted ones.
    """
    alone, result = results
    found = {rule.rule: rule for rule in result.rules if rule.found}
    blamed = {name: set(rule.pair_ids) for name, rule in found.items()}
    # A row without an id cannot be named; that there is just the one is what can be said of it.
    caught = [
        name
        for name, rows in planted.items()
        if name in found
        and found[name].found == len(rows)
        and {row["pair_id"] for row in rows} - {None} <= blamed[name]
    ]
    of_rows = {row["pair_id"]: name for name, rows in planted.items() for row in rows}
    others = [
        f"{rule} blames {of_rows.get(pair, 'a good row')}"
        for rule, pairs in blamed.items()
        for pair in pairs
        if of_rows.get(pair) != rule
    ]
    others += [f"{rule.rule} blames good rows alone" for rule in alone.rules if rule.found]
    for name, whole in of_wholes.items():
        broken = {rule.rule for rule in whole.rules if rule.found}
        caught += [name] if name in broken else []
        others += [f"{rule} blames {name}" for rule in sorted(broken - {name})]
    kinds = {*planted, *of_wholes}
    unplanted = {rule.rule for rule in result.rules} - kinds
    blames_good = any("good row" in other for other in others)
    return {
        "measure": "planted faults",
        "value": len(caught) / len(kinds),
        "unit": "share caught by its own rule",
        "target": "1, and no good row blamed",
        "ok": len(caught) == len(kinds) and not unplanted and not blames_good,
        "detail": f"{len(kinds)} kinds in {len(good):,} good rows, {len(result.rules)} rules; "
        f"missed: {sorted(kinds - set(caught))}; without a plant: {sorted(unplanted)}; "
        f"blamed besides: {sorted(others)}",
    }


def plant_faults(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return bad rows by the rule that is to find them, made of good ones."""
    fresh = iter(rows)

    def bad(name: str, answer: str | None = None, **changes: Any) -> dict[str, Any]:
        row = {**next(fresh), **changes}
        for column in ("pair_id", "prompt_id", "root_id", "response_id"):
            if column not in changes:
                row[column] = f"bad-{name}-{row[column][:8]}"
        question, response = (message["content"] for message in row["messages"])
        said = f"{question} As {name}?"
        if "messages" not in changes:
            content = response if answer is None else answer
            row["messages"] = [_say("user", said), _say("assistant", content)]
        return row

    thought = "<think>\nWe count.\n</think>\n\n"
    again = bad("repeated_conversation")
    twin = {**again, "pair_id": "bad-twin", "prompt_id": "twin", "response_id": "twin"}
    double = bad("unique_pair_id")
    held_out = {"split": "validation"}
    return {
        "unique_pair_id": [double, {**bad("unique_pair_id"), "pair_id": double["pair_id"]}],
        **{
            f"no_null_{column}": [bad(f"no_null_{column}", **{column: None})]
            for column in NEVER_NULL
        },
        "known_kind": [bad("known_kind", kind="guess")],
        "known_split": [bad("known_split", split="test")],
        "known_key_source": [bad("known_key_source", key_source="a friend")],
        "repeated_conversation": [again, twin],
        "malformed_messages": [bad("malformed_messages", messages=_turned(rows[0]))],
        "empty_answer": [bad("empty_answer", thought + " ")],
        "malformed_thinking": [bad("malformed_thinking", "<think>\nWe count. It is 4.")],
        "missing_key": [bad("missing_key", key=" ")],
        "wrong_verdict": [bad("wrong_verdict", verdict="wrong")],
        "impossible_pass_rate": [bad("impossible_pass_rate", low=0.9, pass_rate=0.5)],
        "outside_band": [bad("outside_band", pass_rate=0.9)],
        "looping": [bad("looping", "Well. " + "We count the apples once more, and then. " * 40)],
        "repeated_guidelines": [bad("repeated_guidelines", f"It is 4. {PRIVATE.upper()}")],
        "leaked_guideline": [bad("leaked_guideline", "My guidelines say that it is 4.")],
        "secret": [bad("secret", f"Use sk-{'a1B2' * 8} to see that it is 4.")],
        "personal_data": [bad("personal_data", "Ask jane.doe@mail-box.co.uk: it is 4.")],
        "foreign_script": [bad("foreign_script", "First, поэтому ответ равен четырём, so 4.")],
        "foreign_language": [
            bad("foreign_language", "Primero contamos las manzanas que hay en la mesa: son 4.")
        ],
        "too_long": [bad("too_long", ", ".join(str(n) for n in range(3_000)))],
        "unknown_licence": [bad("unknown_licence", licence=None)],
        "shared_root": [bad("shared_root", root_id=_root_of(rows), **held_out)],
        "shared_cluster": [bad("shared_cluster", **held_out)],
        "benchmark_item": [bad("benchmark_item"), bad("benchmark_item")],
        "untrusted_key": [bad("untrusted_key")],
        "contradicted_verdict": [bad("contradicted_verdict")],
    }


def measure_bytes(pairs: int) -> Iterator[dict[str, Any]]:
    """Release one store twice, with other threads and other hashes, and compare every file."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEACHSET_SCRATCH")) as name:
        folder = Path(name)
        (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
        run_self(name, str(pairs), "fill")
        releases: list[Path] = []
        for place, threads in (("releases", "1"), ("again", "2")):
            recipe = RECIPE.replace("folder: releases", f"folder: {place}")
            (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
            chance = {"PYTHONHASHSEED": threads, "TEACHSET_THREADS": threads}
            run_self(name, str(pairs), "publish", environment=chance)
            releases.append((folder / place / "latest").resolve())
        files = [_read_files(release) for release in releases]
    different = [
        path
        for path in sorted({*files[0], *files[1]} - _TIMELY)
        if files[0].get(path) != files[1].get(path)
    ]
    same_name = releases[0].name == releases[1].name
    data = sum(path.endswith((".parquet", ".jsonl")) for path in files[0])
    yield {
        "measure": "two releases of one store",
        "value": len(different) + (not same_name),
        "unit": "files that differ",
        "target": "0",
        "ok": same_name and not different,
        "detail": f"{pairs:,} pairs; {len(files[0]) - len(_TIMELY)} files compared, "
        f"{data} of data, {sum(map(len, files[0].values())):,} bytes; different: {different}; "
        f"not compared: {sorted(_TIMELY)}",
    }


def _read_files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def measure_gate(pairs: int) -> Iterator[dict[str, Any]]:
    """Gate this many pairs in a process of its own: the seconds it takes and its peak of memory."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEACHSET_SCRATCH")) as folder:
        starts = range(0, pairs, SHARD)
        with ThreadPoolExecutor(2) as pool:
            tables = pool.map(lambda first: make_pairs(first, min(SHARD, pairs - first)), starts)
            stage(Path(folder), tables)
        size = sum(file.stat().st_size for file in (Path(folder) / "data").iterdir())
        measured = run_self(folder, str(pairs))
    detail = (
        f"{pairs:,} pairs of {measured['bytes_a_pair']:,} bytes ({size / 1e9:.2f} GB of Parquet), "
        f"{measured['rules']} rules, {measured['failed']} failed; processor "
        f"{measured['processor_s']:.0f} s; load of the machine {os.getloadavg()[0]:.1f}"
    )
    yield from describe_cost(
        ("gate", "memory of the gate"),
        measured,
        MOST_SECONDS,
        detail,
        counts=pairs >= PAIRS,
        sound=not measured["failed"],
    )


def measure_release(pairs: int) -> Iterator[dict[str, Any]]:
    """Stage, gate and publish this many pairs in two formats, in a process of its own."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEACHSET_SCRATCH")) as folder:
        (Path(folder) / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
        run_self(folder, str(pairs), "fill")
        measured = run_self(folder, str(pairs), "publish")
    detail = (
        f"{measured['pairs']:,} pairs released; processor {measured['processor_s']:.0f} s; load of "
        f"the machine {os.getloadavg()[0]:.1f}"
    )
    yield from describe_cost(
        ("stage, gate and publish in two formats", "memory of a release"),
        measured,
        MOST_RELEASE_SECONDS,
        detail,
        counts=pairs >= PAIRS,
    )


def run_self(*arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run one of this module's processes and return what its last line says, if there is one.

    One that may not keep its bytecode compiles Great Expectations anew: half a minute a process.
    """
    kept = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    command = [sys.executable, "-m", "benchmarks.release", *arguments]
    done = subprocess.run(
        command,
        env={**kept, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said: dict[str, Any] = json.loads((done.stdout.splitlines() or ["{}"])[-1])
    return said


def describe_cost(
    names: tuple[str, str],
    measured: Mapping[str, Any],
    most_s: int,
    detail: str,
    *,
    counts: bool,
    sound: bool = True,
) -> Iterator[dict[str, Any]]:
    """Yield the seconds and the memory of a process; only the full size `counts` for a target."""
    seconds, peak = measured["wall_s"], measured["peak"]
    yield {
        "measure": names[0],
        "value": round(seconds, 1),
        "unit": "s",
        "target": f"<= {most_s}",
        "ok": counts and seconds <= most_s and sound,
        "detail": detail,
    }
    yield {
        "measure": names[1],
        "value": round(peak / 1024**3, 2),
        "unit": "GiB",
        "target": f"<= {MOST_BYTES // 1024**3}",
        "ok": counts and peak <= MOST_BYTES,
        "detail": "peak of the whole process, Python and Great Expectations included",
    }


def fill_store(folder: str, pairs: int) -> None:
    """Make a store in which every stage before the release has run.

    Responses lie about in the order of the prompts' ids, as a run draws them; prompts and what was
    found out about them lie as they came.
    """
    recipe = load_recipe(Path(folder) / "recipe.yaml")
    store = open_store(recipe.store)
    rest: dict[str, list[pl.DataFrame]] = {}
    for first in range(0, pairs, SHARD):
        made = pl.from_arrow(make_pairs(first, min(SHARD, pairs - first)))
        assert isinstance(made, pl.DataFrame)
        place = (first + pl.int_range(made.height)) * (16**8 // pairs)
        start = place.map_elements("{:08x}".format, pl.String)
        made = made.with_columns(prompt_id=start + pl.col("prompt_id").str.tail(24))
        for table, rows in spread_pairs(made, recipe.policy_version()).items():
            if table == "responses":
                store.append(table, rows, run_id="bench", known_new=True)
            else:
                rest.setdefault(table, []).append(rows)
    for table, frames in rest.items():
        shuffled = pl.concat(frames).sample(fraction=1, shuffle=True, seed=1)
        store.append(table, shuffled, run_id="bench", known_new=True)
    close_stores()


def spread_pairs(made: pl.DataFrame, policy: str) -> dict[str, pl.DataFrame]:
    """Return the rows of each table that pairs are made of; every root is a prompt of its own."""
    said = made.select(
        text=pl.col("messages").list.first().struct.field("content"),
        whole=pl.col("messages").list.last().struct.field("content").str.split("</think>"),
    )
    pairs = made.drop("messages").with_columns(
        root_id="prompt_id",
        text=said["text"],
        reasoning=said["whole"].list.first().str.strip_prefix("<think>").str.strip_chars(),
        content=said["whole"].list.last().str.strip_chars(),
        model="teacher",
        answer="key",
        key_id="pair_id",
    )
    fixed = {"verifier": pl.lit("math"), "version": pl.lit(1, pl.Int32)}
    return {
        "prompts": pairs.select(
            *("prompt_id", "root_id", "domain", "text", "answer", "answer_type", "simulated"),
            kind=pl.lit("seed"),
        ),
        "prompt_sources": pairs.select(
            "prompt_id", "source", "licence", uri=pl.lit("made"), row_number=pl.int_range(pl.len())
        ),
        "keys": pairs.select(
            *("key_id", "prompt_id", "answer", "answer_type"),
            source=pl.lit("gold"),
            trusted=pl.lit(True),
        ),
        "difficulty": pairs.select(
            *("prompt_id", "key_id", "pass_rate", "low", "high"),
            student=pl.lit("sim-student"),
            correct=(8 * pl.col("pass_rate")).cast(pl.Int32),
            wrong=(8 - 8 * pl.col("pass_rate")).cast(pl.Int32),
            truncated=pl.lit(0, pl.Int32),
            unverifiable=pl.lit(0, pl.Int32),
        ),
        "responses": pairs.select(
            *("response_id", "prompt_id", "content", "reasoning", "simulated"),
            reuse_key="response_id",
            role=pl.lit("teacher"),
            model=pl.lit("sim-teacher"),
            server=pl.lit("simulator"),
            sample_index=pl.lit(0, pl.Int32),
            finish_reason=pl.lit("stop"),
        ),
        "grades": pairs.select("response_id", "key_id", verdict=pl.lit("correct"), **fixed),
        "decisions": pairs.select(
            "prompt_id",
            policy=pl.lit(policy),
            kept=pl.lit(True),
            stage=pl.lit("select"),
            reason=pl.lit("kept"),
        ),
    }


def publish_once(folder: str) -> None:
    """Release a filled store and print what it took, as the last line of the output."""
    recipe = load_recipe(Path(folder) / "recipe.yaml")
    store = open_store(recipe.store)
    wall, processor = time.perf_counter(), time.process_time()
    published = release(store, recipe, "bench")
    measured = {
        "wall_s": time.perf_counter() - wall,
        "processor_s": time.process_time() - processor,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "pairs": published.pairs,
    }
    print(json.dumps(measured))


def gate_once(folder: str, pairs: int) -> None:
    """Gate a staged folder and print what it took, as the last line of the output."""
    wall, processor = time.perf_counter(), time.process_time()
    result = run_gate(Path(folder), expect(pairs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    measured = {
        "wall_s": time.perf_counter() - wall,
        "processor_s": time.process_time() - processor,
        "peak": peak,
        "rules": len(result.rules),
        "failed": [(rule.rule, rule.found, rule.detail) for rule in result.rules if rule.found],
        "bytes_a_pair": int(result.figures["characters, median"]),
    }
    print(json.dumps(measured))


def _say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _turned(row: dict[str, Any]) -> list[dict[str, str]]:
    return [_say("assistant", "It is 4."), _say("user", f"{row['pair_id']}?")]


def _root_of(rows: list[dict[str, Any]]) -> str:
    return str(next(row["root_id"] for row in rows if row["split"] == "train"))


def _first_of(table: pa.Table, split: str) -> int:
    return int(table["split"].to_pylist().index(split))


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, pairs, "fill"]:
            fill_store(folder, int(pairs))
        case [folder, _, "publish"]:
            publish_once(folder)
        case [folder, pairs]:
            gate_once(folder, int(pairs))
        case _:
            main()
