"""The rows that calls leave behind, one response or one failure a call."""

from typing import Any

import orjson

from tasks.llm.client import Answer
from tasks.llm.failures import CallFailed
from tasks.llm.money import Bill
from tasks.llm.request import Endpoint, Keys, Request, ceiling_of, form_of, parameters_of


def response_row(
    endpoint: Endpoint,
    request: Request,
    keys: Keys,
    answer: Answer,
    bill: Bill,
) -> dict[str, Any]:
    """Return a row of `responses`: the tokens of the answer, the bill of all its attempts."""
    return {
        **_describe(endpoint, request),
        "response_id": keys.response_id,
        "reuse_key": keys.reuse_key,
        "resolved_model": answer.model,
        "parameters": orjson.dumps(parameters_of(endpoint.settings)).decode(),
        "content": answer.content,
        "reasoning": answer.reasoning,
        "finish_reason": answer.finish_reason,
        "max_tokens": ceiling_of(endpoint, request),
        "prompt_tokens": answer.usage.prompt_tokens,
        "cached_tokens": answer.usage.cached_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "reasoning_tokens": answer.usage.reasoning_tokens,
        "billed_prompt_tokens": bill.prompt_tokens,
        "billed_completion_tokens": bill.completion_tokens,
        "cost_usd": bill.cost_usd,
        **budget_columns(bill),
        "latency_s": answer.latency_s,
        "attempts": bill.attempts,
        "provider_request_id": answer.provider_request_id,
        "raw_body": answer.raw_body,
        "simulated": endpoint.simulated,
    }


def failure_row(
    endpoint: Endpoint, request: Request, keys: Keys, failure: CallFailed, bill: Bill, call_id: str
) -> dict[str, Any]:
    """Return a row of `failures`: the tokens and the cost of all its attempts.

    It is named after the call, since a request may fail more than once in a run, and each time
    costs.
    """
    return {
        **_describe(endpoint, request),
        "failure_id": call_id,
        "response_id": keys.response_id,
        "failure": failure.failure,
        "attempts": bill.attempts,
        "message": failure.message,
        "raw_body": failure.raw_body,
        "prompt_tokens": bill.prompt_tokens,
        "completion_tokens": bill.completion_tokens,
        "cost_usd": bill.cost_usd,
        **budget_columns(bill),
    }


def budget_columns(bill: Bill) -> dict[str, Any]:
    """Return what a budget counts of a call, as every table of calls has it."""
    return {
        "budget_usd": bill.budget_usd,
        "budget_tokens": bill.budget_tokens,
        "uncounted": bill.uncounted,
    }


def _describe(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    return {
        "prompt_id": request.prompt_id,
        "role": request.role,
        "model": endpoint.settings.model,
        "server": endpoint.server,
        "template": request.template,
        "sample_index": request.sample_index,
        "form": form_of(endpoint, request),
        "stage": request.stage,
    }
