"""Remote: a release in a bucket or on a hub, its files brought here one at a time to be looked at.

s3://sets/math                         what its latest.json leads to
s3://sets/math/quickstart-3f9c01d2a4b7 that release
hf://our-lab/math                      what its `main` shows
hf://our-lab/math@quickstart-3f9c01d2a4b7

A file lies in a temporary one of this machine while it is read, so that neither memory nor disk
has to hold more than one.
"""

import json
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import ValidationError

from tasks.errors import InputError
from tasks.recipe import PublishTarget
from tasks.release.layout import MANIFEST
from tasks.release.targets.access import (
    KIND,
    OF_THE_HUB,
    connect_bucket,
    connect_hub,
    explain_bucket,
    explain_hub,
    list_files,
    list_objects,
)
from tasks.release.targets.bucket import LATEST
from tasks.release.verify import Folder, Place

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_NAME = re.compile(r"[\w.-]+")


def find_place(address: str, endpoint: str | None = None, token_env: str | None = None) -> Place:
    """Return where a release lies by its folder's path or its address.

    Raises InputError if the address cannot be one, or if no release is found there.
    """
    if "://" not in address:
        return Folder(Path(address))
    plain, _, revision = address.rstrip("/").partition("@")
    asked = {"to": plain, "endpoint": endpoint, "token_env": token_env}
    try:
        target = PublishTarget.model_validate({n: value for n, value in asked.items() if value})
        if revision and target.kind == "s3":
            raise ValueError("a bucket has no revisions: leave out what stands after the @")
    except ValidationError as error:
        first = error.errors()[0]
        field = "".join(f"{name}: " for name in first["loc"])
        raise InputError(f"{address}: {field}{first['msg']}") from error
    except ValueError as error:
        raise InputError(f"{address}: {error}") from error
    if target.kind == "s3":
        return _find_in_bucket(target)
    return _find_on_hub(target, revision or "main")


@dataclass(frozen=True)
class _BucketPlace:
    target: PublishTarget
    client: Any
    bucket: str
    folder: str  # the keys' prefix, without the last stroke

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.folder}"

    @property
    def releases(self) -> Collection[str]:
        return (self.folder.rpartition("/")[2],)

    def sizes(self) -> Mapping[str, int]:
        prefix = f"{self.folder}/"
        with explain_bucket(self.target, InputError):
            found = list_objects(self.client, self.bucket, prefix)
        return {key.removeprefix(prefix): size for key, size in found.items()}

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile(prefix="teachset-") as file:
            with explain_bucket(self.target, InputError):
                self.client.download_fileobj(self.bucket, f"{self.folder}/{path}", file)
            file.seek(0)
            yield file


@dataclass(frozen=True)
class _HubPlace:
    target: PublishTarget
    api: "HfApi"
    revision: str
    commit: str  # what the revision meant at first: nobody's later commit is mixed in

    @property
    def name(self) -> str:
        return f"hf://{self.target.path}@{self.revision}"

    @cached_property
    def releases(self) -> Collection[str]:
        """The tags of this commit, for a repository's own name says nothing of a release."""
        with explain_hub(self.target, InputError):
            refs = self.api.list_repo_refs(self.target.path, repo_type=KIND)
        return [tag.name for tag in refs.tags if tag.target_commit == self.commit]

    def sizes(self) -> Mapping[str, int]:
        with explain_hub(self.target, InputError):
            found = list_files(self.api, self.target.path, self.commit)
        return {path: file.size for path, file in found.items() if path not in OF_THE_HUB}

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        with tempfile.TemporaryDirectory(prefix="teachset-") as folder:
            with explain_hub(self.target, InputError):
                file = self.api.hf_hub_download(
                    self.target.path,
                    path,
                    repo_type=KIND,
                    revision=self.commit,
                    local_dir=folder,
                )
            with open(file, "rb") as content:
                yield content


def _find_in_bucket(target: PublishTarget) -> Place:
    bucket, _, folder = target.path.partition("/")
    with explain_bucket(target, InputError):
        client = connect_bucket(target)
        if list_objects(client, bucket, f"{folder}/{MANIFEST}"):
            return _BucketPlace(target, client, bucket, folder)
        key = f"{folder}/{LATEST}".removeprefix("/")
        if not list_objects(client, bucket, key):
            raise InputError(
                f"{target.to}: there is no release: neither {MANIFEST} nor {LATEST} is there"
            )
        content = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        named = json.loads(content)["release"]
        if not _NAME.fullmatch(named):
            raise ValueError(f"{named!r} is no release's name")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{target.to}/{LATEST}: names no release: {error!r}") from error
    return _BucketPlace(target, client, bucket, f"{folder}/{named}".removeprefix("/"))


def _find_on_hub(target: PublishTarget, revision: str) -> Place:
    with explain_hub(target, InputError):
        api = connect_hub(target, os.environ.get(target.token_env, "").strip() or None)
        commit = api.repo_info(target.path, repo_type=KIND, revision=revision).sha
    return _HubPlace(target, api, revision, str(commit))
