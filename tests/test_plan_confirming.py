"""How many answers are planned for a candidate until it is settled."""

import pytest

from tasks.plan.confirming import (
    answers_of_accepted,
    expect_answers,
    first_answers,
    usual_answers,
)
from tasks.rewrite.confirm import Votes
from tests.conftest import MakeRecipe
from tests.planned import models


def test_mostly_two_answers_settle_a_candidate_and_the_share_that_is_confirmed_is_met() -> None:
    rule = expect_answers(confirmations=2, tries=3, share=0.867)
    assert rule.confirmed == pytest.approx(0.867)
    # Of 330 candidates of the quick start 301 were confirmed, by 711 answers in all.
    assert expect_answers(2, 3, 301 / 330).asked == pytest.approx(711 / 330, rel=0.05)


def test_what_was_said_already_counts() -> None:
    assert expect_answers(2, 3, 0.8, agreeing=1, missing=1).asked == 1
    assert expect_answers(2, 3, 0.8, agreeing=2, missing=1).asked == 0
    after_one = expect_answers(2, 3, 0.8, agreeing=1, missing=2)
    assert after_one.confirmed > 0.8
    assert 1 < after_one.asked < 2


@pytest.mark.parametrize(("confirmations", "tries"), [(1, 1), (1, 4), (4, 4), (3, 5), (20, 40)])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_no_fewer_are_expected_than_can_settle_it_and_no_more_than_there_are(
    confirmations: int, tries: int, share: float
) -> None:
    rule = expect_answers(confirmations, tries, share)
    assert rule.confirmed == pytest.approx(share, abs=1e-3)
    assert min(confirmations, tries - confirmations + 1) <= rule.asked <= tries
    assert confirmations <= rule.of_confirmed <= tries + 1e-9


def test_where_all_tries_are_asked_at_once_all_are_planned(make_recipe: MakeRecipe) -> None:
    live = make_recipe(models=models("rewriter", "reference"))
    batch = make_recipe(models=models("rewriter", "reference", mode="batch"))
    assert (first_answers(live), first_answers(batch)) == (2, 3)
    assert 2 < usual_answers(live, 0.8) < 3
    assert usual_answers(batch, 0.8) == 3
    assert usual_answers(batch, 0.8, Votes(1, 1, (2,))) == 1
    assert (2 < answers_of_accepted(live) < 3, answers_of_accepted(batch)) == (True, 3)
    assert answers_of_accepted(make_recipe()) == 0
