"""The simulator's embeddings over HTTP, what is near in them, and its judge of pairs."""

import base64
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tasks.simulator.models import ROSTER
from tasks.simulator.pairs import compare, read_pair_request, write_comparison
from tasks.simulator.spelling import embed
from tests.simulated import BAKER, key_of, send, simulating

DUCKS = "Janet's ducks lay 16 eggs per day. She eats 3. How many eggs does she sell?"
REWORDED = "Each day 16 eggs are laid by the ducks of Janet, who eats 3. How many are sold?"
OTHER_NUMBERS = DUCKS.replace("16", "19")
OTHER = "A train leaves at noon and travels 60 miles an hour. How far is it at 3 o'clock?"


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    with simulating({}) as base_url:
        yield base_url


def ask_for(simulator: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    asked = {"model": "sim-embedder", "input": DUCKS, **fields}
    status, headers, body = send(simulator, "POST", "/v1/embeddings", asked)
    assert headers["x-teachset-simulated"] == "1"
    return status, dict(orjson.loads(body))


def near(one: str, other: str) -> float:
    pairs = zip(embed(one, 384), embed(other, 384), strict=True)
    return sum(left * right for left, right in pairs)


def test_a_reply_has_openais_fields_and_says_that_it_is_simulated(simulator: str) -> None:
    status, reply = ask_for(simulator, input=[DUCKS, OTHER])
    assert status == 200
    assert (reply["object"], reply["model"]) == ("list", "sim-embedder")
    assert reply["system_fingerprint"] == "teachset-simulator"
    assert [each["index"] for each in reply["data"]] == [0, 1]
    assert all(len(each["embedding"]) == 384 for each in reply["data"])
    assert reply["data"][0]["embedding"] == pytest.approx(embed(DUCKS, 384))
    assert reply["usage"]["prompt_tokens"] == reply["usage"]["total_tokens"] == 39


def test_base64_and_fewer_dimensions_say_the_same_numbers(simulator: str) -> None:
    _, reply = ask_for(simulator, encoding_format="base64", dimensions=32)
    numbers = struct.unpack("<32f", base64.b64decode(reply["data"][0]["embedding"]))
    assert list(numbers) == pytest.approx(embed(DUCKS, 32))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"input": ""}, "input[0]"),
        ({"input": []}, "input"),
        ({"input": [DUCKS, 3]}, "input[1]"),
        ({"input": "word " * 9_000}, "input[0]"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": True}, "dimensions"),
        ({"dimensions": 385}, "dimensions"),
        ({"model": "sim-judge"}, "model"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_its_name(
    simulator: str, fields: dict[str, Any], named: str
) -> None:
    status, reply = ask_for(simulator, **fields)
    assert status == 400
    assert reply["error"]["param"] == named


def test_a_model_that_embeds_answers_no_question(simulator: str) -> None:
    asked = {"model": "sim-embedder", "messages": [{"role": "user", "content": "Why?"}]}
    status, _, body = send(simulator, "POST", "/v1/chat/completions", asked)
    assert (status, orjson.loads(body)["error"]["param"]) == (400, "model")


def test_faults_spoil_embeddings_as_they_spoil_answers() -> None:
    asked = {"model": "sim-embedder", "input": DUCKS}
    for fault, status in {"rate_limit": 429, "server_error": 500}.items():
        with simulating({"faults": {fault: 1.0}}) as simulator:
            assert send(simulator, "POST", "/v1/embeddings", asked)[0] == status
    with simulating({"faults": {"malformed": 1.0}}) as simulator:
        body = send(simulator, "POST", "/v1/embeddings", asked)[2]
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(body)


def test_other_words_are_near_and_another_problem_is_not() -> None:
    assert near(DUCKS, REWORDED) > 0.5 > 0.3 > near(DUCKS, OTHER)
    assert near(DUCKS, DUCKS.upper()) == pytest.approx(1.0)
    assert near(DUCKS, OTHER_NUMBERS) < 1.0
    assert embed("…!", 8) == [0.0] * 8


def test_a_judge_says_the_same_of_one_problem_in_other_words_and_errs_now_and_then() -> None:
    key = key_of(BAKER)
    assert compare(key, DUCKS, REWORDED)[0]
    assert compare(key, DUCKS, OTHER_NUMBERS) == (False, "the numbers differ")
    assert not compare(key, DUCKS, "What are 16 and 3?")[0]
    asked = read_pair_request(orjson.dumps({"first": DUCKS, "second": REWORDED}).decode())
    assert asked is not None
    judge = replace(ROSTER["sim-judge"], malformed_json=0.0)
    said = [write_comparison(0, judge, key, asked, str(sample)) for sample in range(400)]
    right = sum(orjson.loads(text)["same"] for text in said)
    assert 360 <= right < 400
    assert read_pair_request('{"first": "only one"}') is None
