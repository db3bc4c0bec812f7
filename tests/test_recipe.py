"""The recipe: every mistake is found before anything is spent, and named by its place."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from prefect.utilities.collections import visit_collection

from tasks.errors import RecipeError
from tasks.recipe import AdaptiveStudent, Recipe, load_recipe, recipe_schema

ROOT = Path(__file__).resolve().parents[1]
MINIMAL: Mapping[str, Any] = {
    "name": "test",
    "store": {"catalog": "store/catalog.sqlite"},
    "seeds": [{"path": "seeds.jsonl"}],
    "models": {"student": {"model": "sim-student"}},
    "release": {"folder": "releases"},
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the minimal recipe with some sections replaced and returns its file."""

    def write_recipe(**sections: Any) -> Path:
        file = tmp_path / "recipe.yaml"
        file.write_text(yaml.safe_dump({**MINIMAL, **sections}), encoding="utf-8")
        return file

    return write_recipe


def _fault(file: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(file, overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("section", "value", "fault"),
    [
        ("sede", [], "sede: unknown field; did you mean `seeds`?"),
        ("store", {"catalog": "c", "dat": "d"}, "store.dat: unknown field; did you mean `data`?"),
        ("seeds", [{"path": "s", "formt": "csv"}], "seeds.0.formt: unknown field; did you mean"),
        (
            "seeds",
            [{"path": "s"}, {"path": "s", "columns": {"promt": "q"}}],
            "seeds.1.columns.promt: unknown field; did you mean `prompt`?",
        ),
        (
            "seeds",
            [{"path": "s", "constants": {"license": "MIT"}}],
            "seeds.0.constants.license: unknown field; did you mean `licence`?",
        ),
        (
            "seeds",
            [{"path": "s", "csv": {"quotes": ""}}],
            "seeds.0.csv.quotes: unknown field; did you mean `quote`?",
        ),
        (
            "benchmarks",
            [{"name": "b", "path": "s", "pth": ""}],
            "benchmarks.0.pth: unknown field; did you mean `path`?",
        ),
        (
            "responses",
            [{"path": "r", "role": "student", "columns": {"respons": "a"}}],
            "responses.0.columns.respons: unknown field; did you mean `response`?",
        ),
        (
            "models",
            {"student": {"model": "m"}, "teachr": {"model": "m"}},
            "models.teachr: unknown field; did you mean `teacher`?",
        ),
        (
            "models",
            {"student": {"model": "m", "sampling": {"temprature": 1}}},
            "models.student.sampling.temprature: unknown field; did you mean `temperature`?",
        ),
        (
            "models",
            {"student": {"model": "m", "prices": {"inpt": 1}}},
            "models.student.prices.inpt: unknown field; did you mean `input`?",
        ),
        (
            "simulator",
            {"models": {"sim-student": {"skil": 1}}},
            "simulator.models.sim-student.skil: unknown field; did you mean `skill`?",
        ),
        (
            "rewrite",
            {"strategy": []},
            "rewrite.strategy: unknown field; did you mean `strategies`?",
        ),
        ("sample", {"studnet": 8}, "sample.studnet: unknown field; did you mean `student`?"),
        ("select", {"bnad": {}}, "select.bnad: unknown field; did you mean `band`?"),
        (
            "select",
            {"domains": {"math": {"lwo": 0.1}}},
            "select.domains.math.lwo: unknown field; did you mean `low`?",
        ),
        ("teach", {"sample": 2}, "teach.sample: unknown field; did you mean `samples`?"),
        (
            "release",
            {"folder": "r", "format": []},
            "release.format: unknown field; did you mean `formats`?",
        ),
        ("budget", {"uds": 5}, "budget.uds: unknown field; did you mean `usd`?"),
        ("budget", {"xyzzy": 5}, "budget.xyzzy: unknown field; known here: calls, tokens, usd"),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest_known_one(
    write: Write, section: str, value: object, fault: str
) -> None:
    file = write(**{section: value})
    message = _fault(file)
    assert message.startswith(f"{file}: 1 fault(s) in the recipe\n  ")
    assert fault in message


@pytest.mark.parametrize(
    ("section", "value", "fault"),
    [
        ("name", "GSM8K test", "name: lower-case letters, digits and dashes only"),
        ("name", "a" * 64, "name: lower-case letters"),
        ("name", 5, "name: Input should be a valid string (found 5)"),
        ("seeds", [], "seeds: "),
        ("seeds", {"path": "s"}, "seeds: expected a list, found dict"),
        ("seeds", [{}], "1 fault(s) in the recipe\n  seeds.0.path: is required and missing"),
        ("seeds", ["s.jsonl"], "seeds.0: expected a mapping, found str"),
        ("sample", None, "sample: expected a mapping, found nothing"),
        ("sample", {"student": "many"}, "sample.student: Input should be a valid integer"),
        ("sample", {"student": 0}, "sample.student: Input should be greater than or equal to 1"),
        ("select", {"band": {"low": 0.8, "high": 0.2}}, "select.band: low (0.8) is above high"),
        ("select", {"band": {"low": float("nan")}}, "select.band.low: "),
        (
            "select",
            {"mixture": {"math": 0.5, "code": 0.4}},
            "select: mixture sums to 0.9, must sum",
        ),
        ("select", {"targets": {"Math": 5}}, "select.targets.Math.[key]: the store has domains in"),
        (
            "select",
            {"freeze": ["Math"]},
            "select.freeze.0: the store has domains in lower case; wri",
        ),
        ("select", {"policy": "Best of"}, "select.policy: lower-case letters"),
        ("seeds", [{"path": "s", "format": "xlsx"}], "seeds.0.format: Input should be 'auto', "),
        ("seeds", [{"path": "s", "csv": {"quote": "''"}}], "seeds.0.csv.quote: String should have"),
        (
            "seeds",
            [{"path": "s", "csv": {"header": ["prompt", "", "", "a", "a"]}}],
            "seeds.0.csv.header: two columns are called 'a'",
        ),
        (
            "seeds",
            [{"path": "s", "csv": {"delimiter": '"'}}],
            """seeds.0.csv: `quote` and `delimiter` are both '"'""",
        ),
        (
            "seeds",
            [{"path": "s", "csv": {"delimiter": "\r"}}],
            "seeds.0.csv: a line's end can be neither",
        ),
        ("seeds", [{"path": "s", "answer_pattern": "(a"}], "seeds.0: answer_pattern is not a reg"),
        ("seeds", [{"path": "s", "answer_pattern": "a"}], "needs exactly one group in parentheses"),
        ("rewrite", {"strategies": ["evolve"]}, "rewrite.strategies.0: Input should be 'new_num"),
        ("release", {"folder": "r", "validation_share": 1}, "release.validation_share: Input shou"),
        ("models", {"teacher": {"model": "m"}}, "models.student: is required and missing"),
        ("models", {"student": {"model": "m", "timeout_s": 0}}, "models.student.timeout_s: Input"),
        ("budget", {"usd": -1}, "budget.usd: Input should be greater than or equal to 0 (found -1"),
        ("simulator", {"faults": {"rate_limit": 2}}, "simulator.faults"),
        ("store", {"catalog": "s3://bucket/c"}, "store.catalog: expected a file's path or postgr"),
        ("store", {"catalog": ""}, "store.catalog: expected a file's path or postgresql://"),
    ],
)
def test_a_wrong_value_is_named_and_shown(
    write: Write, section: str, value: object, fault: str
) -> None:
    assert fault in _fault(write(**{section: value}))


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        (
            {"sample": {"student": 2}},
            "select.min_samples (4) is larger than sample.student (2): no prompt could ever be",
        ),
        ({"rewrite": {"tries": 1}}, "rewrite.confirmations is larger than rewrite.tries"),
        (
            {"benchmarks": [{"name": "b", "path": "1"}, {"name": "b", "path": "2"}]},
            "benchmarks: the name 'b' is used twice",
        ),
    ],
)
def test_settings_that_cannot_go_together_are_refused(
    write: Write, sections: dict[str, Any], fault: str
) -> None:
    assert fault in _fault(write(**sections))


@pytest.mark.parametrize(
    ("field", "instead"),
    [
        ("model", "set the model's own `model`"),
        ("messages", "they are the prompt; set `system_prompt` to say more"),
        ("n", "set how many samples are drawn in `sample`, or `teach.samples`"),
        ("stream", "answers are read as a whole"),
        ("response_format", "who has to answer in a form is asked for it"),
        ("max_tokens", "set `sampling.max_tokens`"),
        ("max_completion_tokens", "set `sampling.max_tokens`, and `max_tokens_field`"),
        ("temperature", "set `sampling.temperature`"),
        ("top_p", "set `sampling.top_p`"),
    ],
)
def test_what_the_engine_sends_itself_is_no_further_field(
    write: Write, field: str, instead: str
) -> None:
    extra = {"top_k": 20, field: 1}
    message = _fault(write(models={"student": {"model": "m", "sampling": {"extra": extra}}}))
    place = "models.student.sampling.extra"
    assert f"  {place}: leave out what has a place of its own (`{field}`: {instead})" in message


def test_a_seed_is_a_further_field_where_no_other_is_sent(write: Write) -> None:
    student: dict[str, Any] = {"model": "m", "sampling": {"extra": {"seed": 7}}}
    message = _fault(write(models={"student": student}))
    assert "  models.student: sampling.extra: every sample is sent its index as `seed`" in message
    recipe = load_recipe(write(models={"student": student | {"send_seed": False}}))
    assert recipe.models.student.sampling.extra == {"seed": 7}


def test_every_fault_is_named_at_once(write: Write) -> None:
    message = _fault(write(budget={"usd": -1}, sample={"student": 0}, x=1))
    assert "3 fault(s) in the recipe" in message
    for place in ("budget.usd: ", "sample.student: ", "x: "):
        assert f"\n  {place}" in message


def test_local_paths_begin_at_the_recipe_and_addresses_stay(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.chdir("/")
    paths = [
        "a.jsonl",
        "../up/*.jsonl",
        "~/home.csv",
        "/absolute.json",
        "hf://datasets/x/y.parquet",
    ]
    file = write(
        seeds=[{"path": path} for path in paths],
        benchmarks=[{"name": "b", "path": "https://example.org/b.csv"}],
        responses=[{"path": "r.jsonl", "role": "student"}],
        store={"catalog": "postgresql://me@db/lake", "data": "s3://bucket/lake"},
    )
    recipe = load_recipe(file)
    assert [source.path for source in recipe.seeds] == [
        str(tmp_path / "a.jsonl"),
        str(tmp_path.parent / "up/*.jsonl"),
        "/home/somebody/home.csv",
        "/absolute.json",
        "hf://datasets/x/y.parquet",
    ]
    assert recipe.benchmarks[0].path == "https://example.org/b.csv"
    assert recipe.responses[0].path == str(tmp_path / "r.jsonl")
    assert recipe.store.catalog == "postgresql://me@db/lake"
    assert recipe.store.data == "s3://bucket/lake"
    assert recipe.release.folder == str(tmp_path / "releases")
    assert load_recipe(write()).store.catalog == str(tmp_path / "store/catalog.sqlite")
    message = _fault(write(seeds=[{"path": "~no-such-user/x"}]))
    assert "~no-such-user/x: there is no such user" in message


def test_a_setting_can_be_replaced_on_the_command_line(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    recipe = load_recipe(
        write(),
        [
            "name=other",
            "sample.student=16",
            "seeds.0.path=train.jsonl",
            "seeds.0.constants.domain=math",
            "models.student.base_url=http://127.0.0.1:8000/x=1/v1",
            "models.teacher.model=big",
            "release.formats=[jsonl]",
            "select.mixture={math: 0.5, code: 0.5}",
            "budget.usd=",
        ],
    )
    assert (recipe.name, recipe.sample.student) == ("other", 16)
    assert recipe.seeds[0].path == str(tmp_path / "elsewhere" / "train.jsonl")
    assert recipe.seeds[0].constants.domain == "math"
    assert recipe.models.student.base_url == "http://127.0.0.1:8000/x=1/v1"
    assert recipe.models.teacher is not None
    assert recipe.models.teacher.model == "big"
    assert recipe.release.formats == ("jsonl",)
    assert recipe.select.mixture == {"math": 0.5, "code": 0.5}
    assert recipe.budget.usd is None


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("sample.student", "--set sample.student: the value is missing, e.g. sample.student=16"),
        ("seeds.7.path=x", "--set seeds.7.path=x: expected a field's path and a value"),
        ("seeds.first.path=x", "--set seeds.first.path=x: expected a field's path and a value"),
        ("name.first=x", "--set name.first=x: expected a field's path and a value"),
        ("sample.student=[1", "--set sample.student=[1: expected a field's path and a value"),
        ("sample.student=few", "sample.student: Input should be a valid integer"),
        ("sample.studnet=4", "sample.studnet: unknown field; did you mean `student`?"),
        ("sample.student=1", "select.min_samples (4) is larger than sample.student (1)"),
    ],
)
def test_a_bad_replacement_is_refused(write: Write, override: str, fault: str) -> None:
    assert fault in _fault(write(), override)


def test_a_number_of_samples_that_would_count_for_nothing_is_refused(write: Write) -> None:
    both = write(sample={"student": 16, "adaptive": {"start": 4}})
    assert "sample.student and sample.adaptive: in rounds no fixed number is drawn" in _fault(both)
    assert "--set sample.adaptive=null" in _fault(
        write(sample={"student": 16}), "sample.adaptive={}"
    )
    assert "sample.student and" in _fault(write(sample={"adaptive": {}}), "sample.student=16")
    votes = write(sample={"reference": 4, "adaptive_reference": {}})
    assert "sample.reference and sample.adaptive_reference:" in _fault(votes)
    # What says that there are no rounds contradicts nothing, nor does a number of somebody else.
    both = write(sample={"student": 16, "adaptive": {"start": 4}})
    fixed = load_recipe(both, ["sample.adaptive=null"])
    assert (fixed.sample.student, fixed.sample.adaptive) == (16, None)
    assert load_recipe(write(sample={"reference": 4, "adaptive": {}})).sample.adaptive is not None


def test_a_dumped_recipe_has_both_numbers_of_samples_and_is_one(write: Write) -> None:
    recipe = load_recipe(write(sample={"adaptive": {}, "adaptive_reference": {}}))
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    "sections",
    [
        {"models": {"student": {"model": "m", "api_key_env": "sk-HUSH1"}}},
        {"models": {"student": {"model": "m", "api_key": "sk-HUSH1"}}},
        {"models": {"student": {"model": "m", "base_url": ["http://me:HUSH1@host"]}}},
        {"models": {"student": {"model": "m", "base_url": "http://me:HUSH1@host/v1"}}},
        {"models": {"student": {"model": "m", "base_url": "https://sk-HUSH1@host/v1"}}},
        {"store": {"catalog": "postgresql://me:HUSH1@host/lake"}},
        {"store": {"catalog": "postgresql://me:x/HUSH1@host/lake"}},
        {"store": {"catalog": "postgresql://host/lake?user=me&password=HUSH1"}},
        {"store": {"catalog": "mysql://me:HUSH1@host/lake"}},
    ],
)
def test_a_pasted_secret_is_refused_and_never_shown(write: Write, sections: dict[str, Any]) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(**sections))
    error: BaseException | None = caught.value
    while error is not None:
        assert "HUSH1" not in str(error)
        error = error.__cause__


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://host/v1", "http:///v1", "http://[x", ""]
)
def test_what_is_no_server_is_refused(write: Write, url: str) -> None:
    message = _fault(write(models={"student": {"model": "m", "base_url": url}}))
    assert (
        "models.student.base_url: expected a server's URL, e.g. http://localhost:8000/v1" in message
    )


def test_a_yaml_error_does_not_quote_the_line(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("models:\n  student: {api_key_env: sk-HUSH1: x}\n", encoding="utf-8")
    message = _fault(file)
    assert message.startswith(f"{file}, line 2, column ")
    assert "not valid YAML: " in message
    assert "HUSH1" not in message


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", ": expected a mapping of settings, found nothing"),
        (b"# only a comment\n", ": expected a mapping of settings, found nothing"),
        (b"- a\n- b\n", ": expected a mapping of settings, found list"),
        (b"just words", ": expected a mapping of settings, found str"),
        (b"name: [1", ", line 1, column 9: not valid YAML: expected ',' or ']'"),
        (b"name: a\nsample: {}\nname: b\n", ", line 3, column 1: not valid YAML: `name` is declar"),
        (b"a:\n  b: 1\n  b: 2\n", ", line 3, column 3: not valid YAML: `b` is declared twice"),
        (b"name: 2026-13-45\n", ": not valid YAML: month must be in 1..12"),
        (b"[" * 1_000, ": not valid YAML: nested too deeply"),
        (b"name: \x00\n", ": not valid YAML: special characters are not allowed"),
        (b"!!python/object/apply:os.system [id]", ", line 1, column 1: not valid YAML: could not"),
        (b"name: \xff\n", ": cannot be read as UTF-8 text: "),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes(content)
    assert _fault(file).startswith(f"{file}{fault}")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert _fault(tmp_path / "none.yaml").endswith(
        "none.yaml: no such recipe. Copy recipes/quickstart.yaml to begin."
    )
    assert f"{tmp_path}: cannot be read as UTF-8 text: " in _fault(tmp_path)


def test_yaml_may_refer_to_its_own_parts(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "name: test\nstore: {catalog: c.sqlite}\nseeds: [{path: s.jsonl}]\nrelease: {folder: r}\n"
        "models:\n  teacher: &big {model: big, timeout_s: 60}\n"
        "  student: &small {<<: *big, model: small}\n  judge: {<<: *small, timeout_s: 5}\n",
        encoding="utf-8",
    )
    models = load_recipe(file).models
    assert models.judge is not None
    assert (models.student.model, models.student.timeout_s) == ("small", 60)
    assert (models.judge.model, models.judge.timeout_s) == ("small", 5)


def test_the_digest_knows_what_decides_and_no_place_and_no_limit(tmp_path: Path) -> None:
    def digest(folder: str, *overrides: str) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        file = tmp_path / folder / "recipe.yaml"
        file.write_text(yaml.safe_dump(dict(MINIMAL)), encoding="utf-8")
        return load_recipe(file, overrides).digest()

    same = {
        digest("here"),
        digest("there"),
        digest("here", "store.catalog=elsewhere.sqlite", "release.folder=elsewhere"),
        digest("here", "budget.usd=5", "store.keep_snapshots_days=1"),
        digest("here", "models.student.max_concurrency=2", "models.student.timeout_s=9"),
        digest("here", "models.student.api_key_env=OTHER_KEY", "models.student.max_attempts=2"),
    }
    assert len(same) == 1
    others = {
        digest("here", override)
        for override in (
            "seeds.0.path=other.jsonl",
            "models.student.model=other",
            "models.student.sampling.temperature=0.5",
            "models.teacher.model=big",
            "sample.student=16",
            "select.band.low=0.2",
            "release.validation_share=0.1",
            "release.system_prompt=Be kind.",
        )
    }
    assert len(others - same) == 8


def test_samples_are_as_many_as_it_takes_unless_a_number_is_named(write: Write) -> None:
    def adaptive(*overrides: str, **changes: Any) -> AdaptiveStudent | None:
        recipe = load_recipe(write(**changes), overrides)
        again = Recipe.model_validate(recipe.model_dump(mode="json"))  # as Prefect hands it on
        assert again.sample == recipe.sample
        return recipe.sample.adaptive

    assert adaptive() == adaptive("sample.reference=2") == AdaptiveStudent()
    assert adaptive("sample.adaptive.most=16") == AdaptiveStudent(most=16)
    assert adaptive("select.min_samples=6") == AdaptiveStudent(start=6)
    assert adaptive("sample.student=8") is None
    assert adaptive("sample.adaptive=null") is None
    assert adaptive("sample.keys_by=student") is None  # Keys come after its samples there.
    batched = {"student": {"model": "m", "mode": "batch", "base_url": "http://x/v1"}}
    assert adaptive(models=batched) is None  # A round would be a batch.


def test_the_policy_is_named_by_what_it_selects_with(write: Write) -> None:
    policy = load_recipe(write()).policy_version()
    assert policy.startswith("teachable@")
    assert load_recipe(write(), ["sample.student=16"]).policy_version() == policy
    assert load_recipe(write(), ["select.min_samples=5"]).policy_version() != policy


@pytest.mark.parametrize("name", sorted(file.name for file in (ROOT / "recipes").glob("*.yaml")))
def test_the_bundled_recipes_are_valid_also_for_an_editor(name: str) -> None:
    file = ROOT / "recipes" / name
    schema = json.loads(recipe_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), schema)
    recipe = load_recipe(file)
    assert recipe.name == file.stem
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_the_schema_refuses_what_the_recipe_refuses() -> None:
    schema = json.loads(recipe_schema())
    jsonschema.validate(dict(MINIMAL), schema)
    wrong: Mapping[str, object]
    for wrong in ({"x": 1}, {"sample": {"student": 0}}, {"seeds": []}, {"budget": {"usd": -1}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**MINIMAL, **wrong}, schema)


def test_the_schema_that_editors_read_is_the_present_one() -> None:
    written = (Path(__file__).resolve().parents[1] / "recipes" / "recipe.schema.json").read_text()
    assert written == recipe_schema(), "renew it: teachset schema recipes/recipe.schema.json"


def test_a_file_too_large_for_a_recipe_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("name: a\n" + "# seeds\n" * 200_000, encoding="utf-8")
    assert f"{file}: this file is larger than 1,000,000 bytes" in _fault(file)
    assert "/dev/zero: this file is larger than" in _fault(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("seeds: &a [*a]\n", "seeds.0: an alias (*) names what it is a part of"),
        ("models: &a {student: *a}\n", "models.student: an alias (*) names what it is a part of"),
        ("name: &a x\nseeds: [{path: *a}]\n", "release: is required and missing"),
        (
            "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
            + "".join(
                f"{name}: &{name} [{', '.join(['*' + inner] * 10)}]\n"
                for inner, name in zip("abcde", "bcdef", strict=True)
            ),
            "more than 100,000 values, its aliases written out",
        ),
    ],
)
def test_aliases_that_never_end_are_refused(tmp_path: Path, content: str, fault: str) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(content, encoding="utf-8")
    assert fault in _fault(file)


def test_half_a_character_is_refused_with_its_place(write: Write, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    text = write().read_text(encoding="utf-8")
    file.write_text(text + 'benchmarks: [{name: b, path: "x\\ud800.csv"}]\n', encoding="utf-8")
    assert f"{file}: benchmarks.0.path: the text holds half a character" in _fault(file)
    file.write_text(text + 'rewrite: {"\\udc80": 1}\n', encoding="utf-8")
    assert f"{file}: rewrite: the text holds half a character" in _fault(file)
    # As the shell gives the name of a file that is no UTF-8.
    assert "seeds.0.path=" in _fault(write(), "seeds.0.path=x\udcff.csv")


def test_a_path_set_as_part_of_a_section_begins_at_the_working_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    here = tmp_path / "elsewhere"
    recipe = load_recipe(
        write(),
        [
            "seeds=[{path: a.jsonl}, {path: 'hf://b.jsonl', columns: {prompt: path}}]",
            "store={catalog: c.sqlite, data: d}",
            "models.student.sampling.extra={path: x, data: {folder: y}}",
        ],
    )
    assert [source.path for source in recipe.seeds] == [str(here / "a.jsonl"), "hf://b.jsonl"]
    assert recipe.seeds[1].columns.prompt == "path"
    assert recipe.store.catalog == str(here / "c.sqlite")
    assert recipe.store.data == str(here / "d")
    assert recipe.models.student.sampling.extra == {"path": "x", "data": {"folder": "y"}}


def test_a_recipe_is_one_value_to_prefect(write: Write) -> None:
    recipe = load_recipe(write())
    visited: list[object] = []
    visit_collection(recipe, visited.append)
    assert visited == [recipe]
    assert recipe.model_dump()["name"] == "test"
    assert recipe == load_recipe(write())
