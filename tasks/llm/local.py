"""Local models: a folder of this machine that turns texts into numbers, for which nobody is paid.

    models/potion-base-8M/      config.json  tokenizer.json  model.safetensors
    open_model(settings).encode(["What is 2 + 2?"])     [[0.021, -0.113, …]]

model2vec reads numbers and JSON from it: nothing of it is run, and nothing is fetched. A vector is
the mean of those of a text's words, so it costs little and knows nothing of their order.
"""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import RecipeError
from tasks.identity import content_id
from tasks.recipe import LocalEmbedder

FIELD = "models.embedder.local"
_LAYOUTS = (  # As model2vec looks for them: the first whose files are all there is the model.
    ("config.json", "tokenizer.json", "model.safetensors"),
    ("config_sentence_transformers.json", "tokenizer.json", "model.safetensors"),
    (
        "config_sentence_transformers.json",
        "0_StaticEmbedding/tokenizer.json",
        "0_StaticEmbedding/model.safetensors",
    ),
)
_LONGEST_REASON = 200
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that was read; `words` of its vocabulary have vectors of `size` numbers."""

    folder: str
    words: int
    size: int
    model: Any

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return a vector a text, of texts of which there is one at least, however long they are.

        A text without any word that the model knows gets zeros, which are near nothing. Raises
        RecipeError if the model's numbers are none.
        """
        # Not cut off at 512 tokens, model2vec's default: what differs later would look the same.
        with _ENCODING:  # The tokenizer takes one batch at a time, on all cores.
            made = self.model.encode(list(texts), max_length=None, use_multiprocessing=False)
        vectors = np.asarray(made, np.float32)
        if not np.isfinite(vectors).all():
            raise RecipeError(f"{FIELD}: {self.folder}: its model has numbers that are not finite")
        return vectors


def identify_model(settings: LocalEmbedder) -> str:
    """Return the digest of a model's content, the same wherever its folder lies.

    Raises RecipeError if the folder holds no model.
    """
    files = _find_files(settings.local)
    try:
        stats = [file.stat() for file in files]
        return content_id(
            *(
                _digest(str(file), stat.st_size, stat.st_mtime_ns)
                for file, stat in zip(files, stats, strict=True)
            )
        )
    except OSError as error:
        raise _refuse(settings.local, f"cannot be read: {error.strerror}") from error


def open_model(settings: LocalEmbedder) -> LocalModel:
    """Return the model of a folder, read once for as long as its content stays the same.

    Raises RecipeError if its library or the folder is missing, or no model is in it.
    """
    digest = identify_model(settings)
    with _LOADING:
        return _load(settings.local, digest)


@lru_cache(maxsize=1)
def _load(folder: str, digest: str) -> LocalModel:
    try:
        from model2vec import StaticModel
    except ImportError as error:
        raise RecipeError(
            f"{FIELD}: needs the package `model2vec`; "
            "install it with: pip install 'teachset[local]'"
        ) from error
    try:
        model = StaticModel.from_pretrained(folder)
        return LocalModel(folder, len(model.tokens), int(model.dim), model)
    except Exception as error:  # safetensors and tokenizers raise bare ones of their own.
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        raise _refuse(folder, f"no Model2Vec model: {reason}") from error


def _find_files(folder: str) -> list[Path]:
    """Return the files that a model is made of."""
    place = Path(folder)
    for layout in _LAYOUTS:
        files = [place / name for name in layout]
        if all(file.is_file() for file in files):
            return files
    if not place.is_dir():
        raise _refuse(folder, "there is no such folder")
    absent = [name for name in _LAYOUTS[0] if not (place / name).is_file()]
    raise _refuse(folder, f"this folder has no {' and no '.join(absent)}")


def _refuse(folder: str, reason: str) -> RecipeError:
    return RecipeError(
        f"{FIELD}: {folder}: {reason}; name the folder of a Model2Vec model, as "
        "`hf download minishlab/potion-base-8M --local-dir models/potion-base-8M` makes one"
    )


@lru_cache(maxsize=64)
def _digest(file: str, size: int, changed_ns: int) -> str:
    """Hash a file's content; it is read again when its size or its time is another one."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


_LOADING = threading.Lock()
_ENCODING = threading.Lock()
