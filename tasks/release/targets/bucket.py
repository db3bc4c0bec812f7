"""Bucket: a release in S3-compatible storage.

    s3://sets/math/quickstart-3f9c01d2a4b7/data/train-00000-of-00001.parquet, …, manifest.json
    s3://sets/math/latest.json   {"release": "quickstart-3f9c01d2a4b7", "version": 3, …}

The manifest goes last, and `latest.json` after it: who finds a manifest finds every file it lists.
An object carries the hash of what it holds, so that what is there is not sent again. `latest.json`
is replaced only if it is still the one that was there at the start: of two who publish at the same
time the second to arrive is told.
"""

import json
from typing import Any

from tasks.errors import PublishError
from tasks.recipe import PublishTarget
from tasks.release.layout import MANIFEST
from tasks.release.targets.access import connect_bucket, explain_bucket, list_objects
from tasks.release.targets.parcel import Delivery, Parcel, ParcelFile

LATEST = "latest.json"
_HASH = "sha256"  # the name under which an object's metadata has it
_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
}


def deliver_to_bucket(target: PublishTarget, parcel: Parcel) -> Delivery:
    """Send what of a parcel is not there yet, then let `latest.json` name it.

    Raises PublishError saying why it is refused; nothing of it can then be taken for a release.
    """
    bucket, _, prefix = target.path.partition("/")
    with explain_bucket(target, PublishError):
        return _Prefix(connect_bucket(target), bucket, prefix).deliver(parcel)


class _Prefix:
    """A place in a bucket that releases lie under."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def deliver(self, parcel: Parcel) -> Delivery:
        folder = f"{self._prefix}{parcel.name}/"
        latest = self._read_latest()
        present = list_objects(self._client, self._bucket, folder)
        assert parcel.files[-1].path == MANIFEST
        sent = []
        for file in parcel.files:
            if not self._has(folder, file, present):
                self._send(f"{folder}{file.path}", file)
                sent.append(file.bytes)
        self._point_latest(parcel, latest)
        return Delivery(f"s3://{self._bucket}/{folder}", len(sent), sum(sent))

    def _has(self, folder: str, file: ParcelFile, present: dict[str, int]) -> bool:
        """Tell whether an object holds a file's content, by its size and the hash it carries."""
        key = f"{folder}{file.path}"
        if present.get(key) != file.bytes:
            return False
        found = self._client.head_object(Bucket=self._bucket, Key=key)
        return bool(found["Metadata"].get(_HASH) == file.sha256)

    def _send(self, key: str, file: ParcelFile) -> None:
        extra = {
            "Metadata": {_HASH: file.sha256},
            "ContentType": _TYPES.get(file.source.suffix, "application/octet-stream"),
        }
        self._client.upload_file(str(file.source), self._bucket, key, ExtraArgs=extra)

    def _read_latest(self) -> tuple[bytes, str] | None:
        """Return what `latest.json` says, and the tag that changes with it; None if it is none."""
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}{LATEST}")
        except self._client.exceptions.NoSuchKey:
            return None
        return found["Body"].read(), str(found["ETag"])

    def _point_latest(self, parcel: Parcel, before: tuple[bytes, str] | None) -> None:
        told = {
            "recipe": parcel.recipe,
            "release": parcel.name,
            "release_id": parcel.release_id,
            "version": parcel.version,
            "manifest": f"{parcel.name}/{MANIFEST}",
        }
        content = (json.dumps(told, indent=2, sort_keys=True) + "\n").encode()
        if before and before[0] == content:
            return
        self._client.put_object(
            Bucket=self._bucket,
            Key=f"{self._prefix}{LATEST}",
            Body=content,
            ContentType=_TYPES[".json"],
            **({"IfMatch": before[1]} if before else {"IfNoneMatch": "*"}),
        )
