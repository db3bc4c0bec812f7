"""The columns that calls fill in `responses` and `failures`, and their types."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

CALL_COLUMNS: Mapping[str, Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "responses": {
        "response_id": pl.String,
        "reuse_key": pl.String,
        "prompt_id": pl.String,
        "role": pl.String,
        "stage": pl.String,
        "model": pl.String,
        "resolved_model": pl.String,
        "server": pl.String,
        "template": pl.String,
        "parameters": pl.String,
        "form": pl.String,
        "sample_index": pl.Int32,
        "content": pl.String,
        "reasoning": pl.String,
        "finish_reason": pl.String,
        "max_tokens": pl.Int32,
        "prompt_tokens": pl.Int64,
        "cached_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
        "reasoning_tokens": pl.Int64,
        "billed_prompt_tokens": pl.Int64,
        "billed_completion_tokens": pl.Int64,
        "cost_usd": pl.Float64,
        "budget_usd": pl.Float64,
        "budget_tokens": pl.Int64,
        "uncounted": pl.Int32,
        "latency_s": pl.Float64,
        "attempts": pl.Int32,
        "provider_request_id": pl.String,
        "raw_body": pl.String,
        "simulated": pl.Boolean,
    },
    "failures": {
        "failure_id": pl.String,
        "response_id": pl.String,
        "prompt_id": pl.String,
        "role": pl.String,
        "stage": pl.String,
        "model": pl.String,
        "server": pl.String,
        "template": pl.String,
        "sample_index": pl.Int32,
        "form": pl.String,
        "failure": pl.String,
        "attempts": pl.Int32,
        "message": pl.String,
        "raw_body": pl.String,
        "prompt_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
        "cost_usd": pl.Float64,
        "budget_usd": pl.Float64,
        "budget_tokens": pl.Int64,
        "uncounted": pl.Int32,
    },
}


def frame_of(table: str, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows of one of the two tables as a frame; what a row lacks is null."""
    return pl.DataFrame(rows, schema=dict(CALL_COLUMNS[table]))
