"""What a restart knows of what was spent: to the token and the cent what the run before it knew."""

import time
from typing import Any, ClassVar

import pytest
from conftest import MakeRecipe

from tasks.errors import RunInterrupted, StoreError
from tasks.lake import local_folder
from tasks.llm.client import Answer
from tasks.llm.columns import frame_of
from tasks.llm.engine import complete, stop_calling
from tasks.llm.failures import CallFailed
from tasks.llm.journal import Journal, fold_in
from tasks.llm.money import Amount, Bill, Purse, Usage
from tasks.llm.pending import leave_out_known
from tasks.llm.request import identify
from tasks.llm.rows import failure_row, response_row
from tasks.llm.spent import load_spent
from tasks.recipe import Budget, Recipe
from tasks.store import Store
from tests.loopback import serve
from tests.scripted import SCHEMA, Scripted, endpoint_at, said, samples, script

GOOD = said('{"sum": 4}', 100, 10)
SPOILT = said("four", 200, 50)
UNCOUNTED = said("four", None, None)


@pytest.fixture
def recipe(make_recipe: MakeRecipe) -> Recipe:
    """A recipe with the model and the prices of `endpoint_at`."""
    declared = {"model": "m", "sampling": {"max_tokens": 50}, "prices": {"input": 1, "output": 2}}
    return make_recipe(models={"student": declared})


def _complete(store: Store, *replies: Any, run_id: str = "r", **settings: Any) -> Amount:
    """Make one call that gets these replies; return what the process has counted."""
    purse = Purse(Budget())
    with serve(script(*replies)) as address:
        endpoint = endpoint_at(address, **settings)
        complete(store, endpoint, samples(schema=SCHEMA), run_id=run_id, purse=purse)
    return purse.spent


def test_the_tokens_of_attempts_before_a_good_answer_are_not_forgotten(
    store: Store, recipe: Recipe
) -> None:
    counted = _complete(store, SPOILT, SPOILT, GOOD)
    # Twice 200 + 50 for an answer of the wrong form, then 100 + 10.
    assert counted == Amount(usd=pytest.approx(0.00072), tokens=610, calls=3)
    assert load_spent(store, recipe) == counted
    assert store.sql("select prompt_tokens, completion_tokens from responses").rows() == [(100, 10)]
    assert store.sql(
        "select calls, prompt_tokens, completion_tokens, usd from spend_by_day"
    ).rows() == [(3, 500, 110, pytest.approx(0.00072))]


@pytest.mark.parametrize(
    "replies", [(SPOILT, UNCOUNTED, GOOD), (SPOILT, said("four", 1, None), GOOD)]
)
def test_an_attempt_that_nobody_counted_is_estimated_beside_those_that_were(
    store: Store, recipe: Recipe, replies: tuple[Any, ...]
) -> None:
    counted = _complete(store, *replies)
    # The second attempt shows the model its answer and says what was wrong with it, in 125 bytes:
    # 14 + 4 + 125 bytes and 64 of the prompt, and 50 of the answer.
    assert counted == Amount(
        usd=pytest.approx((200 + 207 + 100 + 2 * (50 + 50 + 10)) / 1e6),
        tokens=250 + 257 + 110,
        calls=3,
        uncounted=1,
    )
    assert load_spent(store, recipe) == counted


def test_a_request_that_failed_twice_in_a_run_is_paid_for_twice(
    store: Store, recipe: Recipe
) -> None:
    refusal = (200, {**SPOILT[1], "choices": [{"message": {"refusal": "no"}}]})
    purse = Purse(Budget())
    with serve(script(refusal)) as address:
        twice = [*samples(), *samples()]  # Both are in the store with one commit.
        complete(store, endpoint_at(address), twice, run_id="r", purse=purse)
        complete(store, endpoint_at(address), samples(), run_id="r", purse=purse)
    assert purse.spent == Amount(usd=pytest.approx(0.0009), tokens=750, calls=3)
    assert load_spent(store, recipe) == purse.spent


def test_two_failures_of_a_request_that_a_killed_run_wrote_down_are_folded_in_once_each(
    store: Store, recipe: Recipe
) -> None:
    endpoint, (request,) = endpoint_at("127.0.0.1:9"), samples()
    keys, journal = identify(endpoint, request), Journal(store, "r")
    for prompt_tokens, completion_tokens in ((200, 50), (300, 60)):
        bill, failure = Bill(), CallFailed("retryable", "down")
        usage = Usage(prompt_tokens, 0, completion_tokens, 0)
        bill.add(usage, endpoint.settings.prices, Amount())
        journal.add("failures", failure_row(endpoint, request, keys, failure, bill))
    segment = journal.cut()
    assert segment is not None
    content = segment.read_bytes()
    assert fold_in(store) == 2
    paid = Amount(usd=pytest.approx(0.00072), tokens=610, calls=2)
    assert load_spent(store, recipe) == paid
    segment.write_bytes(content)  # The kill came after the commit.
    assert fold_in(store) == 0
    assert load_spent(store, recipe) == paid


def test_an_answer_without_choices_is_paid_for_where_its_server_says_so(
    store: Store, recipe: Recipe
) -> None:
    empty = (200, {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 50}})
    counted = _complete(store, empty, GOOD)
    assert counted == Amount(usd=pytest.approx(0.00032), tokens=260, calls=2)
    assert load_spent(store, recipe) == counted


def test_a_stop_writes_no_request_off_whose_first_answer_was_of_the_wrong_form(
    store: Store, recipe: Recipe
) -> None:
    class Stopping(Scripted):
        script: ClassVar = [SPOILT, GOOD]
        asked: ClassVar = []

        def answer(self) -> None:
            if not self.asked:
                stop_calling()
                time.sleep(0.3)
            super().answer()

    purse = Purse(Budget())
    with serve(Stopping) as address:
        endpoint, requests = endpoint_at(address), samples(schema=SCHEMA)
        with pytest.raises(RunInterrupted):
            complete(store, endpoint, requests, run_id="r", purse=purse)
        assert store.sql("select failure, attempts from failures").rows() == [("retryable", 1)]
        left = list(leave_out_known(store, endpoint, "student", ["p"], requests))
        assert complete(store, endpoint, left, run_id="r", purse=purse).completed == 1
    assert purse.spent == Amount(usd=pytest.approx(0.00042), tokens=360, calls=2)
    assert load_spent(store, recipe) == purse.spent


def test_an_answer_that_the_journal_does_not_take_is_in_the_store_all_the_same(
    store: Store, recipe: Recipe
) -> None:
    (local_folder(store.settings) / "journal").write_text("in the way", encoding="utf-8")
    purse = Purse(Budget())
    with serve(script(GOOD)) as address, pytest.raises(StoreError, match="written down"):
        complete(store, endpoint_at(address), samples(3), run_id="r", purse=purse)
    assert purse.spent.calls > 0
    assert load_spent(store, recipe) == purse.spent


def test_an_answer_that_another_host_has_paid_for_as_well_costs_twice_and_counts_once(
    store: Store, recipe: Recipe
) -> None:
    """A journal lies on its host: the run after a kill may be elsewhere, and asks again."""
    journal = Journal(store, "killed")
    journal.add("responses", _answer(100, 10))
    segment = journal.cut()
    assert segment is not None
    content = segment.read_bytes()
    store.append("responses", frame_of("responses", [_answer(100, 30)]), run_id="elsewhere")
    for new in (1, 0):  # The second time the kill came after the commit.
        segment.write_bytes(content)
        assert fold_in(store) == new
        found = store.sql("select run_id, completion_tokens from responses").rows()
        assert found == [("elsewhere", 30)]
        failed = store.sql("select run_id, failure, message, completion_tokens from failures")
        said = "it was answered again, in the run elsewhere, before this answer was in the store"
        assert failed.rows() == [("killed", "retryable", said, 10)]
        # $0.00012 and $0.00016, 110 and 130 tokens.
        paid = Amount(usd=pytest.approx(0.00028), tokens=240, calls=2)
        assert load_spent(store, recipe) == paid


def _answer(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Return the row of an answer to the one request."""
    endpoint, (request,) = endpoint_at("127.0.0.1:9"), samples()
    usage, bill = Usage(prompt_tokens, 0, completion_tokens, 0), Bill()
    bill.add(usage, endpoint.settings.prices, Amount())
    answer = Answer("4", None, "stop", usage, "m", None, None, 0.5, {})
    return response_row(endpoint, request, identify(endpoint, request), answer, bill)
