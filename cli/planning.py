"""`teachset plan`: what a run would call and spend, as a table for people, JSON for programs.

stage             prompts   calls        likely   tokens in, out   dollars   time   from
rewrite: rewriter     206     206       exactly      149 k, 15 k    $0.098    1 s   assumed
sample: student       567   4,535   4,058–5,012     366 k, 340 k     $0.17   11 s   assumed
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.boundary import plain
from cli.progress_bars import progress_bars, say_seconds
from cli.project import read_recipe
from cli.tables import make_console, make_table, print_json
from tasks.figures import say_dollars
from tasks.plan.budget import Cap, Verdict
from tasks.plan.plan import Plan, Setting, StagePlan, make_plan
from tasks.plan.price import Cost, Span

_DASH = "–"


def show_plan(recipe: Path | None, overrides: Sequence[str], *, as_json: bool) -> None:
    """Print the plan of a run. Raises what a wrong recipe, file or store raises."""
    read = read_recipe(recipe, overrides)
    with _quietly():
        plan = make_plan(read)
    if as_json:
        print_json(to_document(read.name, plan))
    else:
        print_plan(make_console(), plan)


def print_plan(console: Console, plan: Plan) -> None:
    """Print what a run would find, a line a stage, the budget, and what it all rests on."""
    lines = [describe_setting(plan.setting)]
    if not plan.total.calls.high:
        lines.append("a run would make no call")
    for line in lines:
        _say(console, line)
    if plan.total.calls.high:
        console.print(_table(plan))
        _say(console, describe_total(plan.total))
    _say(console, describe_budget(plan.budget, plan.stages))
    for warning in plan.warnings:
        _say(console, f"warning: {warning}")
    for note in plan.notes:
        _say(console, f"note: {note}")


def to_document(recipe: str, plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON has it: spans as objects, an unknown price as null."""
    document = {
        "recipe": recipe,
        "setting": asdict(plan.setting),
        "stages": [_to_stage(stage) for stage in plan.stages],
        "total": _to_cost(plan.total),
        "budget": {
            "fits": plan.budget.fits,
            "caps": [asdict(cap) for cap in plan.budget.caps],
            "stops": asdict(plan.budget.stops) if plan.budget.stops else None,
        },
        "warnings": list(plan.warnings),
        "notes": list(plan.notes),
    }
    return {name: _finite(value) for name, value in document.items()}


def describe_setting(setting: Setting) -> str:
    """Return one line on what a run would find."""
    read = setting.read
    parts = [f"{setting.seeds:,} seeds"]
    if setting.has_store:
        parts[0] += f" ({read.new:,} of them new)"
    if setting.rewrites:
        parts.append(f"{setting.rewrites:,} rewrites")
    for count, what in (
        (setting.duplicates, "duplicates"),
        (setting.contaminated, "in a benchmark"),
        (read.quarantined, "rows that cannot be used"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    return ", ".join(parts) + ("" if setting.has_store else "; no store yet")


def describe_total(total: Cost) -> str:
    """Return one line with the ends of what is likely."""
    dollars = "an unknown price"
    if total.cost_usd is not None:
        dollars = f"{say_dollars(total.cost_usd.low)} to {say_dollars(total.cost_usd.high)}"
    least, most = (say_seconds(minutes * 60) for minutes in (total.minutes.low, total.minutes.high))
    fewest, highest = f"{round(total.calls.low):,}", f"{round(total.calls.high):,}"
    calls = f"between {fewest} and {highest}" if fewest != highest else fewest
    return f"likely {calls} calls, {dollars}, {least} to {most}"


def describe_budget(verdict: Verdict, stages: Sequence[StagePlan]) -> str:
    """Return one line: whether the plan fits the budget, and where a run would stop if not."""
    if verdict.fits == "no budget":
        return "budget: none is set, nothing would stop the run"
    caps = "; ".join(_describe_cap(cap) for cap in verdict.caps)
    said = {
        "yes": "the plan fits",
        "probably": "the plan probably fits, its upper end does not",
        "no": "the plan does not fit",
        "unknown": "a price is unknown, so nobody can say whether the plan fits",
    }[verdict.fits]
    line = f"budget: {said} ({caps})"
    if verdict.stops:
        stop = verdict.stops
        line += (
            f"; the run would stop at the cap in {stop.cap} after about {round(stop.calls):,} of "
            f"{round(stop.of_calls):,} calls of the {stop.role} in {stages[stop.stage].stage}"
        )
    return line


@contextmanager
def _quietly() -> Iterator[None]:
    """Show progress to a person at a terminal, and nobody the log that is meant for runs."""
    logging.disable(logging.INFO)
    try:
        if sys.stderr.isatty():
            with progress_bars():
                yield
        else:
            yield
    finally:
        logging.disable(logging.NOTSET)


def _say(console: Console, line: str) -> None:
    console.print(Text(plain(line)), soft_wrap=True)


def _table(plan: Plan) -> Table:
    table = make_table()
    table.add_column("stage", no_wrap=True)
    for name in ("prompts", "calls", "likely", "tokens in, out", "dollars", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("from")
    models: dict[str, set[str]] = {}
    for stage in plan.stages:
        models.setdefault(_name(stage), set()).add(stage.model)
    for stage in plan.stages:
        several = len(models[_name(stage)]) > 1
        name = f"{_name(stage)} {stage.model}" if several else _name(stage)
        cells = (
            name,
            f"{round(stage.prompts.expected):,}",
            *_cells(stage.cost),
            _basis(stage),
        )
        table.add_row(*(Text(plain(cell)) for cell in cells))
    table.add_section()
    table.add_row("all", "", *(Text(cell) for cell in _cells(plan.total)), "")
    return table


def _name(stage: StagePlan) -> str:
    return f"{stage.stage}: {stage.role}"


def _cells(cost: Cost) -> list[str]:
    low, high = round(cost.calls.low), round(cost.calls.high)
    tokens_in, tokens_out = cost.prompt_tokens.expected, cost.completion_tokens.expected
    return [
        f"{round(cost.calls.expected):,}",
        f"{low:,}{_DASH}{high:,}" if low != high else "exactly",
        f"{_say_tokens(tokens_in)}, {_say_tokens(tokens_out)}",
        say_dollars(cost.cost_usd.expected if cost.cost_usd else None),
        say_seconds(cost.minutes.expected * 60),
    ]


def _say_tokens(tokens: float) -> str:
    """Return a count in thousands or millions: an estimate is worth no more digits."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if tokens >= size:
            return f"{tokens / size:,.{0 if tokens >= 10 * size else 1}f} {unit}"
    return f"{tokens:,.0f}"


def _basis(stage: StagePlan) -> str:
    """Say what a line rests on: the calls that its tokens are known from, and its prompts."""
    if stage.is_local and stage.prompts.high:
        return "this machine"
    if not stage.cost.calls.high:
        return "nothing to do"
    tokens = f"from {stage.cost.seen:,} calls" if stage.cost.seen else "assumed"
    if stage.shares_from is None or (stage.shares_from == 0 and not stage.cost.seen):
        return tokens
    if not stage.shares_from:
        return f"{tokens}; prompts assumed"
    cases = "1 earlier one" if stage.shares_from == 1 else f"{stage.shares_from:,} earlier ones"
    return f"{tokens}; prompts by {cases}"


def _describe_cap(cap: Cap) -> str:
    planned = "unknown" if cap.planned is None else _say_amount(cap.name, cap.planned.expected)
    spent = _say_amount(cap.name, cap.spent)
    return f"{cap.name}: {spent} spent and {planned} planned of {_say_amount(cap.name, cap.cap)}"


def _say_amount(name: str, amount: float) -> str:
    return say_dollars(amount) if name == "usd" else f"{round(amount):,}"


def _to_stage(stage: StagePlan) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "role": stage.role,
        "model": stage.model,
        "prompts": asdict(stage.prompts),
        **_to_cost(stage.cost),
        "tokens_from_calls": stage.cost.seen,
        "shares_from_cases": stage.shares_from,
        "limited_by": stage.cost.limit,
    }


def _to_cost(cost: Cost) -> dict[str, Any]:
    spans: dict[str, Span | None] = {
        "calls": cost.calls,
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.completion_tokens,
        "cost_usd": cost.cost_usd,
        "minutes": cost.minutes,
    }
    return {name: None if span is None else asdict(span) for name, span in spans.items()}


def _finite(value: Any) -> Any:
    """JSON has no infinity; figures are rounded to what they are worth."""
    if isinstance(value, float):
        return round(value, 6) if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
