"""Verifying: a file that cannot be read is named, whichever it is."""

import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

import pytest

from tasks.errors import InputError
from tasks.release.layout import GATE, MANIFEST, ORIGIN, REPORT
from tasks.release.verify import identify_release, verify_release


class _Torn(io.BytesIO):
    def read(self, *_: object) -> bytes:
        raise OSError(5, "Input/output error")


@dataclass(frozen=True)
class _Place:
    """A release in memory, one file of which cannot be opened, or not read to its end."""

    files: Mapping[str, bytes]
    bad: str = ""
    opens: bool = False
    name: str = "there"

    @property
    def releases(self) -> Collection[str]:
        return (f"test-{identify_release(self.files[MANIFEST])}",)

    def sizes(self) -> Mapping[str, int]:
        return {path: len(content) for path, content in self.files.items()}

    def open(self, path: str) -> BinaryIO:
        if path == self.bad and not self.opens:
            raise PermissionError(13, "Permission denied", path)
        return _Torn() if path == self.bad else io.BytesIO(self.files[path])


def _listed(path: str, content: bytes) -> dict[str, object]:
    return {"path": path, "bytes": len(content), "sha256": sha256(content).hexdigest()}


def _release() -> dict[str, bytes]:
    data = {"data/train.jsonl": b"{}\n"}
    rows = {"jsonl": {"train": 1, "validation": 0}}
    files = [
        {**_listed(path, content), "rows": 1, "format": "jsonl"} for path, content in data.items()
    ]
    manifest = {"files": files, "pairs": {"train": 1}, "rows": rows}
    content = json.dumps(manifest).encode()
    beside = {GATE: b"{}", REPORT: b"<p>"}
    origin = {
        "release_id": identify_release(content),
        "files": [_listed(path, said) for path, said in beside.items()],
    }
    return {**data, **beside, MANIFEST: content, ORIGIN: json.dumps(origin).encode()}


def test_a_whole_release_has_no_fault() -> None:
    assert verify_release(_Place(_release())).faults == ()


@pytest.mark.parametrize("opens", [False, True])
@pytest.mark.parametrize("path", ["data/train.jsonl", MANIFEST, ORIGIN, GATE, REPORT])
def test_a_file_that_cannot_be_read_is_named(path: str, opens: bool) -> None:
    with pytest.raises(InputError, match=f"^there/{path}: this file cannot be read"):
        verify_release(_Place(_release(), path, opens))
