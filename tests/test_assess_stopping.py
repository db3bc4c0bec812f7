"""Membership of the band and the two stopping rules: by hand, by simulation, by enumeration."""

import gzip
import itertools
import math
import random
from pathlib import Path
from statistics import fmean

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assess.difficulty import measure
from tasks.assess.membership import (
    correct_rates,
    jeffreys_interval,
    observe,
    probability_in_band,
)
from tasks.assess.stopping import (
    Edges,
    expect_votes,
    leads_for_good,
    next_look,
    plan_stopping,
    say_shortfalls,
)
from tasks.errors import RecipeError
from tasks.recipe import (
    PRESETS,
    AdaptiveReference,
    AdaptiveStudent,
    SelectSettings,
    VerifierError,
)
from tasks.sample import count_rounds, want_of_reference, want_of_student, wanted_samples
from tests.conftest import MakeRecipe

BAND = Edges(0.125, 0.75)
STATE = {"domain": "math", "answer_type": "number", "imported": 0, "votes": 0, "runner_up": 0}


def mass_between(correct: int, wrong: int, low: float, high: float) -> float:
    """Integrate Beta(correct + ½, wrong + ½) by the midpoint rule, over θ of p = sin² θ."""

    def integral(start: float, end: float, steps: int = 20_000) -> float:
        width = (end - start) / steps
        angles = (start + (step + 0.5) * width for step in range(steps))
        return width * sum(
            math.sin(angle) ** (2 * correct) * math.cos(angle) ** (2 * wrong) for angle in angles
        )

    part = integral(math.asin(math.sqrt(low)), math.asin(math.sqrt(high)))
    return part / integral(0, math.pi / 2)


def test_membership_is_the_mass_of_jeffreys_beta_between_the_edges() -> None:
    # Beta(½, ½) is the arcsine law, P(p <= x) = 2/π · asin(√x): a third lies between ¼ and ¾.
    whole = probability_in_band([0], [0], 0.25, 0.75)[0]
    assert math.isclose(whole, 1 / 3, abs_tol=1e-12)
    assert probability_in_band([0, 8, 3], [8, 0, 5], 0, 1).tolist() == [1, 1, 1]
    inside = probability_in_band([0, 1, 4, 8], [8, 7, 4, 0], 0.125, 0.75)
    counts = ((0, 8), (1, 7), (4, 4), (8, 0))
    assert inside.tolist() == pytest.approx([mass_between(*c, 0.125, 0.75) for c in counts])


def test_a_verifier_that_errs_moves_the_edges_and_stretches_the_interval() -> None:
    deaf = VerifierError(recall=0.86)
    # METHOD: an always solved prompt shows 0.86 and would look teachable 7 times in 10.
    assert observe(1, deaf) == 0.86
    assert correct_rates(np.array([0.86, 0.43, 1.0]), deaf).tolist() == [1.0, 0.5, 1.0]
    easy = probability_in_band([14], [2], 0.125, 0.75)[0]
    assert probability_in_band([14], [2], 0.125, 0.75, deaf)[0] < easy
    gullible = VerifierError(recall=0.9, false_positive=0.1)
    low, high = (ends[0] for ends in jeffreys_interval([4], [4]))
    wide_low, wide_high = (ends[0] for ends in jeffreys_interval([4], [4], gullible))
    assert math.isclose(wide_high - wide_low, (high - low) / 0.8)
    assert correct_rates(np.array([0.05, 0.95]), gullible).tolist() == [0.0, 1.0]


def test_the_corrected_rate_is_the_pass_rate_and_the_observed_one_stays() -> None:
    settings = SelectSettings(verifier_error={"number": VerifierError(recall=0.8)})
    rows = {"correct": [4, 4, 0], "wrong": [4, 4, 0], "domain": ["math", "code", None]}
    counts = pl.DataFrame(rows | {"answer_type": ["number", "code", "number"]})
    counts = counts.with_columns(reference_rate=pl.lit(1.0))
    measured = measure(counts, settings)
    assert measured["observed_rate"].to_list() == [0.5, 0.5, None]
    assert measured["pass_rate"].to_list() == [0.625, 0.5, None]
    assert measured["gap"].to_list() == [0.375, 0.5, None]
    assert measured["band_low"].to_list() == [0.125] * 3
    assert measured["in_band"][2] is None


def test_a_domains_own_band_is_what_membership_is_about() -> None:
    settings = SelectSettings.model_validate({"domains": {"safety": {"low": 0, "high": 1}}})
    counts = pl.DataFrame({"correct": [8, 8], "wrong": [0, 0], "domain": ["math", "safety"]})
    measured = measure(counts.with_columns(answer_type=pl.lit("text")), settings)
    assert measured["in_band"].to_list() == [pytest.approx(mass_between(8, 0, 0.125, 0.75)), 1.0]


@pytest.mark.parametrize(
    ("votes", "stops"),
    [((3, 0), False), ((4, 0), True), ((5, 1), False), ((6, 1), True), ((2, 2), False)],
)
def test_the_beta_rule_stops_at_four_to_nothing(votes: tuple[int, int], stops: bool) -> None:
    first, second = votes
    assert leads_for_good(first, second, 0.95) is stops
    total = first + second + 1
    mass = sum(math.comb(total, count) for count in range(first + 1)) / 2**total
    assert (mass >= 0.95) is stops


def test_looks_begin_at_the_start_and_end_at_the_most() -> None:
    assert [next_look(drawn, 4, 5, 16) for drawn in (0, 3, 4, 5, 9, 10, 15, 16)] == [
        *(4, 4, 4, 9, 9, 14, 16, 16)
    ]


def enumerate_plan(settings: AdaptiveStudent, edges: Edges) -> tuple[float, float]:
    """Walk every sequence of rounds and return the rule's error and cost under Jeffreys' prior."""
    plan = plan_stopping(edges, settings)

    def walk(correct: int, wrong: int, chance: float) -> tuple[float, float]:
        decided = correct + wrong
        inside = probability_in_band([correct], [wrong], edges.low, edges.high)[0]
        if plan.is_settled(correct, wrong) and decided >= settings.start:
            kept = edges.low <= correct / decided <= edges.high
            return chance * (1 - inside if kept else inside), chance * decided
        more = settings.start if decided == 0 else min(settings.step, settings.most - decided)
        error = cost = 0.0
        for right in itertools.product((0, 1), repeat=more):
            here, a, b = chance, correct, wrong
            for one in right:
                rate = (a + 0.5) / (a + b + 1)
                here *= rate if one else 1 - rate
                a, b = a + one, b + 1 - one
            part = walk(a, b, here)
            error, cost = error + part[0], cost + part[1]
        return error, cost

    return walk(0, 0, 1.0)


def test_the_stated_error_and_cost_are_exact() -> None:
    settings = AdaptiveStudent(start=2, step=2, most=8, error=0.2)
    plan = plan_stopping(BAND, settings)
    error, cost = enumerate_plan(settings, BAND)
    assert plan.error <= 0.2
    assert math.isclose(plan.error, error, rel_tol=1e-9)
    assert math.isclose(plan.samples, cost, rel_tol=1e-9)


def test_a_pool_as_the_prior_has_it_is_misjudged_as_often_as_stated() -> None:
    settings = AdaptiveStudent(error=0.125)
    plan = plan_stopping(BAND, settings)
    chance = random.Random(5)
    pools = 6_000
    wrong_side = samples = 0
    for _ in range(pools):
        rate = chance.betavariate(0.5, 0.5)
        correct = wrong = 0
        while not plan.is_settled(correct, wrong):
            more = settings.start if correct + wrong == 0 else settings.step
            right = sum(chance.random() < rate for _ in range(more))
            correct, wrong = correct + right, wrong + more - right
        kept = 0.125 <= correct / (correct + wrong) <= 0.75
        wrong_side += kept != (0.125 <= rate <= 0.75)
        samples += correct + wrong
    noise = 3 * math.sqrt(0.125 * 0.875 / pools)
    assert abs(wrong_side / pools - plan.error) < noise
    assert plan.error <= 0.125
    assert abs(samples / pools - plan.samples) < 0.3


DEAF = VerifierError(recall=0.86)
BANDS = [
    *(Edges(**preset.settings["band"]) for preset in PRESETS.values()),
    *(Edges(0.05, 0.95), Edges(0.01, 0.99), Edges(0.3, 0.5), Edges(0.0, 0.001), Edges(0.999, 1.0)),
    *(Edges(0.125, 0.75, DEAF), Edges(0.001, 0.999, DEAF)),
    Edges(0.125, 0.75, VerifierError(recall=0.9, false_positive=0.02)),
]


@pytest.mark.everyday(4)
@pytest.mark.parametrize("edges", BANDS)
def test_the_stated_error_is_that_of_the_decision_by_pass_rate(edges: Edges) -> None:
    plan, pool = plan_stopping(edges, AdaptiveStudent()), 40_000
    draws = np.random.default_rng(11)
    truth = draws.beta(0.5, 0.5, pool)
    shown = observe(truth, edges.error)  # What the verifier shows of the true rates.
    correct, decided = draws.binomial(4, shown), np.full(pool, 4)
    for drawn in range(4, 24, 2):
        still = (decided == drawn) & ~plan.settled[drawn][np.minimum(correct, drawn)]
        correct[still] += draws.binomial(2, shown[still])
        decided[still] += 2
    rate = correct_rates(correct / decided, edges.error)
    kept = (edges.low <= rate) & (rate <= edges.high)
    wrong_side = float(np.mean(kept != ((edges.low <= truth) & (truth <= edges.high))))
    noise = 3.5 * math.sqrt(0.25 / pool)
    assert abs(wrong_side - plan.error) < noise
    assert abs(kept.mean() - plan.in_band) < noise
    assert abs(decided.mean() - plan.samples) < 0.2


def test_none_of_four_is_not_dropped_before_it_is_likely_outside() -> None:
    # A rate of 0.001 is shown by 0 of 4 in all cases but 1 of 250: the prompt is open, not settled.
    plan = plan_stopping(Edges(0.001, 0.999), AdaptiveStudent())
    assert not plan.is_settled(0, 4) and not plan.is_settled(4, 0)
    assert plan.is_settled(2, 2)  # Whatever follows, its pass rate is in the band.
    # Every rate is in the band of `none`: nothing is to be found out, so nothing more is asked.
    every = plan_stopping(Edges(0.0, 1.0), AdaptiveStudent())
    assert (every.error, every.samples, every.in_band) == pytest.approx((0.0, 4.0, 1.0))


def test_an_error_out_of_reach_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        RecipeError, match=r"at most 8 samples 0\.1\d\d of the prompts end on"
    ) as no:
        plan_stopping(BAND, AdaptiveStudent(most=8, error=0.05))
    assert "set sample.adaptive to most: 128, or to error: 0.1" in str(no.value)
    for most, error in ((128, 0.05), (8, float(str(no.value).rsplit(" ", 1)[1]))):
        assert plan_stopping(BAND, AdaptiveStudent(most=most, error=error)).error <= error
    with pytest.raises(RecipeError, match=r"no number of samples up to 256 does; set sample\."):
        plan_stopping(BAND, AdaptiveStudent(error=0.001))


def test_where_no_error_is_named_and_the_usual_is_out_of_reach_it_is_the_least_and_said(
    make_recipe: MakeRecipe,
) -> None:
    kinds = [("math", "number"), ("code", "code")]
    plain = make_recipe(sample={"adaptive": {}})
    assert plain.sample.adaptive is not None
    assert say_shortfalls(plain, plain.sample.adaptive, kinds) == []
    wide = make_recipe(sample={"adaptive": {}}, select={"policy": "skywork"})
    (said,) = say_shortfalls(wide, plain.sample.adaptive, kinds)
    assert said == (
        "sample.adaptive: of the prompts whose band is 0.001 to 0.999 0.19 may end on its wrong "
        "side, the least that 24 samples can reach, and not 0.125; set sample.adaptive to "
        "most: 48, or to error: 0.19"
    )
    with pytest.raises(RecipeError, match=r"at most 24 samples 0\.19 of the prompts end"):
        say_shortfalls(wide, AdaptiveStudent(error=0.125), kinds)
    # Only domains and answer types that are there matter.
    edge = {"domains": {"code": {"low": 0.001, "high": 0.999}}}
    mixed = make_recipe(sample={"adaptive": {}}, select=edge)
    assert say_shortfalls(mixed, AdaptiveStudent(error=0.125), kinds[:1]) == []
    deaf = {"policy": "skywork", "verifier_error": {"code": {"recall": 0.86}}}
    both = say_shortfalls(make_recipe(select=deaf), AdaptiveStudent(), kinds)
    assert len(both) == 2 and "(verifier: recall 0.86, false positives 0) 0.15 may" in both[1]


@given(
    start=st.integers(1, 8),
    step=st.integers(1, 6),
    rounds=st.integers(0, 5),
    drawn=st.integers(0, 60),
    imported=st.integers(0, 20),
    settled=st.booleans(),
)
def test_rounds_are_completed_before_they_are_judged(
    start: int, step: int, rounds: int, drawn: int, imported: int, settled: bool
) -> None:
    settings = AdaptiveStudent(start=start, step=step, most=start + step * rounds)
    wanted = wanted_samples(drawn, imported, settled, settings)
    present = drawn + imported
    looks = [start + step * number for number in range(rounds + 1)]
    if present >= looks[-1] or (settled and present in looks):
        assert wanted == 0
    elif present in looks:
        assert wanted + imported == present + step
    else:
        assert wanted + imported == min(look for look in looks if look > present)


def states(*rows: dict[str, int]) -> pl.DataFrame:
    return pl.DataFrame([{**STATE, "correct": 0, "wrong": 0, "drawn": 0, **row} for row in rows])


def test_samples_go_where_membership_is_open(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(sample={"adaptive": {"start": 4, "step": 2, "most": 24, "error": 0.125}})
    assert recipe.sample.adaptive is not None
    found = want_of_student(
        states(
            {},  # nothing yet
            {"drawn": 5, "correct": 5},  # killed within a round
            {"drawn": 6, "correct": 3, "wrong": 3},  # in the middle of the band
            {"drawn": 6, "correct": 6},  # above it
            {"drawn": 6, "correct": 1, "wrong": 5},  # at its lower edge
            {"drawn": 6, "correct": 5, "wrong": 1},  # at its upper edge
            {"drawn": 8, "correct": 3, "wrong": 3},  # two cut off: judged by the decided ones
            {"drawn": 6},  # all cut off
            {"drawn": 8, "correct": 3},  # most of them: as many again have told no more
            {"drawn": 7, "correct": 3},  # killed within that round
            {"drawn": 0, "imported": 9},  # made elsewhere, nobody could tell
            {"drawn": 24, "correct": 3, "wrong": 21},  # as many as there may be
            {"drawn": 0, "imported": 6, "correct": 3, "wrong": 3},
        ),
        recipe,
        recipe.sample.adaptive,
    )
    assert found.to_list() == [4, 6, 0, 0, 8, 8, 0, 8, 0, 8, 1, 0, 0]
    assert count_rounds(recipe, "student") == 11
    assert count_rounds(make_recipe(), "student") == 1


def test_votes_go_on_until_a_leader_leads_for_good() -> None:
    found = want_of_reference(
        states(
            {"drawn": 4, "votes": 4},
            {"drawn": 4, "votes": 3, "runner_up": 1},
            {"drawn": 6, "votes": 5, "runner_up": 1},
            {"drawn": 8, "votes": 7, "runner_up": 1},
            {"drawn": 4, "votes": 2, "runner_up": 2},
            {"drawn": 16, "votes": 8, "runner_up": 7},
        ),
        AdaptiveReference(),
    )
    assert found.to_list() == [0, 6, 8, 0, 6, 0]


def test_coverage_of_the_interval_over_simulated_students() -> None:
    draws = np.random.default_rng(7)
    rates = draws.beta(0.5, 0.5, 60_000)
    correct = draws.binomial(16, rates)
    low, high = jeffreys_interval(correct, 16 - correct)
    covered = float(np.mean((low <= rates) & (rates <= high)))
    assert 0.94 <= covered <= 0.98


@pytest.mark.parametrize(
    ("file", "prompts", "published"),
    [("game24_io.jsonl.gz", 100, 0.0734), ("cruxeval_input_10x800.jsonl.gz", 800, 0.3595)],
)
def test_recorded_samples_give_the_published_rates(
    shared_data: Path, file: str, prompts: int, published: float
) -> None:
    recorded = pl.read_ndjson(gzip.decompress((shared_data / "outputs" / file).read_bytes()))
    right = pl.col("recheck" if "recheck" in recorded.columns else "correct")
    counts = recorded.group_by("item_id").agg(correct=right.sum(), wrong=(~right).sum())
    counts = counts.with_columns(domain=pl.lit("math"), answer_type=pl.lit("number"))
    measured = measure(counts, SelectSettings())
    assert measured.height == prompts
    assert round(fmean(measured["pass_rate"]), 4) == published
    assert measured.select((pl.col("low") <= pl.col("pass_rate")).all()).item()
    assert measured.select((pl.col("pass_rate") <= pl.col("high")).all()).item()


@pytest.mark.parametrize(
    ("confidence", "usual"),
    [
        # Two of two lead for good with probability 7/8, as do 3 of 3 with 15/16.
        (0.9, 3.0),
        # Two equal votes are 3/4 of the pool: Beta(1/2, 1/2) gives 3/8 to either.
        (0.8, 0.75 * 2 + 0.25 * 3),
    ],
)
def test_votes_are_expected_of_a_pool_where_two_answers_compete(
    confidence: float, usual: float
) -> None:
    settings = AdaptiveReference(start=2, step=1, most=3, confidence=confidence)
    assert expect_votes(settings) == pytest.approx(usual)
