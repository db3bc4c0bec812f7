"""Hub: a release as one commit of a data set's repository on a Hugging Face hub, and a tag for it.

    hf://org/name   main → the newest release   quickstart-3f9c01d2a4b7 → that one, for good

Large files are stored first, where nobody sees them; a single commit then shows the new release in
place of the last one, so that a reader has either. Stored files are not sent again.
"""

import hashlib
import json
import os
import tempfile
from typing import TYPE_CHECKING

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from tasks.errors import PublishError
from tasks.recipe import PublishTarget
from tasks.release.layout import CARD, DATA_DOCS, GATE, MANIFEST, ORIGIN, REPORT
from tasks.release.targets.access import (
    KIND,
    OF_THE_HUB,
    connect_hub,
    explain_hub,
    is_passing,
    list_files,
)
from tasks.release.targets.parcel import Delivery, Parcel, ParcelFile

if TYPE_CHECKING:  # It takes half a second to import, and is needed on few nights.
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

_BESIDE_THE_MANIFEST = (GATE, ORIGIN, REPORT, DATA_DOCS)
_TRIES = 3


def deliver_to_hub(target: PublishTarget, parcel: Parcel) -> Delivery:
    """Commit a parcel as the repository's content and tag it, unless it is there.

    Raises PublishError saying why it is refused; the repository is then as it was.
    """
    with explain_hub(target, PublishError):
        api = connect_hub(target, _read_token(target))
        sent = _bring(api, target, parcel)
    place = f"{api.endpoint}/datasets/{target.path}/tree/{parcel.name}"
    return Delivery(place, len(sent), sum(sent))


@retry(
    retry=retry_if_exception(is_passing),
    stop=stop_after_attempt(_TRIES),
    wait=wait_exponential(multiplier=0.5, max=10),
    reraise=True,
)
def _bring(api: "HfApi", target: PublishTarget, parcel: Parcel) -> list[int]:
    """Commit and tag; return the sizes of what was sent. Begun again it goes on where it was."""
    commit, sent = _commit(api, target, parcel)
    tagged = _tags(api, target.path)
    if parcel.name not in tagged:
        api.create_tag(target.path, tag=parcel.name, repo_type=KIND, revision=commit)
    elif tagged[parcel.name] != commit:
        _check_tagged(api, target, parcel)
    return sent


def _commit(api: "HfApi", target: PublishTarget, parcel: Parcel) -> tuple[str, list[int]]:
    """Make the parcel the content of `main`; return the commit and the sizes of what it brought."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        head = str(api.repo_info(target.path, repo_type=KIND).sha)
    except RepositoryNotFoundError:
        api.create_repo(target.path, repo_type=KIND, private=target.private, exist_ok=True)
        head = str(api.repo_info(target.path, repo_type=KIND).sha)
    present = list_files(api, target.path, head)
    missing = [file for file in parcel.files if not _holds(present.get(file.path), file)]
    stale = _find_stale(api, target, head, present, parcel)
    if not missing and not stale:
        return head, []
    commit = api.create_commit(
        target.path,
        [
            *(CommitOperationAdd(file.path, str(file.source)) for file in missing),
            *(CommitOperationDelete(path) for path in stale),
        ],
        commit_message=f"{parcel.name}: version {parcel.version}, {parcel.pairs:,} pairs",
        repo_type=KIND,
        parent_commit=head,  # Nobody else's commit is overwritten.
    )
    return str(commit.oid), [file.bytes for file in missing]


def _find_stale(
    api: "HfApi", target: PublishTarget, head: str, present: dict[str, "RepoFile"], parcel: Parcel
) -> list[str]:
    """Return the files that the last release had and this one has not.

    Raises PublishError if there are others: whoever brought them would not want them gone.
    """
    rest = present.keys() - {file.path for file in parcel.files} - {*OF_THE_HUB}
    ours = _list_released(api, target, head) if rest and MANIFEST in present else frozenset()
    if foreign := sorted(rest - ours):
        raise PublishError(
            f"{target.to}: holds {len(foreign)} file(s) that no release brought, e.g. {foreign[0]}"
            "; a release is the whole content of its repository. Publish to a repository of its "
            "own, or remove them there"
        )
    return sorted(rest)


def _list_released(api: "HfApi", target: PublishTarget, revision: str) -> frozenset[str]:
    """Return the paths of the release that a revision is, by its own manifest."""
    with tempfile.TemporaryDirectory(prefix="teachset-hub-") as folder:
        file = api.hf_hub_download(
            target.path, MANIFEST, repo_type=KIND, revision=revision, local_dir=folder
        )
        try:
            with open(file, "rb") as content:
                listed = {str(entry["path"]) for entry in json.load(content)["files"]}
        except (ValueError, KeyError, TypeError):
            listed = set()  # It is not one of ours.
    return frozenset({*listed, *_BESIDE_THE_MANIFEST, MANIFEST, CARD})


def _check_tagged(api: "HfApi", target: PublishTarget, parcel: Parcel) -> None:
    """Raise PublishError if the release's tag stands for something else than the release."""
    tagged = list_files(api, target.path, parcel.name)
    # Where and when it was made may differ: elsewhere the same release was made at another time.
    decided = (file for file in parcel.files if file.path not in _BESIDE_THE_MANIFEST)
    if wrong := [file.path for file in decided if not _holds(tagged.get(file.path), file)]:
        raise PublishError(
            f"{target.to}: the tag {parcel.name} was moved to another content (e.g. {wrong[0]}); "
            "remove the tag there and run again"
        )


def _holds(entry: "RepoFile | None", file: ParcelFile) -> bool:
    """Tell whether a repository's file has a file's content: large ones are known by SHA-256,
    small ones by git's hash."""
    if entry is None or entry.size != file.bytes:
        return False
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == file.sha256)
    content = b"blob %d\0" % file.bytes + file.source.read_bytes()
    return bool(entry.blob_id == hashlib.sha1(content, usedforsecurity=False).hexdigest())


def _tags(api: "HfApi", repository: str) -> dict[str, str]:
    refs = api.list_repo_refs(repository, repo_type=KIND)
    return {tag.name: str(tag.target_commit) for tag in refs.tags}


def _read_token(target: PublishTarget) -> str:
    token = os.environ.get(target.token_env, "").strip()
    if not token:
        raise PublishError(
            f"{target.to}: the environment variable {target.token_env} is not set; it has to hold "
            "a token that may write there (release.publish.token_env names another variable)"
        )
    return token
