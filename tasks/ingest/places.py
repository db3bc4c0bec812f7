"""Places: which file and row a seed comes from, by the last reading of what the recipe names.

    uri          state  reading
    seeds.jsonl  read   5b1e…
    old.jsonl    gone   77c0…   the recipe names it no more

    prompt_id  uri          row_number  licence     gone
    9f2c…      seeds.jsonl  7           Apache-2.0  false   another licence than at first
    b07d…      seeds.jsonl  8           MIT         true    the row was taken out or edited

The recipe and its files are the source of truth. `prompt_sources` keeps the first word on every
place; what a later reading says otherwise is a row of `source_words`, and a file that is named no
more is one word, however many rows it had. A seed without any place left is removed
(`removals`): it and its rewrites are set aside, nobody is asked about them, and with its place all
that was paid for comes back. Where recipes share a store, the one that was ingested last has the
word.

Nothing is called gone before every file was read to its end. The words on rows come first, then
the removals that follow from them, then the states of the files: a load that is killed in between
is done again by the next one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl

from tasks.identity import content_id
from tasks.store import Store

State = Literal["new", "begun", "read", "gone"]
PLACES_AT_A_TIME = 500_000
_SAID = ("source", "licence", "external_id")


@dataclass(frozen=True, slots=True)
class SeedFile:
    """The last word on a file: a row of `seed_files`."""

    state: State = "new"
    reading: str | None = None


@dataclass(slots=True)
class Sighting:
    """What one load sees of a file name; several files of a recipe may have the same one."""

    uri: str
    was_there: bool
    is_shared: bool = False
    leaving: frozenset[str] = frozenset()  # files that the recipe names no more
    is_whole: bool = True  # Nobody wrote the files while they were read.
    seen: list[pl.Series] = field(default_factory=list)  # hashed places, 8 bytes each
    prompts: list[pl.Series] = field(default_factory=list)  # hashed prompts, the same


def name_reading(file_ids: Sequence[str]) -> str:
    """Name the reading of all files of a name."""
    return file_ids[0] if len(file_ids) == 1 else content_id("readings", *file_ids)


def is_last_word(known: SeedFile, reading: str) -> bool:
    """Tell whether nothing else was read of a file since; of a new one nothing else ever was."""
    return known.state == "new" or known.reading == reading


def read_seed_files(store: Store) -> dict[str, SeedFile]:
    """Return the last word on every file that seeds were ever read from."""
    rows = store.query("ingest_seed_files").iter_rows()
    return {uri: SeedFile(state, reading) for uri, state, reading in rows}


def find_leaving(
    store: Store, known: Mapping[str, SeedFile], named: Collection[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the files that leave, and those with rows that may have been refused for theirs."""
    leaving = frozenset(uri for uri in known if uri not in named)
    if all(known[uri].state == "gone" for uri in leaving):
        return leaving, frozenset()
    return leaving, frozenset(store.query("ingest_doubted_files")["uri"])


def begin_files(
    store: Store, run_id: str, known: Mapping[str, SeedFile], named: Iterable[str]
) -> dict[str, SeedFile]:
    """Note the files that are new to the store, and return the last word on every one."""
    new = {uri: SeedFile() for uri in named if uri not in known}
    _append(store, run_id, new)
    return {**known, **new}


def begin_reading(store: Store, run_id: str, uri: str, known: SeedFile) -> Sighting:
    """Begin to read the files of a name: if this load is killed, no earlier reading counts."""
    if known.state in ("read", "gone"):
        _append(store, run_id, {uri: SeedFile("begun")})
    return Sighting(uri, bool(store.query("ingest_has_places", uri=uri)["has_places"][0]))


def see(store: Store, run_id: str, sighting: Sighting, places: pl.DataFrame) -> None:
    """Take note of the places of a chunk, in order of their rows; say anew what is otherwise now.

    Of two files of one name the first one has the word on a place that both have.
    """
    if places.is_empty():
        return
    hashed = places.with_columns(hash=_hash_places())
    if sighting.is_shared:
        hashed = hashed.join(_list_seen(sighting), on="hash", how="anti", maintain_order="left")
    sighting.seen.append(hashed["hash"])
    sighting.prompts.append(places["prompt_id"].hash())
    if not sighting.was_there:
        return
    rows = places["row_number"]
    past = store.query("ingest_places_of_rows", uri=sighting.uri, first=rows.min(), last=rows.max())
    otherwise = pl.any_horizontal(
        pl.col("row_gone"), *(pl.col(name).ne_missing(pl.col(f"{name}_past")) for name in _SAID)
    )
    words = (
        hashed.join(past, on=["prompt_id", "row_number"], suffix="_past")
        .filter(otherwise)
        .select("prompt_id", "uri", "row_number", *_SAID, gone=False)
    )
    store.append("source_words", words, run_id=run_id, known_new=True)


def settle_places(
    store: Store,
    run_id: str,
    known: Mapping[str, SeedFile],
    now: Mapping[str, str],
    sightings: Sequence[Sighting],
) -> None:
    """Say what is gone and what is back, now that every file was read.

    `now` has the readings of the files that the recipe names.
    """
    for sighting in sightings:
        if sighting.was_there and sighting.is_whole:
            _give_up_places(store, run_id, sighting)
    torn = {sighting.uri for sighting in sightings if not sighting.is_whole}
    changed = {
        uri: SeedFile("read", reading)
        for uri, reading in now.items()
        if uri not in torn and known[uri] != SeedFile("read", reading)
    }
    changed |= {
        uri: replace(file, state="gone")
        for uri, file in known.items()
        if uri not in now and file.state != "gone"
    }
    if not changed and not sightings:
        return
    gone = sorted(set(known) - set(now))
    store.append("removals", store.query("ingest_removals", gone=gone), run_id=run_id)
    _append(store, run_id, changed)


def _give_up_places(store: Store, run_id: str, sighting: Sighting) -> None:
    """Say of the places that were there and that no file of the name has now that they are gone."""
    seen = _list_seen(sighting)
    for places in store.stream("ingest_places", PLACES_AT_A_TIME, uri=sighting.uri):
        gone = places.with_columns(hash=_hash_places()).join(seen, on="hash", how="anti")
        words = gone.drop("hash").with_columns(gone=pl.lit(True))
        store.append("source_words", words, run_id=run_id, known_new=True)


def _list_seen(sighting: Sighting) -> pl.DataFrame:
    return pl.concat([pl.Series("hash", [], pl.UInt64), *sighting.seen]).to_frame()


def _hash_places() -> pl.Expr:
    return pl.struct("prompt_id", "row_number").hash()


def _append(store: Store, run_id: str, files: Mapping[str, SeedFile]) -> None:
    rows = [(uri, file.state, file.reading) for uri, file in files.items()]
    schema = {"uri": pl.String, "state": pl.String, "reading": pl.String}
    store.append("seed_files", pl.DataFrame(rows, schema=schema, orient="row"), run_id=run_id)
