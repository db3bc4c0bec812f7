"""What the store knows of batches: written before and after each step, read after a restart.

batch_id  state        provider_batch_id  completed  failed
7f20…     in_progress  batch_04152ac6…    120        0
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
import polars as pl

from tasks.llm.batch.lines import Member
from tasks.llm.batch.objects import Remote
from tasks.llm.failures import CallFailed
from tasks.llm.money import Amount, Bill
from tasks.llm.request import Endpoint, Keys, Request, ResponseSchema
from tasks.llm.rows import budget_columns
from tasks.recipe import ModelSettings, Role
from tasks.store import Store

_LOGGER = logging.getLogger(__name__)
_AS_IT_WAS = ("model", "sampling", "prices", "send_seed", "max_tokens_field")
_REQUEST_COLUMNS: Mapping[str, Any] = {
    "batch_id": pl.String,
    "response_id": pl.String,
    "reuse_key": pl.String,
    "prompt_id": pl.String,
    "role": pl.String,
    "stage": pl.String,
    "server": pl.String,
    "template": pl.String,
    "sample_index": pl.Int32,
    "schema": pl.String,
    "line": pl.Int32,
    "submission": pl.Int32,
    "attempts": pl.Int32,
    "malformed": pl.Int32,
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
    "cost_usd": pl.Float64,
    "budget_usd": pl.Float64,
    "budget_tokens": pl.Int64,
    "uncounted": pl.Int32,
    "reserved_usd": pl.Float64,
    "reserved_tokens": pl.Int64,
}
_STATE_COLUMNS: Mapping[str, Any] = {
    "batch_id": pl.String,
    "state": pl.String,
    "provider_batch_id": pl.String,
    "input_file_id": pl.String,
    "output_file_id": pl.String,
    "error_file_id": pl.String,
    "completed": pl.Int32,
    "failed": pl.Int32,
    "detail": pl.String,
}


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch as recorded; `endpoint` has the settings that it was submitted with."""

    batch_id: str
    endpoint: Endpoint
    role: Role
    requests: int
    state: str
    provider_batch_id: str | None
    input_file_id: str | None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """The batches that a request was in: how many, what its attempts came to, and what of it had
    not the form that was asked for (the newest such answer for each)."""

    submission: int
    bill: Bill
    spoilt: tuple[str, ...] = ()


def record_intent(
    store: Store, run_id: str, record: BatchRecord, members: Sequence[Member], size: int
) -> None:
    """Write down what is about to be submitted, the batch before its requests."""
    settings = record.endpoint.settings
    batch = {
        "batch_id": record.batch_id,
        "role": record.role,
        "model": settings.model,
        "server": record.endpoint.server,
        "settings": settings.model_dump_json(include=set(_AS_IT_WAS)),
        "requests": len(members),
        "input_bytes": size,
        "simulated": record.endpoint.simulated,
    }
    store.append("batches", pl.DataFrame([batch]), run_id=run_id, known_new=True)
    rows = [_request_row(record, member) for member in members]
    frame = pl.DataFrame(rows, schema=dict(_REQUEST_COLUMNS))
    store.append("batch_requests", frame, run_id=run_id, known_new=True)


def record_state(
    store: Store,
    run_id: str,
    batch_id: str,
    state: str,
    remote: Remote | None = None,
    **columns: Any,
) -> None:
    """Write down that a batch has come to a state, once."""
    row: dict[str, Any] = {"batch_id": batch_id, "state": state}
    if remote is not None:
        row |= {
            "provider_batch_id": remote.provider_batch_id,
            "input_file_id": remote.input_file_id,
            "output_file_id": remote.output_file_id,
            "error_file_id": remote.error_file_id,
            "completed": remote.completed,
            "failed": remote.failed,
            "detail": "; ".join(f"{each.code}: {each.message}" for each in remote.faults[:3])
            or None,
        }
    frame = pl.DataFrame([row | columns], schema=dict(_STATE_COLUMNS))
    store.append("batch_states", frame, run_id=run_id)


def record_retries(
    store: Store,
    run_id: str,
    record: BatchRecord,
    retried: Iterable[tuple[Member, CallFailed | None]],
) -> None:
    """Write down the attempts that failed and are made again, and what they cost.

    Without a failure the request has its outcome, and that has the cost of all its attempts.
    """
    rows = [
        {
            "batch_id": record.batch_id,
            "response_id": member.keys.response_id,
            "prompt_id": member.request.prompt_id,
            "role": member.request.role,
            "stage": member.request.stage,
            "model": record.endpoint.settings.model,
            "submission": member.submission,
            "failure": failure.failure if failure else None,
            "message": failure.message if failure else None,
            "spoilt": failure.text if failure else None,
            **_bill_columns(member.bill if failure else Bill()),
        }
        for member, failure in retried
    ]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    store.append("batch_retries", frame, run_id=run_id)


def load_unfinished(store: Store, endpoint: Endpoint, role: Role) -> list[BatchRecord]:
    """Return the batches of a role that are not over, the oldest first, those of its server."""
    rows = list(store.query("batch_unfinished", role=role).iter_rows(named=True))
    for server in {row["server"] for row in rows} - {endpoint.server}:
        _LOGGER.warning(
            "models.%s: a batch at %s is not over; name that server again to have its results",
            role,
            server,
        )
    return [_read_record(row, endpoint) for row in rows if row["server"] == endpoint.server]


def load_members(store: Store, batch_id: str) -> list[Member]:
    """Return the requests of a batch in the order of its file, without their messages."""
    rows = store.query("batch_members", batch_id=batch_id).iter_rows(named=True)
    return [_read_member(row) for row in rows]


def load_histories(store: Store, role: Role, prompt_ids: Sequence[str]) -> dict[str, History]:
    """Return what requests on these prompts have behind them, by response id."""
    rows = store.query("batch_histories", role=role, prompt_ids=list(prompt_ids))
    return {
        row["response_id"]: History(
            row["submission"], _read_bill(row), (row["spoilt"],) * row["malformed"]
        )
        for row in rows.iter_rows(named=True)
    }


def count_held(
    store: Store, endpoint: Endpoint, role: Role, prompt_ids: Sequence[str]
) -> dict[str, int]:
    """Return how many requests on these prompts are in which unfinished batch."""
    rows = store.query("batch_held", role=role, server=endpoint.server, prompt_ids=list(prompt_ids))
    return dict(rows.iter_rows())


def load_reserved(store: Store) -> Amount:
    """Return the most that all unfinished batches can still cost."""
    row = store.query("batch_reserved").row(0, named=True)
    return Amount(usd=row["usd"], tokens=row["tokens"], calls=row["calls"])


def _request_row(record: BatchRecord, member: Member) -> dict[str, Any]:
    request = member.request
    return {
        "batch_id": record.batch_id,
        "response_id": member.keys.response_id,
        "reuse_key": member.keys.reuse_key,
        "prompt_id": request.prompt_id,
        "role": request.role,
        "stage": request.stage,
        "server": record.endpoint.server,
        "template": request.template,
        "sample_index": request.sample_index,
        "schema": _dump_schema(request.schema),
        "line": member.line,
        "submission": member.submission,
        "reserved_usd": member.reserved.usd,
        "reserved_tokens": member.reserved.tokens,
        **_bill_columns(member.bill),
    }


def _bill_columns(bill: Bill) -> dict[str, Any]:
    return {
        "attempts": bill.attempts,
        "malformed": bill.malformed,
        "prompt_tokens": bill.prompt_tokens,
        "completion_tokens": bill.completion_tokens,
        "cost_usd": bill.cost_usd,
        **budget_columns(bill),
    }


def _read_bill(row: Mapping[str, Any]) -> Bill:
    """Return what attempts came to; of those that are older than a budget's count, what is known.

    Where that is not all, the count stays unknown, and with it that of the outcome.
    """
    usd, tokens = row["budget_usd"], row["budget_tokens"]
    if tokens is None and row["prompt_tokens"] is not None and row["completion_tokens"] is not None:
        usd, tokens = row["cost_usd"], row["prompt_tokens"] + row["completion_tokens"]
    return Bill(
        attempts=row["attempts"],
        malformed=row["malformed"],
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        cost_usd=row["cost_usd"],
        budget_usd=usd,
        budget_tokens=tokens,
        uncounted=row["uncounted"] or 0,
    )


def _read_record(row: Mapping[str, Any], endpoint: Endpoint) -> BatchRecord:
    recorded = orjson.loads(row["settings"])
    settings = endpoint.settings.model_dump() | {name: recorded[name] for name in _AS_IT_WAS}
    return BatchRecord(
        batch_id=row["batch_id"],
        endpoint=replace(
            endpoint,
            settings=ModelSettings.model_validate(settings),
            simulated=row["simulated"],
        ),
        role=row["role"],
        requests=row["requests"],
        state=row["state"],
        provider_batch_id=row["provider_batch_id"],
        input_file_id=row["input_file_id"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )


def _read_member(row: Mapping[str, Any]) -> Member:
    return Member(
        request=Request(
            prompt_id=row["prompt_id"],
            role=row["role"],
            template=row["template"],
            messages=(),
            sample_index=row["sample_index"],
            schema=_read_schema(row["schema"]),
            stage=row["stage"],
        ),
        keys=Keys(row["response_id"], row["reuse_key"]),
        line=row["line"],
        submission=row["submission"],
        bill=_read_bill(row),
        reserved=Amount(usd=row["reserved_usd"], tokens=row["reserved_tokens"], calls=1),
        is_known=row["answered"] or row["failed"],
    )


def _dump_schema(schema: ResponseSchema | None) -> str | None:
    if schema is None:
        return None
    return orjson.dumps({"name": schema.name, "schema": dict(schema.schema)}).decode()


def _read_schema(text: str | None) -> ResponseSchema | None:
    if text is None:
        return None
    declared = orjson.loads(text)
    return ResponseSchema(declared["name"], declared["schema"])
