"""Publishing: whole or not at all, once, the same again, and mended after a kill at any moment."""

import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from huggingface_hub import DatasetCard
from typer.testing import CliRunner

from cli.main import app
from tasks.errors import GateFailed, InputError, RecipeError, StoreError
from tasks.identity import content_id
from tasks.recipe import Band, ContaminationSettings, Recipe
from tasks.release import publish
from tasks.release.card import _name_files
from tasks.release.diff import compare, read_contents
from tasks.release.markdown import escape
from tasks.release.publish import release
from tasks.release.verify import Folder, verify_release
from tasks.select.contamination import find_contamination
from tasks.select.decide import decide_after_teach
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import (
    BENCHMARK_TEXT,
    RUN,
    STUDENT,
    TEACHER,
    add_item,
    fill,
    identify,
    response_of,
    taught,
)

MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}
KILLED_CHILD = """
import os, signal, sys
from tasks.identity import content_id
from tasks.recipe import Band, Recipe
from tasks.release import publish
from tasks.store import open_store

def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)

owner, _, name = sys.argv[1].rpartition(".")
setattr(getattr(publish, owner) if owner else publish, name, die)
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


def regrade(store: Store, name: str) -> None:
    """Find a prompt's released answer wrong, where another one is right."""
    key_id = store.sql(
        "select key_id from current_keys where prompt_id = $id", {"id": identify(name)}
    ).item()
    second = content_id("second", name)
    row = {"response_id": second, "prompt_id": identify(name), "role": "teacher", "model": TEACHER,
           "server": "simulator", "sample_index": 1, "content": "It is 4!", "finish_reason": "stop",
           "simulated": True}  # fmt: skip
    store.append("responses", pl.DataFrame([row]), run_id=RUN)
    grade = {"key_id": key_id, "verifier": "number"}
    verdicts = [
        {"response_id": response_of(name), "version": 2, "verdict": "wrong", **grade},
        {"response_id": second, "version": 2, "verdict": "correct", **grade},
    ]
    store.append("grades", pl.DataFrame(verdicts), run_id=RUN)


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
    assert verify_release(Folder(first.folder)).faults == ()
    assert (count(store, "releases"), count(store, "release_pairs")) == (1, 8)
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    second = release(store, recipe, "run-2")
    assert (second.new, second.version, second.release_id) == (False, 1, first.release_id)
    assert second.gate == first.gate
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == before
    assert (count(store, "releases"), count(store, "release_pairs")) == (1, 8)


@pytest.mark.slow
def test_models_asked_on_the_side_make_no_new_release(
    store: Store, recipe: Recipe, make_recipe: MakeRecipe
) -> None:
    """As `teachset reprofile` asks, or a student and a teacher that were tried and taken back."""
    first = release(store, recipe, RUN)
    aside = {"response_id": ["s9", "t9"], "prompt_id": identify("p1"), "sample_index": 0,
             "role": ["student", "teacher"], "model": ["qwen-step-400", "other"],
             "server": "http://127.0.0.1:9/v1", "content": "It is 4.", "finish_reason": "stop",
             "simulated": True}  # fmt: skip
    store.append("responses", pl.DataFrame(aside), run_id=RUN)
    assert release(store, recipe, "run-2").release_id == first.release_id
    assert count(store, "releases") == 1
    # Who wrote what a frozen domain keeps is told, also where another one teaches by now.
    frozen = make_recipe(
        models={"student": {"model": STUDENT}, "teacher": {"model": "other"}},
        release={"validation_share": 0.3},
        select={"freeze": ["math"]},
    )
    decide_after_teach(store, frozen, RUN)
    manifest = json.loads((release(store, frozen, RUN).folder / "manifest.json").read_text())
    told = {(row["role"], row["model"]) for row in manifest["models"]}
    assert told == {("teacher", TEACHER), ("teacher", "other")}


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
    assert (card["configs"][0]["config_name"], card["configs"][0]["default"]) == ("parquet", True)
    assert card["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train-*.parquet"},
        {"split": "validation", "path": "data/validation-*.parquet"},
    ]
    assert card["license"] == ["mit"]
    assert "| select | too\\_easy | math | 1 |" in body
    assert "**Simulated.** 8 of the pairs" in body
    # The hub's own reader of cards understands the header, all of it.
    read = DatasetCard.load(done.folder / "README.md")
    assert read.data.to_dict() == card
    assert read.text.strip() == body.strip()
    links = re.findall(r"\]\(([^)]+)\)", body)
    assert set(links) == {
        *("manifest.json", "gate.json", "data_docs.html", "pairs.parquet", "origin.json"),
        "report.html",
    }
    assert all((done.folder / name).is_file() for name in links)
    assert "Read from: seeds.jsonl." in body


def test_the_card_leads_to_public_sources_and_names_no_folder(make_recipe: MakeRecipe) -> None:
    paths = [
        "hf://datasets/openai/gsm8k/main/train.parquet",
        "https://data.example.org/a (b)/seeds.csv?key=secret",
        "https://me:secret@data.example.org/seeds.csv",
        "s3://our-private/bucket/seeds.jsonl",
        "/home/jane/seeds*.jsonl",
    ]
    recipe = make_recipe(seeds=[{"path": path} for path in paths])
    hub, web, *others = _name_files(recipe)
    assert hub == (
        "[hf://datasets/openai/gsm8k/main/train.parquet]"
        "(https://huggingface.co/datasets/openai/gsm8k)"
    )
    assert web.endswith("](https://data.example.org/a%20%28b%29/seeds.csv)")
    assert others == ["seeds.csv", "seeds.jsonl", r"seeds\*.jsonl"]


@pytest.mark.slow
def test_what_may_not_decide_the_id_is_in_the_origin_and_counts_are_recomputed(
    store: Store, recipe: Recipe
) -> None:
    done = release(store, recipe, RUN)
    origin = json.loads((done.folder / "origin.json").read_text())
    assert (origin["run_id"], origin["version"], origin["release_id"]) == (RUN, 1, done.release_id)
    rows = store.sql(
        "select count(*) from responses at (version => $version)",
        {"version": origin["store"]["snapshot"]},
    )
    assert rows.item() == 9  # every teacher response; the untaught prompt has none
    assert {file["path"] for file in origin["files"]} == {
        *("gate.json", "report.html", "data_docs.html")
    }
    (done.folder / "gate.json").write_text("{}")
    (done.folder / "report.html").unlink()
    assert verify_release(Folder(done.folder)).faults == (
        "gate.json: its content was changed",
        "report.html: is missing",
    )
    # A manifest that is wrong about its own files is told, even if every hash in it is right.
    manifest = json.loads((done.folder / "manifest.json").read_text())
    manifest["pairs"]["train"] += 1
    manifest["domains"] = {"math": 7, "code": 1}
    manifest["rows"]["jsonl"]["train"] = 99
    (done.folder / "manifest.json").write_text(json.dumps(manifest))
    faults = "\n".join(verify_release(Folder(done.folder)).faults)
    for name in ("pairs", "domains", "rows"):
        assert f"manifest.json: says {name} " in faults


@pytest.mark.slow
def test_a_release_that_carries_less_than_the_gate_reads(store: Store, recipe: Recipe) -> None:
    few = recipe.release.model_copy(update={"fields": ("domain",), "formats": ("parquet",)})
    done = release(store, recipe.model_copy(update={"release": few}), RUN)
    assert pl.read_parquet(done.folder / "data" / "*.parquet").columns == ["messages", "domain"]
    assert not (done.folder / "gated").exists()
    assert verify_release(Folder(done.folder)).faults == ()
    assert done.gate["rows"] == 8


@pytest.mark.slow
def test_a_report_shows_what_broke_a_rule_whatever_the_formats_carry(
    store: Store, make_recipe: MakeRecipe
) -> None:
    settings = {"formats": ["jsonl"], "fields": ["domain"], "gate": {"drift": 1}}
    recipe = make_recipe(models=MODELS, release=settings)
    fill(store, taught("licensed"), taught("found", text="Who found it?", licence=None))
    decide_after_teach(store, recipe, RUN)
    done = release(store, recipe, RUN)
    broken = [rule["rule"] for rule in done.gate["rules"] if rule["pair_ids"]]
    assert broken == ["unknown_licence"]
    report = (done.folder / "report.html").read_text(encoding="utf-8")
    gate = report[report.index('id="gate"') : report.index("All rules")]
    assert "Who found it?" in gate
    assert not (done.folder / "gated").exists()


@pytest.mark.slow
def test_the_second_release_is_latest_and_tells_what_changed(store: Store, recipe: Recipe) -> None:
    first = release(store, recipe, RUN)
    fill(store, taught("more"), taught("novel", domain="code"))
    wider = recipe.model_copy(
        update={"select": recipe.select.model_copy(update={"band": Band(low=0, high=1)})}
    )
    decide_after_teach(store, wider, RUN)
    # The teacher's answer to p0 is found wrong and a second one takes its place.
    regrade(store, "p0")
    second = release(store, wider, RUN)
    assert (second.new, second.version, second.pairs) == (True, 2, 11)
    assert os.readlink(second.folder.parent / "latest") == second.folder.name
    assert verify_release(Folder(first.folder)).faults == ()
    difference = compare(read_contents(Folder(first.folder)), read_contents(Folder(second.folder)))
    counted = difference.domains.select("before", "after", "moved", "added", "removed", "changed")
    assert difference.domains["domain"].to_list() == ["code", "math"]
    assert counted.rows() == [(0, 1, 0, 1, 0, 0), (8, 10, 0, 2, 0, 1)]
    assert [path for path, _, _ in difference.settings] == ["select.band.high", "select.band.low"]
    assert len(difference.added) == 3 and len(difference.changed) == 1
    backwards = compare(read_contents(Folder(second.folder)), read_contents(Folder(first.folder)))
    assert (backwards.total("removed"), backwards.total("added")) == (3, 0)
    shown = CliRunner().invoke(app, ["diff", str(first.folder), str(second.folder)])
    assert "select.band.high: 0.75 → 1.0" in shown.stdout
    as_json = CliRunner().invoke(app, ["diff", str(first.folder), str(second.folder), "--json"])
    assert json.loads(as_json.stdout)["pairs"]["changed"] == 1
    report = (second.folder / "report.html").read_text()
    assert f"Since release <code>{first.release_id}</code>" in report


def test_a_difference_needs_two_releases(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a release, with manifest\.json and pairs\."):
        read_contents(Folder(tmp_path))


@pytest.mark.slow
def test_only_the_formats_asked_for_are_published(store: Store, recipe: Recipe) -> None:
    only = recipe.release.model_copy(update={"formats": ("jsonl",)})
    done = release(store, recipe.model_copy(update={"release": only}), RUN)
    assert not (done.folder / "data").exists()
    assert verify_release(Folder(done.folder)).faults == ()
    assert "path: jsonl/train-*.jsonl" in (done.folder / "README.md").read_text()


@pytest.mark.slow
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
    assert (count(store, "releases"), count(store, "release_pairs")) == (0, 0)
    assert seen(recipe) == ["refused.html", "refused_data_docs.html"]
    report = Path(recipe.release.folder) / "refused.html"
    assert f"report: {report}" in str(failure.value)
    told = report.read_text()
    assert "Nothing was published." in told and BENCHMARK_TEXT in told
    decide_after_teach(store, recipe, RUN)  # Now the policy knows, and sets the prompt aside.
    release(store, recipe, RUN)
    assert not report.exists()


def kill_release(recipe: Recipe, step: str) -> None:
    """Release in a process that is killed where it comes to a step."""
    child = subprocess.run(
        [sys.executable, "-c", KILLED_CHILD, step],
        input=recipe.model_dump_json(),
        text=True,
        cwd=Path(publish.__file__).parents[2],
        check=False,
    )
    assert child.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_kill_leaves_the_older_release_or_the_new_one(store: Store, recipe: Recipe) -> None:
    """`latest` leads to a whole release at every moment: to the old one until the last step."""
    old = release(store, recipe, RUN)
    fill(store, taught("more"))
    decide_after_teach(store, recipe, RUN)
    folder = old.folder.parent

    def read() -> Path:
        """Follow `latest` as a reader does; what it leads to is whole."""
        found = (folder / "latest").resolve(strict=True)
        assert verify_release(Folder(found)).faults == ()
        return found

    for step in ("build_manifest", "_make_visible"):  # Staged in part; staged as a whole.
        kill_release(recipe, step)
        assert (read(), seen(recipe)) == (old.folder, ["latest", old.folder.name])
    for step in ("_point_latest", "Path.replace"):  # Renamed; and the next link made beside it.
        kill_release(recipe, step)
        assert (read(), len(seen(recipe))) == (old.folder, 3)
    assert len(list(folder.glob(".latest-*"))) == 1
    kill_release(recipe, "_record")
    new = read()
    assert new != old.folder
    assert verify_release(Folder(old.folder)).faults == ()  # And nothing happened to the old one.
    assert count(store, "releases") == 1
    done = release(store, recipe, RUN)
    assert (done.new, done.folder, done.version, done.pairs) == (True, new, 2, 9)
    assert read() == new
    assert seen(recipe) == sorted(["latest", old.folder.name, new.name])
    assert sorted(path.name for path in folder.glob(".*")) == [".lock"]
    assert release(store, recipe, RUN).new is False


@pytest.mark.slow
def test_a_kill_at_any_moment_is_mended(store: Store, recipe: Recipe) -> None:
    folder = Path(recipe.release.folder)
    kill_at = partial(kill_release, recipe)
    kill_at("build_manifest")
    assert seen(recipe) == []
    assert len(list(folder.glob(".staging-*"))) == 1
    kill_at("_point_latest")  # Renamed, and `latest` not yet moved.
    (name,) = seen(recipe)
    assert verify_release(Folder(folder / name)).faults == ()
    kill_at("_record")  # Visible, and not in the store.
    assert seen(recipe) == ["latest", name]
    assert count(store, "releases") == 0
    done = release(store, recipe, RUN)
    assert (done.new, done.folder.name, done.version) == (True, name, 1)
    assert (count(store, "releases"), count(store, "release_pairs")) == (1, 8)
    assert list(folder.glob(".staging-*")) == []
    assert release(store, recipe, RUN).new is False


@pytest.mark.slow
def test_a_damaged_release_is_told_and_replaced(store: Store, recipe: Recipe) -> None:
    done = release(store, recipe, RUN)
    (done.folder / "jsonl" / "train-00000-of-00001.jsonl").write_text("{}\n")
    (done.folder / "notes.txt").write_text("mine")
    (done.folder / "README.md").unlink()
    assert verify_release(Folder(done.folder)).faults == (
        "README.md: is missing",
        "jsonl/train-00000-of-00001.jsonl: its content was changed",
        "notes.txt: is not in the manifest",
    )
    again = release(store, recipe, RUN)
    assert (again.new, again.release_id) == (True, done.release_id)
    assert verify_release(Folder(again.folder)).faults == ()
    assert seen(recipe) == ["latest", done.folder.name]


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    (tmp_path / "r").mkdir()
    file = {"path": "../secret", "sha256": "", "bytes": 1, "rows": None}
    text = json.dumps({"files": [file], "pairs": {"train": 0}})
    (tmp_path / "r" / "manifest.json").write_text(text)
    assert "../secret: lies outside the release" in verify_release(Folder(tmp_path / "r")).faults


def test_a_folder_without_a_manifest_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no manifest\.json, so it is not a release"):
        verify_release(Folder(tmp_path))


def test_a_file_where_the_folder_should_be(store: Store, recipe: Recipe) -> None:
    Path(recipe.release.folder).write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match=r"releases: it cannot be used as the folder of releases"):
        release(store, recipe, RUN)


def test_a_disk_that_takes_no_more_leaves_nothing(store: Store, recipe: Recipe) -> None:
    # Whichever is written first says so: the store, or the folder of releases.
    with small_files(1_000), pytest.raises(StoreError, match=r"disk of the store|Nothing was pub"):
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


@pytest.mark.slow
def test_rows_of_the_store_lead_to_the_files(store: Store, recipe: Recipe) -> None:
    done = release(store, recipe, RUN)
    published = pl.read_parquet(done.folder / "data" / "*.parquet").select("pair_id", "split")
    recorded = store.sql("select pair_id, split from pairs")
    assert recorded.sort("pair_id").equals(published.sort("pair_id"))
    assert store.sql("select policy, pairs, simulated from releases").rows() == [
        (recipe.policy_version(), 8, True)
    ]
