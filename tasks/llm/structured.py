"""Structured answers: JSON that follows a schema, found even where a model wraps it in prose.

>>> parse_structured('Here you are: ```json\\n{"valid": true}\\n```', SCHEMA)
{'valid': True}
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from jsonschema import Draft202012Validator

_DEEPEST = 64


def parse_structured(text: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the first object in a text that follows the schema, or None."""
    validator = Draft202012Validator(schema)
    for candidate in _candidates(text):
        try:
            value = orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, dict) and not _is_deep(value) and validator.is_valid(value):
            return value
    return None


def _is_deep(value: Any) -> bool:
    """Say whether a value is nested more deeply than a form asks for.

    Whatever walks it afterwards, the validator first of all, has a stack that ends.
    """
    level: Sequence[Any] = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _candidates(text: str) -> Iterator[str]:
    """Yield the text itself, then what stands between its first and last brace."""
    yield text
    first, last = text.find("{"), text.rfind("}")
    if 0 <= first < last:
        yield text[first : last + 1]
