"""Access: how a bucket or a hub is opened, and what its refusals mean, in words.

s3://sets/math: access is denied; these credentials need to list, read and write there
hf://our-lab/math: the hub does not know the token in HF_TOKEN
"""

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks.errors import PublishError, TeachsetError
from tasks.recipe import PublishTarget

if TYPE_CHECKING:  # It takes half a second to import, and is needed on few nights.
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

KIND = "dataset"  # of a hub's repositories
OF_THE_HUB = (".gitattributes",)  # It says which files are large, and is the hub's own.
_CODE = re.compile(r"An error occurred \((\w+)\)")  # as botocore quotes a server
_SIGNED = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]+")  # Who has such an address may use it.
_MOVED = "somebody else published there meanwhile; run again"
_BUSY = "the server is overloaded or failing; run again later"
_REFUSALS = {
    "NoSuchBucket": "there is no such bucket; make it, or change its name",
    "AccessDenied": "access is denied; these credentials need to list, read and write there",
    "403": "access is denied; these credentials need to list, read and write there",
    "InvalidAccessKeyId": "the access key is not known there; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key is wrong; check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "the credentials have expired; renew them",
    "PreconditionFailed": _MOVED,
    "ConditionalRequestConflict": _MOVED,
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "InternalError", "500", "503"), _BUSY),
}
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound")


def connect_bucket(target: PublishTarget) -> Any:
    """Return a client with the credentials that the AWS tools would take."""
    import boto3
    from botocore.config import Config

    # Checksums that only Amazon is sure to know are left out elsewhere.
    checksums = "when_required" if target.endpoint else "when_supported"
    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
    )
    region = target.region or ("us-east-1" if target.endpoint else None)
    return boto3.client("s3", endpoint_url=target.endpoint, region_name=region, config=config)


@contextlib.contextmanager
def explain_bucket(target: PublishTarget, kind: type[TeachsetError]) -> Iterator[None]:
    """Turn what the AWS client raises into an error of this kind that says what to do."""
    try:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise kind(
            f"{target.to}: needs the package `boto3`; install it with: pip install 'teachset[s3]'"
        ) from error
    try:
        yield
    except (ClientError, Boto3Error, BotoCoreError, OSError) as error:
        raise kind(f"{target.to}: {_say_bucket_refusal(error)}") from error


def list_objects(client: Any, bucket: str, prefix: str) -> dict[str, int]:
    """Return the sizes of the objects whose keys begin so."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", ())}


def list_files(api: "HfApi", repository: str, revision: str) -> "dict[str, RepoFile]":
    """Return the files of a data set's repository by their paths."""
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repository, recursive=True, revision=revision, repo_type=KIND)
    return {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}


def connect_hub(target: PublishTarget, token: str | None) -> "HfApi":
    """Return the hub's client, silent. Without a token it takes what `hf auth login` has saved."""
    import huggingface_hub
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    return huggingface_hub.HfApi(endpoint=target.endpoint, token=token, library_name="teachset")


@contextlib.contextmanager
def explain_hub(target: PublishTarget, kind: type[TeachsetError]) -> Iterator[None]:
    """Turn what the hub's client raises into an error of this kind that says what to do."""
    try:
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise kind(
            f"{target.to}: needs the package `huggingface_hub`; "
            "install it with: pip install 'teachset[hub]'"
        ) from error
    try:
        yield
    except HfHubHTTPError as error:
        wanted = "write" if kind is PublishError else "read"
        raise kind(f"{target.to}: {_say_hub_refusal(target, error, wanted)}") from error
    except httpx2.HTTPError as error:
        reason = _quote(error, target)
        raise kind(f"{target.to}: the hub cannot be reached: {reason}") from error
    except (HFValidationError, ValueError, OSError) as error:
        raise kind(f"{target.to}: {_quote(error, target)}") from error


def is_passing(error: BaseException) -> bool:
    """Tell whether a hub's failure may be gone in a moment: no answer, or a server's own fault."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return _status(error) in (408, 429, 500, 502, 503, 504)
    return isinstance(error, httpx2.TransportError)


def _say_bucket_refusal(error: Exception) -> str:
    if refusal := _CODE.search(str(error)):
        return _REFUSALS.get(refusal[1]) or f"the server refuses it: {_quote(error)}"
    if type(error).__name__ in _NO_CREDENTIALS:
        return (
            "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            f"AWS_PROFILE ({_quote(error)})"
        )
    return f"it cannot be reached: {_quote(error)}"


def _say_hub_refusal(target: PublishTarget, error: Any, wanted: str) -> str:
    status = _status(error)
    if status == 401:
        return f"the hub does not know the token in {target.token_env}"
    if status == 403:
        return f"the token in {target.token_env} may not {wanted} there; make one that may"
    if status == 404:
        return "there is no such repository or revision, or the token may not see it"
    if status in (409, 412):
        return "somebody else changed the repository meanwhile; run again"
    return f"the hub refuses it: {_quote(error, target)}"


def _status(error: Any) -> int | None:
    return error.response.status_code if error.response is not None else None


def _quote(error: Exception, target: PublishTarget | None = None) -> str:
    """Return what an error says as one line, without what opens a door.

    An address may be signed, and a server may repeat what it was sent.
    """
    said = _SIGNED.sub(r"\1", " ".join(str(error).split()))
    token = os.environ.get(target.token_env, "").strip() if target else ""
    return (said.replace(token, "***") if token else said)[:300]
