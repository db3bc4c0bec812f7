"""The books: what was paid for is in the store however a run ended, and a cap holds by it."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import polars as pl
import pytest
from conftest import MakeRecipe

from tasks.errors import BudgetReached, ModelServerError, RunInterrupted
from tasks.llm.drawing import draw
from tasks.llm.engine import complete, run_on_loop, stop_calling
from tasks.llm.journal import fold_in
from tasks.llm.money import Amount, Purse
from tasks.llm.pending import leave_out_known
from tasks.llm.request import Endpoint, Request, ResponseSchema
from tasks.llm.spent import load_spent
from tasks.progress import track
from tasks.recipe import Budget, ModelSettings, Prices, Sampling
from tasks.store import Store
from tests.loopback import QuietHandler, serve

SCHEMA = ResponseSchema("sum", {"type": "object", "required": ["sum"]})
MESSAGES = (("user", "What is 2 + 2?"),)
SPOILT: dict[str, Any] = {
    "choices": [{"message": {"content": "four"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 50},
}
PAID = (100 * 1.0 + 50 * 2.0) / 1e6  # A spoilt answer, at the prices of `_endpoint`.


class _Scripted(QuietHandler):
    """Answers the calls one after the other by (status, body); the last goes on for ever."""

    script: ClassVar[list[tuple[int, dict[str, Any]]]]
    asked: ClassVar[list[float]]

    def answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self.script[min(len(self.asked), len(self.script) - 1)]
        self.asked.append(time.monotonic())
        headers = {"content-type": "application/json"}
        if status == 429:
            headers["retry-after"] = "60"
        self.send(status, json.dumps(body).encode(), headers)


def _script(*replies: tuple[int, dict[str, Any]]) -> type[_Scripted]:
    return type("Handler", (_Scripted,), {"script": list(replies), "asked": []})


def _endpoint(address: str, **settings: Any) -> Endpoint:
    declared: dict[str, Any] = {
        "model": "m",
        "sampling": Sampling(max_tokens=50),
        "prices": Prices(input=1.0, output=2.0),
        "max_concurrency": 1,
    }
    base_url = f"http://{address}/v1"
    return Endpoint(ModelSettings(**declared | settings), base_url, base_url, "key")


def _requests(count: int = 1, **changes: Any) -> list[Request]:
    declared: dict[str, Any] = {
        "prompt_id": "p",
        "role": "student",
        "template": "solve@1",
        "messages": MESSAGES,
    }
    return [Request(sample_index=index, **declared | changes) for index in range(count)]


def _once(there: Callable[[], bool], act: Callable[[], object]) -> threading.Thread:
    def watch() -> None:
        until = time.monotonic() + 20
        while not there() and time.monotonic() < until:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


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
    handler = _script((200, SPOILT), (429, {"error": {"message": "slow down"}}))
    with serve(handler) as address:
        endpoint = _endpoint(address)
        stopping = _once(lambda: len(handler.asked) == 2, lambda: (time.sleep(0.3), stop_calling()))
        purse, requests = Purse(Budget()), _requests(2, schema=SCHEMA)
        with pytest.raises(RunInterrupted):
            complete(store, endpoint, requests, run_id="r", purse=purse)
        stopping.join()
        left = leave_out_known(store, endpoint, "student", ["p"], _requests(2, schema=SCHEMA))
        assert len(list(left)) == 2  # It may yet succeed, so it is asked again.
    assert ("retryable", 1, 100, 50) in _failures(store)
    assert _spent(store) == purse.spent == Amount(usd=pytest.approx(PAID), tokens=150, calls=2)


def test_an_attempt_that_was_paid_for_is_in_the_books_when_its_retry_exceeds_the_cap(
    store: Store,
) -> None:
    with serve(_script((200, SPOILT))) as address:
        # The first attempt may take 14 + 64 + 50 tokens and takes 150, which no other fits beside.
        purse = Purse(Budget(tokens=200))
        with pytest.raises(BudgetReached, match="tokens 150 of 200"):
            complete(store, _endpoint(address), _requests(schema=SCHEMA), run_id="r", purse=purse)
    assert _failures(store) == [("retryable", 1, 100, 50)]
    message = store.sql("select message from failures")["message"][0]
    assert message.startswith("not tried again: the budget is used up (tokens 150 of 200)")
    assert _spent(store) == purse.spent == Amount(usd=pytest.approx(PAID), tokens=150, calls=1)


def test_an_attempt_that_was_paid_for_is_in_the_books_when_the_server_refuses_the_key(
    store: Store,
) -> None:
    purse = Purse(Budget())
    handler = _script((200, SPOILT), (401, {"error": {"message": "no"}}))
    with serve(handler) as address, pytest.raises(ModelServerError, match="refused the key"):
        requests = _requests(schema=SCHEMA)
        complete(store, _endpoint(address), requests, run_id="r", purse=purse)
    assert _failures(store) == [("retryable", 2, 100, 50)]
    assert _spent(store) == purse.spent == Amount(usd=pytest.approx(PAID), tokens=150, calls=2)


def test_an_attempt_that_was_paid_for_is_in_the_journal_when_the_run_is_cut_short(
    store: Store,
) -> None:
    handler = _script((200, SPOILT), (429, {"error": {"message": "slow down"}}))
    with serve(handler) as address:

        def end_at_once(_: object) -> None:
            if len(handler.asked) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            complete(
                store,
                _endpoint(address),
                _requests(2, schema=SCHEMA),
                run_id="r",
                purse=(purse := Purse(Budget())),
                tick=end_at_once,
            )
        run_on_loop(asyncio.sleep(0.2))  # What was cancelled on the loop ends there.
    fold_in(store)
    assert _spent(store) == purse.spent == Amount(usd=pytest.approx(PAID), tokens=150, calls=2)


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
            "student",
            [PAGE],
            lambda endpoint, page: _requests(5),
            run_id=run_id,
            tracker=tracker,
        )


def test_a_cap_in_tokens_holds_where_the_server_counts_none_also_after_a_restart(
    store: Store, make_recipe: MakeRecipe
) -> None:
    store.append("prompts", PAGE)
    handler = _script((200, SILENT))
    with serve(handler) as address:
        # At most 14 + 64 of the prompt and 50 of the answer: 128 a call, and two fit.
        with pytest.raises(BudgetReached, match=r"tokens 256 of 300; 2 calls are estimated"):
            _draw_silently(store, make_recipe, address, "tokens one", tokens=300)
        assert len(handler.asked) == 2
        books = "select distinct prompt_tokens, completion_tokens, cost_usd from responses"
        assert store.sql(books).rows() == [(None, None, None)]
        assert _spent(store) == Amount(calls=2)

        # The store has the prompt and the ceiling, and 1,000 are added for what was around it:
        # 14 + 64 + 1,000 + 50 = 1,128 a call.
        with pytest.raises(BudgetReached, match=r"tokens 2,256 of 2,383; 2 calls are estimated"):
            _draw_silently(store, make_recipe, address, "tokens two", tokens=2_383)
        assert len(handler.asked) == 2
        with pytest.raises(BudgetReached, match=r"tokens 2,384 of 2,384; 3 calls are estimated"):
            _draw_silently(store, make_recipe, address, "tokens three", tokens=2_384)
        assert len(handler.asked) == 3


def test_a_cap_in_dollars_holds_where_the_server_counts_no_tokens_also_after_a_restart(
    store: Store, make_recipe: MakeRecipe
) -> None:
    store.append("prompts", PAGE)
    handler = _script((200, SILENT))
    with serve(handler) as address:
        # (78 × $1 + 50 × $2) / 1,000,000 = $0.000178 a call, and two fit.
        with pytest.raises(BudgetReached, match=r"usd 0.000356 of 0.0005; 2 calls"):
            _draw_silently(store, make_recipe, address, "usd one", usd=0.0005)
        assert len(handler.asked) == 2
        # (1,078 × $1 + 50 × $2) / 1,000,000 = $0.001178 a call, after a restart.
        with pytest.raises(BudgetReached, match=r"usd 0.002356 of 0.0025; 2 calls"):
            _draw_silently(store, make_recipe, address, "usd two", usd=0.0025)
        assert len(handler.asked) == 2
        with pytest.raises(BudgetReached, match=r"usd 0.002534 of 0.0026; 3 calls"):
            _draw_silently(store, make_recipe, address, "usd three", usd=0.0026)
        assert len(handler.asked) == 3


def test_a_failure_of_unknown_tokens_is_estimated_by_the_ceiling_of_the_recipe(
    store: Store, make_recipe: MakeRecipe
) -> None:
    silent = {"choices": [{"message": {"refusal": "no"}, "finish_reason": "stop"}]}
    with serve(_script((200, silent))) as address:
        purse = Purse(Budget())
        done = complete(store, _endpoint(address), _requests(), run_id="r", purse=purse)
    assert (done.failed, done.cost_usd) == (1, None)
    assert purse.spent == Amount(usd=pytest.approx(0.000178), tokens=128, calls=1, uncounted=1)
    assert _failures(store) == [("refused", 1, None, None)]
    declared = {"model": "m", "sampling": {"max_tokens": 50}, "prices": {"input": 1, "output": 2}}
    # The prompt is not in the store: 64 + 1,000 tokens are taken for it.
    known = make_recipe(models={"student": declared})
    assert load_spent(store, known) == Amount(
        usd=pytest.approx(0.001164), tokens=1_114, calls=1, uncounted=1
    )
    # A recipe that does not name the model has neither its ceiling nor its prices.
    assert load_spent(store, make_recipe()) == Amount(tokens=1_064 + 32_768, calls=1, uncounted=1)
