r"""Rows of JSON: one object a line, an array of objects, or an object that holds such an array.

    {"question": "…", "answer": "…"}\n      →  RawRow("train.jsonl", 1, {"question": …})
    [{"question": "…"}, 7]                  →  a row, and a fault `not_an_object` for row 2

Arrays are cut into their elements by a scanner that keeps one element in memory, so that a broken
or endless element costs itself and not the file.
"""

import json
import re
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from tasks.errors import InputError
from tasks.ingest.files import BYTE_ORDER_MARK, File, Line, open_bytes, read_lines
from tasks.ingest.rows import LINE_LIMIT, RAW_LIMIT, Fault, RawRow

_BLOCK = 1 << 20
_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_STRUCTURE = re.compile(rb'["{}\[\],]')
_MEMORY_LIMIT = 256_000_000  # bytes of an object that is read as a whole to find the array in it


def read_json_lines(path: Path, file: File) -> Generator[RawRow]:
    """Yield a row for every line that is not blank; the row number is the number of the line."""
    with open_bytes(path, file) as stream:
        for line in read_lines(stream, file):
            if line.content.strip():
                yield parse_line(file, line)


def read_json(path: Path, file: File) -> Generator[RawRow]:
    """Yield the rows of a `.json` file: an array, an object with an array, or lines after all."""
    with open_bytes(path, file) as stream:
        start = stream.read(_BLOCK).removeprefix(BYTE_ORDER_MARK).lstrip()
        if start.startswith(b"["):
            elements = _split_array(stream, start[1:])
            yield from (parse_line(file, element) for element in elements)
            return
        if not _holds_lines(start):
            yield from _read_object(start + stream.read(_MEMORY_LIMIT), file)
            return
    yield from read_json_lines(path, file)


def parse_line(file: File, line: Line) -> RawRow:
    """Read one line or array element as an object, or say what is wrong with it."""
    if line.too_long:
        fault = Fault(
            "too_long",
            f"longer than {LINE_LIMIT // 1_000_000} MB; leave out what is no text",
        )
        return _bad(file, line, fault)
    try:
        text = line.content.decode("utf-8")
    except UnicodeDecodeError as error:
        return _bad(file, line, describe_encoding(error))
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{error.msg} at character {error.pos + 1}"
        return _bad(file, line, Fault("bad_json", f"not valid JSON: {place}; write the row again"))
    except (ValueError, RecursionError) as error:
        return _bad(file, line, Fault("bad_json", f"not usable JSON: {error}"))
    if not isinstance(values, Mapping):
        hint = (
            "; if the whole file is one array, set `format: json`"
            if isinstance(values, list)
            else ""
        )
        found = {list: "a list", str: "a text", type(None): "null"}.get(type(values), "a value")
        expected = 'expected an object such as {"prompt": …}'
        fault = Fault("not_an_object", f"{expected}, found {found}{hint}")
        return _bad(file, line, fault)
    return RawRow(file.uri, line.number, values, text=text)


def describe_encoding(error: UnicodeDecodeError) -> Fault:
    """Say which byte is not UTF-8 and how to mend the file."""
    return Fault(
        "bad_encoding",
        f"byte {error.start + 1} (0x{error.object[error.start]:02x}) is not UTF-8; convert the "
        "file, e.g. with `iconv -f LATIN1 -t UTF-8`",
    )


def _bad(file: File, line: Line, fault: Fault) -> RawRow:
    shown = line.content[: 4 * RAW_LIMIT].decode("utf-8", "backslashreplace")
    return RawRow(file.uri, line.number, {}, fault, shown[:RAW_LIMIT])


def _holds_lines(start: bytes) -> bool:
    """Tell JSON lines that are named `.json`: the first line is an object, and more follow it."""
    first, _, rest = start.partition(b"\n")
    try:
        return bool(rest.strip()) and isinstance(json.loads(first), Mapping)
    except (ValueError, RecursionError):
        return False


def _read_object(content: bytes, file: File) -> Iterator[RawRow]:
    """Yield the rows of the one list in an object, or the object itself as the only row."""
    if len(content) > _MEMORY_LIMIT:
        raise InputError(
            f"{file.uri}: one JSON object of more than {_MEMORY_LIMIT // 1_000_000} MB; "
            "convert it to JSON lines, e.g. with `jq -c '.data[]'`"
        )
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{file.uri}: not valid JSON: {error}. Expected an array of objects; if every line is "
            "an object of its own, set `format: jsonl`"
        ) from error
    if not isinstance(values, Mapping):
        raise InputError(f"{file.uri}: expected an array of objects, found one value")
    lists = {name: value for name, value in values.items() if _is_list_of_objects(value)}
    if len(lists) > 1:
        raise InputError(
            f"{file.uri}: the object has several lists ({', '.join(lists)}); keep one of them, "
            f"e.g. with `jq .{next(iter(lists))}`"
        )
    rows = next(iter(lists.values()), [values])
    for number, row in enumerate(rows, 1):
        yield parse_line(file, Line(number, json.dumps(row).encode()))


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, Mapping) for item in value)


def _split_array(stream: IO[bytes], block: bytes) -> Iterator[Line]:
    """Cut an array, its `[` already read, into its elements without parsing them.

    What follows the array, and the rest of one that never ends, come out as a last element, which
    then is no valid row: nothing of the file goes unseen.
    """
    kept, nesting, in_string, number = bytearray(), bytearray(), False, 1
    while block:
        at = start = 0
        while True:
            if in_string:
                at = _end_of(_REST_OF_STRING.match(block, at))
                if block[at : at + 1] != b'"':
                    break  # the string goes on in the next block
                in_string, at = False, at + 1
            found = _STRUCTURE.search(block, at)
            at = _end_of(found) or len(block)
            if found is None:
                break
            sign = found[0]
            if sign == b'"':
                in_string = True
            elif sign in b"{[":
                nesting += sign
            elif nesting:
                _close(nesting, sign)
            else:
                _keep(kept, block[start : at - 1])
                start = at
                if sign == b"," or kept.strip():
                    yield _cut(number, kept)
                    number += 1
                if sign != b",":
                    rest = (block[at:] + stream.read(_BLOCK)).strip()
                    if rest:
                        yield _cut(number, bytearray(rest))
                    return
        _keep(kept, block[start:at])
        more = stream.read(_BLOCK)
        block = block[at:] + more if more else b""
    if kept.strip() and not nesting and not in_string:
        yield _cut(number, kept)  # A whole element, it seems; that no `]` came is the next one.
        number += 1
    yield _cut(number, kept)


def _end_of(match: re.Match[bytes] | None) -> int:
    return match.end() if match else 0


def _close(nesting: bytearray, sign: bytes) -> None:
    """Leave the innermost object or array that the sign closes, with all that is open in it."""
    opener = {b"}": b"{", b"]": b"["}.get(sign)
    if opener and opener in nesting:
        del nesting[nesting.rindex(opener) :]


def _keep(kept: bytearray, part: bytes) -> None:
    kept += part[: LINE_LIMIT + 1 - len(kept)]


def _cut(number: int, kept: bytearray) -> Line:
    line = Line(number, bytes(kept[:LINE_LIMIT]).strip(), too_long=len(kept) > LINE_LIMIT)
    kept.clear()
    return line
