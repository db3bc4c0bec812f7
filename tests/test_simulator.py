"""The simulator speaks OpenAI's protocol, fails as it is told to, and tells its truth."""

import contextlib
import http.client
import json
import math
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.simulator.completions import ChatRequest, Problem, read_request
from tasks.simulator.faults import Faults, Latency, pick_delay, pick_fault
from tasks.simulator.models import ROSTER
from tests.simulated import (
    AREA,
    BAKER,
    HALF,
    SOUND,
    SURE,
    ask,
    boxed,
    chat,
    send,
    simulating,
    stats,
    text_of,
)


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    with simulating({"models": {"sure": SURE, "sure-rewriter": {**SURE, **SOUND}}}) as base_url:
        yield base_url


Start = Callable[..., str]


@pytest.fixture
def start() -> Iterator[Start]:
    with contextlib.ExitStack() as running:
        yield lambda **settings: running.enter_context(simulating(settings))


def test_a_reply_has_openais_fields_and_says_that_it_is_simulated(
    simulator: str,
) -> None:
    status, headers, body = send(
        simulator, "POST", "/v1/chat/completions", ask(BAKER["prompt"], seed=1)
    )
    reply = orjson.loads(body)
    assert status == 200
    assert headers["x-teachset-simulated"] == "1"
    assert headers["x-request-id"].startswith("req-")
    assert reply["object"] == "chat.completion"
    assert reply["system_fingerprint"] == "teachset-simulator"
    (choice,) = reply["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    usage = reply["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] == math.ceil(len(text_of(reply)) / 4)
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0


def test_the_roster_is_listed(simulator: str) -> None:
    models = orjson.loads(send(simulator, "GET", "/v1/models")[2])["data"]
    assert {*ROSTER, "sure"} <= {model["id"] for model in models}
    student = next(model for model in models if model["id"] == "sim-student")
    assert student["pricing"] == {"input": 0.10, "output": 0.40}


def test_answers_depend_on_the_seed_and_not_on_restarts_or_order(start: Start) -> None:
    requests = [ask(row["prompt"], seed=seed) for row in (BAKER, AREA) for seed in range(12)]

    def answers(order: list[dict[str, object]]) -> dict[str, bytes]:
        simulator = start(seed=7)
        replies = {
            json.dumps(body): send(simulator, "POST", "/v1/chat/completions", body)[2]
            for body in order
        }
        return replies

    forwards = answers(requests)
    assert forwards == answers(requests[::-1])
    assert (
        len({orjson.loads(body)["choices"][0]["message"]["content"] for body in forwards.values()})
        > 6
    )


def test_without_a_seed_equal_requests_are_new_samples(start: Start) -> None:
    texts = [
        [text_of(chat(simulator, BAKER["prompt"])) for _ in range(12)]
        for simulator in (start(seed=7), start(seed=7))
    ]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 3


def test_another_simulator_seed_gives_other_answers(start: Start) -> None:
    one, other = start(seed=1), start(seed=2)
    assert [text_of(chat(one, BAKER["prompt"], seed=n)) for n in range(6)] != [
        text_of(chat(other, BAKER["prompt"], seed=n)) for n in range(6)
    ]


def test_n_gives_so_many_different_choices(simulator: str) -> None:
    reply = chat(simulator, BAKER["prompt"], n=8, seed=5)
    texts = [choice["message"]["content"] for choice in reply["choices"]]
    assert [choice["index"] for choice in reply["choices"]] == list(range(8))
    assert len(set(texts)) > 3
    assert texts[0] == text_of(chat(simulator, BAKER["prompt"], seed=5))
    tokens = sum(math.ceil(len(text) / 4) for text in texts)
    assert reply["usage"]["completion_tokens"] == tokens


@pytest.mark.parametrize("model", ["sim-student", "sim-teacher"])
def test_a_stream_says_what_the_whole_reply_says(simulator: str, model: str) -> None:
    whole = chat(simulator, BAKER["prompt"], model=model, seed=3, n=2)
    body = ask(
        BAKER["prompt"],
        model=model,
        seed=3,
        n=2,
        stream=True,
        stream_options={"include_usage": True},
    )
    status, headers, raw = send(simulator, "POST", "/v1/chat/completions", body)
    assert (status, headers.get_content_type()) == (200, "text/event-stream")
    events = [part.removeprefix("data: ") for part in raw.decode().split("\n\n") if part]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"] == whole["usage"]
    for choice in whole["choices"]:
        parts = [
            part
            for chunk in chunks
            for part in chunk["choices"]
            if part["index"] == choice["index"]
        ]
        for name in ("content", "reasoning_content"):
            joined = "".join(part["delta"].get(name, "") for part in parts)
            assert joined == choice["message"].get(name, "")
        assert parts[-1]["finish_reason"] == choice["finish_reason"]


def test_a_ceiling_cuts_the_same_text(simulator: str) -> None:
    whole = text_of(chat(simulator, BAKER["prompt"], seed=4))
    for field in ("max_tokens", "max_completion_tokens"):
        cut = chat(simulator, BAKER["prompt"], seed=4, **{field: 5})
        assert text_of(cut) == whole[:20]
        assert cut["choices"][0]["finish_reason"] == "length"
        assert cut["usage"]["completion_tokens"] == 5


def test_reasoning_has_a_field_of_its_own_and_eats_the_ceiling_first(
    simulator: str,
) -> None:
    whole = chat(simulator, BAKER["prompt"], model="sim-teacher", seed=2)
    message = whole["choices"][0]["message"]
    reasoning = whole["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert reasoning == math.ceil(len(message["reasoning_content"]) / 4) > 50
    assert whole["usage"]["completion_tokens"] > reasoning
    cut = chat(simulator, BAKER["prompt"], model="sim-teacher", seed=2, max_completion_tokens=50)
    assert cut["choices"][0]["finish_reason"] == "length"
    assert text_of(cut) == ""
    assert cut["choices"][0]["message"]["reasoning_content"] == message["reasoning_content"][:200]
    assert cut["usage"]["completion_tokens_details"]["reasoning_tokens"] == 50


def test_another_model_thinks_in_its_content(simulator: str) -> None:
    message = chat(simulator, BAKER["prompt"], model="sim-think", seed=2)["choices"][0]["message"]
    assert re.fullmatch(r"<think>\n.+\n</think>\n\n.+", message["content"], re.DOTALL)
    assert "reasoning_content" not in message


def test_right_answers_come_in_other_forms_too(simulator: str) -> None:
    forms = {
        text_of(chat(simulator, HALF["prompt"], model="sim-reference", seed=n)) for n in range(80)
    }
    answers = {boxed(text) for text in forms}
    assert {"1/2", "0.5", "\\frac{1}{2}"} <= answers
    assert None in {boxed(text_of(chat(simulator, HALF["prompt"], seed=n))) for n in range(120)}


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        (b"{", 400, None, None),
        (b"[]", 400, None, None),
        ({"messages": []}, 400, "model", None),
        ({"model": "sim-student"}, 400, "messages", None),
        ({"model": "sim-student", "messages": [{"role": "user"}]}, 400, "messages[0]", None),
        (ask("?", n=0), 400, "n", None),
        (ask("?", n=True), 400, "n", None),
        (ask("?", max_tokens="9"), 400, "max_tokens", None),
        (ask("?", temperature=3), 400, "temperature", None),
        (ask("?", response_format={"type": "xml"}), 400, "response_format", None),
        (ask("?", model="gpt-9"), 404, "model", "model_not_found"),
    ],
)
def test_a_bad_request_is_refused_in_openais_words(
    simulator: str, body: object, status: int, param: str | None, code: str | None
) -> None:
    got, _, raw = send(simulator, "POST", "/v1/chat/completions", body)
    error = orjson.loads(raw)["error"]
    assert (got, error["param"], error["code"]) == (status, param, code)
    assert error["type"] == "invalid_request_error"
    assert error["message"]


def test_an_unknown_path_is_refused_in_json(simulator: str) -> None:
    status, _, raw = send(simulator, "GET", "/v1/nothing")
    assert status == 404
    assert orjson.loads(raw)["error"]["message"] == "Not Found: GET /v1/nothing"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "model",
                        "messages",
                        "role",
                        "content",
                        "n",
                        "seed",
                        "stream_options",
                        "stream",
                        "response_format",
                        "type",
                        "json_schema",
                        "name",
                        "schema",
                        "max_tokens",
                        "text",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    )
)
def test_no_body_breaks_the_reader(body: object) -> None:
    assert isinstance(read_request(orjson.dumps(body)), ChatRequest | Problem)


def test_the_truth_of_every_item_can_be_read_out(simulator: str) -> None:
    raw = send(simulator, "GET", "/sim/truth?model=sim-student")[2]
    truths = {truth["id"]: truth for truth in map(orjson.loads, raw.splitlines())}
    baker = truths["math-0001"]
    assert -0.1 <= baker["difficulty"] <= 0.6  # level 3 is 0.25, and a jitter of at most 0.35
    expected = 1 / (1 + math.exp(1.5 * baker["difficulty"]))
    assert baker["pass_rate"] == pytest.approx(expected)
    assert truths["science-0001"]["guess"] == 0.25
    assert len(baker["text_hash"]) == 32


def test_the_truth_of_prompts_can_be_asked(simulator: str) -> None:
    prompts = [BAKER["prompt"], BAKER["prompt"].replace("12", "15"), "Who knows?"]
    body = {"model": "sim-student", "prompts": prompts}
    status, _, raw = send(simulator, "POST", "/sim/truth", body)
    known, changed, unknown = orjson.loads(raw)
    assert status == 200
    assert 0.2 < known < 0.7
    assert changed != known and abs(changed - known) < 0.15
    assert unknown is None
    assert send(simulator, "POST", "/sim/truth", {"model": "no", "prompts": []})[0] == 404
    assert send(simulator, "POST", "/sim/truth", {"model": "sim-student"})[0] == 400


def test_items_can_be_added_while_it_runs(start: Start) -> None:
    simulator = start(models={"sure": SURE})
    row = {"prompt": "How many legs has a spider?", "answer": "8"}
    assert orjson.loads(send(simulator, "POST", "/sim/items", [row])[2]) == {"added": 1, "items": 6}
    assert orjson.loads(send(simulator, "POST", "/sim/items", [row])[2]) == {"added": 0, "items": 6}
    assert boxed(text_of(chat(simulator, row["prompt"], model="sure"))) == "8"
    assert send(simulator, "POST", "/sim/items", [{"prompt": "?"}])[0] == 400
    assert send(simulator, "POST", "/sim/items", {"prompt": "?"})[0] == 400


def test_traffic_is_counted_by_outcome_and_by_request(start: Start) -> None:
    simulator = start()
    for seed in (1, 2, 2):
        chat(simulator, BAKER["prompt"], seed=seed)
    send(simulator, "POST", "/v1/chat/completions", ask("?", model="gpt-9"))
    send(simulator, "POST", "/v1/chat/completions", b"{")
    seen = stats(simulator)
    assert seen["received"] == seen["max_in_60_s"] == 5
    assert seen["outcomes"] == {"bad_request": 1, "ok": 3, "unknown_model": 1}
    assert (seen["distinct_requests"], seen["completed"]) == (2, 3)
    assert seen["completed_per_request"] == {"1": 1, "2": 1}
    assert sorted(seen["requests"].values()) == [1, 2]
    assert (seen["in_flight"], seen["peak_in_flight"]) == (0, 1)


def test_faults_depend_on_request_and_attempt_and_have_their_rates() -> None:
    faults = Faults(rate_limit=0.2, dropped=0.1)
    picks = [pick_fault(faults, 0, f"request {n}", 0) for n in range(4000)]
    assert picks == [pick_fault(faults, 0, f"request {n}", 0) for n in range(4000)]
    assert abs(picks.count("rate_limit") / 4000 - 0.2) < 3 * math.sqrt(0.2 * 0.8 / 4000)
    assert abs(picks.count("dropped") / 4000 - 0.1) < 3 * math.sqrt(0.1 * 0.9 / 4000)
    failing = next(n for n, pick in enumerate(picks) if pick == "rate_limit")
    assert {pick_fault(faults, 0, f"request {failing}", attempt) for attempt in range(20)} > {None}


def test_latency_has_its_mean() -> None:
    assert pick_delay(Latency(), 0, "r", 0) == 0
    assert pick_delay(Latency(kind="fixed", seconds=0.3), 0, "r", 0) == 0.3
    latency = Latency(kind="lognormal", mean=2.0, sigma=0.5)
    delays = [pick_delay(latency, 0, f"{n}", 0) for n in range(4000)]
    assert sum(delays) / 4000 == pytest.approx(2.0, rel=0.05)


def fail(start: Start, fault: str, **settings: object) -> tuple[str, dict[str, object]]:
    return start(faults={fault: 1.0, **settings}), ask(BAKER["prompt"], seed=1)


def test_a_rate_limit_says_when_to_come_back(start: Start) -> None:
    simulator, body = fail(start, "rate_limit", retry_after_s=0.25)
    status, headers, raw = send(simulator, "POST", "/v1/chat/completions", body)
    assert status == 429
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("0.25", "250")
    assert orjson.loads(raw)["error"]["code"] == "rate_limit_exceeded"


def test_a_server_error_is_a_500(start: Start) -> None:
    simulator, body = fail(start, "server_error")
    status, _, raw = send(simulator, "POST", "/v1/chat/completions", body)
    assert (status, orjson.loads(raw)["error"]["type"]) == (500, "server_error")


def test_a_hang_answers_nothing_and_drops_in_the_end(start: Start) -> None:
    simulator, body = fail(start, "hang", hang_s=1.0)
    with pytest.raises(TimeoutError):
        send(simulator, "POST", "/v1/chat/completions", body, timeout=0.2)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        send(simulator, "POST", "/v1/chat/completions", body)
    assert stats(simulator)["completed"] == 0


def test_a_malformed_body_does_not_parse(start: Start) -> None:
    simulator, body = fail(start, "malformed")
    status, _, raw = send(simulator, "POST", "/v1/chat/completions", body)
    assert status == 200
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(raw)


def test_a_truncated_reply_says_so(start: Start, simulator: str) -> None:
    faulty, _ = fail(start, "truncated")
    cut = chat(faulty, BAKER["prompt"], seed=1)
    whole = text_of(chat(simulator, BAKER["prompt"], seed=1))
    assert text_of(cut) == whole[: len(whole) // 2]
    assert cut["choices"][0]["finish_reason"] == "length"


def test_a_refusal_has_no_content(start: Start) -> None:
    simulator, _ = fail(start, "refusal")
    message = chat(simulator, BAKER["prompt"])["choices"][0]["message"]
    assert message["content"] is None
    assert message["refusal"].startswith("I'm sorry")


def test_a_filtered_reply_says_so(start: Start) -> None:
    simulator, _ = fail(start, "content_filter")
    (choice,) = chat(simulator, BAKER["prompt"])["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "content_filter")


def test_a_dropped_connection_ends_inside_the_body(start: Start) -> None:
    simulator, body = fail(start, "dropped")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        send(simulator, "POST", "/v1/chat/completions", body)
    seen = stats(simulator)
    assert (seen["outcomes"], seen["completed"]) == ({"dropped": 1}, 0)


def test_a_retry_can_succeed_and_gives_the_answer_of_a_server_without_faults(
    start: Start, simulator: str
) -> None:
    faulty = start(seed=0, faults={"server_error": 0.5})
    for seed in range(6):
        body = ask(BAKER["prompt"], seed=seed)
        for _ in range(30):
            status, _, raw = send(faulty, "POST", "/v1/chat/completions", body)
            if status == 200:
                break
        assert text_of(orjson.loads(raw)) == text_of(chat(simulator, BAKER["prompt"], seed=seed))
    assert stats(faulty)["outcomes"]["server_error"] > 0


def test_limits_are_announced_and_enforced(start: Start) -> None:
    simulator = start(limits={"requests_per_minute": 2, "tokens_per_minute": 100_000})
    left = []
    for seed in range(3):
        status, headers, _ = send(
            simulator, "POST", "/v1/chat/completions", ask(BAKER["prompt"], seed=seed)
        )
        left.append((status, headers["x-ratelimit-remaining-requests"]))
    assert left == [(200, "1"), (200, "0"), (429, "0")]
    assert headers["x-ratelimit-limit-requests"] == "2"
    assert headers["x-ratelimit-limit-tokens"] == "100000"
    assert 0 < float(headers["retry-after"]) <= 60


def test_hidden_capacity_makes_requests_wait(start: Start) -> None:
    simulator = start(latency={"kind": "fixed", "seconds": 0.1, "capacity": 2})
    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda seed: chat(simulator, BAKER["prompt"], seed=seed), range(6)))
    assert time.monotonic() - began >= 0.3
    assert stats(simulator)["peak_in_flight"] == 6
