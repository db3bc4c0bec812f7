"""The arithmetic of estimates, and what earlier calls say about the next ones."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.llm.money import Amount
from tasks.plan import history as past
from tasks.plan.assumed import Assumed
from tasks.plan.budget import judge_budget
from tasks.plan.estimate import (
    Estimate,
    Share,
    add,
    blend,
    blend_groups,
    exact,
    scale,
    share_in_band,
    spread,
    thin,
)
from tasks.plan.history import Address, Calls
from tasks.plan.lessons import share_of_mixture
from tasks.plan.price import Cost, Demand, Span, add_costs, price
from tasks.recipe import ModelSettings, Recipe, SelectSettings, VerifierError
from tests.conftest import MakeRecipe, about
from tests.planned import models

ASSUMED = Assumed(completion_tokens=25.0, latency_s=1.5)
SETTINGS = ModelSettings.model_validate({"model": "m", "sampling": {"max_tokens": 100}})


def test_what_is_counted_is_certain_and_sums() -> None:
    total = add([exact(3), scale(exact(4), 2.0)])
    assert (total.low, total.expected, total.high) == (11, 11, 11)


def test_an_interval_is_two_deviations_within_what_is_possible() -> None:
    estimate = Estimate(100, 25, 200)
    assert estimate.low == pytest.approx(100 - 1.96 * 5, abs=0.001)
    assert estimate.high == pytest.approx(100 + 1.96 * 5, abs=0.001)
    assert Estimate(2, 25, 5).low == 0
    assert Estimate(2, 25, 5).high == 5


def test_a_share_is_drawn_towards_what_was_assumed() -> None:
    assert blend(0, 0, 0.6) == Share(0.6, 10, 0)
    assert blend(90, 45, 0.6).mean == (45 + 6) / 100
    shares = blend_groups({"math": (90, 45), "code": (10, 10)}, lambda _: 0.5)
    everywhere = (55 + 5) / 110
    assert shares("math").mean == pytest.approx((45 + 10 * everywhere) / 100)
    assert shares("code").mean == pytest.approx((10 + 10 * everywhere) / 20)
    # Of a domain never seen all that is known is how the others went, and that for little.
    assert shares("law") == Share(about(everywhere), 40, 0)


def test_what_passes_is_spread_by_chance_and_by_doubt_of_the_share() -> None:
    share = Share(0.5, 99, 89)
    left = thin({"math": exact(100)}, lambda _: share)["math"]
    assert left.expected == 50
    # A beta-binomial: n p (1 - p) + n² p (1 - p) / (weight + 1).
    assert left.variance == pytest.approx(100 * 0.25 + 100**2 * 0.25 / 100)
    assert left.most == 100


def test_an_assumption_is_wrong_for_all_groups_together() -> None:
    share = Share(0.5, 9, 0)
    one = thin({"all": exact(100)}, lambda _: share)["all"]
    many = thin({name: exact(20) for name in "abcde"}, lambda _: share)
    assert sum(each.variance for each in many.values()) == pytest.approx(one.variance)


def test_a_product_of_uncertain_numbers_has_the_doubt_of_both() -> None:
    calls = Estimate(100, 16, 120)
    tokens = spread(calls, mean=50, variance=4, most=80)
    assert tokens.expected == 5_000
    assert tokens.variance == pytest.approx(16 * (2_500 + 4) + 10_000 * 4)
    assert tokens.most == 9_600


def test_pass_rates_are_taken_to_be_easy_or_hard() -> None:
    # Under Beta(1/2, 1/2): P(k of 4) = 70, 40, 36, 40, 70 of 256.
    assert share_in_band(0.25, 0.75, 4) == pytest.approx(116 / 256)
    assert share_in_band(0.0, 1.0, 4) == pytest.approx(1)
    assert max(share_in_band(0.0, 1.0, samples) for samples in range(1, 64)) <= 1.0
    assert share_in_band(0.0, 0.0, 4) == pytest.approx(70 / 256)
    # At a recall of 0.8 the rates are those shown, divided by 0.8: 0, 0.3125, 0.625, 0.9375, 1.
    assert share_in_band(0.3, 0.99, 4, VerifierError(recall=0.8)) == pytest.approx(116 / 256)
    assert share_in_band(0.3, 0.9, 4, VerifierError(recall=0.8)) == pytest.approx(76 / 256)


@given(st.integers(1, 64), st.floats(0, 1), st.floats(0, 1))
def test_a_band_holds_between_nothing_and_everything(
    samples: int, one: float, other: float
) -> None:
    share = share_in_band(min(one, other), max(one, other), samples)
    assert -1e-9 <= share <= 1 + 1e-9


def test_prompt_tokens_follow_the_size_of_the_prompt() -> None:
    sizes = [10.0 * n for n in range(40)]
    tokens = [20 + 0.3 * size for size in sizes]
    calls = Calls(
        sized=40,
        size=sum(sizes),
        size_squares=sum(size**2 for size in sizes),
        sized_tokens=sum(tokens),
        size_tokens=sum(s * t for s, t in zip(sizes, tokens, strict=True)),
    )
    assert past.prompt_tokens(calls, 1_000, 1_100).mean == pytest.approx(320)
    # Too few to draw a line through: their mean, and a token for four bytes more.
    few = Calls(sized=2, size=20, size_squares=200, sized_tokens=60, size_tokens=600)
    assert past.prompt_tokens(few, 30, 130).mean == pytest.approx(30 + 20 / 4)
    assert past.prompt_tokens(Calls(), 30, 130) == past.PerCall(130 / 4 + 8, 40.5**2 / 16, 194, 0)


def test_completion_tokens_are_a_domains_own_or_else_those_of_all() -> None:
    history: dict[Address, Calls] = {
        ("student", "m", "solve@1", "math"): Calls(answered=10, completion_tokens=600),
        ("student", "m", "solve@1", None): Calls(
            answered=20, completion_tokens=1_600, completion_squares=136_000
        ),
    }

    def mean(role: str, template: str, domain: str) -> past.PerCall:
        return past.completion_tokens(history, (role, "m", template, domain), SETTINGS, ASSUMED)

    # Math has 10 calls of 60, all together have 80 on average, which weighs as ten calls.
    assert mean("student", "solve@1", "math").mean == (600 + 10 * 80) / 20
    assert mean("student", "solve@1", "law").mean == 80
    assert mean("student", "solve@1", "law").variance == pytest.approx((6_800 - 6_400) / 10)
    assert mean("teacher", "solve@1", "math") == past.PerCall(25, 12.5**2, 100, 0)


def test_dollars_are_unknown_without_a_price_and_know_cached_and_reasoning_tokens() -> None:
    prices = {"input": 2.0, "cached_input": 1.0, "output": 10.0, "reasoning": 4.0}
    settings = ModelSettings.model_validate({"model": "m", "prices": prices})
    calls = Calls(prompt_tokens=100, cached_tokens=50, completion_tokens=100, reasoning_tokens=25)
    # Half of the prompt is cached, a quarter of the answer is reasoning.
    priced = past.dollars(calls, settings.prices, 1_000_000, 1_000_000)
    assert priced == pytest.approx(1.0 + 0.5 + 7.5 + 1.0)
    assert past.dollars(calls, SETTINGS.prices, 1, 1) is None


def test_seconds_and_attempts_are_means_or_assumed() -> None:
    calls = Calls(requests=10, attempts=13, timed=8, latency_s=4)
    assert (past.latency(calls, ASSUMED), past.attempts(calls)) == (0.5, 1.3)
    assert (past.latency(Calls(), ASSUMED), past.attempts(Calls())) == (1.5, 1.0)
    assert math.isinf(
        past.completion_tokens(
            {},
            ("student", "m", "solve@1", "math"),
            ModelSettings.model_validate({"model": "m", "sampling": {"max_tokens": None}}),
            ASSUMED,
        ).most
    )


HISTORY: dict[Address, Calls] = {
    address: Calls(
        requests=10,
        attempts=15,
        answered=10,
        prompt_tokens=400,
        completion_tokens=600,
        completion_squares=36_000,
        timed=10,
        latency_s=20,
        sized=10,
        size=100,
        size_squares=1_000,
        sized_tokens=400,
        size_tokens=4_000,
    )
    for address in (
        ("student", "m-student", "solve@1", "math"),
        ("student", "m-student", "solve@1", None),
        ("student", "m-student", None, None),
    )
}
DEMAND = Demand("solve@1", "math", exact(200), size=10, message_bytes=116)


def _student(make_recipe: MakeRecipe, **changes: object) -> Recipe:
    return make_recipe(models=models("student", **changes))


def test_calls_become_tokens_dollars_and_minutes(make_recipe: MakeRecipe) -> None:
    cost = price(_student(make_recipe), "student", [DEMAND], HISTORY)
    # Every call was sent 1.5 times, had 40 tokens of prompt and 60 of answer, and took 2 s.
    assert cost.calls == Span(300, 300, 300)
    assert cost.prompt_tokens.expected == pytest.approx(200 * 40)
    assert cost.completion_tokens.expected == pytest.approx(200 * 60)
    assert cost.cost_usd is not None
    assert cost.cost_usd.expected == pytest.approx(200 * (40 * 1.0 + 60 * 10.0) / 1e6)
    assert cost.minutes.expected == pytest.approx(300 * 2 / 4 / 60)  # four at a time
    assert (cost.limit, cost.seen) == ("max_concurrency", 10)


def test_a_batch_is_planned_at_its_own_prices(make_recipe: MakeRecipe) -> None:
    usual = price(_student(make_recipe), "student", [DEMAND], HISTORY).cost_usd
    batch = price(_student(make_recipe, mode="batch"), "student", [DEMAND], HISTORY).cost_usd
    assert usual is not None and batch is not None
    assert batch.expected == pytest.approx(usual.expected / 2)


def test_the_slowest_limit_makes_the_minutes(make_recipe: MakeRecipe) -> None:
    requests = _student(make_recipe, requests_per_minute=50, max_concurrency=64)
    cost = price(requests, "student", [DEMAND], HISTORY)
    assert (cost.minutes.expected, cost.limit) == (about(5), "requests_per_minute")
    # A call reserves 280 tokens: one for each of 116 bytes, 64 around them, 100 of the answer.
    tokens = _student(make_recipe, requests_per_minute=50, tokens_per_minute=2_800)
    cost = price(tokens, "student", [DEMAND], HISTORY)
    assert (cost.minutes.expected, cost.limit) == (about(29), "tokens_per_minute")


def test_an_unknown_price_makes_the_whole_unknown_and_no_calls_cost_nothing(
    make_recipe: MakeRecipe,
) -> None:
    unpriced = _student(make_recipe, prices={"input": 1.0})
    cost = price(unpriced, "student", [DEMAND], HISTORY)
    assert cost.cost_usd is None
    assert price(unpriced, "student", [], HISTORY).cost_usd == Span()
    total = add_costs([cost, price(_student(make_recipe), "student", [DEMAND], HISTORY)])
    assert total.cost_usd is None
    assert total.calls.expected == 600


def test_a_budget_says_whether_it_holds_and_where_a_run_would_stop(make_recipe: MakeRecipe) -> None:
    student = Cost(calls=Span(12, 12, 12), cost_usd=Span(1.0, 1.2, 1.4))
    teacher = Cost(calls=Span(2, 4, 8), cost_usd=Span(0.5, 1.0, 2.0))
    stages = [("student", student), ("teacher", teacher)]

    def judge(stages: list[tuple[str, Cost]] = stages, **budget: float) -> Any:
        recipe = make_recipe(models=models("student"), budget=budget)
        return judge_budget(recipe, Amount(usd=0.5, calls=8), stages)

    assert judge().fits == "no budget"
    assert judge(calls=28, usd=3.9).fits == "yes"
    assert judge(calls=27).fits == "probably"
    verdict = judge(calls=14)
    assert (verdict.fits, verdict.caps[0].spent) == ("no", 8)
    assert (verdict.stops.role, verdict.stops.calls, verdict.stops.of_calls) == ("student", 6, 12)
    # In dollars the student's calls fit and half of the teacher's; calls stop it earlier.
    both = judge(calls=14, usd=2.2)
    assert both.stops.cap == "calls"
    assert judge(usd=2.2).stops.role == "teacher"
    assert judge(usd=2.2).stops.calls == pytest.approx(2)
    # Already over the cap, for a budget that was lowered: nothing more is called.
    assert judge(calls=5).stops.calls == 0
    free = [("rewriter", Cost(calls=Span(0, 0, 0), cost_usd=Span(0, 0, 0))), ("student", student)]
    assert judge(free, usd=0.1).stops.role == "student"
    assert judge(free[:1], usd=0.1).stops is None
    unpriced = [("student", Cost(calls=Span(1, 1, 1), cost_usd=None))]
    assert judge(unpriced, usd=10).fits == "unknown"
    assert judge(unpriced, usd=10, calls=1).fits == "no"


def test_a_mixture_leaves_room_for_no_more_than_its_shares() -> None:
    likely = {"math": exact(20), "law": exact(5)}
    mixed = SelectSettings(mixture={"math": 0.5, "code": 0.5})
    shares = share_of_mixture(mixed, {"math": 60, "code": 40}, likely)
    # 40 of code are there, so 40 of the 80 of math are taken, and none of what has no share.
    assert shares == {"math": 0.5, "code": 1.0, "law": 0.0}
    nothing = share_of_mixture(SelectSettings(), {"math": 1}, likely)
    assert nothing == {"math": 1.0, "law": 1.0}


def test_a_frozen_domain_leaves_the_others_their_shares_beside_what_it_has() -> None:
    mixture = {"math": 0.5, "code": 0.25, "science": 0.25}
    kept, likely = {"math": 90}, {"code": exact(100), "science": exact(10)}
    frozen = share_of_mixture(SelectSettings(mixture=mixture, freeze=("math",)), kept, likely)
    # 90 of math are a half, so 45 of code are a quarter; science has no more than its 10.
    assert frozen == {"math": 1.0, "code": 0.45, "science": 1.0}
    # Were math not frozen, science's 10 would be a quarter of 40.
    melted = share_of_mixture(SelectSettings(mixture=mixture), kept, likely)
    assert melted == {"math": 20 / 90, "code": 0.1, "science": 1.0}
