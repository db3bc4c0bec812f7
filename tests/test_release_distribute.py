"""Publishing beyond the folder: a bucket and a hub show a whole release or the one before."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi
from pydantic import ValidationError

from tasks.errors import PublishError
from tasks.recipe import PublishTarget
from tasks.release.distribute import Publication
from tasks.release.publish import release
from tasks.release.targets import bucket
from tasks.release.targets.parcel import pack
from tasks.release.verify import Folder, verify_release
from tests.conftest import MakeRecipe
from tests.hub_server import Hub
from tests.published import Project

pytest_plugins = ("tests.published",)

KILLED_CHILD = """
import os, signal, sys
from pathlib import Path
from tasks.recipe import PublishTarget
from tasks.release.targets import bucket
from tasks.release.targets.parcel import pack

before, after = bucket._Prefix._send, int(sys.argv[3])
sent = []

def send(self, key, file):
    if len(sent) == after:
        os.kill(os.getpid(), signal.SIGKILL)
    before(self, key, file)
    sent.append(key)

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

bucket._Prefix._send = send
if after < 0:
    bucket._Prefix._point_latest = die
target = PublishTarget(to="s3://sets/math", endpoint=sys.argv[1])
bucket.deliver_to_bucket(target, pack(Path(sys.argv[2]), "test", 1))
"""


HUB_CHILD = """
import sys
from pathlib import Path
from tasks.recipe import PublishTarget
from tasks.release.targets import hub
from tasks.release.targets.parcel import pack

target = PublishTarget(to="hf://lab/math", endpoint=sys.argv[1])
hub.deliver_to_hub(target, pack(Path(sys.argv[2]), "test", 2))
"""
ROOT = Path(bucket.__file__).parents[3]


def of_folder(folder: Path) -> dict[str, bytes]:
    """Return a release's files by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def in_bucket(objects: Any) -> dict[str, bytes]:
    return {each.key: each.get()["Body"].read() for each in objects.objects.all()}


def on_main(hub: Hub) -> dict[str, bytes]:
    """Return what the newest commit shows, but for what is the hub's own."""
    newest = hub.repositories["lab/math"][-1]
    large = {path: hub.stored[sha256] for path, sha256 in newest.large.items()}
    found = {**newest.files, **large}
    found.pop(".gitattributes", None)
    return found


@pytest.mark.slow
def test_a_bucket_has_the_whole_release_and_says_which_is_the_latest(
    project: Project, storage: str, objects: Any
) -> None:
    target = {"to": "s3://sets/math", "endpoint": storage}
    (publication,) = project.distribute(target)
    name = project.published.folder.name
    assert publication == Publication("s3://sets/math", f"s3://sets/math/{name}/", new=True)
    found = in_bucket(objects)
    latest = json.loads(found.pop("math/latest.json"))
    assert (latest["release"], latest["version"]) == (name, 1)
    assert {key.removeprefix(f"math/{name}/"): content for key, content in found.items()} == (
        of_folder(project.published.folder)
    )
    before = {each.key: each.last_modified for each in objects.objects.all()}
    assert not project.distribute(target, run_id="run-2")[0].new
    # And where the store has forgotten, the bucket itself knows.
    project.store.execute("delete from publications")
    assert project.distribute(target, run_id="run-3")[0].new
    assert {each.key: each.last_modified for each in objects.objects.all()} == before
    rows = project.store.sql("select files, uploaded, bytes_uploaded, run_id from publications")
    assert rows.rows() == [(len(found), 0, 0, "run-3")]


def kill_after(storage: str, folder: Path, files: int) -> None:
    """Send a release in a process that is killed after so many files, or if -1 after them all."""
    child = subprocess.run(
        [sys.executable, "-c", KILLED_CHILD, storage, str(folder), str(files)],
        cwd=ROOT,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL


def release_anew(project: Project) -> Project:
    """Make another release of the project: the same pairs, with fewer fields, in Parquet alone."""
    fewer = {"formats": ("parquet",), "fields": ("domain",)}
    only = project.recipe.release.model_copy(update=fewer)
    recipe = project.recipe.model_copy(update={"release": only})
    return Project(project.store, recipe, release(project.store, recipe, "run-2"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_kill_leaves_the_older_release_of_a_bucket_or_the_new_one(
    project: Project, storage: str, objects: Any
) -> None:
    target = PublishTarget(to="s3://sets/math", endpoint=storage)
    old, new = project.published.folder, release_anew(project).published.folder
    bucket.deliver_to_bucket(target, pack(old, "test", 1))

    def read() -> str:
        """Follow latest.json as a reader does; every file of what it names is there."""
        found = in_bucket(objects)
        name = str(json.loads(found["math/latest.json"])["release"])
        whole = of_folder({each.name: each for each in (old, new)}[name])
        for path, content in whole.items():
            assert found[f"math/{name}/{path}"] == content
        return name

    files = len(pack(new, "test", 2).files)
    # Two files; all but the manifest, of which two are there already; all, and latest.json not.
    for sent in (2, files - 3, -1):
        kill_after(storage, new, sent)
        assert read() == old.name
        listed = f"math/{new.name}/manifest.json" in in_bucket(objects)
        assert listed == (sent == -1)  # Where a manifest is, every file it lists is.
    assert of_folder(new).keys() == {
        key.removeprefix(f"math/{new.name}/") for key in in_bucket(objects) if new.name in key
    }
    assert bucket.deliver_to_bucket(target, pack(new, "test", 2)).uploaded == 0
    assert read() == new.name


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("moment", "served", "shown"),
    [
        ("PUT", False, "old"),  # while a large file is stored
        ("/commit/", False, "old"),  # before the hub has looked at the commit
        ("/commit/", True, "new"),  # before the answer came, and before the tag
        ("/tag/", False, "new"),
    ],
)
def test_a_kill_leaves_the_older_commit_of_a_hub_or_the_new_one(
    project: Project, hub: Hub, moment: str, served: bool, shown: str
) -> None:
    target = {"to": "hf://lab/math", "endpoint": hub.url}
    project.distribute(target)
    second = release_anew(project)
    releases = {"old": project.published.folder, "new": second.published.folder}
    child = subprocess.Popen(
        [sys.executable, "-c", HUB_CHILD, hub.url, str(releases["new"])],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_DISABLE_XET": "1"},
    )

    def kill(line: str) -> bool:
        if moment not in line:
            return False
        child.kill()
        child.wait()
        return not served

    hub.lose = kill
    assert child.wait(timeout=120) == -signal.SIGKILL
    hub.lose = lambda line: False
    assert _wait_for(lambda: on_main(hub) == of_folder(releases[shown]))
    assert hub.tags["lab/math"].keys() == {releases["old"].name}
    commits = len(hub.repositories["lab/math"])
    second.distribute(target, run_id="run-2")
    assert on_main(hub) == of_folder(releases["new"])
    assert len(hub.repositories["lab/math"]) == commits + (shown == "old")
    newest = hub.repositories["lab/math"][-1]
    assert hub.tags["lab/math"][releases["new"].name] == newest.oid
    assert not second.distribute(target, run_id="run-3")[0].new


def _wait_for(there: Callable[[], bool]) -> bool:
    """Wait until a request that was under way when its sender died has been served."""
    deadline = time.monotonic() + 10
    while not there() and time.monotonic() < deadline:
        time.sleep(0.05)
    return there()


@pytest.mark.slow
def test_a_kill_leaves_no_release_and_the_next_run_sends_only_what_is_missing(
    project: Project, storage: str, objects: Any
) -> None:
    folder = project.published.folder
    parcel = pack(folder, "test", 1)
    names = [f"math/{parcel.name}/{file.path}" for file in parcel.files]
    assert names[-1].endswith("/manifest.json")
    kill_after(storage, folder, 3)
    assert sorted(in_bucket(objects)) == sorted(names[:3])
    kill_after(storage, folder, len(names) - 4)  # Everything but the manifest is there now.
    assert sorted(in_bucket(objects)) == sorted(names[:-1])
    target = PublishTarget(to="s3://sets/math", endpoint=storage)
    delivery = bucket.deliver_to_bucket(target, parcel)
    assert (delivery.uploaded, delivery.bytes_uploaded) == (1, parcel.files[-1].bytes)
    assert sorted(in_bucket(objects)) == sorted([*names, "math/latest.json"])


@pytest.mark.slow
def test_an_object_that_is_not_what_its_name_says_is_sent_again(
    project: Project, storage: str, objects: Any
) -> None:
    parcel = pack(project.published.folder, "test", 1)
    first = parcel.files[0]
    objects.put_object(Key=f"{parcel.name}/{first.path}", Body=b"x" * first.bytes)
    target = PublishTarget(to="s3://sets", endpoint=storage)
    assert bucket.deliver_to_bucket(target, parcel).uploaded == len(parcel.files)
    assert in_bucket(objects)[f"{parcel.name}/{first.path}"] == first.source.read_bytes()


@pytest.mark.slow
def test_a_hub_shows_a_release_in_one_commit_and_keeps_it_by_its_tag(
    project: Project, hub: Hub
) -> None:
    target = {"to": "hf://lab/math", "endpoint": hub.url}
    (publication,) = project.distribute(target)
    name = project.published.folder.name
    assert publication.place == f"{hub.url}/datasets/lab/math/tree/{name}"
    assert hub.private == {"lab/math": True}
    assert on_main(hub) == of_folder(project.published.folder)
    _, first = hub.repositories["lab/math"]
    assert first.message == f"{name}: version 1, 4 pairs"
    assert hub.tags["lab/math"] == {name: first.oid}
    sent = hub.uploads()
    assert not project.distribute(target, run_id="run-2")[0].new
    project.store.execute("delete from publications")
    assert project.distribute(target, run_id="run-3")[0].new
    assert hub.uploads() == sent


@pytest.mark.slow
def test_another_release_takes_the_place_of_the_last_one_as_a_whole(
    project: Project, hub: Hub
) -> None:
    target = {"to": "hf://lab/math", "endpoint": hub.url}
    project.distribute(target)
    second = release_anew(project)
    second.distribute(target, run_id="run-2")
    assert on_main(hub) == of_folder(second.published.folder)
    assert len(hub.repositories["lab/math"]) == 3
    names = {project.published.folder.name, second.published.folder.name}
    assert set(hub.tags["lab/math"]) == names


@pytest.mark.slow
def test_what_the_hub_has_stored_is_not_sent_again(project: Project, hub: Hub) -> None:
    target = {"to": "hf://lab/math", "endpoint": hub.url}
    hub.down = "/commit/"  # The network goes after the large files were stored.
    with pytest.raises(PublishError, match="the hub cannot be reached"):
        project.distribute(target)
    assert [commit.message for commit in hub.repositories["lab/math"]] == ["initial commit"]
    stored = [line for line in hub.asked if line.startswith("PUT")]
    assert len(stored) == 2  # the pairs, and their index
    hub.down = "/tag/"
    with pytest.raises(PublishError, match="the hub cannot be reached"):
        project.distribute(target)
    hub.down = None
    assert project.distribute(target)[0].new
    assert [line for line in hub.asked if line.startswith("PUT")] == stored
    assert len([line for line in hub.asked if "/commit/" in line]) == 1
    assert set(hub.tags["lab/math"]) == {project.published.folder.name}


def test_a_commit_of_somebody_else_is_not_overwritten(project: Project, hub: Hub) -> None:
    hub.commit("lab/math", "initial commit", {})
    hub.between = lambda: hub.commit("lab/math", "theirs", {"notes.txt": b"theirs"})
    with pytest.raises(PublishError, match="somebody else changed the repository meanwhile"):
        project.distribute({"to": "hf://lab/math", "endpoint": hub.url})
    assert on_main(hub) == {"notes.txt": b"theirs"}


def test_a_tag_leads_to_a_whole_release(project: Project, hub: Hub, tmp_path: Path) -> None:
    project.distribute({"to": "hf://lab/math", "endpoint": hub.url})
    name = project.published.folder.name
    api = HfApi(endpoint=hub.url, token="read-1")
    api.snapshot_download(
        "lab/math",
        repo_type="dataset",
        revision=name,
        local_dir=tmp_path / name,
        ignore_patterns=".gitattributes",
    )
    shutil.rmtree(tmp_path / name / ".cache")
    assert verify_release(Folder(tmp_path / name)).faults == ()


@pytest.mark.slow
def test_one_target_that_refuses_does_not_hold_up_the_others(
    project: Project, storage: str, objects: Any, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READER", "read-1")
    monkeypatch.setenv("STRANGER", "hf_somebody")
    hub.commit("lab/read", "initial commit", {})
    with pytest.raises(PublishError) as failure:
        project.distribute(
            {"to": "hf://lab/absent", "endpoint": hub.url, "token_env": "NO_SUCH_TOKEN"},
            {"to": "hf://lab/read", "endpoint": hub.url, "token_env": "READER"},
            {"to": "hf://lab/unknown", "endpoint": hub.url, "token_env": "STRANGER"},
            {"to": "s3://missing/math", "endpoint": storage},
            {"to": "hf://lab/gone", "endpoint": "http://127.0.0.1:9"},
            {"to": "s3://sets/math", "endpoint": storage},
        )
    message = str(failure.value)
    for told in (
        f"release 1 is in {project.published.folder}, but not everywhere",
        "hf://lab/absent: the environment variable NO_SUCH_TOKEN is not set",
        "hf://lab/read: the token in READER may not write there",
        "hf://lab/unknown: the hub does not know the token in STRANGER",
        "s3://missing/math: there is no such bucket",
        "hf://lab/gone: the hub cannot be reached",
    ):
        assert told in message
    assert "hf_somebody" not in message
    assert "math/latest.json" in in_bucket(objects)
    assert verify_release(Folder(project.published.folder)).faults == ()
    recorded = project.store.sql("select target from publications")
    assert recorded.rows() == [("s3://sets/math",)]


def test_a_damaged_release_goes_nowhere(project: Project, tmp_path: Path) -> None:
    damaged = tmp_path / project.published.folder.name
    shutil.copytree(project.published.folder, damaged)
    (damaged / "README.md").write_text("changed")
    with pytest.raises(PublishError, match=r"README\.md: its content was changed"):
        pack(damaged, "test", 1)


def test_targets_do_not_decide_what_is_released(make_recipe: MakeRecipe) -> None:
    targets = {"publish": [{"to": "hf://lab/math"}]}
    assert make_recipe(release=targets).digest() == make_recipe().digest()


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ({"to": "/somewhere"}, "expected s3://bucket/prefix or hf://org/name"),
        ({"to": "s3://Sets/x"}, "expected s3://bucket/prefix"),
        ({"to": "s3://sets/a/../b"}, "expected s3://bucket/prefix"),
        ({"to": "hf://math"}, "expected s3://bucket/prefix or hf://org/name"),
        ({"to": "s3://sets", "private": False}, "private: means nothing to s3://sets"),
        ({"to": "hf://lab/math", "region": "eu"}, "region: means nothing to hf://lab/math"),
        ({"to": "hf://lab/math", "token_env": "hf_abcdefghij"}, "string_pattern_mismatch"),
        ({"to": "s3://sets", "endpoint": "https://me:secret@host"}, "string_pattern_mismatch"),
    ],
)
def test_a_target_that_cannot_be_meant(target: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        PublishTarget.model_validate(target)
