"""Publishing: whole or not at all, once, the same again, and mended after a kill at any moment."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from conftest import MakeRecipe
from taught_store import BENCHMARK_TEXT, RUN, STUDENT, TEACHER, add_item, fill, identify, taught

from tasks.errors import GateFailed, InputError, RecipeError, StoreError
from tasks.recipe import ContaminationSettings, Recipe
from tasks.release import publish
from tasks.release.card import escape
from tasks.release.manifest import verify_release
from tasks.release.publish import release
from tasks.select.contamination import find_contamination
from tasks.select.decide import decide_after_teach
from tasks.store import Store

MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}
KILLED_CHILD = """
import os, signal, sys
from tasks.recipe import Recipe
from tasks.release import publish
from tasks.store import open_store

def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(publish, sys.argv[1], die)
recipe = Recipe.model_validate_json(sys.stdin.read())
publish.release(open_store(recipe.store), recipe, "killed")
"""


@pytest.fixture
def recipe(store: Store, make_recipe: MakeRecipe) -> Recipe:
    """A recipe whose store holds ten decided prompts, eight of them kept."""
    recipe = make_recipe(models=MODELS, release={"validation_share": 0.3})
    fill(
        store,
        *(taught(f"p{index}") for index in range(8)),
        taught("easy", correct=8, wrong=0),
        taught("untaught", teacher=()),
    )
    decide_after_teach(store, recipe, RUN)
    return recipe


def seen(recipe: Recipe) -> list[str]:
    """Return what a person who lists the folder sees."""
    folder = Path(recipe.release.folder)
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def count(store: Store, table: str) -> int:
    return int(store.sql(f"select count(*) from {table}").item())


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_release_and_the_same_again(store: Store, recipe: Recipe) -> None:
    first = release(store, recipe, RUN)
    assert (first.new, first.version, first.pairs) == (True, 1, 8)
    assert seen(recipe) == ["latest", f"test-{first.release_id}"]
    assert os.readlink(first.folder.parent / "latest") == first.folder.name
    assert verify_release(first.folder).faults == ()
    assert (count(store, "releases"), count(store, "release_pairs")) == (1, 8)
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    second = release(store, recipe, "run-2")
    assert (second.new, second.version, second.release_id) == (False, 1, first.release_id)
    assert second.gate == first.gate
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == before
    assert (count(store, "releases"), count(store, "release_pairs")) == (1, 8)


def test_the_second_release_is_version_two_and_latest(store: Store, recipe: Recipe) -> None:
    first = release(store, recipe, RUN)
    fill(store, taught("more"))
    decide_after_teach(store, recipe, RUN)
    second = release(store, recipe, RUN)
    assert (second.new, second.version, second.pairs) == (True, 2, 9)
    assert os.readlink(second.folder.parent / "latest") == second.folder.name
    assert verify_release(first.folder).faults == ()


def test_what_the_manifest_and_the_card_say(store: Store, recipe: Recipe) -> None:
    done = release(store, recipe, RUN)
    text = (done.folder / "manifest.json").read_text()
    manifest = json.loads(text)
    assert sum(manifest["pairs"].values()) == 8
    assert [(row["reason"], row["prompts"]) for row in manifest["funnel"]] == [
        ("too_easy", 1),
        ("no_teacher_response", 1),
        ("kept", 8),
    ]
    assert manifest["licences"] == [{"licence": "MIT", "pairs": 8, "source": "test-set"}]
    assert manifest["models"] == [{"model": TEACHER, "role": "teacher", "simulated": True}]
    assert manifest["policy"] == recipe.policy_version()
    assert str(done.folder.parent.parent) not in text
    header, _, body = (done.folder / "README.md").read_text()[4:].partition("---\n")
    card = yaml.safe_load(header)
    assert card["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train-*.parquet"},
        {"split": "validation", "path": "data/validation-*.parquet"},
    ]
    assert card["license"] == ["mit"]
    assert "| select | too\\_easy | math | 1 |" in body
    assert "**Simulated.** 8 of the pairs" in body


def test_only_the_formats_asked_for_are_published(store: Store, recipe: Recipe) -> None:
    only = recipe.release.model_copy(update={"formats": ("jsonl",)})
    done = release(store, recipe.model_copy(update={"release": only}), RUN)
    assert not (done.folder / "data").exists()
    assert verify_release(done.folder).faults == ()
    assert "path: train.jsonl" in (done.folder / "README.md").read_text()


def test_a_closed_gate_leaves_nothing(store: Store, recipe: Recipe) -> None:
    fill(store, taught("leaked", text=BENCHMARK_TEXT))
    decide_after_teach(store, recipe, RUN)
    add_item(store, BENCHMARK_TEXT)
    find_contamination(
        store, ContaminationSettings(), ["exam"], RUN
    )  # After the decision, as a new benchmark would come in.
    message = r"1 critical rule.*over 9 pairs\n  benchmark_item: 1 found"
    with pytest.raises(GateFailed, match=message) as failure:
        release(store, recipe, RUN)
    assert f"prompt {identify('leaked')} holds a benchmark item" in str(failure.value)
    assert failure.value.verdict is not None
    assert failure.value.verdict["passed"] is False
    assert seen(recipe) == []
    assert (count(store, "releases"), count(store, "release_pairs")) == (0, 0)


@pytest.mark.slow
def test_a_kill_at_any_moment_is_mended(store: Store, recipe: Recipe) -> None:
    folder = Path(recipe.release.folder)

    def kill_at(step: str) -> None:
        child = subprocess.run(
            [sys.executable, "-c", KILLED_CHILD, step],
            input=recipe.model_dump_json(),
            text=True,
            cwd=Path(publish.__file__).parents[2],
            check=False,
        )
        assert child.returncode == -signal.SIGKILL

    kill_at("build_manifest")
    assert seen(recipe) == []
    assert len(list(folder.glob(".staging-*"))) == 1
    kill_at("_point_latest")  # Renamed, and `latest` not yet moved.
    (name,) = seen(recipe)
    assert verify_release(folder / name).faults == ()
    kill_at("_record")  # Visible, and not in the store.
    assert seen(recipe) == ["latest", name]
    assert count(store, "releases") == 0
    done = release(store, recipe, RUN)
    assert (done.new, done.folder.name, done.version) == (True, name, 1)
    assert (count(store, "releases"), count(store, "release_pairs")) == (1, 8)
    assert list(folder.glob(".staging-*")) == []
    assert release(store, recipe, RUN).new is False


def test_a_damaged_release_is_told_and_replaced(store: Store, recipe: Recipe) -> None:
    done = release(store, recipe, RUN)
    (done.folder / "train.jsonl").write_text("{}\n")
    (done.folder / "notes.txt").write_text("mine")
    (done.folder / "README.md").unlink()
    assert verify_release(done.folder).faults == (
        "README.md: is missing",
        "train.jsonl: its content was changed",
        "notes.txt: is not in the manifest",
    )
    again = release(store, recipe, RUN)
    assert (again.new, again.release_id) == (True, done.release_id)
    assert verify_release(again.folder).faults == ()
    assert seen(recipe) == ["latest", done.folder.name]


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    (tmp_path / "r").mkdir()
    file = {"path": "../secret", "sha256": "", "bytes": 1, "rows": None}
    text = json.dumps({"files": [file], "pairs": {"train": 0}})
    (tmp_path / "r" / "manifest.json").write_text(text)
    assert "../secret: lies outside the release" in verify_release(tmp_path / "r").faults


def test_a_folder_without_a_manifest_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.json: not the manifest of a release"):
        verify_release(tmp_path)


def test_a_file_where_the_folder_should_be(store: Store, recipe: Recipe) -> None:
    Path(recipe.release.folder).write_text("in the way")
    with pytest.raises(StoreError, match=r"releases: it cannot be used as the folder of releases"):
        release(store, recipe, RUN)


def test_a_disk_that_takes_no_more_leaves_nothing(store: Store, recipe: Recipe) -> None:
    with small_files(1_000), pytest.raises(StoreError, match=r"Nothing was published"):
        release(store, recipe, RUN)
    assert seen(recipe) == []
    assert list(Path(recipe.release.folder).glob(".staging-*")) == []


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full; free some space and run again"),
        (errno.EROFS, "it cannot be written by this user"),
        (errno.EACCES, "it cannot be written by this user"),
    ],
)
def test_the_system_s_refusals_are_explained(number: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=message), publish._explained(tmp_path):
        raise OSError(number, os.strerror(number))


def test_an_address_is_not_a_folder(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(models=MODELS, release={"folder": "s3://bucket/releases"})
    with pytest.raises(RecipeError, match=r"release\.folder: expected a folder"):
        release(store, recipe, RUN)


def test_markdown_of_others_stays_text() -> None:
    evil: Any = "a|b\n# <script> [x](y) `z` *w*"
    assert escape(evil) == r"a\|b \# \<script\> \[x\]\(y\) \`z\` \*w\*"


def test_rows_of_the_store_lead_to_the_files(store: Store, recipe: Recipe) -> None:
    done = release(store, recipe, RUN)
    published = pl.read_parquet(done.folder / "data" / "*.parquet").select("pair_id", "split")
    recorded = store.sql("select pair_id, split from pairs")
    assert recorded.sort("pair_id").equals(published.sort("pair_id"))
    assert store.sql("select policy, pairs, simulated from releases").rows() == [
        (recipe.policy_version(), 8, True)
    ]
