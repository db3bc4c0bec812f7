"""`teachset verify` of a release where it was published: every hash and count, from the files."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from tasks.errors import InputError
from tasks.release.remote import find_place
from tasks.release.verify import Verified, verify_release
from tests.hub_server import Hub
from tests.published import Project

pytest_plugins = ("tests.published",)
pytestmark = pytest.mark.slow


def verify(address: str, endpoint: str) -> Verified:
    return verify_release(find_place(address, endpoint))


@pytest.fixture
def in_bucket(project: Project, storage: str, objects: Any) -> str:
    """The release's name in the bucket that it was brought to."""
    project.distribute({"to": "s3://sets/math", "endpoint": storage})
    return project.published.folder.name


@pytest.fixture
def on_hub(project: Project, hub: Hub) -> str:
    """The release's name on the hub that it was brought to."""
    project.distribute({"to": "hf://lab/math", "endpoint": hub.url})
    return project.published.folder.name


def test_a_whole_release_in_a_bucket(in_bucket: str, storage: str, project: Project) -> None:
    whole = Verified(project.published.release_id, 4, ())
    assert verify(f"s3://sets/math/{in_bucket}/", storage) == whole
    place = find_place("s3://sets/math", storage)  # By what its latest.json says.
    assert place.name == f"s3://sets/math/{in_bucket}"
    assert verify_release(place) == whole


def test_a_release_in_a_bucket_has_no_difference_from_its_folder(
    in_bucket: str, storage: str, project: Project
) -> None:
    folder = str(project.published.folder)
    arguments = ["diff", f"s3://sets/math/{in_bucket}", folder, "--endpoint", storage, "--json"]
    found = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert found["before"] == found["after"] == project.published.release_id
    assert (found["pairs"]["before"], found["pairs"]["moved"]) == (4, 0)
    assert found["facts"] == {"key": 0, "pass_rate": 0, "licence": 0}


def test_what_is_not_as_published_in_a_bucket(in_bucket: str, storage: str, objects: Any) -> None:
    """Each object is told: of another size, of the same size, absent, or nobody's."""
    at = f"math/{in_bucket}"
    listed = {each.key.removeprefix(f"{at}/"): each.size for each in objects.objects.all()}
    data = next(path for path in listed if path.startswith("data/train"))
    objects.put_object(Key=f"{at}/{data}", Body=b"x" * listed[data])
    objects.put_object(Key=f"{at}/README.md", Body=b"short")
    objects.put_object(Key=f"{at}/report.html", Body=b"x" * listed["report.html"])
    objects.put_object(Key=f"{at}/data/more.parquet", Body=b"x")
    objects.delete_objects(Delete={"Objects": [{"Key": f"{at}/pairs.parquet"}]})
    assert sorted(verify(f"s3://sets/math/{in_bucket}", storage).faults) == [
        "README.md: its content was changed",
        "data/more.parquet: is not in the manifest",
        f"{data}: its content was changed",
        "pairs.parquet: is missing",
        "report.html: its content was changed",
    ]


def test_a_manifest_in_a_bucket_that_does_not_say_what_its_files_have(
    in_bucket: str, storage: str, objects: Any
) -> None:
    """Every hash is right, and the counts are recomputed all the same."""
    key = f"math/{in_bucket}/manifest.json"
    manifest = json.loads(objects.Object(key).get()["Body"].read())
    index = pl.DataFrame({"pair_id": ["a", "a"], "domain": ["x", "x"], "split": ["train"] * 2})
    index.write_parquet(made := io.BytesIO())
    objects.put_object(Key=f"math/{in_bucket}/pairs.parquet", Body=made.getvalue())
    for file in manifest["files"]:
        if file["path"] == "pairs.parquet":
            file["sha256"] = hashlib.sha256(made.getvalue()).hexdigest()
            file["bytes"] = len(made.getvalue())
    objects.put_object(Key=key, Body=json.dumps(manifest).encode())
    faults = "\n".join(verify(f"s3://sets/math/{in_bucket}", storage).faults)
    for told in (
        "manifest.json: was changed, or its place renamed",
        "pairs.parquet: has 2 rows, the manifest says 4",
        "pairs.parquet: 1 pairs are listed twice",
        "manifest.json: says domains {'math': 4}, its files have {'x': 2}",
        "origin.json: is of the release",
    ):
        assert told in faults


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://sets/math", "there is no release: neither manifest.json nor latest.json is there"),
        ("s3://missing/math", "there is no such bucket"),
        ("s3://Sets!", "expected s3://bucket/prefix"),
        ("s3://sets/math@main", "a bucket has no revisions"),
        ("ftp://sets/math", "expected s3://bucket/prefix or hf://org/name"),
    ],
)
def test_where_there_is_no_release(address: str, message: str, storage: str, objects: Any) -> None:
    with pytest.raises(InputError, match=message):
        verify(address, storage)


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"release": "../other"}', b'{"release": 3}'])
def test_a_latest_that_names_no_release(content: bytes, storage: str, objects: Any) -> None:
    objects.put_object(Key="math/latest.json", Body=content)
    with pytest.raises(InputError, match=r"s3://sets/math/latest\.json: names no release"):
        verify("s3://sets/math", storage)


def test_a_whole_release_on_a_hub(on_hub: str, hub: Hub, project: Project) -> None:
    whole = Verified(project.published.release_id, 4, ())
    assert verify("hf://lab/math", hub.url) == whole
    assert verify(f"hf://datasets/lab/math@{on_hub}", hub.url) == whole


def test_a_tag_is_that_release_when_main_has_gone_on(on_hub: str, hub: Hub) -> None:
    """Somebody edits the card: `main` is no longer the release, what the tag names still is."""
    newest = hub.repositories["lab/math"][-1]
    hub.add("lab/math", "a word", {**newest.files, "README.md": b"changed"}, newest.large)
    assert verify(f"hf://lab/math@{on_hub}", hub.url).faults == ()
    assert sorted(verify("hf://lab/math", hub.url).faults) == [
        "README.md: its content was changed",
        f"manifest.json: was changed, or its place renamed: its id is {on_hub[-12:]}",
    ]


def test_a_stored_file_that_is_not_what_its_name_says(on_hub: str, hub: Hub) -> None:
    """The hub says what the hash of a large file is; what it sends is hashed all the same."""
    for sha256, content in hub.stored.items():
        hub.stored[sha256] = b"x" * len(content)
    faults = verify("hf://lab/math", hub.url).faults
    assert len(faults) == len(hub.stored) == 2
    assert all(fault.endswith("its content was changed") for fault in faults)


def test_refusals_of_a_hub_are_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="there is no such repository or revision"):
        verify("hf://lab/absent", hub.url)
    hub.commit("lab/math", "initial commit", {"notes.txt": b"theirs"})
    with pytest.raises(InputError, match="there is no such repository or revision"):
        verify("hf://lab/math@v9", hub.url)
    with pytest.raises(InputError, match=r"hf://lab/math@main: there is no manifest\.json"):
        verify("hf://lab/math", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    with pytest.raises(InputError, match="does not know the token in HF_TOKEN") as failure:
        verify("hf://lab/math", hub.url)
    assert "hf_stranger" not in str(failure.value)


def test_the_command_tells_of_a_release_elsewhere(on_hub: str, hub: Hub, tmp_path: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["verify", "hf://lab/math", "--endpoint", hub.url])
    assert done.exit_code == 0
    assert done.output.startswith("hf://lab/math@main: whole; release ")
    assert runner.invoke(app, ["verify", str(tmp_path / "none")]).exit_code == 3
