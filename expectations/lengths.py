"""Lengths in tokens, counted where they can matter.

    pair_id  tokens
    41ce…    35112

A token stands for one byte at least, so a conversation of fewer bytes than tokens are allowed needs
no counting: at 2 kB a pair nothing is counted at all.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tasks.errors import RecipeError

CHARACTERS_A_TOKEN = 4  # of English; where no tokenizer is named
_AT_ONCE = 256
# How many times as many bytes a normaliser can make of a text (Unicode's FAQ on normalisation).
_GROWTH = {"NoneType": 1, "NFC": 3, "NFD": 3}
_MOST_GROWTH = 11
_SCHEMA = pa.schema([("pair_id", pa.string()), ("tokens", pa.int64())])


def fill_token_counts(
    connection: duckdb.DuckDBPyConnection, tokenizer: str | None, most: int
) -> None:
    """Make `token_counts`: the tokens of every pair that may have more than `most`."""
    connection.execute("create table token_counts (pair_id varchar, tokens bigint)")
    if tokenizer is None:
        connection.execute(
            "insert into token_counts select pair_id, ceil(characters / $ratio)::bigint "
            "from measured where characters > $ratio * $most",
            {"ratio": CHARACTERS_A_TOKEN, "most": most},
        )
        return
    encoder = load_tokenizer(tokenizer)
    growth = _GROWTH.get(type(encoder.normalizer).__name__, _MOST_GROWTH)
    counts = pa.concat_tables([_SCHEMA.empty_table(), *_count(connection, encoder, most // growth)])
    connection.from_arrow(counts).insert_into("token_counts")


def load_tokenizer(name: str) -> Any:
    """Return the tokenizer of a `tokenizer.json` or of a model on the Hugging Face hub.

    Raises RecipeError if it cannot be had.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise RecipeError(
            "release.gate.tokenizer: needs the package `tokenizers`; "
            "install it with: pip install 'teachset[tokenizer]'"
        ) from error
    try:
        if Path(name).is_file():
            return Tokenizer.from_file(name)
        if name.endswith(".json"):
            raise FileNotFoundError("there is no such file")
        return Tokenizer.from_pretrained(name)
    except Exception as error:  # The library raises bare ones.
        reason = " ".join(str(error).split())[:200]
        raise RecipeError(
            f"release.gate.tokenizer: {name}: expected a tokenizer.json or a model on the "
            f"Hugging Face hub: {reason}"
        ) from error


def _count(
    connection: duckdb.DuckDBPyConnection, encoder: Any, bytes_without_doubt: int
) -> Iterator[pa.Table]:
    """Yield the counts of the pairs that are long enough to be in doubt, a batch at a time."""
    rows = connection.execute(
        "select pairs.pair_id, "
        "list_transform(pairs.messages, lambda message: coalesce(message.content, '')) as texts "
        "from pairs where pairs.pair_id in "
        "(select measured.pair_id from measured where measured.bytes > $bytes)",
        {"bytes": bytes_without_doubt},
    ).to_arrow_reader(_AT_ONCE)
    for batch in rows:
        texts = batch["texts"].to_pylist()
        counts = [_count_tokens(encoder, said) for said in texts]
        yield pa.table({"pair_id": batch["pair_id"], "tokens": counts}, schema=_SCHEMA)


def _count_tokens(encoder: Any, texts: list[str]) -> int:
    return sum(len(found.ids) for found in encoder.encode_batch(texts, add_special_tokens=False))
