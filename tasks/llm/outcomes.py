"""Outcomes: a call that came to nothing is written down with what all its attempts cost.

failure_id  response_id  failure    attempts  message
77aa…       91d0…        retryable  3         status 500: overloaded

What a server rejects is held back until it answers another call: only then is the request at fault.
"""

from typing import Any

from tasks import metrics
from tasks.llm.failures import CallFailed
from tasks.llm.job import Call, Job
from tasks.llm.money import Bill
from tasks.llm.request import Request
from tasks.llm.rows import failure_row


def record_failure(job: Job, call: Call, failure: CallFailed) -> None:
    """Write a call down that has no answer, with what all its attempts cost."""
    job.writer.put("failures", describe_failure(job, call, failure, call.bill), call.call_id)
    _count_failure(job, call)


def hold_back(job: Job, call: Call, failure: CallFailed) -> None:
    """Keep a call that was rejected until it is known whose fault that was."""
    job.rejected.append((call, failure))
    _count_failure(job, call)


def _count_failure(job: Job, call: Call) -> None:
    measure(job, call.request, "failed", call.bill)
    job.progress.count(call.bill.cost_usd, failed=1)
    job.advance(0, 1, call.bill.cost_usd)


def record_rejected(job: Job, *, are_at_fault: bool) -> None:
    """Write down what was rejected since anything was answered, once the fault is known.

    Of a server that answers nothing it is the settings, the account, the model or the server that
    will be mended: such calls are asked again by the next run, others never.
    """
    for call, failure in job.rejected:
        failure.failure = "rejected" if are_at_fault else "retryable"
        job.writer.put("failures", describe_failure(job, call, failure, call.bill), call.call_id)
    job.rejected.clear()


def not_tried_again(error: BaseException | None) -> CallFailed:
    """Return the failure of a call that may yet succeed, in a later run."""
    why = str(error or "") or "the run was stopped"
    return CallFailed("retryable", f"not tried again: {why}")


def describe_failure(job: Job, call: Call, failure: CallFailed, bill: Bill) -> dict[str, Any]:
    """Return a row of `failures`; the bill may be of attempts that are yet to be made."""
    return failure_row(job.endpoint, call.request, call.keys, failure, bill, call.call_id)


def measure(
    job: Job, request: Request, outcome: str, bill: Bill, seconds: float | None = None
) -> None:
    """Tell whoever collects metrics of a call that is over."""
    metrics.count_call(request.role, job.endpoint.settings.model, outcome, bill, seconds)
