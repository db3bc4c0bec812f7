"""The books: what was paid for is in the store however a run ended, and a cap holds by it."""

import asyncio
from typing import Any

import polars as pl
import pytest

from tasks.errors import BudgetReached, ModelServerError, RunInterrupted
from tasks.llm.drawing import draw
from tasks.llm.engine import complete
from tasks.llm.journal import fold_in
from tasks.llm.loop import run_on_loop
from tasks.llm.money import Amount, Purse
from tasks.llm.pending import leave_out_known
from tasks.llm.spent import load_spent
from tasks.llm.under_way import stop_calling
from tasks.progress import track
from tasks.recipe import Budget
from tasks.store import Store
from tests.conftest import MakeRecipe, about
from tests.loopback import serve
from tests.scripted import SCHEMA, endpoint_at, once, samples, script

SPOILT: dict[str, Any] = {
    "choices": [{"message": {"content": "four"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 50},
}
PAID = (100 * 1.0 + 50 * 2.0) / 1e6  # A spoilt answer, at the prices of `endpoint_at`.


def _failures(store: Store) -> list[tuple[Any, ...]]:
    return store.sql(
        "select failure, attempts, prompt_tokens, completion_tokens from failures"
    ).rows()


def _spent(store: Store) -> Amount:
    return Amount(**store.query("spent").row(0, named=True))


def test_an_attempt_that_was_paid_for_is_in_the_books_when_its_retry_is_stopped(
    store: Store,
) -> None:
    # The first is malformed; the one after it is refused, and everybody has to wait for a minute.
    handler = script((200, SPOILT), (429, {"error": {"message": "slow down"}}))
    with serve(handler) as address:
        endpoint = endpoint_at(address)
        stopping = once(lambda: len(handler.asked) == 2, stop_calling, after_s=0.3)
        purse, requests = Purse(Budget()), samples(2, schema=SCHEMA)
        with pytest.raises(RunInterrupted):
            complete(store, endpoint, requests, run_id="r", purse=purse)
        stopping.join()
        left = leave_out_known(store, endpoint, "student", ["p"], samples(2, schema=SCHEMA))
        assert len(list(left)) == 2  # It may yet succeed, so it is asked again.
    assert ("retryable", 1, 100, 50) in _failures(store)
    assert _spent(store) == purse.spent == Amount(usd=about(PAID), tokens=150, calls=2)


def test_an_attempt_that_was_paid_for_is_in_the_books_when_its_retry_exceeds_the_cap(
    store: Store,
) -> None:
    with serve(script((200, SPOILT))) as address:
        # The first attempt may take 14 + 64 + 50 tokens and takes 150, which no other fits beside.
        purse = Purse(Budget(tokens=200))
        with pytest.raises(BudgetReached, match="tokens 150 of 200"):
            complete(store, endpoint_at(address), samples(schema=SCHEMA), run_id="r", purse=purse)
    assert _failures(store) == [("retryable", 1, 100, 50)]
    message = store.sql("select message from failures")["message"][0]
    assert message.startswith("not tried again: the budget is used up (tokens 150 of 200)")
    assert _spent(store) == purse.spent == Amount(usd=about(PAID), tokens=150, calls=1)


def test_an_attempt_that_was_paid_for_is_in_the_books_when_the_server_refuses_the_key(
    store: Store,
) -> None:
    purse = Purse(Budget())
    handler = script((200, SPOILT), (401, {"error": {"message": "no"}}))
    with serve(handler) as address, pytest.raises(ModelServerError, match="refused the key"):
        requests = samples(schema=SCHEMA)
        complete(store, endpoint_at(address), requests, run_id="r", purse=purse)
    assert _failures(store) == [("retryable", 2, 100, 50)]
    assert _spent(store) == purse.spent == Amount(usd=about(PAID), tokens=150, calls=2)


def test_an_attempt_that_was_paid_for_is_in_the_journal_when_the_run_is_cut_short(
    store: Store,
) -> None:
    handler = script((200, SPOILT), (429, {"error": {"message": "slow down"}}))
    with serve(handler) as address:

        def end_at_once(_: object) -> None:
            if len(handler.asked) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            complete(
                store,
                endpoint_at(address),
                samples(2, schema=SCHEMA),
                run_id="r",
                purse=(purse := Purse(Budget())),
                tick=end_at_once,
            )
        run_on_loop(asyncio.sleep(0.2))  # What was cancelled on the loop ends there.
    fold_in(store)
    assert _spent(store) == purse.spent == Amount(usd=about(PAID), tokens=150, calls=2)


SILENT: dict[str, Any] = {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}
PAGE = pl.DataFrame({"prompt_id": ["p"], "text": ["What is 2 + 2?"]})


def _draw_silently(
    store: Store, make_recipe: MakeRecipe, address: str, run_id: str, **budget: float
) -> None:
    """Draw five samples of a model whose server never says what an answer took."""
    student = {
        "model": "m",
        "base_url": f"http://{address}/v1",
        "sampling": {"max_tokens": 50},
        "prices": {"input": 1.0, "output": 2.0},
        "max_concurrency": 1,
    }
    recipe = make_recipe(models={"student": student}, budget=budget)
    with track("student", 5) as tracker:
        draw(
            store,
            recipe,
            "sample",
            "student",
            [PAGE],
            lambda endpoint, page: samples(5),
            run_id=run_id,
            tracker=tracker,
        )


def _make_older(store: Store) -> None:
    """Make rows of before the books kept what a budget counts."""
    for table in ("responses", "failures"):
        store.execute(
            f"update {table} set budget_usd = null, budget_tokens = null, uncounted = null"
        )


def test_a_cap_in_tokens_holds_where_the_server_counts_none_also_after_a_restart(
    store: Store, make_recipe: MakeRecipe
) -> None:
    store.append("prompts", PAGE)
    handler = script((200, SILENT))
    with serve(handler) as address:
        # At most 14 + 64 of the prompt and 50 of the answer: 128 a call, and two fit.
        with pytest.raises(BudgetReached, match=r"tokens 256 of 300; 2 calls are estimated"):
            _draw_silently(store, make_recipe, address, "tokens one", tokens=300)
        assert len(handler.asked) == 2
        books = "select distinct prompt_tokens, completion_tokens, cost_usd from responses"
        assert store.sql(books).rows() == [(None, None, None)]
        counted = Amount(usd=about(0.000356), tokens=256, calls=2, uncounted=2)
        assert _spent(store) == counted

        # The run after it counts them alike, and so does one with a higher cap.
        with pytest.raises(BudgetReached, match=r"tokens 256 of 383; 2 calls are estimated"):
            _draw_silently(store, make_recipe, address, "tokens two", tokens=383)
        assert len(handler.asked) == 2
        with pytest.raises(BudgetReached, match=r"tokens 384 of 384; 3 calls are estimated"):
            _draw_silently(store, make_recipe, address, "tokens three", tokens=384)
        assert len(handler.asked) == 3


def test_a_cap_in_tokens_holds_over_calls_that_are_older_than_what_is_kept_for_it(
    store: Store, make_recipe: MakeRecipe
) -> None:
    store.append("prompts", PAGE)
    handler = script((200, SILENT))
    with serve(handler) as address:
        with pytest.raises(BudgetReached, match=r"tokens 256 of 300; 2 calls are estimated"):
            _draw_silently(store, make_recipe, address, "older tokens one", tokens=300)
        _make_older(store)
        # The store has the prompt and the ceiling, and 1,000 are added for what was around it:
        # 14 + 64 + 1,000 + 50 = 1,128 a call.
        with pytest.raises(BudgetReached, match=r"tokens 2,256 of 2,383; 2 calls are estimated"):
            _draw_silently(store, make_recipe, address, "older tokens two", tokens=2_383)
        assert len(handler.asked) == 2
        with pytest.raises(BudgetReached, match=r"tokens 2,384 of 2,384; 3 calls are estimated"):
            _draw_silently(store, make_recipe, address, "older tokens three", tokens=2_384)
        assert len(handler.asked) == 3


@pytest.mark.slow
def test_a_cap_in_dollars_holds_where_the_server_counts_no_tokens_also_after_a_restart(
    store: Store, make_recipe: MakeRecipe
) -> None:
    store.append("prompts", PAGE)
    handler = script((200, SILENT))
    with serve(handler) as address:
        # (78 × $1 + 50 × $2) / 1,000,000 = $0.000178 a call, and two fit.
        with pytest.raises(BudgetReached, match=r"usd 0.000356 of 0.0005; 2 calls"):
            _draw_silently(store, make_recipe, address, "usd one", usd=0.0005)
        assert len(handler.asked) == 2
        with pytest.raises(BudgetReached, match=r"usd 0.000356 of 0.0005; 2 calls"):
            _draw_silently(store, make_recipe, address, "usd again", usd=0.0005)
        assert len(handler.asked) == 2
        _make_older(store)
        # (1,078 × $1 + 50 × $2) / 1,000,000 = $0.001178 a call that is older than its estimate.
        with pytest.raises(BudgetReached, match=r"usd 0.002356 of 0.0025; 2 calls"):
            _draw_silently(store, make_recipe, address, "usd two", usd=0.0025)
        assert len(handler.asked) == 2
        with pytest.raises(BudgetReached, match=r"usd 0.002534 of 0.0026; 3 calls"):
            _draw_silently(store, make_recipe, address, "usd three", usd=0.0026)
        assert len(handler.asked) == 3


def test_an_older_failure_of_unknown_tokens_is_estimated_by_the_ceiling_of_the_recipe(
    store: Store, make_recipe: MakeRecipe
) -> None:
    silent = {"choices": [{"message": {"refusal": "no"}, "finish_reason": "stop"}]}
    with serve(script((200, silent))) as address:
        purse = Purse(Budget())
        done = complete(store, endpoint_at(address), samples(), run_id="r", purse=purse)
    assert (done.failed, done.cost_usd) == (1, None)
    assert purse.spent == Amount(usd=about(0.000178), tokens=128, calls=1, uncounted=1)
    assert _failures(store) == [("refused", 1, None, None)]
    declared = {"model": "m", "sampling": {"max_tokens": 50}, "prices": {"input": 1, "output": 2}}
    known = make_recipe(models={"student": declared})
    assert load_spent(store, known) == purse.spent
    _make_older(store)
    # The prompt is not in the store: 64 + 1,000 tokens are taken for it.
    assert load_spent(store, known) == Amount(
        usd=about(0.001164), tokens=1_114, calls=1, uncounted=1
    )
    # A recipe that does not name the model has neither its ceiling nor its prices.
    assert load_spent(store, make_recipe()) == Amount(tokens=1_064 + 32_768, calls=1, uncounted=1)
