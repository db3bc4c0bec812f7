"""Players: who is missing is known before anything is read, and nobody else is."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import polars as pl
import pytest
from typer.testing import CliRunner

import cli.running
from cli.main import app
from tasks.errors import RecipeError
from tasks.players import check_players
from tasks.recipe.players import check_declared_players
from tasks.store import Store
from tests.conftest import MakeRecipe

RUBRIC = {"rates": "prompt", "instruction": "Judge it.", "scores": {"clarity": "5 if clear"}}


def _model(name: str, key: str = "NO_SUCH_KEY") -> dict[str, Any]:
    return {"model": name, "base_url": "http://127.0.0.1:9/v1", "api_key_env": key}


SIMULATED = {role: {"model": f"sim-{role}"} for role in ("student", "teacher")}
BROUGHT = [{"path": "brought.jsonl", "role": role, "model": "m"} for role in ("student", "teacher")]
SEEDS = [{"path": "seeds.jsonl", "constants": {"domain": "law"}}]


@pytest.mark.parametrize(
    ("models", "sections", "place"),
    [
        ({"student": _model("m")}, {}, "models.student.api_key_env"),
        ({"students": [_model("m")]}, {}, "models.student.api_key_env"),
        ({"teacher": _model("m")}, {}, "models.teacher.api_key_env"),
        ({"teacher": None}, {}, "models.teacher: this stage needs a model in the role `teacher`"),
        ({"rewriter": _model("m")}, {}, "models.rewriter.api_key_env"),
        (
            {"rewriter": {"model": "sim-rewriter"}, "reference": _model("m")},
            {},
            "models.reference.api_key_env",
        ),
        (
            {"reference": _model("m")},
            {"sample": {"reference_on": "all"}},
            "models.reference.api_key_env",
        ),
        (
            {"judge": {"model": "sim-judge"}, "judges": [_model("m")]},
            {"seeds": SEEDS, "domains": {"law": {"rubrics": {"clarity": RUBRIC}}}},
            "models.judge.api_key_env",
        ),
    ],
)
def test_who_will_be_asked_is_looked_for_first(
    store: Store, make_recipe: MakeRecipe, models: Any, sections: Any, place: str
) -> None:
    recipe = make_recipe(models=SIMULATED | models, **sections)
    with pytest.raises(RecipeError) as caught:
        check_players(store, recipe)
    assert str(caught.value).startswith(place)


@pytest.mark.parametrize(
    ("models", "sections"),
    [
        ({"reference": _model("m"), "confirmer": _model("n"), "router": _model("o")}, {}),
        ({"judge": _model("m")}, {"domains": {"law": {"rubrics": {"clarity": RUBRIC}}}}),
        ({"rewriter": _model("m")}, {"rewrite": {"strategies": []}}),
        ({"teacher": None}, {"phase": "explore"}),
        ({"teacher": None}, {"teach": {"by": "student"}}),
        ({"student": _model("m"), "teacher": None}, {"responses": BROUGHT}),
        ({"student": _model("m", "PATH"), "teacher": _model("m", "PATH")}, {}),
    ],
)
def test_nobody_else_is(store: Store, make_recipe: MakeRecipe, models: Any, sections: Any) -> None:
    check_players(store, make_recipe(models=SIMULATED | models, **sections))


def test_who_has_answered_before_may_have_answered_all(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(models=SIMULATED | {"student": _model("m")})
    answer = {"response_id": "r", "role": "student", "model": "m", "content": "4"}
    elsewhere = pl.DataFrame([answer | {"server": "import"}])
    store.append("responses", elsewhere, run_id="run")
    with pytest.raises(RecipeError, match="NO_SUCH_KEY is not set"):
        check_players(store, recipe)
    here = pl.DataFrame([answer | {"response_id": "s", "server": "http://127.0.0.1:9/v1"}])
    store.append("responses", here, run_id="run")
    check_players(store, recipe)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"teacher": None}, "models.teacher: this stage needs a model in the role `teacher`"),
        ({"student": _model("m")}, "models.student.api_key_env: the environment variable NO_SUCH"),
    ],
)
def test_who_is_missing_by_the_recipe_is_told_before_a_server_is_started(
    make_recipe: MakeRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    models: Any,
    message: str,
) -> None:
    monkeypatch.setattr(cli.running, "prefect_server", started := Mock(side_effect=OSError))
    recipe = make_recipe(models=SIMULATED | models)
    file = tmp_path / "recipe.json"
    file.write_text(recipe.model_dump_json(exclude_defaults=True))
    ran = CliRunner().invoke(app, ["run", str(file)])
    assert (ran.exit_code, ran.stdout) == (RecipeError.exit_code, "")
    assert ran.stderr.startswith(f"teachset: {message}")
    assert not started.called


def test_whether_a_key_is_needed_only_the_store_knows(make_recipe: MakeRecipe) -> None:
    check_declared_players(make_recipe(models=SIMULATED | {"student": _model("m")}), is_new=False)
