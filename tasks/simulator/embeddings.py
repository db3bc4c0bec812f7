"""Embeddings as values: a request is checked and answered without any network.

    asked    {"model": "sim-embedder", "input": "Janet's ducks lay 16 eggs per day."}
    replied  {"object": "list", "data": [{"index": 0, "embedding": [0.021, -0.113, …], …}], …}

What the numbers are is in spelling.
"""

import base64
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from tasks.simulator.chance import fingerprint
from tasks.simulator.completions import Problem, count_tokens
from tasks.simulator.spelling import embed
from tasks.simulator.wire import FINGERPRINT

_MOST_INPUTS = 2_048
_MOST_TOKENS = 8_192
_SORTED = orjson.OPT_SORT_KEYS


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A checked request; `digest` names the whole body."""

    model: str
    texts: tuple[str, ...]
    digest: str
    prompt_tokens: int
    encoding: Literal["float", "base64"] = "float"
    dimensions: int | None = None


def read_embedding_request(body: bytes) -> EmbeddingRequest | Problem:
    """Check the body of an embedding request."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Problem(400, f"We could not parse the JSON body of your request: {error}")
    if not isinstance(asked, dict) or not isinstance(asked.get("model"), str):
        return Problem(400, "You must provide a model parameter.", param="model")
    given = asked.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not 0 < len(texts) <= _MOST_INPUTS:
        return Problem(400, "`input` must be a text or a list of texts.", param="input")
    for place, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            return Problem(400, "Expected a text that is not empty.", param=f"input[{place}]")
        if count_tokens(text) > _MOST_TOKENS:
            message = f"This model's maximum context length is {_MOST_TOKENS} tokens."
            return Problem(400, message, param=f"input[{place}]")
    encoding = asked.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        return Problem(400, "Expected float or base64.", param="encoding_format")
    dimensions = asked.get("dimensions")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        return Problem(400, "Expected a number of dimensions.", param="dimensions")
    return EmbeddingRequest(
        model=asked["model"],
        texts=tuple(texts),
        digest=fingerprint(orjson.dumps(asked, option=_SORTED).decode()).hex(),
        prompt_tokens=sum(map(count_tokens, texts)),
        encoding=encoding,
        dimensions=dimensions,
    )


def embedding_body(request: EmbeddingRequest, dimensions: int) -> bytes:
    """Return the reply to a request as one JSON object."""
    wanted = request.dimensions or dimensions
    data = [
        {"object": "embedding", "index": index, "embedding": _encode(direction, request.encoding)}
        for index, direction in enumerate(embed(text, wanted) for text in request.texts)
    ]
    usage = {"prompt_tokens": request.prompt_tokens, "total_tokens": request.prompt_tokens}
    return orjson.dumps(
        {
            "object": "list",
            "data": data,
            "model": request.model,
            "system_fingerprint": FINGERPRINT,
            "usage": usage,
        }
    )


def _encode(direction: Sequence[float], encoding: str) -> object:
    if encoding == "float":
        return direction
    numbers = array("f", direction)
    if _BIG_ENDIAN:
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()


_BIG_ENDIAN = array("H", [1]).tobytes() == b"\0\1"
