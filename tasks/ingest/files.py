"""Files: from a path, a glob or a URI to lines of bytes, whatever they are compressed with.

    File(path="/data/gsm8k_train.jsonl.gz", uri="gsm8k_train.jsonl.gz", format="jsonl")

A line is never longer in memory than `LINE_LIMIT`. Lines end at a newline and at nothing else:
U+2028 and its kin are ordinary characters of a text.
"""

import glob
import gzip
import io
import os
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

import duckdb
import pyarrow as pa

from tasks.errors import InputError
from tasks.ingest.rows import LINE_LIMIT
from tasks.lake.place import connect_duckdb
from tasks.recipe import ResponseSource, SeedSource

Source = SeedSource | ResponseSource
AnySource = TypeVar("AnySource", bound=Source)
FORMATS = {
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "json",
    "csv": "csv",
    "tsv": "tsv",
    "tab": "tsv",
    "parquet": "parquet",
    "pq": "parquet",
}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_URI = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_WILD = re.compile(r"[*?\[]")
_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException, OSError)


@dataclass(frozen=True, slots=True)
class File:
    """One file of a source. `uri` names it in the store: no folder of this machine, no secret."""

    path: str
    uri: str
    format: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its newline; `too_long` if it was cut off at `LINE_LIMIT`."""

    number: int
    content: bytes
    too_long: bool = False


def find_files(source: Source) -> list[File]:
    """Return the files of a source in order. Raises InputError if there are none."""
    path = source.path.removeprefix("file://")
    if _URI.match(path):
        return [
            File(uri, _without_secrets(uri), _tell_format(source, urlsplit(uri).path))
            for uri in _find_remote(path)
        ]
    try:
        found, root = _find_local(path)
    except PermissionError as error:
        raise InputError(f"{path}: no permission to look there: {error}") from None
    except OSError as error:
        raise InputError(f"{path[:200]}: cannot be found: {error.strerror}") from None
    return [
        File(str(file), _write_name(file.relative_to(root)), _tell_format(source, file.name))
        for file in found
    ]


def tell_apart(found: Sequence[tuple[AnySource, File]]) -> list[tuple[AnySource, File]]:
    """Have each of several files of one name keep as much of its path as tells it from the others.

    A file that is named by two sources is one file.
    """
    places: dict[str, set[str]] = {}
    for _, file in found:
        if not _URI.match(file.path):
            places.setdefault(file.uri, set()).add(file.path)
    names = {
        path: name
        for paths in places.values()
        if len(paths) > 1
        for path, name in _name_apart(sorted(paths)).items()
    }
    return [(source, replace(file, uri=names.get(file.path, file.uri))) for source, file in found]


def _name_apart(paths: Sequence[str]) -> dict[str, str]:
    """Return names of paths that differ: their last parts, as few as it takes."""
    parts = {path: Path(path).absolute().parts[1:] for path in paths}
    for count in range(2, max(map(len, parts.values())) + 1):
        names = {path: _write_name(Path(*each[-count:])) for path, each in parts.items()}
        if len(set(names.values())) == len(paths):
            return names
    return {}


def _write_name(path: Path) -> str:
    r"""Return a path as text that can be stored: bytes of a name that are not UTF-8 as `\xe9`."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _find_local(path: str) -> tuple[list[Path], Path]:
    """Return the files of a path or glob and the folder below which their names tell them apart."""
    if Path(path).is_dir():
        raise InputError(f"{path}: this is a folder; name its files, e.g. {path}/*.jsonl")
    if os.path.lexists(path):
        _refuse_what_is_no_file(Path(path))
        return [Path(path)], Path(path).parent
    root, pattern = _split(Path(path))
    return _match_local(root, pattern), root


def _refuse_what_is_no_file(path: Path) -> None:
    """Raise InputError for a pipe, which would be waited for, and a link whose file is missing."""
    if not path.exists():
        raise InputError(
            f"{_write_name(path)}: this is a link to a file that is not there; fetch the file, "
            "as with `git annex get` or `dvc pull`, or remove the link"
        )
    if not path.is_file():
        name = _write_name(path)
        raise InputError(f"{name}: this is a pipe or a device; write its rows to a file first")


def _split(path: Path) -> tuple[Path, str]:
    """Return the folder that a path begins with, and what of it may be a pattern.

    A folder that is there is meant as it is called: a project may lie in `runs [1]`, which as a
    pattern is `runs 1`.
    """
    root = Path(path.anchor)
    names = path.parts[len(root.parts) :]
    for at, name in enumerate(names[:-1]):
        if _WILD.search(name) and not (root / name).is_dir():
            return root, str(Path(*names[at:]))
        root /= name
    return root, names[-1]


@contextmanager
def fetch(file: File) -> Iterator[Path]:
    """Give a local path of a file; a remote one is copied to a temporary folder by DuckDB."""
    if not _URI.match(file.path):
        yield Path(file.path)
        return
    with tempfile.TemporaryDirectory(prefix="teachset-") as folder:
        copy = Path(folder) / "file"
        with _remote(file.uri) as connection:
            found = connection.execute(
                "select content from read_blob($uri)", {"uri": file.path}
            ).fetchone()
        copy.write_bytes(found[0] if found else b"")
        yield copy


@contextmanager
def open_bytes(path: Path, file: File) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressed. Raises InputError if it is empty or not text."""
    with explain_damage(file):
        with path.open("rb") as opened:
            start = opened.read(4)
        if not start:
            raise InputError(f"{file.uri}: the file is empty; expected rows of {file.format}")
        if start == _PARQUET:
            raise InputError(f"{file.uri}: this is a Parquet file; set `format: parquet`")
        with cast("IO[bytes]", _decompress(path, start)) as stream:
            yield stream


@contextmanager
def explain_damage(file: File) -> Iterator[None]:
    """Turn whatever breaks in reading a file into an InputError that names it."""
    try:
        yield
    except PermissionError:
        place = _write_name(Path(file.path))
        raise InputError(f"{file.uri}: no permission to read it; see `ls -l {place}`") from None
    except _BROKEN as error:
        raise InputError(
            f"{file.uri}: the file cannot be read to its end: {error}. It is damaged or not what "
            "its name says; fetch it again. Rows read before this point are kept."
        ) from error


def read_lines(stream: IO[bytes], file: File) -> Iterator[Line]:
    """Yield every line of a stream, blank ones too, the byte-order mark of the first left out."""
    number = 0
    while content := stream.readline(LINE_LIMIT + 2):
        number += 1
        if number == 1:
            if content.startswith(_UTF_16):
                raise InputError(
                    f"{file.uri}: this is UTF-16 text, expected UTF-8; convert it with "
                    f"`iconv -f UTF-16 -t UTF-8`"
                )
            content = content.removeprefix(BYTE_ORDER_MARK)
        whole = content.removesuffix(b"\n")
        too_long = len(whole) > LINE_LIMIT
        if too_long:
            _skip_line(stream, content)
        yield Line(number, whole[:LINE_LIMIT], too_long)


def _skip_line(stream: IO[bytes], content: bytes) -> None:
    while content and not content.endswith(b"\n"):
        content = stream.readline(LINE_LIMIT)


def _decompress(path: Path, start: bytes) -> object:
    """Open by the first bytes, not by the name: `.jsonl` files that are gzip exist."""
    if start.startswith(_GZIP):
        return gzip.open(path, "rb")
    if start == _ZSTD:
        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"), 1 << 20)
    return path.open("rb", buffering=1 << 20)


def _match_local(root: Path, pattern: str) -> list[Path]:
    matches = glob.glob(pattern, root_dir=root, recursive=True)
    files = [file for file in sorted(root / match for match in matches) if not file.is_dir()]
    if files:
        for file in files:
            _refuse_what_is_no_file(file)
        return files
    path = root / pattern
    if _WILD.search(pattern):
        raise InputError(f"{path}: no file matches this pattern")
    near = sorted(_write_name(Path(file.name)) for file in root.iterdir()) if root.is_dir() else []
    beside = f" Beside it: {', '.join(near[:8])}." if near else f" Nor is there a folder {root}."
    raise InputError(f"{path}: no such file.{beside} Mend `path` in the recipe.")


def _find_remote(uri: str) -> list[str]:
    if urlsplit(uri).scheme.lower() in ("http", "https") or not _WILD.search(uri):
        return [uri]
    with _remote(_without_secrets(uri)) as connection:
        rows = connection.execute("select file from glob($uri) order by file", {"uri": uri})
        found = [str(file) for (file,) in rows.fetchall()]
    if not found:
        raise InputError(f"{_without_secrets(uri)}: no file matches this pattern")
    return found


@contextmanager
def _remote(shown: str) -> Iterator[duckdb.DuckDBPyConnection]:
    connection: Any = connect_duckdb(("httpfs",))
    try:
        yield connection
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{shown}: cannot be fetched: {_without_queries(reason)}. Check the address and, for a "
            "private one, DuckDB's stored secrets (`create persistent secret`)."
        ) from error
    finally:
        connection.close()


def _without_secrets(uri: str) -> str:
    """Leave out of a URI what may be secret: user, password and query."""
    parts = urlsplit(uri)
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _without_queries(message: str) -> str:
    return re.sub(r"(://)[^/\s'@]*@|\?[^\s']*", r"\1", message)


def _tell_format(source: Source, name: str) -> str:
    if source.format != "auto":
        return source.format
    endings = name.lower().split(".")[1:]
    if endings and endings[-1] in ("gz", "zst", "gzip", "zstd"):
        endings.pop()
    if endings and endings[-1] in FORMATS:
        return FORMATS[endings[-1]]
    raise InputError(
        f"{name}: cannot tell the format by the name; set `format` to one of jsonl, json, csv, "
        "tsv or parquet"
    )
