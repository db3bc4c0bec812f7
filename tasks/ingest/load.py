"""Loading: sources into the store, chunk by chunk, every row accounted for.

    IngestCounts(read=7474, new=7473, merged=1, quarantined=0)

A chunk is one commit a table. Whatever stops a load, the next one finds what is there and adds the
rest, so nothing is read twice into the store; a file that was read to its end is not parsed again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.ingest.checks import refuse_other_answers, refuse_repeated_ids
from tasks.ingest.files import AnySource, File, fetch, find_files, tell_apart
from tasks.ingest.mending import mend_answers
from tasks.ingest.places import (
    Sighting,
    begin_files,
    begin_reading,
    find_leaving,
    is_last_word,
    name_reading,
    read_seed_files,
    see,
    settle_places,
)
from tasks.ingest.read import read_fetched
from tasks.ingest.reading import (
    IngestCounts,
    Reading,
    add_counts,
    find_reading,
    identify_reading,
    look_at,
    read_once,
    record_reading,
)
from tasks.ingest.responses import (
    Answer,
    Seen,
    frame_responses,
    index_prompts,
    parse_response,
    place_answers,
)
from tasks.ingest.rows import QuarantinedRow, RawRow, frame_quarantined
from tasks.ingest.seeds import (
    Seed,
    frame_benchmark_items,
    frame_prompts,
    frame_sources,
    parse_seed,
)
from tasks.progress import track
from tasks.recipe import BenchmarkSource, Recipe, ResponseSource, SeedSource
from tasks.store import Store, open_store

CHUNK_ROWS = 20_000  # rows a commit: at 20 to 60 ms a commit, a minute for 20 million rows
CHUNK_CHARACTERS = 64_000_000  # a chunk of long rows ends earlier, so that memory stays bounded


def ingest_seeds(store: Store, recipe: Recipe, run_id: str) -> IngestCounts:
    """Read every seed source into `prompts` and `prompt_sources`."""
    counts = _count("ingest seeds", load_seeds(store, recipe, run_id))
    return _record(store, run_id, "seed", counts)


def ingest_benchmarks(store: Store, recipe: Recipe, run_id: str) -> IngestCounts:
    """Read every benchmark into `benchmark_items`."""
    counts = _count("ingest benchmarks", load_benchmarks(store, recipe, run_id))
    return _record(store, run_id, "benchmark", counts)


def import_responses(store: Store, recipe: Recipe, run_id: str) -> IngestCounts:
    """Read every response made elsewhere into `responses`; their prompts must be in the store."""
    counts = _count("import responses", load_responses(store, recipe, run_id))
    return _record(store, run_id, "response", counts)


def chunk_rows(rows: Iterable[RawRow]) -> Iterator[list[RawRow]]:
    """Gather rows into chunks of `CHUNK_ROWS`, or fewer if they are long."""
    chunk: list[RawRow] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += len(row.text or "")
        if len(chunk) >= CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def load_seeds(store: Store, recipe: Recipe, run_id: str) -> Iterator[IngestCounts]:
    """Load every seed source, and yield what became of each chunk once it is committed.

    Then what no file has any more is set aside.
    """
    named: dict[str, list[tuple[SeedSource, File]]] = {}
    for source, file in _find_all(recipe.seeds):
        named.setdefault(file.uri, []).append((source, file))
    known = begin_files(store, run_id, read_seed_files(store), named)
    leaving, doubted = find_leaving(store, known, named)
    now: dict[str, str] = {}
    sightings: list[Sighting] = []
    for uri, found in named.items():
        with ExitStack() as fetched:
            paths = [fetched.enter_context(fetch(file)) for _, file in found]
            before = [look_at(path) for path in paths]
            readings = [
                identify_reading(path, file, source, "seed")
                for path, (source, file) in zip(paths, found, strict=True)
            ]
            now[uri] = name_reading([reading.file_id for reading in readings])
            counts = [find_reading(store, reading) for reading in readings]
            is_last = is_last_word(known[uri], now[uri]) and uri not in doubted
            if is_last and None not in counts:
                yield from (count for count in counts if count is not None)
                continue
            sighting = begin_reading(store, run_id, uri, known[uri])
            sighting.is_shared, sighting.leaving = len(found) > 1, leaving
            sightings.append(sighting)
            for path, (source, file), reading in zip(paths, found, readings, strict=True):
                total = IngestCounts()
                for count in _load_seed_file(store, run_id, (source, file), path, sighting):
                    total = add_counts(total, count)
                    yield count
                sighting.is_whole = [look_at(path) for path in paths] == before
                if sighting.is_whole:  # As in `read_once`.
                    record_reading(store, run_id, reading, total)
    settle_places(store, run_id, known, now, sightings)


def _load_seed_file(
    store: Store, run_id: str, found: tuple[SeedSource, File], path: Path, sighting: Sighting
) -> Iterator[IngestCounts]:
    source, file = found
    ids: dict[int, str] = {}
    for rows in chunk_rows(read_fetched(path, file, source)):
        parsed = refuse_repeated_ids(rows, [parse_seed(row, source) for row in rows], ids)
        seeds = [seed for seed in parsed if isinstance(seed, Seed)]
        known = store.query("ingest_known_prompts", ids=[seed.prompt_id for seed in seeds])
        mended = mend_answers(store, run_id, sighting, seeds, dict(known.iter_rows()))
        # The problem is in its place whatever is thought of its answer.
        places = frame_sources(seeds)
        see(store, run_id, sighting, places)
        parsed = refuse_other_answers(rows, parsed, mended.answers)
        seeds = [seed for seed in parsed if isinstance(seed, Seed)]
        new = store.append("prompts", frame_prompts(seeds), run_id=run_id)
        agreeing = pl.col("row_number").is_in([seed.row_number for seed in seeds])
        held = pl.col("prompt_id").is_in(list(mended.held))
        store.append("prompt_sources", places.filter(agreeing | held), run_id=run_id)
        yield _settle(store, run_id, new, parsed)


def load_benchmarks(store: Store, recipe: Recipe, run_id: str) -> Iterator[IngestCounts]:
    """Load every benchmark, as `load_seeds` does seeds."""
    for source, file in _find_all(recipe.benchmarks):
        load = partial(_load_benchmark_file, store, run_id, source, file)
        yield from read_once(store, run_id, "benchmark", (source, file), load)


def _load_benchmark_file(
    store: Store, run_id: str, source: BenchmarkSource, file: File, path: Path
) -> Iterator[IngestCounts]:
    for rows in chunk_rows(read_fetched(path, file, source)):
        parsed = [parse_seed(row, source) for row in rows]
        items = [item for item in parsed if isinstance(item, Seed)]
        frame = frame_benchmark_items(items, source.name)
        new = store.append("benchmark_items", frame, run_id=run_id)
        yield _settle(store, run_id, new, parsed)


def load_responses(store: Store, recipe: Recipe, run_id: str) -> Iterator[IngestCounts]:
    """Load all files or, if none of them and no prompt is new, none.

    Which sample of its prompt a row is depends on the files before, and a new prompt may be what a
    row was set aside for.
    """
    files = _find_all(recipe.responses)
    if not files:
        return
    with ExitStack() as fetched:
        paths = [fetched.enter_context(fetch(file)) for _, file in files]
        before = [look_at(path) for path in paths]
        prompts = str(store.query("prompts_count")["rows"][0])
        readings: list[Reading] = []
        for path, (source, file) in zip(paths, files, strict=True):
            earlier = (readings[-1].file_id,) if readings else ()
            beside = (prompts, *earlier)
            readings.append(identify_reading(path, file, source, "response", beside))
        known = [find_reading(store, reading) for reading in readings]
        if None not in known:
            yield from (counts for counts in known if counts is not None)
            return
        totals = [IngestCounts()] * len(files)
        for number, counts in _load_response_files(store, run_id, files, paths):
            totals[number] = add_counts(totals[number], counts)
            yield counts
        if [look_at(path) for path in paths] == before:  # As in `read_once`.
            for reading, total in zip(readings, totals, strict=True):
                record_reading(store, run_id, reading, total)


def _load_response_files(
    store: Store, run_id: str, files: Sequence[tuple[ResponseSource, File]], paths: Sequence[Path]
) -> Iterator[tuple[int, IngestCounts]]:
    frames = store.stream("ingest_prompt_texts", CHUNK_ROWS)
    prompts = index_prompts((row[0], row[1]) for frame in frames for row in frame.iter_rows())
    seen, before = Seen(), dict[str, Seen]()
    twice = {path for path, times in Counter(file.path for _, file in files).items() if times > 1}
    for number, (source, file) in enumerate(files):
        counting = seen
        if file.path in before:  # Of two sources: the same rows once more, not as many others.
            counting = before[file.path].copy()
        elif file.path in twice:
            before[file.path] = seen.copy()
        for rows in chunk_rows(read_fetched(paths[number], file, source)):
            parsed = [parse_response(row, source, prompts) for row in rows]
            answers = [row for row in parsed if isinstance(row, Answer)]
            asked = list({answer.prompt_id for answer in answers})
            known = store.query("ingest_known_responses", role=source.role, prompt_ids=asked)
            responses = list(place_answers(answers, known.iter_rows(), counting))
            new = store.append("responses", frame_responses(responses), run_id=run_id)
            yield number, _settle(store, run_id, new, parsed)


def _find_all(sources: Sequence[AnySource]) -> list[tuple[AnySource, File]]:
    """Find the files of all sources before one is read: a wrong path stops a load at its start."""
    return tell_apart([(source, file) for source in sources for file in find_files(source)])


def _settle(store: Store, run_id: str, new: int, parsed: Sequence[object]) -> IngestCounts:
    """Set the bad rows of a chunk aside and count what became of it."""
    bad = [row for row in parsed if isinstance(row, QuarantinedRow)]
    store.append("quarantine", frame_quarantined(bad), run_id=run_id)
    return IngestCounts(len(parsed), new, len(parsed) - len(bad) - new, len(bad))


def _count(stage: str, chunks: Iterator[IngestCounts]) -> IngestCounts:
    total = IngestCounts()
    with track(stage) as tracker:
        for chunk in chunks:
            total = add_counts(total, chunk)
            tracker.advance(chunk.read, failed=chunk.quarantined)
    return total


def _record(store: Store, run_id: str, purpose: str, counts: IngestCounts) -> IngestCounts:
    """Keep a load's counts, for the gate after it; a load of nothing leaves no row."""
    if counts.read:
        row = {
            "run_id": run_id,
            "purpose": purpose,
            "rows_read": counts.read,
            "rows_new": counts.new,
            "rows_merged": counts.merged,
            "rows_quarantined": counts.quarantined,
        }
        store.append("loads", pl.DataFrame([row]))
    return counts


@task(task_run_name="ingest-seeds", cache_policy=NO_CACHE)
def ingest_seeds_task(recipe: Recipe, run_id: str) -> IngestCounts:
    """Bring in the seeds; what is there already changes nothing."""
    return ingest_seeds(open_store(recipe.store), recipe, run_id)


@task(task_run_name="ingest-benchmarks", cache_policy=NO_CACHE)
def ingest_benchmarks_task(recipe: Recipe, run_id: str) -> IngestCounts:
    """Bring in the benchmarks that the training set must not contain."""
    return ingest_benchmarks(open_store(recipe.store), recipe, run_id)


@task(task_run_name="import-responses", cache_policy=NO_CACHE)
def import_responses_task(recipe: Recipe, run_id: str) -> IngestCounts:
    """Bring in the responses that were made elsewhere."""
    return import_responses(open_store(recipe.store), recipe, run_id)
