"""The findings as people and programs read them; problems, and what mends them, stand out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cli.boundary import plain, redact
from cli.doctor.environment import check_environment
from cli.doctor.finding import Finding
from cli.doctor.models import check_models
from cli.doctor.server import check_prefect
from cli.doctor.store import check_store
from cli.project import read_recipe
from cli.tables import make_console, print_json

_SIGNS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}
_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def examine(path: Path | None, *, as_json: bool) -> int:
    """Look at everything that a recipe needs, print what was found; 1 if anything is a problem."""
    recipe = read_recipe(path)
    checks: Sequence[Callable[[], Iterator[Finding]]] = (
        partial(check_environment, recipe),
        partial(check_models, recipe),
        partial(check_store, recipe),
        check_prefect,
    )
    findings = [_harmless(found) for found in chain.from_iterable(check() for check in checks)]
    if as_json:
        print_json([asdict(found) for found in findings])
    else:
        print_findings(make_console(), findings)
    return int(any(found.level == "problem" for found in findings))


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print a line a finding by area, and below it how to mend it."""
    area = ""
    for found in findings:
        if found.area != area:
            area = found.area
            console.print(Text(area, style="bold"))
        sign = Text(f"  {_SIGNS[found.level]} ", style=_STYLES[found.level])
        console.print(sign + Text(f"{found.check}: {found.found}"), soft_wrap=True)
        if found.mend:
            console.print(Text(f"          {found.mend}"), soft_wrap=True)
    counts = {level: sum(each.level == level for each in findings) for level in _SIGNS}
    console.print(Text(f"{counts['problem']} problems, {counts['warning']} warnings"))


def _harmless(found: Finding) -> Finding:
    """Take out secrets and what could colour or move the terminal: servers and files wrote it."""
    check, said, mend = (plain(redact(text)) for text in (found.check, found.found, found.mend))
    return replace(found, check=check, found=said, mend=mend)
