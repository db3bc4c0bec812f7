"""Rewrites in the report: what each strategy and model came to, and a rewrite beside its parent.

strategy         model         replies  accepted  rate   reasons               per_accepted
proof_to_answer  sim-rewriter       10        10  1.0    []                         0.00041
"""

from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.messages import render_prompt
from tasks.release.report.prose import render_prose
from tasks.store import Store


@dataclass(frozen=True, slots=True)
class RewriteFacts:
    """Aggregates of all rewrites of the store, and one accepted rewrite a strategy."""

    accounts: pl.DataFrame  # strategy, model, replies, accepted, reasons, usd
    routes: pl.DataFrame  # route, decided_by, model, seeds, reasons, usd
    samples: pl.DataFrame  # strategy, prompt_id, text, answer, parent_text, parent_answer, …


def gather_rewrites(store: Store) -> RewriteFacts:
    """Read what the report tells of rewrites: a row a strategy and model, one a strategy."""
    return RewriteFacts(
        store.query("report_rewrites"),
        store.query("report_routes"),
        store.query("report_rewrite_samples"),
    )


def account_rows(facts: RewriteFacts) -> list[dict[str, Any]]:
    """Return the accounts with the share accepted and the cost of each that was."""
    return [
        {
            **row,
            "reasons": row["reasons"] or [],
            "rate": row["accepted"] / row["replies"],
            "per_accepted": row["usd"] / row["accepted"] if row["accepted"] else None,
        }
        for row in facts.accounts.iter_rows(named=True)
    ]


def sample_rows(facts: RewriteFacts) -> list[dict[str, Any]]:
    """Return the samples with their texts rendered."""
    return [
        {
            **row,
            "text": render_prose(row["text"]),
            "parent_text": render_prose(render_prompt(row["parent_text"], row["parent_choices"])),
        }
        for row in facts.samples.iter_rows(named=True)
    ]
