"""What a restart knows of what was spent: to the token and the cent what the run before it knew."""

import dataclasses
import functools
import json
import os
import random
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tasks.errors import BudgetReached, ModelServerError, RunInterrupted, StoreError
from tasks.lake.place import local_folder
from tasks.llm.client import Answer
from tasks.llm.columns import CALL_COLUMNS, frame_of
from tasks.llm.engine import complete
from tasks.llm.failures import CallFailed
from tasks.llm.journal import Journal, fold_in
from tasks.llm.money import Amount, Bill, Purse, Usage, add_amounts
from tasks.llm.pending import leave_out_known
from tasks.llm.request import ResponseSchema, identify
from tasks.llm.rows import failure_row, response_row
from tasks.llm.spent import load_spent
from tasks.llm.under_way import stop_calling
from tasks.recipe import Budget, Prices, Recipe
from tasks.store import Store
from tests.conftest import MakeRecipe, about
from tests.loopback import QuietHandler, serve
from tests.scripted import SCHEMA, Reply, Scripted, endpoint_at, said, samples, script

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
    assert counted == Amount(usd=about(0.00072), tokens=610, calls=3)
    assert load_spent(store, recipe) == counted
    assert store.sql("select prompt_tokens, completion_tokens from responses").rows() == [(100, 10)]
    assert store.sql(
        "select calls, prompt_tokens, completion_tokens, usd from spend_by_day"
    ).rows() == [(3, 500, 110, pytest.approx(0.00072))]


@pytest.mark.parametrize(
    "replies",
    [
        (SPOILT, UNCOUNTED, GOOD),
        pytest.param((SPOILT, said("four", 1, None), GOOD), marks=pytest.mark.slow),
    ],
)
def test_an_attempt_that_nobody_counted_is_estimated_beside_those_that_were(
    store: Store, recipe: Recipe, replies: tuple[Any, ...]
) -> None:
    counted = _complete(store, *replies)
    # The second attempt shows the model its answer and says what was wrong with it, in 125 bytes:
    # 14 + 4 + 125 bytes, 39 of the schema and 64 for the prompt, and 50 for the answer.
    assert counted == Amount(
        usd=about((200 + 246 + 100 + 2 * (50 + 50 + 10)) / 1e6),
        tokens=250 + 296 + 110,
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
    assert purse.spent == Amount(usd=about(0.0009), tokens=750, calls=3)
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
        row = failure_row(endpoint, request, keys, failure, bill, f"call of {prompt_tokens} tokens")
        journal.add("failures", row)
    segment = journal.cut()
    assert segment is not None
    content = segment.read_bytes()
    assert fold_in(store) == 2
    paid = Amount(usd=about(0.00072), tokens=610, calls=2)
    assert load_spent(store, recipe) == paid
    segment.write_bytes(content)  # The kill came after the commit.
    assert fold_in(store) == 0
    assert load_spent(store, recipe) == paid


def test_an_answer_without_choices_is_paid_for_where_its_server_says_so(
    store: Store, recipe: Recipe
) -> None:
    empty = (200, {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 50}})
    counted = _complete(store, empty, GOOD)
    assert counted == Amount(usd=about(0.00032), tokens=260, calls=2)
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
    assert purse.spent == Amount(usd=about(0.00042), tokens=360, calls=2)
    assert load_spent(store, recipe) == purse.spent


def test_an_answer_that_the_journal_does_not_take_is_in_the_store_all_the_same(
    store: Store, recipe: Recipe
) -> None:
    folder = local_folder(store.settings) / "journal"

    class Filling(Scripted):
        script: ClassVar = [GOOD]
        asked: ClassVar = []

        def answer(self) -> None:
            for number in os.listdir("/proc/self/fd"):
                with suppress(FileNotFoundError):
                    if Path(f"/proc/self/fd/{number}").resolve().parent == folder.resolve():
                        with open("/dev/full", "ab") as full:
                            os.dup2(full.fileno(), int(number))
            super().answer()

    purse = Purse(Budget())
    with serve(Filling) as address, pytest.raises(StoreError, match=r"written down.*No space left"):
        complete(store, endpoint_at(address), samples(3), run_id="r", purse=purse)
    assert purse.spent == Amount(usd=about(0.00012), tokens=110, calls=1)
    assert load_spent(store, recipe) == purse.spent


def test_a_call_that_cannot_be_written_down_is_not_made(store: Store) -> None:
    (local_folder(store.settings) / "journal").write_text("in the way", encoding="utf-8")
    purse, handler = Purse(Budget()), script(GOOD)
    with serve(handler) as address, pytest.raises(StoreError, match="written down"):
        complete(store, endpoint_at(address), samples(3), run_id="r", purse=purse)
    assert purse == Purse(Budget())
    assert not handler.asked


class Hanging(QuietHandler):
    """Takes a request and never answers, or hangs up in the middle of its answer."""

    hangs_up: ClassVar[bool]

    def answer(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.close_connection = True
        if self.hangs_up:
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
        else:
            time.sleep(1.5)


@pytest.mark.parametrize("hangs_up", [True, False])
@pytest.mark.everyday(2)
@pytest.mark.parametrize("prices", [Prices(input=1.0, output=2.0), Prices()])
def test_an_attempt_that_was_never_answered_may_have_been_paid_for(
    store: Store, recipe: Recipe, hangs_up: bool, prices: Prices
) -> None:
    purse = Purse(Budget())
    with serve(type("Handler", (Hanging,), {"hangs_up": hangs_up})) as address:
        endpoint = endpoint_at(address, max_attempts=1, timeout_s=0.5, prices=prices)
        complete(store, endpoint, samples(), run_id="r", purse=purse)
    # 14 bytes of the question and 64 around it, and the ceiling of 50.
    usd = (78 + 2 * 50) / 1e6
    counted = Amount(usd if prices.input else 0.0, tokens=128, calls=1, uncounted=1)
    assert purse.spent == counted
    # Without a price then, it is counted at today's, and as the dearer of the two.
    assert load_spent(store, recipe) == dataclasses.replace(
        counted, usd=about(usd if prices.input else 2 * 128 / 1e6)
    )
    books = store.sql("select failure, attempts, prompt_tokens, cost_usd from failures").rows()
    assert books == [("retryable", 1, 0, 0.0 if prices.input else None)]


def test_an_attempt_that_found_no_server_cost_nothing(store: Store, recipe: Recipe) -> None:
    purse, nobody = Purse(Budget()), "127.0.0.1:9"
    with pytest.raises(ModelServerError, match="connection failed"):
        complete(store, endpoint_at(nobody, max_attempts=1), samples(), run_id="r", purse=purse)
    assert purse.spent == load_spent(store, recipe) == Amount(calls=1)


@pytest.mark.parametrize("status", [407, 502])
def test_an_attempt_that_a_proxy_did_not_let_out_cost_nothing(
    store: Store, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    class Proxy(QuietHandler):
        def do_CONNECT(self) -> None:
            self.send(status, b"no")

    purse = Purse(Budget())
    with serve(Proxy) as address:
        monkeypatch.setenv("https_proxy", f"http://{address}")
        monkeypatch.setenv("no_proxy", "")
        endpoint = endpoint_at("models.invalid", max_attempts=2)
        endpoint = dataclasses.replace(endpoint, base_url="https://models.invalid/v1")
        with pytest.raises(ModelServerError, match=f"connection failed: {status}"):
            complete(store, endpoint, samples(), run_id="r", purse=purse)
    assert purse.spent == load_spent(store, recipe) == Amount(calls=2)


def test_a_schema_is_set_aside_as_part_of_the_prompt(store: Store) -> None:
    """OpenAI puts it into the prompt and counts its tokens."""
    long = ResponseSchema("long", {"type": "object", "description": "x" * 400})
    handler = script(GOOD)
    with serve(handler) as address, pytest.raises(BudgetReached, match="tokens 0 of 528"):
        # 14 bytes of messages and 64, 50 of the answer, and 400 of the schema: no less than that.
        purse = Purse(Budget(tokens=14 + 64 + 50 + 400))
        complete(store, endpoint_at(address), samples(schema=long), run_id="r", purse=purse)
    assert not handler.asked


@pytest.mark.slow
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
        paid = Amount(usd=about(0.00028), tokens=240, calls=2)
        assert load_spent(store, recipe) == paid


WAYS: dict[str, dict[str, str] | None] = {
    "good": {"content": '{"sum": 4}'},
    "thoughts": {"content": '{"sum": 4}'},
    "malformed": {"content": "four"},
    "refused": {"refusal": "no"},
    "no choice": {},
    "no count": {"content": '{"sum": 4}'},
    "malformed and no count": {"content": "four"},
    "malformed and half a count": {"content": "four"},
    "down": None,
}


class Paying(QuietHandler):
    """Answers at random in every way that there is, and counts what a cap has to count of it."""

    chance: ClassVar[random.Random]
    lock: ClassVar = threading.Lock()
    ways: ClassVar[list[str]]  # Those that come first, so that each is met.
    counted: ClassVar[list[Amount]]

    def answer(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            reply, amount = self._draw(asked)
            self.counted.append(amount)
        self.send(reply[0], json.dumps(reply[1]).encode(), {"content-type": "application/json"})

    def _draw(self, asked: dict[str, Any]) -> tuple[Reply, Amount]:
        """Return a reply and what it takes, at $1 and $2 a million."""
        way = self.ways.pop() if self.ways else self.chance.choice(list(WAYS))
        message = WAYS[way]
        if message is None:
            return (500, {"error": {"message": "down"}}), Amount(calls=1)
        # More of a prompt than its bytes can be is said as well, and has to be believed.
        prompt, completion = self.chance.randint(1, 300), self.chance.randint(1, 50)
        usage = {"prompt_tokens": prompt, "completion_tokens": completion}
        if way == "thoughts":
            completion += 100
            usage["total_tokens"] = prompt + completion
        usd, uncounted = (prompt + 2 * completion) / 1e6, 0
        if "no count" in way or "half" in way:
            usage = {"prompt_tokens": prompt} if "half" in way else {}
            size = sum(len(each["content"].encode()) for each in asked["messages"]) + 39 + 64
            prompt, completion = max(size + 50, usage.get("prompt_tokens", 0)), 0
            usd, uncounted = max((size + 2 * 50) / 1e6, usage.get("prompt_tokens", 0) / 1e6), 1
        choices = [{"message": message, "finish_reason": "stop"}] if message else []
        reply = {"choices": choices} | ({"usage": usage} if usage else {})
        return (200, reply), Amount(usd, prompt + completion, 1, uncounted)


@pytest.mark.parametrize(
    ("seed", "runs"), [(1, 2), *(pytest.param(n, 4, marks=pytest.mark.slow) for n in range(2, 9))]
)
def test_however_it_ends_a_run_the_next_one_knows_what_the_server_has_counted(
    store: Store, recipe: Recipe, seed: int, runs: int
) -> None:
    chance = random.Random(seed)
    Paying.chance, Paying.ways, Paying.counted = chance, chance.sample(list(WAYS), len(WAYS)), []
    requests = samples(60, schema=SCHEMA)
    with serve(Paying) as address:
        endpoint = endpoint_at(address, max_concurrency=4, max_attempts=4)
        for number in range(runs):
            pending = list(leave_out_known(store, endpoint, "student", ["p"], requests))
            spent = load_spent(store, recipe)
            budget = Budget(calls=spent.calls + chance.randint(5, 25))
            purse, run_id = Purse(budget, spent=spent), f"run {chance.randint(1, 2)}"
            with suppress(BudgetReached):
                complete(store, endpoint, pending, run_id=run_id, purse=purse)
            _undo(store, run_id, chance.choice(["nothing", "unlinking", "committing"]))
            fold_in(store)
            sums = functools.reduce(add_amounts, Paying.counted, Amount())
            expected = dataclasses.replace(sums, usd=about(sums.usd))
            assert purse.spent == expected, number
            assert load_spent(store, recipe) == expected, number
    assert not Paying.ways  # Each was met.


def _undo(store: Store, run_id: str, what: str) -> None:
    """Leave the store as a kill does before its last segment is unlinked, or is committed."""
    journal = Journal(store, run_id)
    for table, columns in CALL_COLUMNS.items() if what != "nothing" else ():
        names = ", ".join(columns)
        for row in store.sql(
            f"select {names} from {table} where run_id = $run_id", {"run_id": run_id}
        ).iter_rows(named=True):
            journal.add(table, row)
        if what == "committing":
            store.execute(f"delete from {table} where run_id = $run_id", {"run_id": run_id})
    journal.cut()


def _answer(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Return the row of an answer to the one request."""
    endpoint, (request,) = endpoint_at("127.0.0.1:9"), samples()
    usage, bill = Usage(prompt_tokens, 0, completion_tokens, 0), Bill()
    bill.add(usage, endpoint.settings.prices, Amount())
    answer = Answer("4", None, "stop", usage, "m", None, None, 0.5, {})
    return response_row(endpoint, request, identify(endpoint, request), answer, bill)
