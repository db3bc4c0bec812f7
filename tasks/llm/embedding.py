"""Embeddings on the wire and at rest: a text as numbers, kept as four bytes each.

    sent      {"model": "text-embedding-3-small", "input": "Janet's ducks …", "encoding_format": …}
    content   "CtejPI/C9b2…"   base64 of little-endian floats, the form that OpenAI's API has for it

Base64 is asked for, since it is a third of the digits; a server that sends digits all the same is
understood, and `sampling: {extra: {encoding_format: float}}` is for one that refuses the field.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.llm.request import Endpoint, Request, parameters_of

Vector = NDArray[np.float32]
_FORM = np.dtype("<f4")


def render_embedding(endpoint: Endpoint, request: Request) -> Mapping[str, Any]:
    """Return the body of the HTTP request: the one message is the text."""
    ((_, text),) = request.messages
    return {
        "model": endpoint.settings.model,
        "input": text,
        "encoding_format": "base64",
        **parameters_of(endpoint.settings),
    }


def read_vector(sent: object) -> str:
    """Return what a server sent, digits or base64, as content. Raises ValueError if it is neither.

    >>> read_vector([1.0, 0.0]) == read_vector("AACAPwAAAAA=")
    True
    """
    if isinstance(sent, str):
        vector = decode_vector(sent)
    elif isinstance(sent, list) and all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in sent
    ):
        vector = _narrow(sent)
    else:
        raise ValueError("no list of numbers")
    if not len(vector) or not np.isfinite(vector).all():
        raise ValueError("no finite numbers")
    return base64.b64encode(vector.astype(_FORM).tobytes()).decode()


def _narrow(numbers: Sequence[float]) -> Vector:
    """Return numbers in four bytes each; what is too large for that is no finite number there."""
    try:
        with np.errstate(over="ignore"):
            return np.array(numbers, _FORM)
    except OverflowError as error:
        raise ValueError("no finite numbers") from error


def decode_vector(content: str) -> Vector:
    """Return the numbers of a content. Raises ValueError if it has none."""
    return np.frombuffer(base64.b64decode(content, validate=True), _FORM)
