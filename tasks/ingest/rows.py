"""A row as it was read, and what becomes of one that cannot be used.

RawRow("gsm8k_train.jsonl", 1, {"question": "Natalia sold…", "answer": "… #### 72"})
QuarantinedRow(uri="seeds.jsonl", row_number=7, purpose="seed", reason="missing_prompt",
               detail="no value in `prompt`; …", raw='{"answer": "72"}')
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import polars as pl

from tasks.identity import content_id, normalise

Purpose = Literal["seed", "benchmark", "response", "review"]
RAW_LIMIT = 2_000  # characters of a bad row that are kept
LINE_LIMIT = 16_000_000  # bytes of one line or array element; longer ones are not rows
# Control characters but newline and tab, halves of surrogate pairs, and the marks that reverse the
# direction of the text around them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row, or one value of it, cannot be used."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class RawRow:
    """One physical row; `values` is empty if `fault` is set. Row 1 is the first row of the file."""

    uri: str
    row_number: int
    values: Mapping[str, Any]
    fault: Fault | None = None
    text: str | None = None  # as read; for formats without a text of their own, None


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """One row of the table `quarantine`."""

    uri: str
    row_number: int
    purpose: Purpose
    reason: str
    detail: str
    raw: str


def quarantine_row(row: RawRow, purpose: Purpose, fault: Fault) -> QuarantinedRow:
    """Set a row aside with its reason; what is kept of it can be printed anywhere."""
    text = row.text
    if text is None:
        text = json.dumps(row.values, ensure_ascii=False, default=str)
    detail = make_printable(fault.detail)
    raw = make_printable(text[:RAW_LIMIT])[:RAW_LIMIT]
    return QuarantinedRow(row.uri, row.row_number, purpose, fault.reason, detail, raw)


def make_printable(text: str) -> str:
    r"""Write characters that cannot be stored or shown as escapes, e.g. NUL as `\x00`."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def frame_quarantined(rows: list[QuarantinedRow]) -> pl.DataFrame:
    """Return the rows as a frame of the table `quarantine`."""
    columns: dict[str, list[Any]] = {
        "quarantine_id": [
            content_id("quarantine", row.uri, row.row_number, row.purpose, row.reason, row.raw)
            for row in rows
        ],
        "uri": [row.uri for row in rows],
        "row_number": [row.row_number for row in rows],
        "purpose": [row.purpose for row in rows],
        "reason": [row.reason for row in rows],
        "detail": [row.detail for row in rows],
        "raw": [row.raw for row in rows],
    }
    return pl.DataFrame(columns, schema_overrides={"row_number": pl.Int64})


def find_value(values: Mapping[str, Any], path: str | None) -> Any:
    """Return the value of a column, or at a dotted path such as `messages.0.content`; None if none.

    A column whose own name has the dots in it comes first.
    """
    found, value = _follow(values, path)
    return value if found else None


def has_column(values: Mapping[str, Any], path: str) -> bool:
    """Tell whether a row has the column or dotted path at all, even if it is null there."""
    return _follow(values, path)[0]


def list_paths(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the columns of a row and, of nested objects, their dotted paths."""
    for name, value in values.items():
        yield name
        if isinstance(value, Mapping):
            yield from (f"{name}.{inner}" for inner in value)


def read_text(values: Mapping[str, Any], path: str | None) -> str | None:
    """Return a short text or number as text without outer space; None for anything else."""
    value = find_value(values, path)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        value = write_number(value)
    return (normalise(value) or None) if isinstance(value, str) else None


def write_number(number: int | float | Decimal) -> str | None:
    """Write a number as an answer is written: 142.0 is `142`; not-a-number is None.

    >>> write_number(142.0), write_number(0.5), write_number(float("nan"))
    ('142', '0.5', None)
    """
    if isinstance(number, float):
        if number != number or number in (float("inf"), float("-inf")):
            return None
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    if isinstance(number, Decimal):
        whole = number == number.to_integral_value()
        return str(int(number)) if whole else f"{number:f}"
    return str(number)


def find_unstorable(*texts: str | None) -> Fault | None:
    """Return a fault if a text holds what no store can keep: NUL or half of a surrogate pair."""
    for text in texts:
        if not text or (text.isascii() and "\0" not in text):
            continue
        if match := _UNSTORABLE.search(text):
            return Fault(
                "bad_encoding",
                f"the character {ascii(match[0])[1:-1]} at position {match.start() + 1} is no "
                "text; write the file again from its source as UTF-8",
            )
    return None


def _follow(values: Mapping[str, Any], path: str | None) -> tuple[bool, Any]:
    if path is None:
        return False, None
    if path in values:
        return True, values[path]
    if "." not in path:
        return False, None
    value: Any = values
    for step in path.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list | tuple) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return False, None
    return True, value
