"""What servers say in words of their own: each of it goes the way of what it means."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tasks.errors import ModelServerError
from tasks.llm.batch.lines import read_result
from tasks.llm.client import Answer, ask, open_client
from tasks.llm.engine import complete
from tasks.llm.failures import CallFailed
from tasks.llm.money import Amount, Purse, Usage
from tasks.llm.pending import leave_out_known
from tasks.recipe import Budget
from tasks.store import Store
from tests.conftest import about
from tests.loopback import QuietHandler, serve
from tests.scripted import Reply, endpoint_at, said, samples, script

GOOD = said("4", 100, 10)
Outcome = Answer | CallFailed | ModelServerError
AskAll = Callable[[Sequence[Reply]], list[Outcome]]


def _ask_live(replies: Sequence[Reply]) -> list[Outcome]:
    """Make an attempt for each of the replies; return what became of it."""
    with serve(script(*replies)) as address:
        return _ask_at(address, len(replies))


def _ask_at(address: str, times: int) -> list[Outcome]:
    endpoint, outcomes = endpoint_at(address), list[Outcome]()

    async def ask_all() -> None:
        async with open_client(endpoint) as client:
            for _ in range(times):
                try:
                    outcomes.append(await ask(client, endpoint, samples()[0]))
                except (CallFailed, ModelServerError) as error:
                    outcomes.append(error)

    asyncio.run(ask_all())
    return outcomes


def _ask_in_a_batch(replies: Sequence[Reply]) -> list[Outcome]:
    """Read the same as lines of a batch."""
    outcomes: list[Outcome] = []
    for status, body in replies:
        result = {"custom_id": "a", "response": {"status_code": status, "body": body}}
        line = json.dumps(result).encode()
        try:
            answer = read_result(result, samples()[0], endpoint_at("127.0.0.1:9"), line)
        except (CallFailed, ModelServerError) as error:
            outcomes.append(error)
        else:
            outcomes.append(answer)
    return outcomes


def _error(status: int, **fields: Any) -> Reply:
    return status, {"error": fields}


def _words_of(reply: Reply) -> str:
    error = reply[1]["error"]
    return str(error["message"] if isinstance(error, dict) else error)


WAYS = pytest.mark.parametrize("ask_all", [_ask_live, _ask_in_a_batch], ids=["live", "batch"])
OVERDUE = "Access denied, please make sure your account is in good standing."
DRY = [
    _error(402, code=402, message="Insufficient credits"),
    _error(429, code="insufficient_quota", message="You exceeded your current quota"),
    _error(400, code="billing_hard_limit_reached", message="Billing hard limit has been reached"),
    _error(400, code="Arrearage", type="Arrearage", message=OVERDUE),
    _error(400, code="400", type="budget_exceeded", message="Over budget: 20.0 of 10.0"),
    _error(429, code="429", type="budget_exceeded", message="LiteLLM User: a, exceeded budget"),
    _error(400, code="400", message="Budget has been exceeded! Current cost: 20.0, Max budget: 10"),
    _error(429, type="exceeded_current_quota_error", message="Your account is not active"),
    _error(400, type="invalid_request_error", message="Your credit balance is too low to go on"),
    _error(412, code="PRECONDITION_FAILED", message="Account a is suspended"),
    (400, {"error": "Your credit balance is too low"}),
]


@WAYS
def test_an_account_that_has_run_dry_ends_the_run(ask_all: AskAll) -> None:
    for reply, outcome in zip(DRY, ask_all(DRY), strict=True):
        assert isinstance(outcome, ModelServerError), reply
        assert "says the account's quota is used up: " in str(outcome)
        assert _words_of(reply) in str(outcome)


def test_what_was_not_asked_as_the_account_ran_dry_is_asked_when_it_is_topped_up(
    store: Store,
) -> None:
    requests = samples(6)
    with serve(script(GOOD, GOOD, _error(400, code="Arrearage", message=OVERDUE))) as address:
        endpoint = endpoint_at(address)
        with pytest.raises(ModelServerError, match=OVERDUE):
            complete(store, endpoint, requests, run_id="r", purse=Purse(Budget()))
        assert len(list(leave_out_known(store, endpoint, "student", ["p"], requests))) == 4
    assert store.sql("select distinct failure from failures").rows() == [("retryable",)]


@WAYS
def test_a_server_without_room_for_a_request_has_it_later(ask_all: AskAll) -> None:
    full = [
        (424, {"error": "Request failed during generation", "error_type": "generation"}),
        _error(498, message="capacity_exceeded", type="capacity"),
    ]
    for outcome in ask_all(full):
        assert isinstance(outcome, CallFailed)
        assert (outcome.failure, outcome.unanswered) == ("retryable", False)


@WAYS
def test_what_only_looks_like_it_is_rejected(ask_all: AskAll) -> None:
    alike = [
        _error(400, message="a balance of your credit is no number"),
        _error(412, message="the precondition If-Match does not hold"),
    ]
    for outcome in ask_all(alike):
        assert isinstance(outcome, CallFailed)
        assert outcome.failure == "rejected"


DECLINED = [
    _error(
        403,
        code=403,
        message="It requires moderation. Your input was flagged",
        metadata={"reasons": ["violence"], "flagged_input": "What is", "provider_name": "x"},
    ),
    _error(403, code="content_policy_violation", message="declined"),
    _error(403, type="moderation_error", message="declined"),
    _error(400, code="content_filter", message="declined"),
    (403, {"code": "permission-denied", "error": "Content violates usage guidelines. Check: BIO"}),
]


@WAYS
def test_a_prompt_that_was_flagged_is_refused(ask_all: AskAll) -> None:
    for reply, outcome in zip(DECLINED, ask_all(DECLINED), strict=True):
        assert isinstance(outcome, CallFailed), reply
        assert outcome.failure == "refused"
        assert _words_of(reply) in outcome.message


def test_one_flagged_prompt_among_others_is_its_own_affair(store: Store) -> None:
    requests = samples(3)
    with serve(script(GOOD, DECLINED[0], GOOD)) as address:
        endpoint = endpoint_at(address)
        done = complete(store, endpoint, requests, run_id="r", purse=Purse(Budget()))
        assert (done.completed, done.failed) == (2, 1)
        assert list(leave_out_known(store, endpoint, "student", ["p"], requests)) == []
    failed = store.sql("select failure, attempts, budget_tokens, raw_body from failures").rows()
    assert failed == [("refused", 1, 0, json.dumps(DECLINED[0][1]))]


@WAYS
def test_a_key_that_is_refused_ends_the_run_with_what_the_server_says(ask_all: AskAll) -> None:
    refused: list[tuple[Reply, str]] = [
        (_error(401, message="Wrong key sk-abcdefgh"), "Wrong key [hidden]"),
        (_error(403, code=403, message="Your region\nis not supported"), "Your region is not"),
        (_error(403, code="unsupported_country", message="flagged"), "flagged"),
        ((403, {"error": "no access to this model"}), "no access to this model"),
    ]
    outcomes = ask_all([reply for reply, _ in refused])
    for ((status, _), quoted), outcome in zip(refused, outcomes, strict=True):
        assert isinstance(outcome, ModelServerError)
        assert f"refused the key ({status}): set `api_key_env` in the recipe. " in str(outcome)
        assert quoted in str(outcome)


def _ended(ending: object, content: str | None = "Let me", **more: object) -> Reply:
    status, body = said("", 100, 10)
    choice = {"message": {"content": content}, "finish_reason": ending, **more}
    return status, body | {"choices": [choice]}


@WAYS
@pytest.mark.parametrize("counted", [True, False])
def test_an_answer_that_its_server_broke_off_is_none_and_may_be_billed(
    ask_all: AskAll, counted: bool
) -> None:
    idle = {"code": 502, "message": "Upstream idle timeout exceeded"}
    broken: list[tuple[Reply, str]] = [
        (_ended("error", error=idle), "Upstream idle timeout exceeded"),
        (_ended("error", content=""), "'error'"),
        (_ended("abort"), "'abort'"),
        (_ended("insufficient_system_resource"), "'insufficient_system_resource'"),
        (_ended("network_error"), "'network_error'"),
        (_ended("stop", error=idle), "Upstream idle timeout exceeded"),
        ((200, _ended(None)[1] | {"error": idle}), "Upstream idle timeout exceeded"),
        ((200, _ended(None)[1] | {"error": "gone"}), "gone"),
    ]
    if not counted:
        broken = [
            ((status, {name: part for name, part in body.items() if name != "usage"}), why)
            for (status, body), why in broken
        ]
    outcomes = ask_all([reply for reply, _ in broken])
    for ((_, body), why), outcome in zip(broken, outcomes, strict=True):
        assert isinstance(outcome, CallFailed), body
        assert outcome.message == f"the server broke its answer off: {why}"
        assert (outcome.failure, outcome.unanswered) == ("retryable", False)
        assert outcome.usage == (Usage(100, None, 10, None) if counted else Usage())
        assert json.loads(outcome.raw_body or "") == body


def test_an_answer_that_was_broken_off_is_paid_for_and_asked_for_again(store: Store) -> None:
    purse = Purse(Budget())
    with serve(script(_ended("abort"), GOOD)) as address:
        done = complete(store, endpoint_at(address), samples(), run_id="r", purse=purse)
    assert done.completed == 1
    assert store.sql("select content from responses").rows() == [("4",)]
    # Twice 100 + 10 tokens at $1 and $2 a million.
    assert purse.spent == Amount(usd=about(0.00024), tokens=220, calls=2)


@WAYS
def test_an_answer_that_was_cut_off_is_kept_whatever_its_server_calls_it(ask_all: AskAll) -> None:
    words = ["length", "model_length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded"]
    for word, answer in zip(words, ask_all([_ended(word) for word in words]), strict=True):
        assert isinstance(answer, Answer)
        assert (answer.content, answer.finish_reason) == ("Let me", "length")
        assert f'"finish_reason":"{word}"' in (answer.raw_body or "").replace(" ", "")


@WAYS
def test_what_a_filter_ended_is_refused_whatever_its_server_calls_it(ask_all: AskAll) -> None:
    words = [
        "content_filter",
        "content_filter: PROHIBITED_CONTENT",
        "content_filtered",
        "sensitive",
        "refusal",
        "safety",
        "SAFETY",
        "PROHIBITED_CONTENT",
        "RECITATION",
    ]
    for word, outcome in zip(words, ask_all([_ended(word, None) for word in words]), strict=True):
        assert isinstance(outcome, CallFailed), word
        assert (outcome.failure, outcome.usage) == ("refused", Usage(100, None, 10, None))


@WAYS
def test_an_ending_that_nobody_knows_is_kept_as_it_is(ask_all: AskAll) -> None:
    words = ["stop", "eos_token", "STOP", None]
    for word, answer in zip(words, ask_all([_ended(word) for word in words]), strict=True):
        assert isinstance(answer, Answer)
        assert answer.finish_reason == word


@WAYS
def test_an_error_in_an_answer_goes_the_way_of_the_status_that_it_names(ask_all: AskAll) -> None:
    within = "(in an answer of status 200)"
    named: list[tuple[Reply, str, str]] = [
        (_error(200, code=429, message="slow down"), "rate_limited", f"slow down {within}"),
        (_error(200, code=400, message="too long"), "rejected", f"status 400: too long {within}"),
        (_error(200, code="502", message="gone"), "retryable", f"status 502: gone {within}"),
        (
            _error(200, code=403, message="flagged", metadata={"reasons": ["violence"]}),
            "refused",
            f"flagged {within}",
        ),
        (_error(200, code="content_filter", message="declined"), "refused", "declined"),
        (_error(200, code="server_error", message="boom"), "retryable", "status 200: boom"),
        (_error(200, code=7), "retryable", "status 200: an error without a message"),
        ((200, {"error": "boom", "choices": []}), "retryable", "status 200: boom"),
    ]
    outcomes = ask_all([reply for reply, _, _ in named])
    for ((_, body), failure, message), outcome in zip(named, outcomes, strict=True):
        assert isinstance(outcome, CallFailed), body
        assert (outcome.failure, outcome.message) == (failure, message)
        assert not outcome.unanswered
        assert json.loads(outcome.raw_body or "") == body


@WAYS
def test_an_error_in_an_answer_ends_the_run_where_its_status_would(ask_all: AskAll) -> None:
    named: list[tuple[Reply, str]] = [
        (_error(200, code=402, message="Insufficient credits"), "quota is used up: Insufficient"),
        (_error(200, code="insufficient_quota", message="no more"), "quota is used up: no more"),
        (_error(200, code=401, message="no such key"), "refused the key (401): "),
        (_error(200, code=403, message="no access"), "refused the key (403): "),
        (_error(200, code=404, message="no such model"), "does not know the model 'm' (404): "),
    ]
    outcomes = ask_all([reply for reply, _ in named])
    for (_, message), outcome in zip(named, outcomes, strict=True):
        assert isinstance(outcome, ModelServerError), message
        assert message in str(outcome)


def test_an_error_in_an_answer_is_waited_for_as_long_as_it_asks() -> None:
    class Busy(QuietHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(_error(200, code=429, message="slow down")[1]).encode()
            self.send(200, body, {"retry-after": "7"})

    with serve(Busy) as address:
        (outcome,) = _ask_at(address, 1)
    assert isinstance(outcome, CallFailed)
    assert (outcome.failure, outcome.retry_after_s) == ("rate_limited", 7.0)
