"""A local embedder: a folder of this machine, no call and no price, known by what is in it."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from rich.console import Console
from safetensors.numpy import save_file

from cli.doctor.models import check_models
from cli.planning import print_plan, to_document
from tasks.errors import RecipeError, RunInterrupted
from tasks.ingest import ingest_benchmarks, ingest_seeds
from tasks.llm.local import open_model
from tasks.llm.pending import EVERYTHING, split_ids
from tasks.llm.servers import stop_simulators
from tasks.llm.under_way import stop_calling
from tasks.plan.plan import make_plan
from tasks.plan.price import Cost
from tasks.progress import Snapshot, subscribe, track
from tasks.recipe import LocalEmbedder, Recipe, load_recipe, recipe_schema
from tasks.select import embed
from tasks.select.contamination import find_contamination
from tasks.select.decide import decide_prompts
from tasks.select.duplicates import find_duplicates
from tasks.select.embed import count_texts, embed_range, name_embedder, texts_per_range
from tasks.select.meaning import find_neighbours
from tasks.select.nearest import as_directions
from tasks.select.reworded import compare_range, find_near_items, settle_evidence
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.local_model import FILES, WORDS, save_model

RUN = "run"
HENS = "How many eggs do 12 hens lay in a week?"
CHICKENS = "How many eggs do 12 chickens lay in a week?"
MORE_CHICKENS = "How many eggs do 13 chickens lay in a week?"
BOTH = "How many hens fit into a train?"
TRAIN = "A train travels 60 miles an hour for 3 hours and then stops. How far did it travel?"
NOTHING = "What is 2 + 2?"
ITEM = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes "
    "muffins with four. She sells the remainder for $2 per egg. How much does she make every day?"
)
REWORDED = (
    "Every day 16 eggs are laid by the ducks of Janet. Three she eats at breakfast, four go into "
    "muffins. What remains is sold at $2 an egg. What does selling eggs make her per day?"
)
NO_LIBRARY = (
    "models.embedder.local: needs the package `model2vec`; "
    "install it with: pip install 'teachset[local]'"
)
HERE = Cost(limit="this machine")  # No call, no token, no dollar.
Project = Callable[..., Recipe]


@pytest.fixture(autouse=True)
def no_simulator_left() -> Iterator[None]:
    yield
    stop_simulators()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with a model of four words."""
    return save_model(tmp_path / "models" / "four-words")


@pytest.fixture
def project(make_recipe: MakeRecipe, model: Path) -> Project:
    """A factory of recipes that look for twins by meaning with the local model."""

    def make(*seeds: str, **changes: Any) -> Recipe:
        rows = [{"prompt": text, "answer": "1", "domain": "math"} for text in seeds]
        sections: dict[str, Any] = {
            "models": {"embedder": {"local": "models/four-words"}},
            "select": {"duplicates": {"meaning": 0.95}},
        }
        return make_recipe(rows, **{**sections, **changes})

    return make


def vectors(store: Store) -> dict[str, list[float]]:
    rows = store.sql(
        "select text, vector from embeddings inner join prompts on text_id = prompt_id"
    )
    return {text: [round(number, 6) for number in vector] for text, vector in rows.iter_rows()}


def children() -> set[str]:
    threads = Path("/proc/self/task").iterdir()
    return {name for thread in threads for name in (thread / "children").read_text().split()}


def test_a_text_is_the_mean_of_its_words_and_nobody_is_called(
    store: Store, project: Project
) -> None:
    recipe = project(HENS, CHICKENS, BOTH, NOTHING, budget={"usd": 0, "tokens": 0, "calls": 0})
    ingest_seeds(store, recipe, RUN)
    before = children()
    assert embed_range(store, recipe, RUN, EVERYTHING) == 4
    assert vectors(store) == {
        HENS: [0.6, 0.8, 0.0],
        CHICKENS: [0.8, 0.6, 0.0],
        # The mean of (3, 4, 0) and (0, 0, 5) at length 1: (3, 4, 5) / sqrt(50).
        BOTH: [0.424264, 0.565685, 0.707107],
        NOTHING: [0.0, 0.0, 0.0],  # No word of it is known; zeros are near nothing.
    }
    assert children() == before  # No simulator was started.
    assert store.sql("select * from responses").is_empty()
    assert store.sql("select * from spend").is_empty()
    kept = store.sql("select distinct response_id, simulated, embedder from embeddings")
    assert kept.rows() == [(None, False, name_embedder(recipe))]


def test_a_long_text_is_read_to_its_end(model: Path) -> None:
    """Else two prompts that differ after 512 words would be one."""
    opened = open_model(LocalEmbedder(local=str(model)))
    assert (opened.words, opened.size) == (5, 3)
    long = "ducks " * 600 + "train " * 600
    assert opened.encode([long, "ducks"]).tolist() == [[0.0, 2.5, 2.5], [0.0, 5.0, 0.0]]


@pytest.mark.slow
def test_only_what_is_new_is_embedded_and_a_range_after_the_other(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "_LOCAL_ROWS_AT_A_TIME", 1)
    recipe = project(HENS, CHICKENS, TRAIN)
    ingest_seeds(store, recipe, RUN)
    assert count_texts(store, recipe) == 3
    assert sum(embed_range(store, recipe, RUN, part) for part in split_ids(2)) == 3
    assert embed_range(store, recipe, RUN, EVERYTHING) == 0
    more = project(HENS, CHICKENS, TRAIN, BOTH)
    ingest_seeds(store, more, RUN)
    assert embed_range(store, more, RUN, EVERYTHING) == 1
    # What a kill has lost is made again, and no more than that.
    lost = "text_id in (select prompt_id from prompts where text like '%train%')"
    store.execute(f"delete from embeddings where {lost}")
    assert embed_range(store, more, RUN, EVERYTHING) == 2
    assert len(vectors(store)) == 4


@pytest.mark.slow
def test_a_run_that_is_stopped_keeps_what_it_has_and_goes_on_there(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "_LOCAL_ROWS_AT_A_TIME", 1)
    recipe = project(*(f"How many eggs do {number} hens lay?" for number in range(20)))
    ingest_seeds(store, recipe, RUN)

    def stop(so_far: Snapshot) -> None:
        if so_far.done:
            stop_calling()

    with pytest.raises(RunInterrupted), subscribe(stop), track("embed", 20):
        embed_range(store, recipe, RUN, EVERYTHING)
    kept = len(vectors(store))
    assert 0 < kept < 20
    assert embed_range(store, recipe, RUN, EVERYTHING) == 20 - kept


def test_a_range_of_a_local_embedder_is_larger_since_nobody_is_waited_for(
    project: Project, make_recipe: MakeRecipe
) -> None:
    asked = make_recipe(models={"embedder": {"model": "sim-embedder"}})
    assert texts_per_range(project(HENS)) == 50_000
    assert texts_per_range(asked) == 2_000


def test_a_model_is_known_by_what_is_in_its_folder_and_by_nothing_else(
    store: Store, project: Project, model: Path, tmp_path: Path
) -> None:
    recipe = project(HENS)
    ingest_seeds(store, recipe, RUN)
    first = name_embedder(recipe)
    assert embed_range(store, recipe, RUN, EVERYTHING) == 1
    kept = {name: (model / name).read_bytes() for name in FILES}
    # Another time, another card, another name and another place are the same model.
    os.utime(model / "model.safetensors", (time.time() + 60,) * 2)
    (model / "README.md").write_text("Another card.")
    shutil.copytree(model, tmp_path / "moved")
    moved = project(HENS, models={"embedder": {"local": "moved", "model": "another-name"}})
    assert name_embedder(recipe) == name_embedder(moved) == first
    # Other words or other numbers under the same path are another one.
    save_model(model, {**WORDS, "geese": (0.0, 5.0, 0.0)})
    second = name_embedder(recipe)
    save_model(model, {**WORDS, "hens": (5.0, 0.0, 0.0)})
    third = name_embedder(recipe)
    assert len({first, second, third}) == 3
    assert embed_range(store, recipe, RUN, EVERYTHING) == 1
    made = store.sql("select embedder, vector from embeddings order by created_at")
    assert made["embedder"].to_list() == [first, third]
    assert as_directions(made["vector"]).tolist() == [
        pytest.approx([0.6, 0.8, 0.0]),
        [1.0, 0.0, 0.0],
    ]
    for name, content in kept.items():  # The first one comes back, and its vectors are there.
        (model / name).write_bytes(content)
    assert embed_range(store, recipe, RUN, EVERYTHING) == 0


@pytest.mark.slow
def test_twins_by_meaning_are_found_with_the_cosine_one_computes_by_hand(
    store: Store, project: Project
) -> None:
    recipe = project(HENS, CHICKENS, MORE_CHICKENS, TRAIN)
    ingest_seeds(store, recipe, RUN)
    embed_range(store, recipe, RUN, EVERYTHING)
    assert find_neighbours(store, recipe, RUN) == 3
    assert find_neighbours(store, recipe, RUN) == 0
    near = store.sql("select similarity, same_numbers from neighbours order by all")
    assert near.rows() == [(0.96, False), (0.96, True), (1.0, False)]  # 13 is not 12.
    find_duplicates(store, recipe.select.duplicates, RUN, name_embedder(recipe))
    decide_prompts(store, recipe, RUN)
    dropped = store.sql(
        "select text, current_decisions.detail from current_decisions "
        "inner join prompts using (prompt_id) where reason = 'same_meaning'"
    )
    ((text, detail),) = dropped.rows()
    assert text in (HENS, CHICKENS)
    assert detail.endswith(", 0.96")


@pytest.mark.slow
def test_a_reworded_item_is_found_through_it_and_judged(
    store: Store, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "items.jsonl").write_text(json.dumps({"prompt": ITEM}))
    recipe = project(
        REWORDED,
        TRAIN,
        benchmarks=[{"name": "exam", "path": "items.jsonl"}],
        models={
            "embedder": {"local": "models/four-words"},
            "judge": {"model": "sim-judge", "prices": {"input": 1, "output": 1}},
        },
        simulator={"models": {"sim-judge": {"skill": 30, "malformed_json": 0}}},
        select={"contamination": {"drop": ["embedding"], "embedding": {"floor": 0.9}}},
    )
    ingest_seeds(store, recipe, RUN)
    ingest_benchmarks(store, recipe, RUN)
    find_contamination(store, recipe.select.contamination, ["exam"], RUN)
    embedded, compared = make_plan(recipe).stages[:2]
    assert (embedded.prompts.expected, embedded.cost) == (3, HERE)
    assert 0 < compared.cost.calls.expected <= compared.cost.calls.high <= 4
    embed_range(store, recipe, RUN, EVERYTHING)
    assert find_near_items(store, recipe, RUN) == 1
    assert make_plan(recipe).stages[1].cost.calls.high == 2
    compare_range(store, recipe, RUN, EVERYTHING)
    assert settle_evidence(store, recipe, RUN) == 1
    found = store.sql(
        "select text, method, score from tainting inner join prompts using (prompt_id)"
    )
    assert found.rows() == [(REWORDED, "embedding", 1.0)]
    paid = store.sql("select role, count(*) from responses group by role")
    assert paid.rows() == [("judge", 2)]
    decide_prompts(store, recipe, RUN)
    decided = store.sql("select reason from current_decisions where reason like 'benchmark%'")
    assert decided["reason"].to_list() == ["benchmark_judged"]


@pytest.mark.slow
def test_a_plan_names_the_texts_and_no_call(store: Store, project: Project) -> None:
    recipe = project(HENS, TRAIN, budget={"usd": 1})
    plan = make_plan(recipe)
    stage = plan.stages[0]
    assert (stage.stage, stage.role, stage.model) == ("embed", "embedder", "four-words")
    assert (stage.prompts.expected, stage.cost, stage.is_local) == (2, HERE, True)
    assert "four-words embeds 2 texts here, without a call" in plan.notes
    assert not [warning for warning in plan.warnings if "embedder" in warning]
    shown = StringIO()
    print_plan(Console(file=shown, width=120), plan)
    (line,) = [line for line in shown.getvalue().splitlines() if "embedder" in line]
    assert line.split() == [
        *("embed:", "embedder", "2", "0", "exactly", "0,", "0", "$0.00", "0", "s"),
        *("this", "machine"),
    ]
    told = to_document("test", plan)["stages"][0]
    assert (told["limited_by"], told["calls"]["high"], told["cost_usd"]["high"]) == (
        *("this machine", 0, 0),
    )
    ingest_seeds(store, recipe, RUN)
    embed_range(store, recipe, RUN, EVERYTHING)
    plan = make_plan(recipe)
    assert plan.stages[0].prompts.high == 0
    assert not [note for note in plan.notes if "four-words" in note]


@pytest.mark.slow
def test_a_plan_warns_of_what_would_stop_the_run(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "model2vec", None)
    (warning,) = [each for each in make_plan(project(HENS)).warnings if "embedder" in each]
    assert warning == NO_LIBRARY


def test_a_missing_library_is_told_with_what_brings_it(
    project: Project, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "model2vec", None)
    with pytest.raises(RecipeError) as caught:
        open_model(LocalEmbedder(local=str(model)))
    assert str(caught.value) == NO_LIBRARY
    found = {each.check: each for each in check_models(project(HENS))}["embedder"]
    assert found.level == "problem"
    assert found.mend == "install it with: pip install 'teachset[local]'"


def test_the_doctor_reads_the_model_and_asks_no_server(project: Project, model: Path) -> None:
    told = {each.check: (each.level, each.found) for each in check_models(project(HENS))}
    assert told["embedder"] == ("ok", "four-words is there: 5 words, 3 numbers each")
    assert set(told) == {"student", "embedder"}
    shutil.rmtree(model)
    found = {each.check: each for each in check_models(project(HENS))}["embedder"]
    assert found.level == "problem"
    assert found.found == f"models.embedder.local: {model}: there is no such folder"
    assert found.mend.startswith("name the folder of a Model2Vec model, as `hf download ")


def break_vectors(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x04 no numbers")


def break_words(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def take_another_model(folder: Path) -> None:
    weights = {"encoder.layer.0.weight": open_numbers(folder)}
    save_file(weights, folder / "model.safetensors")


def lose_a_word(folder: Path) -> None:
    save_file({"embeddings": open_numbers(folder)[:-1].copy()}, folder / "model.safetensors")


def open_numbers(folder: Path) -> Any:
    return open_model(LocalEmbedder(local=str(folder))).model.embedding


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (shutil.rmtree, "there is no such folder; name the folder of a Model2Vec model"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "this folder has no tokenizer.json"),
        (break_vectors, "no Model2Vec model: "),
        (break_words, "no Model2Vec model: "),
        (take_another_model, "no Model2Vec model: "),
        (lose_a_word, "no Model2Vec model: Number of tokens (5) does not match number of vectors"),
    ],
)
def test_a_folder_without_a_model_is_named_with_its_field(
    model: Path, spoil: Callable[[Path], Any], fault: str
) -> None:
    spoil(model)
    with pytest.raises(RecipeError) as caught:
        open_model(LocalEmbedder(local=str(model)))
    message = str(caught.value)
    assert message.startswith(f"models.embedder.local: {model}: ")
    assert fault in message
    assert "\n" not in message


def test_numbers_that_are_none_are_refused(model: Path) -> None:
    save_model(model, {**WORDS, "hens": (float("nan"), 0.0, 0.0)})
    with pytest.raises(RecipeError, match="has numbers that are not finite"):
        open_model(LocalEmbedder(local=str(model))).encode(["hens"])


def test_nothing_in_the_folder_is_run(model: Path, tmp_path: Path) -> None:
    """Neither a pickle nor a module that a configuration names: numbers and JSON are read."""
    proof = tmp_path / "was-run"
    code = f"open({str(proof)!r}, 'w')"
    pickle = f"cbuiltins\nexec\n(V{code}\ntR.".encode()
    for name in ("pytorch_model.bin", "model.pkl"):
        (model / name).write_bytes(pickle)
    for name in ("modeling.py", "__init__.py", "sitecustomize.py"):
        (model / name).write_text(code)
    config = json.loads((model / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "modeling.Model"}, "trust_remote_code": True}
    (model / "config.json").write_text(json.dumps(config))
    modules = [{"idx": 0, "name": "0", "path": ".", "type": "modeling.Model"}]
    (model / "modules.json").write_text(json.dumps(modules))
    assert open_model(LocalEmbedder(local=str(model))).encode(["ducks"]).tolist() == [[0, 5, 0]]
    (model / "model.safetensors").unlink()
    with pytest.raises(RecipeError, match=r"has no model\.safetensors"):
        open_model(LocalEmbedder(local=str(model)))
    assert not proof.exists()


def test_a_folder_of_sentence_transformers_is_read_as_well(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "0_StaticEmbedding").mkdir(parents=True)
    save_file(
        {"embedding.weight": open_numbers(model)}, other / "0_StaticEmbedding/model.safetensors"
    )
    shutil.copy(model / "tokenizer.json", other / "0_StaticEmbedding")
    (other / "config_sentence_transformers.json").write_text("{}")
    made = open_model(LocalEmbedder(local=str(other))).encode(["hens train"])
    assert made.tolist() == [[1.5, 2.0, 2.5]]


def recipe_file(folder: Path, embedder: Any) -> Path:
    declared = {
        "name": "test",
        "store": {"catalog": "store/catalog.sqlite"},
        "seeds": [{"path": "seeds.jsonl"}],
        "models": {"student": {"model": "sim-student"}, "embedder": embedder},
        "release": {"folder": "releases"},
    }
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(declared), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("beside", "fields"),
    [
        ({"base_url": "http://localhost:8000/v1"}, ["base_url"]),
        ({"api_key_env": "KEY", "mode": "batch"}, ["api_key_env", "mode"]),
        ({"api_key_block": "key"}, ["api_key_block"]),
        ({"prices": {"input": 1}, "max_concurrency": 3}, ["max_concurrency", "prices"]),
    ],
)
def test_what_only_a_server_has_is_refused_beside_it(
    tmp_path: Path, beside: dict[str, Any], fields: list[str]
) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe_file(tmp_path, {"local": "models/four-words", **beside}))
    _, *lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"  models.embedder.{each}" for each in fields
    ]
    for line in lines:
        assert "is for a model behind a server" in line
        assert "leave one of the two out" in line


def test_an_editor_knows_both_kinds_of_embedder_and_no_mixture(tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(recipe_schema()))

    def is_right(embedder: dict[str, Any]) -> bool:
        file = recipe_file(tmp_path, embedder)
        return validator.is_valid(yaml.safe_load(file.read_text(encoding="utf-8")))

    assert is_right({"local": "models/four-words"})
    assert is_right({"local": "models/four-words", "model": "four-words"})
    assert is_right({"model": "bge-m3", "base_url": "http://localhost:8000/v1"})
    assert not is_right({"local": "models/four-words", "base_url": "http://localhost:8000/v1"})
    assert not is_right({})


@pytest.mark.parametrize(
    ("embedder", "fault"),
    [
        ({"lokal": "m"}, "models.embedder.lokal: unknown field; did you mean `local`?"),
        ({"local": ""}, "models.embedder.local: String should have at least 1 character"),
        ({"local": ["m"]}, "models.embedder.local: Input should be a valid string"),
        ({"local": "m", "trust_remote_code": True}, "embedder.trust_remote_code: unknown field"),
        ("models/four-words", "models.embedder: expected a mapping, found str"),
        ({"model": "m", "base_url": "m"}, "models.embedder.base_url: expected a server's URL"),
    ],
)
def test_a_fault_is_named_once_and_by_its_field(tmp_path: Path, embedder: Any, fault: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe_file(tmp_path, embedder))
    assert fault in str(caught.value)
    assert str(caught.value).count(fault) == 1


def test_its_folder_begins_at_the_recipe_and_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    file = recipe_file(tmp_path, {"local": "models/four-words"})
    recipe = load_recipe(file)
    folder = str(tmp_path / "models" / "four-words")
    assert recipe.models.embedder == LocalEmbedder(local=folder, model="four-words")
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
    for place, override in (
        ("/other/four-words", "models.embedder.local=other/four-words"),
        ("/other/four-words", "models.embedder={local: other/four-words}"),
    ):
        elsewhere = load_recipe(file, [override])
        assert elsewhere.models.embedder == LocalEmbedder(local=place, model="four-words")
        assert elsewhere.digest() == recipe.digest()
    # It is no model that is asked: it has no price, no key, no family and no system prompt.
    assert [role for role, _ in recipe.models.each()] == ["student"]
    assert all((tmp_path / "models").joinpath(name).exists() is False for name in FILES)
