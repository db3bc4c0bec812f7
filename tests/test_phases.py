"""Phases: a sample of each domain that grows and is reused, and domains that stay as released."""

import hashlib
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cli.yields import print_exploration
from tasks.errors import RecipeError
from tasks.explore import (
    estimate_yields,
    limit_yields,
    ratio_of,
    read_yields,
    say_share,
    share_of,
    sum_spans,
    total_of,
)
from tasks.identity import content_id
from tasks.plan.plan import make_plan
from tasks.plan.price import Span
from tasks.recipe import ContaminationSettings, Recipe, SelectSettings, as_recipe
from tasks.release.stage import stage_pairs
from tasks.sample import count_wanted
from tasks.scope import ALL_MARKS, Scope, scope_of
from tasks.select.contamination import find_contamination
from tasks.select.decide import decide_after_teach, decide_prompts
from tasks.store import Store
from tasks.teach import pupils_of
from tests.conftest import MakeRecipe
from tests.taught_store import BENCHMARK_TEXT, STUDENT, TEACHER, add_item, fill, identify, taught

MATH = [f"math-{number}" for number in range(12)]
CODE = [f"code-{number}" for number in range(3)]
MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}


def explore(recipe: Recipe, roots: int) -> Recipe:
    settings = recipe.explore.model_copy(update={"roots": roots})
    return as_recipe(recipe.model_copy(update={"explore": settings}), "explore")


def asked(store: Store, recipe: Recipe) -> set[str]:
    """All that the teacher is to answer, also what it has answered."""
    always = recipe.teach.model_copy(update={"ask_again": "always"})
    pupils = pupils_of(store, recipe.model_copy(update={"teach": always}), range(2))
    rows = store.query("teach_prompts", low="", high="g", **pupils)
    return set(rows["prompt_id"])


@pytest.fixture
def pool(store: Store) -> Store:
    """Twelve math seeds, one of them with a rewrite, and three of code."""
    fill(
        store,
        *(taught(name) for name in MATH),
        taught("again", kind="rewrite", root=MATH[0]),
        *(taught(name, domain="code") for name in CODE),
    )
    return store


@pytest.mark.slow
def test_a_larger_sample_contains_the_smaller_one_in_every_domain(
    pool: Store, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(models=MODELS)
    decide_prompts(pool, recipe, "run")
    samples = [asked(pool, explore(recipe, roots)) for roots in (1, 3, 8, 12, 500)]
    for smaller, larger in itertools.pairwise(samples):
        assert smaller < larger or smaller == larger == samples[-1]
    everything = {identify(name) for name in (*MATH, *CODE, "again")}
    assert samples[-1] == everything == asked(pool, recipe)
    code = {identify(name) for name in CODE}
    assert [len(sample & code) for sample in samples] == [1, 3, 3, 3, 3]
    seeds = [len(sample - code - {identify("again")}) for sample in samples]
    assert seeds == [1, 3, 8, 12, 12]


@pytest.mark.slow
def test_a_rewrite_is_explored_with_its_seed(pool: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(models=MODELS)
    decide_prompts(pool, recipe, "run")
    for roots in (1, 4, 8, 12):
        sample = asked(pool, explore(recipe, roots))
        assert (identify("again") in sample) == (identify(MATH[0]) in sample)


def test_the_student_is_asked_about_the_sample_alone(pool: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(models=MODELS, sample={"student": 4})
    assert count_wanted(pool, recipe, "student").calls == 4 * 16
    wanted = count_wanted(pool, explore(recipe, 2), "student")
    with_its_rewrite = identify("again") in asked_of_sample(pool, explore(recipe, 2))
    assert wanted.calls == 4 * (4 + with_its_rewrite)


def asked_of_sample(store: Store, recipe: Recipe) -> set[str]:
    return set(store.query("scope_prompts", **scope_of(store, recipe).parameters)["prompt_id"])


def test_scaling_asks_about_everything_without_a_look_at_the_store(
    store: Store, make_recipe: MakeRecipe
) -> None:
    assert scope_of(store, make_recipe()) == Scope((), ALL_MARKS)


@pytest.mark.slow
def test_what_is_not_explored_has_a_decision_that_says_so(
    pool: Store, make_recipe: MakeRecipe
) -> None:
    recipe = explore(make_recipe(models=MODELS), 2)
    decided = decide_prompts(pool, recipe, "run")
    reasons = pool.sql("select reason, count(*) as n from current_decisions group by all")
    sample = asked_of_sample(pool, recipe)
    assert decided.prompts == 16
    assert dict(reasons.iter_rows()) == {"kept": len(sample), "not_explored": 16 - len(sample)}
    decide_prompts(pool, as_recipe(recipe, "scale"), "run")
    assert pool.sql("select count(*) from current_decisions where kept").item() == 16


def test_neither_phase_nor_an_empty_freeze_changes_what_a_finished_project_is_known_by(
    make_recipe: MakeRecipe,
) -> None:
    recipe = make_recipe()
    assert explore(recipe, 3).digest() == recipe.digest()
    settings = recipe.settings_that_decide()
    assert "freeze" not in settings["select"]
    assert "phase" not in settings
    frozen = make_recipe(select={"freeze": ["math"]})
    assert frozen.policy_version() != recipe.policy_version()


# What a sample says of the whole: figures worked out by hand.


def series(*values: float) -> pl.Series:
    return pl.Series(values, dtype=pl.Float64)


def test_shares_are_jeffreys_where_every_seed_is_one_prompt() -> None:
    # 4 of 10 of many: the variance among seeds is p(1 - p) / (n - 1), so they are worth 9.
    found = share_of(series(*[1] * 4, *[0] * 6), series(*[1] * 10), 10_000_000)
    assert found is not None
    assert found.expected == 0.4
    assert (round(found.low, 2), round(found.high, 2)) == (0.14, 0.71)


def test_prompts_of_a_seed_that_are_alike_say_less_than_others() -> None:
    apart = share_of(series(1, 1, 0, 0, 1, 1, 0, 0), series(*[1] * 8), 1000)
    alike = share_of(series(4, 0), series(4, 4), 1000)
    assert apart is not None
    assert alike is not None
    assert alike.expected == apart.expected == 0.5
    assert alike.high - alike.low > apart.high - apart.low


def test_a_sample_that_is_the_whole_leaves_nothing_open() -> None:
    assert share_of(series(1, 0), series(1, 1), 2) == Span(0.5, 0.5, 0.5)
    assert total_of(series(2, 1), 2) == Span(3, 3, 3)


def test_a_total_grows_with_the_seeds_that_are_left() -> None:
    # Mean 1, variance 1/2·… of (0, 2, 1, 1): s² = 2/3, t(3) = 3.182, 100·sqrt(0.96·s²/4) = 40.
    found = total_of(series(0, 2, 1, 1), 100)
    assert found.expected == 100
    assert math.isclose(found.high - 100, 127.3, rel_tol=1e-3)
    assert found.low == 4  # What was found is there.


def test_where_nothing_was_kept_the_whole_may_still_give_something() -> None:
    found = total_of(series(*[0] * 20), 1000)
    assert (found.low, found.expected) == (0, 0)
    assert 50 < found.high < 200


def test_the_cost_of_a_kept_one_is_unknown_if_a_price_is_or_nothing_was_kept() -> None:
    assert ratio_of(pl.Series([0.1, None]), series(1, 1), 10) is None
    assert ratio_of(series(0.1, 0.1), series(0, 0), 10) is None
    found = ratio_of(series(0.2, 0.2), series(1, 1), 10)
    assert found == Span(0.2, 0.2, 0.2)


def test_shares_hold_their_stated_coverage() -> None:
    # Seeds with one to three prompts that share a rate: the interval is about the whole's share.
    generator = np.random.default_rng(7)
    hit = 0
    for _ in range(300):
        cases = generator.integers(1, 4, size=2_000)
        hits = generator.binomial(cases, generator.beta(1, 1.5, size=2_000))
        truth = hits.sum() / cases.sum()
        drawn = generator.choice(2_000, size=60, replace=False)
        found = share_of(series(*hits[drawn]), series(*cases[drawn]), 2_000)
        assert found is not None
        hit += found.low <= truth <= found.high
    assert 0.92 <= hit / 300 <= 0.98


def test_targets_and_the_mixture_bound_what_the_whole_gives() -> None:
    rows = pl.DataFrame(
        {
            "domain": ["code", "code", "math", "math"],
            "prompts": [1.0] * 4,
            "keyed": [1.0] * 4,
            "measured": [1.0] * 4,
            "in_band": [1.0, 0.0, 1.0, 1.0],
            "teachable": [1.0, 0.0, 1.0, 1.0],
            "usd": [0.1] * 4,
        }
    )
    yields = estimate_yields(rows, {"code": 2, "math": 2})
    assert [each.whole.expected for each in yields] == [1, 2]
    targeted = limit_yields(yields, SelectSettings(targets={"math": 1}))
    assert [each.whole.expected for each in targeted] == [1, 1]
    mixed = limit_yields(yields, SelectSettings(mixture={"code": 0.5, "math": 0.5}))
    assert [each.whole.expected for each in mixed] == [1, 1]
    assert say_share(yields[0].kept) == "50% (50% to 50%)"
    assert sum_spans([Span(1, 4, 8), Span(6, 10, 13)]) == Span(9, 14, 19)


def test_a_frozen_domain_sets_the_size_of_the_mixture() -> None:
    rows = pl.DataFrame(
        {"domain": ["code"] * 4, "prompts": [1.0] * 4, "keyed": [1.0] * 4, "measured": [1.0] * 4}
        | {"in_band": [1.0] * 4, "teachable": [1.0] * 4, "usd": [0.1] * 4}
    )
    select = SelectSettings(mixture={"math": 0.75, "code": 0.25}, freeze=("math",))
    (code,) = limit_yields(estimate_yields(rows, {"code": 4}), select, {"math": 6})
    assert code.whole.expected == 2


def mark_of(name: str) -> str:
    """Return the mark that puts a seed into the order of samples."""
    return hashlib.md5(identify(name).encode()).hexdigest()


@pytest.mark.slow
def test_what_is_told_rests_on_the_seeds_that_were_decided_on(
    pool: Store, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(models=MODELS)
    decide_prompts(pool, explore(recipe, 2), "run")
    told = read_yields(pool, explore(recipe, 10))
    assert [(each.domain, each.explored, each.roots) for each in told] == [
        ("code", 2, 3),
        ("math", 2, 12),
    ]
    assert told[0].kept is not None
    assert told[0].kept.expected == 1


@pytest.mark.slow
def test_after_the_whole_was_decided_on_nothing_is_estimated(
    pool: Store, make_recipe: MakeRecipe
) -> None:
    recipe = explore(make_recipe(models=MODELS), 2)
    decide_prompts(pool, recipe, "run")
    decide_prompts(pool, as_recipe(recipe, "scale"), "run")
    told = read_yields(pool, recipe)
    assert [(each.domain, each.explored, each.whole) for each in told] == [
        ("code", 3, Span(3, 3, 3)),
        ("math", 12, Span(13, 13, 13)),
    ]


@pytest.mark.slow
def test_what_was_set_aside_for_another_reason_was_not_explored_for_that(
    store: Store, make_recipe: MakeRecipe
) -> None:
    fill(store, *(taught(f"seed-{n}", licence="NC" if n % 2 else "MIT") for n in range(40)))
    recipe = explore(make_recipe(models=MODELS, select={"licences": {"refuse": ["nc"]}}), 6)
    decide_prompts(store, recipe, "run")
    first = sorted((mark_of(f"seed-{n}"), n % 2) for n in range(40))
    told = read_yields(store, recipe)[0]
    # The six of the sample, and who of those behind them came in before one that was left out.
    assert told.explored == 6 + [refused for _, refused in first[6:]].index(0)


@pytest.mark.slow
def test_what_the_mixture_leaves_would_be_kept_but_for_it(
    store: Store, make_recipe: MakeRecipe
) -> None:
    fill(
        store,
        taught("seed"),
        *(taught(f"rewrite-{n}", kind="rewrite", root="seed") for n in range(4)),
        *(taught(name, domain="code") for name in CODE[:2]),
    )
    recipe = make_recipe(models=MODELS, select={"mixture": {"math": 0.5, "code": 0.5}})
    decide_prompts(store, recipe, "run")
    told = {each.domain: each for each in read_yields(store, recipe)}
    assert told["math"].kept == Span(1, 1, 1)
    assert (told["math"].whole.expected, told["code"].whole.expected) == (2, 2)


@pytest.mark.slow
def test_a_kept_prompt_costs_what_the_recipes_own_models_took(
    store: Store, make_recipe: MakeRecipe
) -> None:
    fill(store, taught("a"), taught("b"))
    store.execute("update responses set cost_usd = 9.0 where role = 'teacher'")
    calls = [("student", STUDENT, 0.5), ("student", "last-month-s", 7.0), ("reference", "ref", 0.1)]
    rows = [
        {"response_id": model, "prompt_id": identify("a"), "server": "simulator"}
        | {"role": role, "model": model, "cost_usd": usd}
        for role, model, usd in calls
    ]
    store.append("responses", pl.DataFrame(rows), run_id="run")
    recipe = make_recipe(models={**MODELS, "reference": {"model": "ref"}})
    decide_prompts(store, recipe, "run")
    assert read_yields(store, recipe)[0].usd_per_kept == Span(0.3, 0.3, 0.3)


@pytest.mark.slow
def test_a_plan_of_exploring_is_of_the_sample_and_ends_before_teaching(
    make_recipe: MakeRecipe,
) -> None:
    recipe = make_recipe(models=MODELS, sample={"student": 4}, explore={"roots": 1})
    explored, whole = (
        {stage.role: stage.cost.calls.expected for stage in make_plan(each).stages}
        for each in (as_recipe(recipe, "explore"), as_recipe(recipe, "scale"))
    )
    assert set(explored) == {"student"}
    assert set(whole) == {"student", "teacher"}
    # Two seeds of math and one of science, four samples each.
    assert (explored["student"], whole["student"]) == (2 * 4, 3 * 4)


@pytest.mark.slow
def test_an_empty_store_has_nothing_to_tell(store: Store, make_recipe: MakeRecipe) -> None:
    with pytest.raises(Exception, match="teachset run --phase explore"):
        print_exploration(make_recipe(models=MODELS))


# Frozen domains.


def release(store: Store, recipe: Recipe, folder: Path) -> dict[str, list[bytes]]:
    """Stage and record a release; return the lines of its file by domain."""
    decide_prompts(store, recipe, "run")
    decide_after_teach(store, recipe, "run")
    folder.mkdir()
    staged = stage_pairs(store, recipe, folder, "run")
    version = int(store.sql("select count(*) from releases").item()) + 1
    release_id = content_id("test-release", version)
    row = {"release_id": release_id, "version": version, "recipe": recipe.name}
    policy = {"policy": recipe.policy_version()}
    store.append("releases", pl.DataFrame([row | policy]), run_id="run")
    store.append(
        "release_pairs", staged.links.drop("domain").with_columns(release_id=pl.lit(release_id))
    )
    lines: dict[str, list[bytes]] = {}
    for file in sorted(folder.rglob("*.jsonl")):
        for line in file.read_bytes().splitlines():
            lines.setdefault(json.loads(line)["domain"], []).append(line)
    return lines


def frozen_recipe(make_recipe: MakeRecipe, **select: Any) -> Recipe:
    return make_recipe(models=MODELS, release={"formats": ["jsonl"]}, select=select)


@pytest.mark.slow
def test_a_domain_that_is_added_leaves_a_frozen_one_byte_for_byte_as_it_was(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    # Were math not frozen, code would take from it by the mixture, the source and the band.
    fill(
        store,
        *(taught(name) for name in MATH[:6]),
        taught("easy", correct=8, wrong=0),
    )
    before = release(store, frozen_recipe(make_recipe), tmp_path / "one")
    assert {domain: len(lines) for domain, lines in before.items()} == {"math": 6}
    fill(
        store,
        *(taught(name, domain="code") for name in CODE),
        taught("late"),
        taught("hard", domain="code", correct=0, wrong=8),
    )
    recipe = frozen_recipe(
        make_recipe,
        freeze=["math"],
        mixture={"math": 0.75, "code": 0.25},
        max_per_source=8,
        band={"low": 0.4, "high": 0.45},
        domains={"code": {"low": 0.2, "high": 0.9}},
    )
    after = release(store, recipe, tmp_path / "two")
    assert after["math"] == before["math"]
    assert len(after["code"]) == 2  # 6 / 0.75 · 0.25
    said = dict(
        store.sql(
            "select prompt_id, reason from current_decisions where policy = $policy",
            {"policy": recipe.policy_version()},
        ).iter_rows()
    )
    assert said[identify("easy")] == "too_easy"
    assert said[identify("late")] == "domain_frozen"
    assert said[identify("hard")] == "too_hard"


@pytest.mark.slow
def test_nobody_is_asked_about_a_frozen_domain(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    fill(store, taught("a"), taught("b", domain="code"))
    release(store, frozen_recipe(make_recipe), tmp_path / "one")
    recipe = frozen_recipe(make_recipe, freeze=["math"])
    decide_prompts(store, recipe, "run")
    assert asked(store, recipe) == {identify("b")}
    assert count_wanted(store, recipe, "student").prompts == 1


@pytest.mark.slow
def test_a_frozen_domain_keeps_its_responses_when_another_teacher_comes(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    fill(store, taught("a"))
    before = release(store, frozen_recipe(make_recipe), tmp_path / "one")
    recipe = make_recipe(
        models={**MODELS, "teacher": {"model": "another"}},
        release={"formats": ["jsonl"]},
        select={"freeze": ["math"]},
    )
    assert release(store, recipe, tmp_path / "two") == before


@pytest.mark.slow
def test_what_a_benchmark_holds_is_dropped_even_if_frozen(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    fill(store, replace(taught("a"), text=BENCHMARK_TEXT), taught("b"))
    assert len(release(store, frozen_recipe(make_recipe), tmp_path / "one")["math"]) == 2
    add_item(store, BENCHMARK_TEXT)
    find_contamination(store, ContaminationSettings(), ["exam"], "run")
    recipe = frozen_recipe(make_recipe, freeze=["math"])
    assert len(release(store, recipe, tmp_path / "two")["math"]) == 1


@pytest.mark.slow
def test_a_new_twin_of_a_frozen_prompt_does_not_take_its_place(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    fill(store, taught("a"))
    before = release(store, frozen_recipe(make_recipe), tmp_path / "one")
    fill(store, taught("twin", domain="code"), taught("other", domain="code"))
    twins = {"prompt_id": identify("a"), "representative_id": identify("twin"), "score": 0.9}
    store.append("duplicates", pl.DataFrame([twins | {"method": "minhash"}]))
    after = release(store, frozen_recipe(make_recipe, freeze=["math"]), tmp_path / "two")
    assert after["math"] == before["math"]
    reason = "select reason from current_decisions where prompt_id = $name order by created_at desc"
    assert store.sql(reason, {"name": identify("twin")}).item(0, 0) == "twin_of_frozen"
    assert len(after["code"]) == 1


@pytest.mark.slow
def test_a_frozen_domain_keeps_what_no_file_has_any_more(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    fill(store, taught("a", licence="CC0", source="one"), taught("b", domain="code"))
    before = release(store, frozen_recipe(make_recipe), tmp_path / "one")
    store.append("seed_files", pl.DataFrame([{"uri": "seeds.jsonl", "state": "gone"}]))
    rows = [
        {"root_id": identify(name), "removed": True, "detail": "seeds.jsonl is no more"}
        for name in ("a", "b")
    ]
    store.append("removals", pl.DataFrame(rows))
    recipe = frozen_recipe(make_recipe, freeze=["math"])
    after = release(store, recipe, tmp_path / "two")
    assert after == {"math": before["math"]}
    why = "select stage, reason, detail from current_decisions where policy = $policy and not kept"
    assert store.sql(why, {"policy": recipe.policy_version()}).rows() == [
        ("ingest", "source_removed", "seeds.jsonl is no more")
    ]


def test_only_what_was_released_can_be_frozen(store: Store, make_recipe: MakeRecipe) -> None:
    fill(store, taught("a"))
    with pytest.raises(RecipeError, match="no pair of 'math'"):
        scope_of(store, frozen_recipe(make_recipe, freeze=["math"]))
    with pytest.raises(ValueError, match="named twice"):
        frozen_recipe(make_recipe, freeze=["math", "math"])
