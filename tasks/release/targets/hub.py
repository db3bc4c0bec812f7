"""Hub: a release as one commit of a data set's repository on a Hugging Face hub, and a tag for it.

    hf://org/name   main → the newest release   quickstart-3f9c01d2a4b7 → that one, for good

Large files are stored first, where nobody sees them; a single commit then shows the new release in
place of the last one, so that a reader has either. Stored files are not sent again.
"""

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks.errors import PublishError
from tasks.recipe import PublishTarget
from tasks.release.targets.parcel import Delivery, Parcel, ParcelFile

if TYPE_CHECKING:  # It takes half a second to import, and is needed on few nights.
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

_KIND = "dataset"
_OF_THE_HUB = (".gitattributes",)  # It says which files are large, and is the hub's own.


def deliver_to_hub(target: PublishTarget, parcel: Parcel) -> Delivery:
    """Commit a parcel as the repository's content and tag it, unless it is there.

    Raises PublishError saying why it is refused; the repository is then as it was.
    """
    try:
        import huggingface_hub
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise PublishError(
            f"{target.to}: needs the package `huggingface_hub`; "
            "install it with: pip install 'teachset[hub]'"
        ) from error
    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    api = huggingface_hub.HfApi(
        endpoint=target.endpoint, token=_read_token(target), library_name="teachset"
    )
    with _explained(target):
        commit, sent = _commit(api, target, parcel)
        if parcel.name not in _tags(api, target.path):
            api.create_tag(target.path, tag=parcel.name, repo_type=_KIND, revision=commit)
    place = f"{api.endpoint}/datasets/{target.path}/tree/{parcel.name}"
    return Delivery(place, len(sent), sum(sent))


def _commit(api: "HfApi", target: PublishTarget, parcel: Parcel) -> tuple[str, list[int]]:
    """Make the parcel the content of `main`; return the commit and the sizes of what it brought."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        head = str(api.repo_info(target.path, repo_type=_KIND).sha)
    except RepositoryNotFoundError:
        api.create_repo(target.path, repo_type=_KIND, private=target.private, exist_ok=True)
        head = str(api.repo_info(target.path, repo_type=_KIND).sha)
    present = _list(api, target.path, head)
    missing = [file for file in parcel.files if not _holds(present.get(file.path), file)]
    stale = sorted(present.keys() - {file.path for file in parcel.files} - {*_OF_THE_HUB})
    if not missing and not stale:
        return head, []
    commit = api.create_commit(
        target.path,
        [
            *(CommitOperationAdd(file.path, str(file.source)) for file in missing),
            *(CommitOperationDelete(path) for path in stale),
        ],
        commit_message=f"{parcel.name}: version {parcel.version}, {parcel.pairs:,} pairs",
        repo_type=_KIND,
        parent_commit=head,  # Nobody else's commit is overwritten.
    )
    return str(commit.oid), [file.bytes for file in missing]


def _list(api: "HfApi", repository: str, revision: str) -> dict[str, "RepoFile"]:
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repository, recursive=True, revision=revision, repo_type=_KIND)
    return {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}


def _holds(entry: "RepoFile | None", file: ParcelFile) -> bool:
    """Tell whether a repository's file has a file's content: large ones are known by SHA-256,
    small ones by git's hash."""
    if entry is None or entry.size != file.bytes:
        return False
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == file.sha256)
    content = b"blob %d\0" % file.bytes + file.source.read_bytes()
    return bool(entry.blob_id == hashlib.sha1(content, usedforsecurity=False).hexdigest())


def _tags(api: "HfApi", repository: str) -> set[str]:
    return {tag.name for tag in api.list_repo_refs(repository, repo_type=_KIND).tags}


def _read_token(target: PublishTarget) -> str:
    token = os.environ.get(target.token_env, "").strip()
    if not token:
        raise PublishError(
            f"{target.to}: the environment variable {target.token_env} is not set; it has to hold "
            "a token that may write there (release.publish.token_env names another variable)"
        )
    return token


@contextlib.contextmanager
def _explained(target: PublishTarget) -> Iterator[None]:
    """Turn what the hub's client raises into a PublishError that says what to do."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except HfHubHTTPError as error:
        raise PublishError(f"{target.to}: {_say_refusal(target, error)}") from error
    except httpx2.HTTPError as error:
        raise PublishError(f"{target.to}: the hub cannot be reached: {_line(error)}") from error
    except (HFValidationError, ValueError, OSError) as error:
        raise PublishError(f"{target.to}: {_line(error)}") from error


def _say_refusal(target: PublishTarget, error: Any) -> str:
    status = error.response.status_code if error.response is not None else None
    if status == 401:
        return f"the hub does not know the token in {target.token_env}"
    if status == 403:
        return f"the token in {target.token_env} may not write there; make one that may"
    if status == 404:
        return "there is no such repository, or the token may not see it"
    if status in (409, 412):
        return "somebody else changed the repository meanwhile; run again"
    return f"the hub refuses it: {_line(error)}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
