"""Policies: presets and what is set beside them, anchors and limits, two policies compared."""

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from tasks.errors import RecipeError
from tasks.recipe import PRESETS, Recipe, SelectSettings
from tasks.select.compare import compare_policies, with_policy
from tasks.select.decide import decide_prompts
from tasks.select.difficulty import drop_uncertain
from tasks.select.dropping import rank_open
from tasks.select.limits import count_anchors
from tasks.select.names import find_unknown_names
from tasks.store import Store, close_stores
from tests.conftest import MakeRecipe, about
from tests.taught_store import RUN, STUDENT, fill, identify, taught

MODELS = {"student": {"model": STUDENT}}


def test_a_preset_begins_a_policy_and_what_is_set_beside_it_goes_before() -> None:
    assert SelectSettings() == SelectSettings(policy="teachable")
    bands = {
        name: (SelectSettings(policy=name).band.low, SelectSettings(policy=name).band.high)
        for name in PRESETS
    }
    assert bands == {
        "teachable": (0.125, 0.75),
        "phi4-pts": (0.2, 0.8),
        "qwen25math": (0.25, 0.625),
        "skywork": (0.001, 0.999),
        "olmo3": (0.0, 0.625),
        "none": (0.0, 1.0),
    }
    changed = SelectSettings.model_validate({"policy": "phi4-pts", "band": {"high": 0.9}})
    assert (changed.band.low, changed.band.high) == (0.2, 0.9)
    mine = SelectSettings.model_validate({"policy": "mine", "band": {"low": 0.3}})
    assert (mine.band.low, mine.band.high) == (0.3, 0.75)


@pytest.mark.parametrize(("low", "high"), [(1 / 3, 2 / 3), (1 / 5, 4 / 5), (3 / 10, 7 / 10)])
def test_rates_as_far_from_the_middle_are_equals_and_ids_decide(low: float, high: float) -> None:
    for rates in ([low, high], [high, low]):
        prompts = pl.DataFrame(
            {
                "prompt_id": ["a", "b"],
                "root_id": ["root", "root"],
                "kind": ["seed", "seed"],
                "frozen": [False, False],
                "pass_rate": rates,
                "anchor": pl.Series([None, None], dtype=pl.String),
                "reason": pl.Series([None, None], dtype=pl.String),
            }
        )
        ranks = rank_open(prompts, "root_id", ["distance", "prompt_id"])["rank"]
        assert ranks.to_list() == [1, 2]


def test_names_that_nothing_answers_to_are_told(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(
        select={"policy": "skywrk", "mixture": {"math": 0.5, "cod": 0.5}, "targets": {"mth": 9}},
        release={"weights": {"domains": {"code": 2}}},
    )
    assert find_unknown_names(recipe, ["code", "math"]) == [
        "select.mixture.cod: no prompt is of this domain; there are code, math",
        "select.targets.mth: no prompt is of this domain; there are code, math",
        "select.policy: skywrk is no preset but a name of your own, with the band that the recipe "
        "sets; did you mean `skywork`?",
    ]
    mine = make_recipe(select={"policy": "mine", "targets": {"law": 9}})
    assert find_unknown_names(mine, []) == []  # Nothing has come in yet.


def test_every_preset_names_its_source_and_a_version() -> None:
    for preset in PRESETS.values():
        assert preset.source and preset.rule and preset.version >= 1
        assert "Microsoft" not in preset.source + preset.rule


def test_a_policys_version_changes_with_its_settings(make_recipe: MakeRecipe) -> None:
    versions = {
        make_recipe(select=select).policy_version()
        for select in ({}, {"policy": "phi4-pts"}, {"policy": "phi4-pts", "hard_share": 0.1})
    }
    assert len(versions) == 3
    assert sum(version.startswith("phi4-pts@") for version in versions) == 2


@given(
    inside=st.integers(0, 300),
    hard=st.tuples(st.integers(0, 300), st.floats(0, 0.4)),
    easy=st.tuples(st.integers(0, 300), st.floats(0, 0.4)),
)
def test_anchors_never_exceed_their_share_and_use_it(
    inside: int, hard: tuple[int, float], easy: tuple[int, float]
) -> None:
    few_hard, few_easy = count_anchors(inside, hard, easy)
    total = inside + few_hard + few_easy
    for few, (there, share) in ((few_hard, hard), (few_easy, easy)):
        assert few <= there
        assert few <= total * share + 1e-6
        assert few == there or few + 1 > (total + 1) * share - 1e-6


def outcomes(store: Store, recipe: Recipe) -> dict[str, tuple[bool, str]]:
    decide_prompts(store, recipe, RUN)
    rows = store.sql(
        "select prompt_id, kept, reason from current_decisions where policy = $policy",
        {"policy": recipe.policy_version()},
    )
    return {row[0]: row[1:] for row in rows.iter_rows()}


def set_reference(store: Store, rates: Mapping[str, float]) -> None:
    """Say how often the reference solves some prompts, over four samples each."""
    for name, rate in rates.items():
        rows = store.sql(
            "select * exclude (run_id, created_at) from current_difficulty where prompt_id = $id",
            {"id": identify(name)},
        )
        known = rows.with_columns(
            reference_rate=pl.lit(rate), reference_decided=pl.lit(4, dtype=pl.Int32)
        )
        store.append("difficulty", known, run_id=RUN)


@pytest.mark.slow
def test_what_lies_outside_the_band_is_kept_as_a_capped_anchor(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(models=MODELS, select={"hard_share": 0.2, "easy_share": 0.2})
    fill(
        store,
        *(taught(f"in{n}") for n in range(3)),
        *(taught(f"hard{n}", correct=0, wrong=8) for n in range(3)),
        *(taught(f"easy{n}", correct=8 - n, wrong=n) for n in range(2)),
    )
    set_reference(store, {"hard0": 1.0, "hard1": 0.75, "hard2": 0.5})
    found = outcomes(store, recipe)
    assert [found[identify(f"in{n}")] for n in range(3)] == [(True, "kept")] * 3
    # Of 5 kept a fifth is one of each; of two equal ones the smaller id, of two rates the nearer.
    certified = sorted(identify(name) for name in ("hard0", "hard1"))
    assert [found[name] for name in certified] == [
        (True, "certified_hard"),
        (False, "over_anchors"),
    ]
    assert found[identify("hard2")] == (False, "too_hard")
    assert found[identify("easy1")] == (True, "easy_anchor")
    assert found[identify("easy0")] == (False, "over_anchors")
    anchors = store.query("release_anchors", policy=recipe.policy_version(), frozen=[])["prompt_id"]
    assert set(anchors) == {certified[0], identify("easy1")}


@pytest.mark.slow
def test_limits_of_a_source_and_targets_of_a_domain(store: Store, make_recipe: MakeRecipe) -> None:
    fill(
        store,
        taught("middle", correct=4, wrong=4),
        taught("near", correct=3, wrong=5),
        taught("edge", correct=6, wrong=2),
        taught("code", domain="code", correct=2, wrong=6),
    )
    by_source = outcomes(store, make_recipe(models=MODELS, select={"max_per_source": 2}))
    assert {name: by_source[identify(name)][1] for name in ("middle", "near", "edge", "code")} == {
        **{"middle": "kept", "near": "kept"},
        **{"edge": "over_per_source", "code": "over_per_source"},
    }
    targets = outcomes(store, make_recipe(models=MODELS, select={"targets": {"math": 1}}))
    assert {name: targets[identify(name)][1] for name in ("middle", "near", "edge", "code")} == {
        **{"middle": "kept", "near": "over_target", "edge": "over_target", "code": "kept"}
    }
    sure = outcomes(store, make_recipe(models=MODELS, select={"min_in_band": 0.9}))
    assert sure[identify("middle")][1] == "kept"
    assert sure[identify("edge")][1] == "uncertain"


def test_what_has_no_rate_has_no_band_to_lie_outside_of() -> None:
    columns = {"prompt_id": ["sure", "doubtful", "by a rubric"], "frozen": [False] * 3}
    nothing = pl.Series([None] * 3, dtype=pl.String)
    prompts = pl.DataFrame(
        {
            **columns,
            **dict.fromkeys(("stage", "reason", "detail", "anchor"), nothing),
            "pass_rate": [0.5, 0.5, None],
            "in_band": [0.9, 0.2, None],
        }
    )
    decided = drop_uncertain(prompts, SelectSettings.model_validate({"min_in_band": 0.3}))
    assert decided["reason"].to_list() == [None, "uncertain", None]


@pytest.mark.slow
def test_a_domain_decides_alone(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(models=MODELS, select={"easy_share": 0.3, "max_per_root": 1})
    fill(store, *(taught(f"m{n}", correct=4 + n, wrong=4 - n) for n in range(5)))
    alone = outcomes(store, recipe)
    fill(store, *(taught(f"c{n}", domain="code", correct=4 + n, wrong=4 - n) for n in range(5)))
    together = outcomes(store, recipe)
    assert {name: together[name] for name in alone} == alone


@pytest.mark.slow
def test_two_policies_side_by_side(store: Store, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(models=MODELS)
    fill(
        store,
        taught("seldom", correct=1, wrong=7),
        taught("half", correct=4, wrong=4),
        taught("often", domain="code", correct=7, wrong=1),
        taught("always", correct=8, wrong=0),
    )
    sample = {
        "response_id": ["s"],
        "prompt_id": [identify("half")],
        "role": ["student"],
        "model": [STUDENT],
        "server": ["simulator"],
        "cost_usd": [0.5],
    }
    teacher = "update responses set cost_usd = 9.0 where role = 'teacher'"
    store.execute(teacher)
    store.append("responses", pl.DataFrame(sample), run_id=RUN)
    others = {**sample, "response_id": ["o"], "model": ["last-month-s"], "cost_usd": [7.0]}
    store.append("responses", pl.DataFrame(others), run_id=RUN)
    before = store.sql("select count(*) from decisions").item()
    found = compare_policies(store, recipe, "recipe", "skywork")
    assert store.sql("select count(*) from decisions").item() == before
    first, second = found.policies
    assert (first["policy"], first["kept"]) == (recipe.policy_version(), 2)
    assert (second["policy"].split("@")[0], second["kept"]) == ("skywork", 3)
    assert second["source"] == "Skywork-OR1 (arXiv 2505.22312)"
    assert (first["cost_per_kept"], second["cost_per_kept"]) == (0.25, about(0.5 / 3))
    assert (found.both, found.overlap) == (2, about(2 / 3))
    assert list(found.domains) == [
        {"domain": "code", "first": 0, "second": 1, "both": 0},
        {"domain": "math", "first": 2, "second": 2, "both": 2},
    ]
    (moved,) = found.moved
    assert (moved["kept_by"], moved["reason"], moved["prompts"]) == ("skywork", "too_easy", 1)
    assert moved["examples"][0]["prompt_id"] == identify("often")
    with pytest.raises(RecipeError, match="best: no such policy; there are recipe, teachable"):
        with_policy(recipe, "best")

    close_stores()
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe.model_dump(mode="json")), encoding="utf-8")
    shown = CliRunner().invoke(app, ["compare", str(file), "recipe", "skywork"])
    assert shown.exit_code == 0, shown.output
    assert "2 kept by both, overlap 66.7%" in shown.output
    assert "1 kept by skywork alone; the other says too_easy" in shown.output
    printed = CliRunner().invoke(app, ["compare", str(file), "none", "olmo3", "--json"])
    assert json.loads(printed.output)["policies"][0]["kept"] == 4
