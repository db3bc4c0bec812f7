"""Bucket: a release in S3-compatible storage.

    s3://sets/math/quickstart-3f9c01d2a4b7/data/train-00000-of-00001.parquet, …, manifest.json
    s3://sets/math/latest.json   {"release": "quickstart-3f9c01d2a4b7", "version": 3, …}

The manifest goes last, and `latest.json` after it: who finds a manifest finds every file it lists.
An object carries the hash of what it holds, so that what is there is not sent again.
"""

import json
import re
from typing import Any

from tasks.errors import PublishError
from tasks.recipe import PublishTarget
from tasks.release.layout import MANIFEST
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
_CODE = re.compile(r"An error occurred \((\w+)\)")  # as botocore quotes a server
_REASONS = {
    "NoSuchBucket": "there is no such bucket; make it, or change release.publish",
    "AccessDenied": "access is denied; these credentials need to list, read and write there",
    "403": "access is denied; these credentials need to list, read and write there",
    "InvalidAccessKeyId": "the access key is not known there; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key is wrong; check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "the credentials have expired; renew them",
}


def deliver_to_bucket(target: PublishTarget, parcel: Parcel) -> Delivery:
    """Send what of a parcel is not there yet, then let `latest.json` name it.

    Raises PublishError saying why it is refused; nothing of it can then be taken for a release.
    """
    try:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise PublishError(
            f"{target.to}: needs the package `boto3`; install it with: pip install 'teachset[s3]'"
        ) from error
    bucket, _, prefix = target.path.partition("/")
    try:
        return _Prefix(_connect(target), bucket, prefix).deliver(parcel)
    except (ClientError, Boto3Error, BotoCoreError) as error:
        raise PublishError(f"{target.to}: {_explain(error)}") from error


class _Prefix:
    """A place in a bucket that releases lie under."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def deliver(self, parcel: Parcel) -> Delivery:
        folder = f"{self._prefix}{parcel.name}/"
        present = self._list(folder)
        *files, manifest = parcel.files
        assert manifest.path == MANIFEST
        sent = []
        if not self._has(folder, manifest, present):
            for file in (*files, manifest):
                if not self._has(folder, file, present):
                    self._send(f"{folder}{file.path}", file)
                    sent.append(file.bytes)
        self._point_latest(parcel)
        return Delivery(f"s3://{self._bucket}/{folder}", len(sent), sum(sent))

    def _list(self, folder: str) -> dict[str, int]:
        """Return the sizes of the objects of a folder."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=folder
        )
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", ())}

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

    def _point_latest(self, parcel: Parcel) -> None:
        told = {
            "recipe": parcel.recipe,
            "release": parcel.name,
            "release_id": parcel.release_id,
            "version": parcel.version,
            "manifest": f"{parcel.name}/{MANIFEST}",
        }
        content = (json.dumps(told, indent=2, sort_keys=True) + "\n").encode()
        key = f"{self._prefix}{LATEST}"
        if self._list(key).get(key) == len(content):
            found = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            if found == content:
                return
        self._client.put_object(
            Bucket=self._bucket, Key=key, Body=content, ContentType=_TYPES[".json"]
        )


def _connect(target: PublishTarget) -> Any:
    """Return a client with the credentials that the AWS tools would take."""
    import boto3
    from botocore.config import Config

    # Checksums that only Amazon is sure to know are left out elsewhere.
    checksums = "when_required" if target.endpoint else "when_supported"
    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=120,
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
    )
    region = target.region or ("us-east-1" if target.endpoint else None)
    return boto3.client("s3", endpoint_url=target.endpoint, region_name=region, config=config)


def _explain(error: Exception) -> str:
    """Say what to do about a refusal, or about a server that was never reached."""
    if refusal := _CODE.search(str(error)):
        return _REASONS.get(refusal[1]) or f"the server refuses it: {_line(error)}"
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"):
        return (
            "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            f"AWS_PROFILE ({_line(error)})"
        )
    return f"it cannot be reached: {_line(error)}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
