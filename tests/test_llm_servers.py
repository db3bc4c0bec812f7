"""Servers: where a model's key comes from, and for how long a simulator of our own is there."""

import re
import urllib.request
from pathlib import Path

import polars as pl
import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr, ValidationError

from tasks.errors import RecipeError
from tasks.llm.servers import endpoint_of, identify_server
from tasks.recipe import ModelSettings, Recipe
from tasks.run import recorded_run
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.served import serving

PORT = 25878
BASE = {"model": "m", "base_url": "http://127.0.0.1:9/v1"}


@pytest.mark.parametrize("key", ["the key of openai", "12e5", '"quoted"'])
def test_a_key_is_loaded_from_a_secret_block_as_it_is(
    store: Store, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    # What Prefect keeps in a block is Prefect's own affair.
    monkeypatch.setattr(Secret, "load", {"openai": Secret(value=SecretStr(key))}.__getitem__)
    recipe = make_recipe(models={"student": {**BASE, "api_key_block": "openai"}})
    endpoint = endpoint_of(store, recipe, "student")
    assert endpoint.api_key == key
    assert key not in repr(endpoint)
    assert key not in recipe.model_dump_json()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_key_is_loaded_from_a_block_of_a_real_server(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe(models={"student": {**BASE, "api_key_block": "openai"}})
    other = make_recipe(models={"student": {**BASE, "api_key_block": "openai-old"}})
    with (
        serving(tmp_path / "prefect", PORT) as served,
        temporary_settings({PREFECT_API_URL: served.url}),
    ):
        Secret(value=SecretStr("sk-from-the-server")).save("openai")
        assert endpoint_of(store, recipe, "student").api_key == "sk-from-the-server"
        shown = served.ask("/block_documents/filter", {})
        with pytest.raises(RecipeError, match="openai-old cannot be loaded"):
            endpoint_of(store, other, "student")
    assert [each["name"] for each in shown if each["block_type"]["slug"] == "secret"] == ["openai"]
    assert "sk-from-the-server" not in str(shown)  # Prefect shows it to nobody who lists blocks.


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (ValueError("no block document named openai"), "cannot be loaded (there is no such block)"),
        (RuntimeError("sk-HUSH"), r"cannot be loaded (RuntimeError)"),
    ],
)
def test_a_block_that_is_not_there_says_where_to_make_it(
    store: Store,
    make_recipe: MakeRecipe,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    said: str,
) -> None:
    def fail(name: str) -> Secret[str]:
        raise raised

    monkeypatch.setattr(Secret, "load", fail)
    recipe = make_recipe(models={"student": {**BASE, "api_key_block": "openai"}})
    with pytest.raises(RecipeError) as caught:
        endpoint_of(store, recipe, "student")
    assert str(caught.value).startswith(
        f"models.student.api_key_block: the Secret block openai {said}; make it in Prefect's UI"
    )


def test_where_the_key_is_changes_nothing_that_is_decided(make_recipe: MakeRecipe) -> None:
    one = make_recipe(models={"student": {**BASE, "api_key_block": "openai"}})
    other = make_recipe(models={"student": {**BASE, "api_key_env": "OPENAI_API_KEY"}})
    assert one.digest() == other.digest()


def test_only_one_place_can_have_the_key() -> None:
    with pytest.raises(ValueError, match="name one of them"):
        ModelSettings(model="m", api_key_env="KEY", api_key_block="openai")


def _answers(base_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base_url}/models", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.mark.slow
def test_a_simulator_knows_the_seeds_as_they_are_and_ends_with_its_run(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe()
    with recorded_run(recipe, "build"):
        first = endpoint_of(store, recipe, "student").base_url
        assert endpoint_of(store, recipe, "student").base_url == first
        assert _answers(first)
        seed = {"prompt_id": "p", "kind": "seed", "domain": "math", "text": "1 + 1?", "answer": "2"}
        store.append("prompts", pl.DataFrame([seed]))
        second = endpoint_of(store, recipe, "student").base_url
        assert second != first
        assert _answers(second)
        assert not _answers(first)
    assert not _answers(second)


def _at(make_recipe: MakeRecipe, **student: str) -> Recipe:
    return make_recipe(models={"student": {"model": "m", **student}})


def test_a_server_that_moves_is_known_by_its_name(make_recipe: MakeRecipe) -> None:
    first = "http://gpu-17:8000/v1"
    before = _at(make_recipe, base_url=first)
    moved = _at(make_recipe, base_url="http://gpu-4:8123/v1")
    named = _at(make_recipe, base_url="http://gpu-4:8123/v1", server=first)
    known = [identify_server(recipe, recipe.models.student) for recipe in (before, moved, named)]
    assert known == [first, "http://gpu-4:8123/v1", first]
    assert before.digest() == named.digest() != moved.digest()


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        ({"server": "ours"}, "server names the server at `base_url`; add that, or leave it out"),
        ({"base_url": "http://h/v1", "server": "import"}, "expected a name of the server"),
        ({"base_url": "http://h/v1?api-version=1"}, "leave out what follows `?`"),
    ],
)
def test_what_names_no_server_is_refused(
    make_recipe: MakeRecipe, student: dict[str, str], expected: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(expected)):
        _at(make_recipe, **student)
