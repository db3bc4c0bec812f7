"""How many answers are planned for a candidate until it is settled."""

import polars as pl
import pytest

from tasks.llm.request import identify
from tasks.llm.servers import identify_endpoint
from tasks.plan.confirming import (
    answers_of_accepted,
    expect_answers,
    first_answers,
    usual_answers,
)
from tasks.plan.pending import count_open_votes, find_open_drafts, pending_confirmations
from tasks.plan.rewriting import forecast_rewriting
from tasks.rewrite.confirm import Votes, plan_confirmations
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.planned import ingest, models, reply

BAKER = "A baker fills 12 trays with 9 rolls each and sells 35 rolls. How many rolls are left?"
REPLY = {
    "valid": True,
    "problem": BAKER.replace("12", "14").replace("9", "8").replace("35", "31"),
    "program": "14 * 8 - 31",
    "answer": "81",
}


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


@pytest.mark.everyday(2)
@pytest.mark.parametrize(
    ("said", "next_round", "high"),
    [([], 2, 3), (["81", "80"], 1, 1), (["81"], 1, 2), (["81", "81"], 0, 0), (["1", "2"], 0, 0)],
)
def test_a_draft_is_planned_the_answers_that_it_still_needs(
    store: Store, make_recipe: MakeRecipe, said: list[str], next_round: int, high: int
) -> None:
    recipe = make_recipe(
        [{"prompt": BAKER, "answer": "73", "domain": "math"}],
        models=models("rewriter", "reference", "student"),
        rewrite={"strategies": ["new_numbers"]},
    )
    ingest(store, recipe)
    reply(store, recipe, REPLY)
    (draft,) = drafts = find_open_drafts(store, recipe)
    assert recipe.models.reference is not None
    endpoint = identify_endpoint(recipe, recipe.models.reference)
    requests = plan_confirmations({draft.prompt_id: draft.candidate}, endpoint, 3)
    for request, answer in zip(requests, said, strict=False):
        row = {
            "response_id": identify(endpoint, request).response_id,
            "reuse_key": identify(endpoint, request).reuse_key,
            "prompt_id": draft.prompt_id,
            "role": "reference",
            "content": f"\\boxed{{{answer}}}",
            "finish_reason": "stop",
        }
        store.append("responses", pl.DataFrame([row]))

    votes = count_open_votes(store, recipe, drafts)
    assert pending_confirmations(store, recipe, drafts, votes)["calls"].sum() == next_round
    forecast = forecast_rewriting(store, recipe, store.query("plan_prompts")).confirmations
    assert sum(each.calls.least for each in forecast.demands) == next_round
    assert sum(each.calls.most for each in forecast.demands) == high
