"""Targets that refuse, fail, forget or moved: told in words, never overwritten, never a key."""

import json
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, EndpointConnectionError

from tasks.errors import InputError, PublishError
from tasks.recipe import PublishTarget
from tasks.release.targets import bucket
from tasks.release.targets.access import explain_bucket, explain_hub
from tasks.release.targets.parcel import pack
from tests.hub_server import Hub
from tests.loopback import QuietHandler, serve
from tests.published import Project

pytest_plugins = ("tests.published",)

BUCKET = PublishTarget(to="s3://sets/math")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("NoSuchBucket", "there is no such bucket"),
        ("AccessDenied", "these credentials need to list, read and write there"),
        ("InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "the secret key is wrong; check AWS_SECRET_ACCESS_KEY"),
        ("ExpiredToken", "the credentials have expired"),
        ("SlowDown", "the server is overloaded or failing; run again later"),
        ("503", "the server is overloaded or failing; run again later"),
        ("PreconditionFailed", "somebody else published there meanwhile"),
        ("Unheard", r"the server refuses it: .*An error occurred \(Unheard\)"),
    ],
)
def test_what_a_bucket_s_refusal_means(code: str, told: str) -> None:
    refusal = ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")
    for error in (refusal, S3UploadFailedError(f"Failed to upload: {refusal}")):
        with (
            pytest.raises(PublishError, match=f"^s3://sets/math: .*{told}"),
            explain_bucket(BUCKET, PublishError),
        ):
            raise error


def test_no_message_holds_what_opens_a_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may repeat the token that it was sent; an address may be signed."""
    monkeypatch.setenv("OUR_LAB", "hf_abcdefghijklmnop")
    hub = PublishTarget(to="hf://lab/math", token_env="OUR_LAB")
    signed = "https://store.example.org/lfs/41ce?X-Amz-Credential=AKIA&X-Amz-Signature=abc"
    with pytest.raises(InputError) as failure, explain_hub(hub, InputError):
        raise OSError(f"400 for url: {signed} sent 'Bearer hf_abcdefghijklmnop'")
    assert str(failure.value) == (
        "hf://lab/math: 400 for url: https://store.example.org/lfs/41ce sent 'Bearer ***'"
    )
    with pytest.raises(InputError) as failure, explain_bucket(BUCKET, InputError):
        raise EndpointConnectionError(endpoint_url=signed)
    assert "Signature" not in str(failure.value)


@pytest.mark.slow
def test_a_bucket_that_only_says_503_is_asked_again_and_then_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-key")
    asked: list[str] = []

    class Busy(QuietHandler):
        def answer(self) -> None:
            asked.append(self.path)
            self.send(503, b"<Error><Code>SlowDown</Code><Message>a-secret-key</Message></Error>")

    with serve(Busy) as address, pytest.raises(PublishError) as failure:
        project.distribute({"to": "s3://sets/math", "endpoint": f"http://{address}"})
    assert "s3://sets/math: the server is overloaded or failing; run again later" in str(
        failure.value
    )
    assert "a-secret-key" not in str(failure.value)
    assert len(asked) == 6  # at first, and as often again as it is worth


@pytest.mark.slow
def test_of_two_who_publish_at_the_same_time_the_second_is_told(
    project: Project, storage: str, objects: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run finishes first: its `latest.json` stands, and the next run begins from it."""
    theirs = json.dumps({"release": "quickstart-theirs"}).encode()
    send = bucket._Prefix._send

    def interrupted(self: Any, key: str, file: Any) -> None:
        send(self, key, file)
        if key.endswith("/manifest.json"):
            objects.put_object(Key="math/latest.json", Body=theirs)

    monkeypatch.setattr(bucket._Prefix, "_send", interrupted)
    target = {"to": "s3://sets/math", "endpoint": storage}
    with pytest.raises(PublishError, match="somebody else published there meanwhile; run again"):
        project.distribute(target)
    latest = objects.Object("math/latest.json")
    assert latest.get()["Body"].read() == theirs
    assert project.distribute(target, run_id="run-2")[0].new
    assert json.loads(latest.get()["Body"].read())["release"] == project.published.folder.name


@pytest.mark.slow
def test_an_object_that_a_bucket_lost_is_sent_again(
    project: Project, storage: str, objects: Any
) -> None:
    target = PublishTarget(to="s3://sets/math", endpoint=storage)
    parcel = pack(project.published.folder, "test", 1)
    assert bucket.deliver_to_bucket(target, parcel).uploaded == len(parcel.files)
    objects.Object(f"math/{parcel.name}/pairs.parquet").delete()  # Its manifest is still there.
    assert bucket.deliver_to_bucket(target, parcel).uploaded == 1


@pytest.mark.slow
def test_a_hub_that_fails_for_a_moment_is_asked_again(project: Project, hub: Hub) -> None:
    hub.busy = 1
    assert project.distribute({"to": "hf://lab/math", "endpoint": hub.url})[0].new
    assert len(hub.repositories["lab/math"]) == 2


@pytest.mark.slow
def test_a_repository_with_files_of_others_is_left_as_it_is(project: Project, hub: Hub) -> None:
    """A name mistyped must not empty a colleague's data set."""
    theirs = {"README.md": b"theirs", "data/train.csv": b"1,2"}
    hub.commit("lab/math", "theirs", theirs)
    target = {"to": "hf://lab/math", "endpoint": hub.url}
    refusal = r"hf://lab/math: holds 1 file\(s\) that no release brought, e\.g\. data/train\.csv"
    with pytest.raises(PublishError, match=refusal):
        project.distribute(target)
    assert [commit.files for commit in hub.repositories["lab/math"]] == [theirs]
    # A file beside a release of ours is somebody's too.
    hub.commit("lab/math", "emptied", {"README.md": b"theirs"})
    project.distribute(target)
    newest = hub.repositories["lab/math"][-1]
    hub.add("lab/math", "a note", {**newest.files, "notes.txt": b"x"}, newest.large)
    project.store.execute("delete from publications")
    with pytest.raises(PublishError, match=r"1 file\(s\) that no release brought, e\.g\. notes"):
        project.distribute(target)


@pytest.mark.slow
def test_a_tag_that_was_moved_is_told(project: Project, hub: Hub) -> None:
    target = {"to": "hf://lab/math", "endpoint": hub.url}
    project.distribute(target)
    name = project.published.folder.name
    other = hub.add("lab/math", "other", {"README.md": b"x"}, {})
    hub.tags["lab/math"][name] = other.oid
    hub.commit("lab/math", "emptied", {})
    project.store.execute("delete from publications")
    with pytest.raises(PublishError, match=f"the tag {name} was moved to another content"):
        project.distribute(target)
