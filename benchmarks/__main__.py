"""Run the benchmarks: `python -m benchmarks [NAME]`, all of them or one.

Each is a module that prints one JSON line a measure:

    {"bench": "engine", "measure": "…", "value": 0.91, "unit": "ratio", "target": ">= 0.85",
     "ok": true, "detail": "…"}

The lines are gathered into benchmarks/results/<name>.jsonl and shown as a table.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).resolve().parent


def run(names: list[str]) -> int:
    """Run the named benchmarks (all if none is named); return how many measures missed."""
    known = sorted(file.stem for file in FOLDER.glob("[a-z]*.py"))
    if unknown := [name for name in names if name not in known]:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    measures = [measure for name in names or known for measure in run_one(name)]
    show(measures)
    return int(any(measure["ok"] is False for measure in measures))


def run_one(name: str) -> list[dict[str, Any]]:
    """Run one benchmark in a process of its own and return its measures, each said as it comes."""
    print(f"benchmark {name} …", file=sys.stderr, flush=True)
    results = FOLDER / "results"
    results.mkdir(exist_ok=True)
    measures = []
    with (
        (results / f"{name}.jsonl").open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                measures.append(json.loads(line))
                kept.write(line)
                kept.flush()
                print(f"  {say(measures[-1])}", file=sys.stderr, flush=True)
    if process.returncode:
        measures.append(
            {
                "bench": name,
                "measure": "ended with an error",
                "value": process.returncode,
                "unit": "exit code",
                "target": "0",
                "ok": False,
                "detail": "what it said stands above this table",
            }
        )
    return measures


def say(measure: dict[str, Any]) -> str:
    """Return one line on a measure: `persisted calls a second: 0.91 ratio (>= 0.85)`."""
    target = f" ({measure['target']})" if measure["target"] else ""
    missed = ", MISSED" if measure["ok"] is False else ""
    value = say_value(measure["value"])
    return f"{measure['measure']}: {value} {measure['unit']}{target}{missed}"


def say_value(value: float | None) -> str:
    """Return a number in four digits; a dash for what could not be measured here."""
    return "–" if value is None else f"{value:,.4g}"


def show(measures: list[dict[str, Any]]) -> None:
    """Print the measures as a table; a measure without a target is only reported."""
    table = Table("bench", "measure", "value", "unit", "target", "ok", "detail")
    for measure in measures:
        verdict = {True: "yes", False: "NO", None: "–"}[measure["ok"]]
        row = [measure["bench"], measure["measure"], say_value(measure["value"]), measure["unit"]]
        table.add_row(*row, str(measure["target"] or ""), verdict, measure["detail"])
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
