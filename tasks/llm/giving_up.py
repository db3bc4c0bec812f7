"""Giving up: when it is the server or the settings, not the rows, and the run had better stop.

http://localhost:8000/v1 answered none of the first 20 calls to 'qwen3-8b': status 500: …
"""

from tasks.errors import ModelServerError
from tasks.llm.failures import HOPELESS, CallFailed
from tasks.llm.job import Job
from tasks.llm.outcomes import record_rejected


def stop_if_all_are_rejected(job: Job) -> None:
    """Stop the run if one call after the other is rejected in the same words.

    It has answered others, so the account may have run dry. Where the words differ each was looked
    at.
    """
    if len(job.rejected) < HOPELESS or not job.progress.completed:
        return
    said = {failure.message for _, failure in job.rejected}
    if len(said) > 1:
        record_rejected(job, are_at_fault=True)
        return
    job.progress.end(
        ModelServerError(
            f"{job.endpoint.base_url} rejected the last {len(job.rejected)} calls to "
            f"{job.endpoint.settings.model!r} in the same words: {said.pop()}. What was completed "
            "is in the store; run again once that is mended, and they are asked again."
        )
    )


def stop_if_hopeless(job: Job, failure: CallFailed) -> None:
    """Stop the run if nothing has ever worked: it is the server or the settings, not the rows."""
    progress = job.progress
    is_hopeless = is_absent(failure) or progress.failed_anew >= HOPELESS
    if progress.completed == 0 and is_hopeless:
        progress.end(
            ModelServerError(
                f"{job.endpoint.base_url} answered none of the first {progress.failed} calls to "
                f"{job.endpoint.settings.model!r}: {failure.message}"
            )
        )


def is_absent(failure: CallFailed) -> bool:
    """Say whether nobody was there: an absent server is absent for everybody."""
    return failure.message.startswith("connection failed")


def end_a_long_outage(job: Job) -> None:
    """Stop the run when a server that has answered before stays away for too long.

    Where nothing is left but calls that have failed, it may be theirs that they do: they are given
    up, recorded, and asked once more by the next run.
    """
    outage, patience = job.limiter.outage_s(), job.endpoint.settings.max_outage_s
    if outage <= patience:
        return
    if job.feed.is_exhausted and not job.limiter.has_untried(job):
        job.progress.gives_up = True
        job.limiter.forget_outage()
    else:
        raise ModelServerError(
            f"{job.endpoint.base_url} has not answered for {outage:.0f} s (`max_outage_s` is "
            f"{patience:g}): {job.limiter.describe()}. What was completed is in the store; run "
            "again to continue."
        )
