"""A real Model2Vec model that is small enough to compute by hand: a few words, a few numbers each.

hens (3, 4, 0)    chickens (4, 3, 0)    train (0, 0, 5)
cosine of hens and chickens: (3 x 4 + 4 x 3) / (5 x 5) = 0.96
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from model2vec import StaticModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

WORDS: Mapping[str, Sequence[float]] = {
    "hens": (3, 4, 0),
    "chickens": (4, 3, 0),
    "ducks": (0, 5, 0),
    "train": (0, 0, 5),
}
FILES = ("config.json", "tokenizer.json", "model.safetensors")


def save_model(folder: Path, words: Mapping[str, Sequence[float]] = WORDS) -> Path:
    """Save a model of these words in a folder; it leaves out any other word of a text."""
    names = ["[UNK]", *words]
    model = models.WordLevel({name: number for number, name in enumerate(names)}, "[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    unknown = [9.0] * len(next(iter(words.values())))
    vectors = np.array([unknown, *words.values()], np.float32)
    StaticModel(vectors, tokenizer).save_pretrained(folder)
    return folder
