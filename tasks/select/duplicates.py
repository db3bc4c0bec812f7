"""Duplicates: prompts that ask what another one asks already, word for word or nearly.

    prompt_id  representative_id  method     score
    7c1e…      03ab…              exact      1.0    the same but for case and the marks of sentences
    51d0…      03ab…              minhash    0.88   near: estimated similarity of 5-word runs
    9e44…      03ab…              embedding  0.96   in other words: cosine, if it is asked for

Signatures are kept, so that only new prompts are signed; exact forms are made anew from all texts,
which takes about seven microseconds of processor time each.
"""

from collections.abc import Iterator

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.progress import Tracker, track
from tasks.recipe import DuplicateSettings, LicenceSettings, Recipe
from tasks.select.chunks import gather, map_chunks
from tasks.select.clusters import NOBODY, cluster, cluster_pairs, gather_signed, is_refused
from tasks.select.embed import name_embedder
from tasks.select.licences import list_refused
from tasks.select.minhash import name_signature, sign_prompts
from tasks.select.words import find_capitals, fold, join_choices, leave_out_emphasis
from tasks.settled import unless_settled
from tasks.store import Store, open_store

METHOD = "exact"
_PAIR = ["prompt_id", "representative_id"]
_NO_FORMS = pl.DataFrame(
    schema={
        "prompt_id": pl.String,
        "is_rewrite": pl.Boolean,
        "lacks_answer": pl.Boolean,
        "form_a": pl.UInt64,
        "form_b": pl.UInt64,
    }
)
ROWS_AT_A_TIME = 50_000  # texts in memory at once; what is kept of each is 60 bytes
SIGNED_AT_A_TIME = 20_000  # 112 permutations of their runs stay in the processor's cache
SIGNATURES_PER_COMMIT = 200_000
# Marks after a word and before a space end a sentence. Anywhere else they may be mathematics or
# code: 3.5, {1,2}, n!, f'(x), a:b. Operators stay, or 3 + 5 and 3 - 5 would be one problem.
_SENTENCE_MARK = r"(\S)[.,;:?…]+!*(\s|$)"
_EXCLAMATION = r"(\p{L}\p{L})!+(\s|$)"
_WIDE_SPACE = r"\s{2,}|[^\S ]"  # leaves single spaces alone: most of a text would be rewritten
_TYPOGRAPHY = {"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "–": "-", "−": "-", "—": "-"}
_TYPOGRAPHY |= {"。": ". "}


def loosen(text: pl.Expr) -> pl.Expr:
    """Return the form under which two texts ask the same, looser than `identity.normalise`."""
    is_ascii = text.str.len_bytes() == text.str.len_chars()
    foreign = fold(pl.when(~is_ascii).then(text)).str.to_lowercase()
    typed = pl.coalesce(foreign.str.replace_many(_TYPOGRAPHY), text.str.to_lowercase())
    return (
        leave_out_emphasis(typed)
        .str.replace_all(_SENTENCE_MARK, "${1} ")
        .str.replace_all(_EXCLAMATION, "${1} ")
        .str.replace_all(_WIDE_SPACE, " ")
        .str.strip_chars()
    )


def loosen_choices(choices: pl.Expr) -> pl.Expr:
    """Return the same of a prompt's options, in their order; null if it has none."""
    options = choices.cast(pl.List(pl.String))
    return loosen(pl.when(options.list.len() > 0).then(options.list.join(" \x1f ")))


def reduce_to_forms(prompts: pl.DataFrame) -> pl.DataFrame:
    """Reduce prompts (prompt_id, kind, has_answer, text, choices) to the hash of their form."""
    form = pl.concat_str(
        loosen(pl.col("text")),
        loosen_choices(pl.col("choices")),
        "\x1d" + pl.col("text").map_batches(find_capitals, return_dtype=pl.String),
        separator="\x1e",
        ignore_nulls=True,
    )
    return prompts.with_columns(form.alias("form")).select(
        "prompt_id",
        (pl.col("kind") != "seed").alias("is_rewrite"),
        (~pl.col("has_answer")).alias("lacks_answer"),
        pl.col("form").hash(seed=1).alias("form_a"),
        pl.col("form").hash(seed=2).alias("form_b"),
    )


def match_forms(forms: pl.DataFrame, refused: pl.Series = NOBODY) -> pl.DataFrame:
    """Return a row for every prompt that is not its form's representative.

    The representative is one whose licence is not `refused`, then one that came with an answer,
    then a seed before a rewrite, then the smallest id: nothing that a later stage changes, so that
    it stays while samples come in.
    """
    form = ["form_a", "form_b"]
    ordered = forms.sort([*form, is_refused(refused), "lacks_answer", "is_rewrite", "prompt_id"])
    return (
        ordered.with_columns(pl.col("prompt_id").first().over(form).alias("representative_id"))
        .filter(pl.col("prompt_id") != pl.col("representative_id"))
        .select(
            "prompt_id",
            "representative_id",
            pl.lit(METHOD).alias("method"),
            pl.lit(1.0).alias("score"),
        )
        .sort("prompt_id")
    )


def find_duplicates(
    store: Store,
    settings: DuplicateSettings,
    run_id: str,
    embedder: str | None = None,
    licences: LicenceSettings | None = None,
) -> int:
    """Compare all prompts of the store and record what changed; return how many rows that were.

    A prompt that is no longer a duplicate by a method gets a row of it that names itself. What
    `embedder` has found near is joined as far as the settings ask for it. Who may not be released
    by its `licences` stands for nobody who may.
    """
    with track("duplicates") as tracker:
        refused = NOBODY if licences is None else list_refused(store, licences)
        found = _match_exact(store, refused)
        if settings.method == "minhash":
            near = match_near(store, settings, tracker, refused)
            found = pl.concat([found, near.join(found, on=_PAIR, how="anti")])
        if settings.meaning is not None and embedder is not None:
            alike = _match_meaning(store, settings.meaning, embedder, settings, refused)
            found = pl.concat([found, alike.join(found, on=_PAIR, how="anti")])
    freed = (
        store.query("select_past_duplicates")
        .join(found, on=["prompt_id", "method"], how="anti")
        .select(
            "prompt_id",
            pl.col("prompt_id").alias("representative_id"),
            "method",
            pl.lit(0.0).alias("score"),
        )
    )
    return store.append("duplicates", pl.concat([found, freed]), run_id=run_id)


def match_near(
    store: Store, settings: DuplicateSettings, tracker: Tracker, refused: pl.Series
) -> pl.DataFrame:
    """Return a row for every prompt that is nearly the representative of its cluster.

    Signatures are kept as they are made: what a killed run has made is not made again.
    """
    sketch = name_signature(settings)
    tracker.expect(int(store.query("select_unsigned_count", sketch=sketch)["prompts"][0]))
    for frames in gather(_sign_all(store, settings, sketch), SIGNATURES_PER_COMMIT, len):
        rows = pl.concat(frames).with_columns(pl.lit(sketch).alias("sketch"))
        store.append("signatures", rows, known_new=True)
        tracker.advance(rows.height)
    signed = gather_signed(
        store.stream("select_signatures", ROWS_AT_A_TIME, sketch=sketch),
        settings.bands * settings.rows,
        refused,
    )
    return cluster(signed, settings)


@task(task_run_name="find-duplicates", cache_policy=NO_CACHE)
def mark_duplicates(recipe: Recipe, run_id: str) -> int:
    """Mark every prompt that asks what another one asks already."""
    store, settings = open_store(recipe.store), recipe.select.duplicates
    licences = recipe.select.licences
    embedder = name_embedder(recipe) if settings.meaning is not None else None
    return unless_settled(
        store,
        recipe,
        run_id,
        f"find-duplicates by {embedder}" if embedder else "find-duplicates",
        lambda: find_duplicates(store, settings, run_id, embedder, licences),
    )


def _match_exact(store: Store, refused: pl.Series) -> pl.DataFrame:
    forms = map_chunks(reduce_to_forms, store.stream("select_prompt_texts", ROWS_AT_A_TIME))
    return match_forms(pl.concat([_NO_FORMS, *forms]), refused)


def _match_meaning(
    store: Store, at_least: float, embedder: str, settings: DuplicateSettings, refused: pl.Series
) -> pl.DataFrame:
    """Return a row for every prompt that asks what another one asks, by its embedding."""
    pairs = store.query(
        "neighbours_joined",
        embedder=embedder,
        at_least=at_least,
        distinct=settings.numbers == "distinct",
    )
    return cluster_pairs(pairs, refused)


def _sign_all(store: Store, settings: DuplicateSettings, sketch: str) -> Iterator[pl.DataFrame]:
    def sign_chunk(prompts: pl.DataFrame) -> pl.DataFrame:
        return sign_prompts(prompts, join_choices(prompts), settings)

    unsigned = store.stream("select_unsigned_prompts", SIGNED_AT_A_TIME, sketch=sketch)
    return map_chunks(sign_chunk, unsigned)
