"""JSON: the same value, whatever the order of its fields and the spelling of its numbers.

>>> check('{"a": 1, "b": [2]}', '{"b": [2.0], "a": 1}'), check("[1, 2]", "[2, 1]")
(Outcome(verdict='correct', reason='same_value'), Outcome(verdict='wrong', reason='other_value'))

Arrays are ordered; texts, true, false and null are themselves only; a field that is named twice and
numbers that JSON does not have (NaN) make it no JSON.
"""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from tasks.assess.verifiers import Outcome

NAME = "json"
VERSION = 3
LONGEST = 100_000


def check(key: str, answer: str) -> Outcome:
    """Compare two JSON texts by value."""
    if key == answer:
        return Outcome("correct", "identical")
    if len(key) > LONGEST or len(answer) > LONGEST:
        return Outcome("unverifiable", "too_long")
    try:
        wanted = read_json(key)
    except ValueError:
        return Outcome("unverifiable", "key_not_read")
    try:
        found = read_json(answer)
    except ValueError:
        return Outcome("wrong", "not_json")
    try:
        return Outcome(
            *(("correct", "same_value") if is_equal(wanted, found) else ("wrong", "other_value"))
        )
    except RecursionError:
        return Outcome("unverifiable", "too_complex")


def read_json(text: str) -> Any:
    """Read a JSON value with exact numbers. Raises ValueError for what is not strictly JSON."""
    try:
        return json.loads(
            text,
            parse_int=Decimal,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_read_object,
        )
    except (RecursionError, InvalidOperation) as error:
        raise ValueError("too deep, or a number without end") from error


def is_equal(wanted: Any, found: Any) -> bool:
    """Compare two values as JSON means them: true is not 1, and 1 is 1.0."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(
            is_equal(wanted[name], found[name]) for name in wanted
        )
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(is_equal, wanted, found))
    return type(wanted) is type(found) and bool(wanted == found)


def _read_object(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(fields)
    if len(read) < len(fields):
        raise ValueError("a field is named twice")
    return read


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
