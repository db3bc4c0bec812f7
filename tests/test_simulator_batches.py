"""Files and batches of the simulator, asked with OpenAI's own client, as their API has them."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from tasks.errors import RecipeError
from tasks.simulator.batches import Desk, StoredFile
from tasks.simulator.settings import read_settings
from tasks.simulator.traffic import Traffic
from tests.simulated import BAKER, ask, chat, simulating, stats


@contextmanager
def _client(batches: dict[str, Any] | None = None, **settings: Any) -> Iterator[OpenAI]:
    with (
        simulating({"batches": batches or {}, **settings}) as url,
        OpenAI(base_url=url, api_key="any", max_retries=0) as client,
    ):
        yield client


def _line(custom_id: str, **changes: Any) -> dict[str, Any]:
    body = ask(BAKER["prompt"], seed=int(custom_id.rsplit("-", 1)[-1]))
    asked = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return asked | changes


def _submit(client: OpenAI, *lines: object, metadata: dict[str, str] | None = None) -> Batch:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    content = io.BytesIO("".join(f"{text}\n" for text in texts).encode())
    uploaded = client.files.create(file=("in.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=uploaded.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata=metadata,
    )


def _end(client: OpenAI, batch: Batch) -> Batch:
    for _ in range(200):
        batch = client.batches.retrieve(batch.id)
        if batch.status in ("completed", "failed", "expired", "cancelled"):
            return batch
        time.sleep(0.02)
    raise AssertionError(f"still {batch.status}")


def _count_completed(client: OpenAI, batch: Batch) -> int:
    counts = client.batches.retrieve(batch.id).request_counts
    return counts.completed if counts else 0


def _read(client: OpenAI, file_id: str | None) -> dict[str, dict[str, Any]]:
    if file_id is None:
        return {}
    lines = client.files.content(file_id).text.splitlines()
    return {line["custom_id"]: line for line in map(json.loads, lines)}


def test_a_batch_from_file_to_file() -> None:
    with _client({"validating_s": 0.1, "in_progress_s": 0.3, "finalizing_s": 0.1}) as client:
        lines = [_line(f"r-{index}") for index in range(4)]
        lines[2]["body"]["n"] = 0
        batch = _submit(client, *lines, metadata={"name": "first"})
        assert batch.status == "validating"
        seen = set()
        while batch.status not in ("completed", "failed"):
            batch = client.batches.retrieve(batch.id)
            seen.add(batch.status)
        assert seen >= {"in_progress", "finalizing", "completed"}
        good, bad = _read(client, batch.output_file_id), _read(client, batch.error_file_id)
        other = _end(client, _submit(client, _line("r-0")))
        listed = list(client.batches.list(limit=1))
        live = chat(str(client.base_url), BAKER["prompt"], seed=1)

        assert batch.metadata == {"name": "first"}
        assert batch.model == "sim-student"
        counts = batch.request_counts
        assert counts is not None
        assert (counts.total, counts.completed, counts.failed) == (4, 3, 1)
        assert [each.id for each in listed] == [other.id, batch.id]
        assert list(good) == ["r-0", "r-1", "r-3"]
        assert good["r-1"]["error"] is None
        assert good["r-1"]["response"]["status_code"] == 200
        assert good["r-1"]["response"]["body"] == live
        assert bad["r-2"]["response"]["status_code"] == 400
        assert bad["r-2"]["response"]["body"]["error"]["param"] == "n"
        counted = stats(str(client.base_url))
        assert counted["batches"] == {
            "uploaded": 2,
            "created": 2,
            "states": {"completed": 2},
            "submitted": 4,
            "submitted_per_request": {"1": 2, "2": 1},
        }
        assert counted["completed_per_request"] == {"1": 1, "2": 2}

        deleted = client.files.delete(str(batch.output_file_id))
        assert deleted.deleted
        for gone in (client.files.retrieve, client.files.content):
            with pytest.raises(openai.NotFoundError):
                gone(str(batch.output_file_id))


def test_a_file_that_cannot_be_a_batch_fails_with_its_lines() -> None:
    wrong_model = _line("r-6")
    wrong_model["body"]["model"] = "gpt-9"
    other_model = _line("r-7")
    other_model["body"]["model"] = "sim-teacher"
    lines = [
        _line("r-1"),
        "{",
        {**_line("r-2"), "custom_id": ""},
        _line("r-1"),
        _line("r-4", url="/v1/embeddings"),
        _line("r-5", method="GET"),
        wrong_model,
        other_model,
    ]
    with _client() as client:
        batch = _end(client, _submit(client, *lines))
        assert batch.status == "failed"
        assert batch.errors is not None
        assert [(fault.line, fault.code) for fault in batch.errors.data or ()] == [
            (2, "invalid_json_line"),
            (3, "missing_required_parameter"),
            (4, "duplicate_custom_id"),
            (5, "mismatched_url"),
            (6, "invalid_method"),
            (7, "model_not_found"),
            (8, "mismatched_model"),
        ]
        assert batch.output_file_id is None
        assert stats(str(client.base_url))["batches"]["submitted"] == 0


def test_the_limits_of_a_file_and_of_what_is_enqueued() -> None:
    limits = {"most_requests": 3, "most_bytes": 1500, "enqueued_tokens": 130, "in_progress_s": 0.5}
    long = _line("r-0")
    long["body"]["messages"][1]["content"] = "x" * 1500
    with _client(limits) as client:
        codes = []
        for lines in ([], [_line(f"r-{index}") for index in range(4)], [long]):
            errors = _end(client, _submit(client, *lines)).errors
            codes.append([fault.code for fault in (errors.data if errors else None) or ()])
        assert codes == [
            ["empty_file"],
            ["too_many_tasks"],
            ["maximum_input_file_size_exceeded"],
        ]
        # A request has 43 prompt tokens: three fit, and no fourth until they are done.
        first = _submit(client, *(_line(f"r-{index}") for index in range(3)))
        errors = _end(client, _submit(client, _line("r-4"))).errors
        assert errors is not None
        assert [fault.code for fault in errors.data or ()] == ["token_limit_exceeded"]
        assert _end(client, first).status == "completed"
        assert _end(client, _submit(client, _line("r-4"))).status == "completed"


def test_partial_results_of_batches_that_expire_or_are_cancelled() -> None:
    lines = [_line(f"r-{index}") for index in range(10)]
    with _client({"expired": 1.0, "expired_after": 0.3}) as client:
        expired = _end(client, _submit(client, *lines))
        good, bad = _read(client, expired.output_file_id), _read(client, expired.error_file_id)
    assert expired.status == "expired"
    assert list(good) == ["r-0", "r-1", "r-2"]
    assert list(bad) == [f"r-{index}" for index in range(3, 10)]
    assert bad["r-3"]["response"] is None
    assert bad["r-3"]["error"]["code"] == "batch_expired"

    with _client({"in_progress_s": 1.0}) as client:
        batch = _submit(client, *lines)
        while _count_completed(client, batch) < 2:
            time.sleep(0.02)
        assert client.batches.cancel(batch.id).status == "cancelling"
        cancelled = _end(client, batch)
        kept = _read(client, cancelled.output_file_id)
        errors = _read(client, cancelled.error_file_id)
        with pytest.raises(openai.ConflictError):
            client.batches.cancel(batch.id)
    assert cancelled.status == "cancelled"
    assert 2 <= len(kept) < 10
    assert {line["error"]["code"] for line in errors.values()} == {"batch_cancelled"}
    assert len(kept) + len(errors) == 10


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("rate_limit", 429),
        ("server_error", 500),
        ("hang", "request_timeout"),
        ("refusal", None),
        ("malformed", ""),
    ],
)
def test_faults_of_lines(fault: str, outcome: object) -> None:
    with _client(faults={fault: 1.0}) as client:
        batch = _end(client, _submit(client, _line("r-0")))
        if fault == "malformed":
            text = client.files.content(str(batch.output_file_id)).text
            with pytest.raises(json.JSONDecodeError):
                json.loads(text)
            return
        good, bad = _read(client, batch.output_file_id), _read(client, batch.error_file_id)
    if outcome is None:
        assert "refusal" in good["r-0"]["response"]["body"]["choices"][0]["message"]
    elif isinstance(outcome, int):
        assert bad["r-0"]["response"]["status_code"] == outcome
    else:
        assert bad["r-0"]["error"]["code"] == outcome


def test_what_no_batch_is_made_of() -> None:
    with simulating({}, api_key="right") as url:
        with pytest.raises(openai.AuthenticationError):
            OpenAI(base_url=url, api_key="wrong", max_retries=0).batches.list()
        client = OpenAI(base_url=url, api_key="right", max_retries=0)
        uploaded = client.files.create(file=("a.jsonl", b"{}\n"), purpose="batch")
        for changes, param in (
            ({"input_file_id": "file-none"}, "input_file_id"),
            ({"endpoint": "/v1/embeddings"}, "endpoint"),
            ({"completion_window": "1h"}, "completion_window"),
            ({"metadata": {"name": "x" * 513}}, "metadata"),
        ):
            asked: dict[str, Any] = {
                "input_file_id": uploaded.id,
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
            }
            with pytest.raises(openai.BadRequestError) as refused:
                client.batches.create(**asked | changes)
            assert refused.value.param == param
        with pytest.raises(openai.BadRequestError, match="purpose"):
            client.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune")
        with pytest.raises(openai.NotFoundError):
            client.batches.retrieve("batch_none")


def test_the_oldest_files_that_nobody_needs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.simulator.batches._MOST_BYTES", 10)
    desk = Desk(read_settings({}), None, Traffic())  # type: ignore[arg-type]

    def keep(size: int) -> StoredFile:
        stored = desk.new_file("a.jsonl", "batch")
        stored.write(b"x" * size)
        desk.keep(stored)
        return stored

    first, second, third = keep(4), keep(4), keep(4)
    assert list(desk.files) == [second.file_id, third.file_id]
    assert first.content.closed
    large = keep(20)
    assert list(desk.files) == [large.file_id]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"expired": 1.5}, "simulator.batches: expired must be between 0 and 1"),
        ({"most_requests": 0}, "simulator.batches: most_requests must be at least 1"),
        ({"duration_s": 1}, "simulator.batches.duration_s: unknown field"),
    ],
)
def test_wrong_settings_are_refused(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        read_settings({"batches": declared})
