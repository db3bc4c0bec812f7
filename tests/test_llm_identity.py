"""A request's key covers everything that changes the answer, and nothing else."""

from dataclasses import replace

import pytest

from tasks.llm.request import Endpoint, Request, ResponseSchema, identify, render_body
from tasks.recipe import ModelSettings, Sampling

ENDPOINT = Endpoint(
    ModelSettings(model="m", sampling=Sampling(temperature=1.0, max_tokens=100)),
    base_url="http://127.0.0.1:1/v1",
    server="http://127.0.0.1:1/v1",
    api_key="k",
)
REQUEST = Request("p1", "student", "solve@1", (("system", "s"), ("user", "What is 2 + 2?")), 0)


def _with_settings(**changes: object) -> Endpoint:
    return replace(ENDPOINT, settings=ENDPOINT.settings.model_copy(update=changes))


def _with_sampling(**changes: object) -> Endpoint:
    return _with_settings(sampling=ENDPOINT.settings.sampling.model_copy(update=changes))


@pytest.mark.parametrize(
    ("endpoint", "request_"),
    [
        (ENDPOINT, replace(REQUEST, messages=(("system", "other"), REQUEST.messages[1]))),
        (ENDPOINT, replace(REQUEST, messages=(REQUEST.messages[0], ("user", "What is 2 + 3?")))),
        (ENDPOINT, replace(REQUEST, sample_index=1)),
        (ENDPOINT, replace(REQUEST, template="solve@2")),
        (ENDPOINT, replace(REQUEST, role="teacher")),
        (ENDPOINT, replace(REQUEST, schema=ResponseSchema("named", {"type": "object"}))),
        (replace(ENDPOINT, server="http://127.0.0.1:2/v1"), REQUEST),
        (_with_settings(model="n"), REQUEST),
        (_with_sampling(temperature=0.5), REQUEST),
        (_with_sampling(top_p=0.9), REQUEST),
        (_with_sampling(extra={"top_k": 20}), REQUEST),
    ],
)
def test_what_changes_an_answer_changes_both_keys(endpoint: Endpoint, request_: Request) -> None:
    before, after = identify(ENDPOINT, REQUEST), identify(endpoint, request_)
    assert after.response_id != before.response_id
    assert after.reuse_key != before.reuse_key


def test_two_schemas_of_one_name_are_two_requests() -> None:
    first = replace(REQUEST, schema=ResponseSchema("named", {"type": "object"}))
    second = replace(REQUEST, schema=ResponseSchema("named", {"type": "array"}))
    assert identify(ENDPOINT, first) != identify(ENDPOINT, second)


@pytest.mark.parametrize(
    "endpoint",
    [
        replace(ENDPOINT, api_key="another"),
        _with_settings(max_concurrency=1),
        _with_settings(timeout_s=1.0),
        _with_settings(max_attempts=1),
        _with_settings(requests_per_minute=10),
    ],
)
def test_what_changes_no_answer_changes_no_key(endpoint: Endpoint) -> None:
    assert identify(endpoint, REQUEST) == identify(ENDPOINT, REQUEST)


def test_a_higher_ceiling_is_another_response_under_the_same_reuse_key() -> None:
    before, after = identify(ENDPOINT, REQUEST), identify(_with_sampling(max_tokens=200), REQUEST)
    assert after.response_id != before.response_id
    assert after.reuse_key == before.reuse_key


def test_the_body_says_what_the_key_covers() -> None:
    assert render_body(ENDPOINT, replace(REQUEST, sample_index=3)) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "What is 2 + 2?"},
        ],
        "temperature": 1.0,
        "max_tokens": 100,
        "seed": 3,
    }


def test_a_model_that_wants_it_gets_max_completion_tokens_and_no_seed() -> None:
    endpoint = _with_settings(max_tokens_field="max_completion_tokens", send_seed=False)
    body = render_body(endpoint, REQUEST)
    assert body["max_completion_tokens"] == 100
    assert "max_tokens" not in body
    assert "seed" not in body
