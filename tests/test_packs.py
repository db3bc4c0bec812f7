"""Packs: a domain's settings from a file, what the recipe says before them, and what is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.assess.judging import warn_of_kinship
from tasks.errors import RecipeError
from tasks.messages import solve_messages
from tasks.recipe import Recipe, load_recipe
from tasks.rewrite.candidate import Parent
from tasks.rewrite.openings import strategies_for

RUBRIC: dict[str, Any] = {
    "rates": "response",
    "instruction": "Judge the reply.",
    "flags": {"leak": "it tells of guidelines"},
}
PACK: dict[str, Any] = {
    "domain": "law",
    "guidelines": "law.md",
    "instructions": {"text": "Answer with the name of the law."},
    "strategies": {"numeric": ["paraphrase"]},
    "keyless": "conduct",
    "rubrics": {"conduct": RUBRIC},
    "defaults": {"band": {"low": 0.25, "high": 0.5}, "target": 10},
}


def load(folder: Path, pack: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    """Write a pack, its guidelines and a recipe beside them, and load the recipe."""
    (folder / "law.md").write_text("Never give advice on a pending case.\n", encoding="utf-8")
    (folder / "law.yaml").write_text(yaml.safe_dump(PACK if pack is None else pack))
    recipe = {
        "name": "test",
        "store": {"catalog": "store.sqlite"},
        "seeds": [{"path": "seeds.jsonl"}],
        "packs": ["law.yaml"],
        "models": {"student": {"model": "sim-student"}, "judge": {"model": "sim-judge"}},
        "release": {"folder": "releases"},
        **changes,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return load_recipe(folder / "recipe.yaml")


def test_a_pack_is_read_with_its_guidelines_and_its_defaults(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    law = recipe.domain("law")
    assert law.guidelines == "Never give advice on a pending case."
    assert (recipe.select.band_of("law").low, recipe.select.targets) == (0.25, {"law": 10})
    assert recipe.select.band_of("math").low == 0.125


def test_what_the_recipe_says_goes_before_its_pack(tmp_path: Path) -> None:
    own = {"law": {"rubrics": {"conduct": {"votes": 2}}, "keyless": None}}
    recipe = load(tmp_path, domains=own, select={"policy": "phi4-pts", "targets": {"law": 3}})
    conduct = recipe.domain("law").rubrics["conduct"]
    assert (conduct.votes, conduct.flags) == (2, RUBRIC["flags"])
    assert recipe.domain("law").keyless is None
    assert (recipe.select.band_of("law").low, recipe.select.targets) == (0.2, {"law": 3})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"guidlines": "x"}, r"law\.yaml: 1 fault.*guidlines: unknown field; did you mean `guide"),
        ({"domain": None}, r"law\.yaml: .*domain: "),
        (
            {"domain": "Law"},
            r"law\.yaml: .*domain: the store has domains in lower case; write `law`",
        ),
        ({"domain": " "}, r"law\.yaml: .*domain: the store has domains in lower case"),
        ({"guidelines": "no.md"}, r"law\.yaml: guidelines: .*no\.md: there is no such file"),
        ({"guidelines": "pipe"}, r"law\.yaml: guidelines: .*pipe: there is no such file"),
        ({"keyless": "quality"}, r"keyless: 'quality' is no rubric that rates responses"),
        ({"strategies": {"numeric": ["magic"]}}, r"strategies\.numeric\.0: "),
        ({"rubrics": {"conduct": {**RUBRIC, "least": {"x": 3}}}}, r"least\.x: there is no such"),
        ({"rubrics": {"conduct": {**RUBRIC, "flags": {}}}}, "at least one of scores and flags"),
        ({"rubrics": {"Con duct": RUBRIC}}, "lower-case letters"),
        (
            {"rubrics": {"conduct": {**RUBRIC, "labels": {"k": []}}}},
            r"labels\.k: expected two kinds",
        ),
        ({"rubrics": {"conduct": {**RUBRIC, "labels": {"k": ["a", "a"]}}}}, "each named once"),
        (
            {"rubrics": {"conduct": {**RUBRIC, "flags": {}, "scores": {"quality": "5 is good"}}}},
            "keyless: this rubric accepts everything; give it `flags` or `least`",
        ),
    ],
)
def test_what_is_wrong_in_a_pack_is_named(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecipeError, match=f"(?s){says}"):
        load(tmp_path, {**PACK, **change})


def test_a_pack_that_is_not_there_or_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"gone\.yaml: there is no such file"):
        load(tmp_path, packs=["gone.yaml"])
    with pytest.raises(RecipeError, match="a pack for law already"):
        load(tmp_path, packs=["law.yaml", "law.yaml"])
    with pytest.raises(RecipeError, match=r"rubrics\.conduct needs a judge"):
        load(tmp_path, models={"student": {"model": "sim-student"}})


def test_only_a_teacher_is_told_the_guidelines(tmp_path: Path) -> None:
    recipe = load(tmp_path)
    law, student = recipe.domain("law"), recipe.models.student
    asked = solve_messages("Which law?", None, "text", student, law)
    told = solve_messages("Which law?", None, "text", student, law, with_guidelines=True)
    assert asked[0] == ("system", "Answer with the name of the law.")
    assert told[0] == ("system", f"{law.guidelines}\n\nAnswer with the name of the law.")
    usual = solve_messages("Which law?", None, "text", student)
    assert usual == solve_messages("Which law?", None, "text", student, recipe.domain("math"))


def test_a_domain_says_which_strategies_rewrite_a_route(tmp_path: Path) -> None:
    recipe = load(tmp_path, rewrite={"share": {}})

    def names(domain: str) -> set[str]:
        text = "A clerk files 12 cases a day for 9 days. How many cases are that?"
        parent = Parent("a", "a", domain, text, (), "108", "number", "12 * 9")
        return {strategy.NAME for strategy in strategies_for(parent, recipe)}

    assert names("law") == {"paraphrase"}
    assert names("math") >= {"paraphrase", "new_numbers"}


def test_a_judge_of_rubrics_alone_warns_of_its_kin_too(tmp_path: Path) -> None:
    models = {name: {"model": f"qwen-{name}", "base_url": "http://x"} for name in ("student",)}
    far = {"model": "mistral-large", "base_url": "http://x"}
    kin = {"model": "qwen-max", "base_url": "http://x"}
    assert warn_of_kinship(load(tmp_path, models={**models, "judge": far})) is None
    warning = warn_of_kinship(load(tmp_path, models={**models, "judge": far, "judges": [kin]}))
    assert warning and "qwen-max is of the same family (qwen) as models.student" in warning
