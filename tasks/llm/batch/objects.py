"""What a server says of its batches, read field by field: nothing of it is taken for granted.

read_batch({"id": "batch_04…", "status": "in_progress", "request_counts": {"completed": 120, …}})
→ Remote(provider_batch_id="batch_04…", status="in_progress", completed=120, …)

A batch that was made may have been paid for, so an oddity in one field must not cost us the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.llm.batch.lines import BatchFault, clean
from tasks.llm.client import parse_body
from tasks.llm.failures import CallFailed
from tasks.llm.request import Endpoint

ENDED = ("completed", "failed", "expired", "cancelled")
ODD = "unknown: "
"""What the name of a state begins with that is none of the Batch API's. It can be none of ours:
`folded` or `abandoned` in the mouth of a server would let a batch be forgotten."""
UNREADABLE = "of an unreadable name"
"""A file that is named by something that is no name: it is there and cannot be asked for."""
_KNOWN = ("validating", "in_progress", "finalizing", "cancelling", *ENDED)
_LONGEST_STATUS = 50
_LARGEST_COUNT = 2**31 - 1  # What the store's column holds.


@dataclass(frozen=True, slots=True)
class Remote:
    """A batch as the server describes it; a status that nobody knows begins with `ODD`."""

    provider_batch_id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    completed: int = 0
    failed: int = 0
    faults: tuple[BatchFault, ...] = ()


def read_object(content: bytes, what: str) -> dict[str, Any]:
    """Return the object that a server has sent. Raises CallFailed if it is none."""
    try:
        body = parse_body(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _no(what)
    return body


def read_name(described: Mapping[str, Any], endpoint: Endpoint, what: str) -> str:
    """Return the id of what a server describes. Raises CallFailed if it has none."""
    name = described.get("id")
    if not is_name(name, endpoint):
        raise _no(what)
    return str(name)


def read_batch(batch: Mapping[str, Any], endpoint: Endpoint) -> Remote:
    """Take a batch object apart. Raises CallFailed if it does not say which batch it is."""
    counts = batch.get("request_counts")
    input_file_id = batch.get("input_file_id")
    return Remote(
        provider_batch_id=read_name(batch, endpoint, "batch"),
        status=_read_status(batch.get("status"), endpoint),
        input_file_id=input_file_id if is_name(input_file_id, endpoint) else None,
        output_file_id=_read_file_name(batch.get("output_file_id"), endpoint),
        error_file_id=_read_file_name(batch.get("error_file_id"), endpoint),
        completed=_read_count(counts, "completed"),
        failed=_read_count(counts, "failed"),
        faults=_read_faults(batch.get("errors"), endpoint),
    )


def _read_status(status: object, endpoint: Endpoint) -> str:
    if isinstance(status, str) and status in _KNOWN:
        return status
    return f"{ODD}{clean(status, endpoint)[:_LONGEST_STATUS]}"


def _read_file_name(name: object, endpoint: Endpoint) -> str | None:
    """Return a result file's id; what is no id is no reason to take the results for not there."""
    if name is None or name == "":
        return None
    return str(name) if is_name(name, endpoint) else UNREADABLE


def is_name(name: object, endpoint: Endpoint) -> bool:
    """Say whether something can be asked for by this id and kept: it does not hold our key."""
    if not isinstance(name, str) or not name:
        return False
    return clean(name, endpoint, hides_any_key=False) == name


def _read_count(counts: object, name: str) -> int:
    """Return how many requests a server counts; nothing if that is no count. It is shown only."""
    count = counts.get(name) if isinstance(counts, Mapping) else None
    if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _LARGEST_COUNT:
        return count
    return 0


def _read_faults(errors: object, endpoint: Endpoint) -> tuple[BatchFault, ...]:
    """Return why a batch failed, in whatever shape it is said."""
    said = errors.get("data") if isinstance(errors, Mapping) else errors
    listed = said if isinstance(said, list) else [said]
    return tuple(_read_fault(fault, endpoint) for fault in listed if fault)


def _read_fault(fault: object, endpoint: Endpoint) -> BatchFault:
    if not isinstance(fault, Mapping):
        return BatchFault("error", clean(fault, endpoint), None)
    code, line = fault.get("code"), fault.get("line")
    return BatchFault(
        # `token_limit_exceeded` looks like a key, and is a code that we act on.
        "error" if code is None else clean(code, endpoint, hides_any_key=False),
        clean(fault.get("message") or "no reason", endpoint),
        line if isinstance(line, int) and not isinstance(line, bool) else None,
    )


def _no(what: str) -> CallFailed:
    return CallFailed("retryable", f"the server's answer is no {what}; check `base_url`")
