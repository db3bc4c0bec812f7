"""Verify every row of seeds/*.jsonl by computation: `python -m seeds.check [file.jsonl ...]`.

    seeds/math.jsonl:12 (math-0012): the program gives 72, expected the answer 73

The seed files are our own, reviewed text: only here, and only for them, are reference solutions and
snippets run (in a child process) and expressions handed to sympy.
"""

import argparse
import json
import re
import string
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from seeds.check_code import check_code
from seeds.check_value import check_choice, check_value
from tasks.identity import normalise
from tasks.rewrite.program import NUMBER

FIELDS = [
    *("id", "domain", "prompt", "choices", "answer", "answer_type", "program", "solution"),
    *("tests", "reference", "level", "licence", "source"),
]
OPTIONAL = "check"  # a second computation of the answer, last in the row
ANSWER_TYPES = ("number", "expression", "choice", "text", "code", "open")
TEXT_FIELDS = ("id", "domain", "prompt", "licence", "source")
SAME_PATTERN = 3  # as many prompts of a domain may differ in their numbers only
FOLDER = Path(__file__).parent

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A row and where it stands."""

    path: Path
    line: int
    row: Row

    def problem(self, reason: str) -> str:
        """Return the line that is printed for a fault of this row."""
        name = self.row.get("id", "no id")
        return f"{self.path.parent.name}/{self.path.name}:{self.line} ({name}): {reason}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the problems and return 1, or print the counts and return 0."""
    parser = argparse.ArgumentParser(description="Verify the bundled seed problems.")
    parser.add_argument("files", nargs="*", type=Path, help="default: every *.jsonl beside me")
    paths = parser.parse_args(arguments).files or sorted(FOLDER.glob("*.jsonl"))
    if not paths:
        print(f"{FOLDER}: no *.jsonl file; expected one a domain")
        return 1
    problems = find_problems(paths)
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problems")
        return 1
    print(count_rows([place.row for path in paths for place in read_places(path)[0]]))
    return 0


def find_problems(paths: Sequence[Path]) -> list[str]:
    """Return one line a fault; a row of the wrong form is not computed any further."""
    problems: list[str] = []
    sound: list[Place] = []
    for path in paths:
        places, faults = read_places(path)
        problems += faults
        problems += check_order(places)
        for place in places:
            faults = [place.problem(reason) for reason in check_form(place)]
            problems += faults
            sound += [] if faults else [place]
    problems += check_duplicates(sound)
    children = [place for place in sound if place.row["domain"] == "code"]
    for place in sound:
        problems += [] if place in children else check_answer(place)
    with ThreadPoolExecutor(max_workers=4) as pool:
        for found in pool.map(check_answer, children):
            problems += found
    return problems


def read_places(path: Path) -> tuple[list[Place], list[str]]:
    """Return the rows of a file and a problem for each line that is not a JSON object."""
    places, problems = [], []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"{path}: cannot be read ({error}), expected a UTF-8 file of JSON lines"]
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            row = error.msg
        if isinstance(row, dict):
            places.append(Place(path, number, row))
        else:
            fault = Place(path, number, {}).problem("is not JSON, expected one object a line")
            problems.append(fault)
    if not lines:
        problems.append(f"{path}: has no rows, expected at least one")
    return places, problems


def check_order(places: Sequence[Place]) -> Iterator[str]:
    for earlier, place in pairwise(places):
        before, name = str(earlier.row.get("id")), str(place.row.get("id"))
        if name == before:
            yield place.problem("has the id of the row before, expected a new one")
        elif name < before:
            yield place.problem(f"comes after {before}, expected the rows in the order of id")


def check_form(place: Place) -> Iterator[str]:
    """Check names, types and the values that need no computation."""
    row, domain = place.row, place.path.stem
    if list(row) not in (FIELDS, [*FIELDS, OPTIONAL]):
        yield f"has the fields {', '.join(row)}, expected {', '.join(FIELDS)} (and check) in order"
        return
    for field in TEXT_FIELDS:
        if not (isinstance(row[field], str) and row[field].strip()):
            yield f"{field} is {row[field]!r}, expected text"
    for field in ("program", "reference", OPTIONAL):
        if row.get(field) is not None and not isinstance(row[field], str):
            yield f"{field} is {row[field]!r}, expected text or null"
    for field in ("choices", "tests"):
        if row[field] is not None and not _is_list_of_text(row[field]):
            yield f"{field} is {row[field]!r}, expected a list of texts or null"
    if row["domain"] != domain:
        yield f"domain is {row['domain']!r}, expected {domain!r} as the file is called"
    if not re.fullmatch(re.escape(domain) + r"-\d{4}", str(row["id"])):
        yield f"id is {row['id']!r}, expected {domain}- and four digits"
    if row["answer_type"] not in ANSWER_TYPES:
        yield f"answer_type is {row['answer_type']!r}, expected one of {', '.join(ANSWER_TYPES)}"
    if type(row["level"]) is not int or not 1 <= row["level"] <= 5:
        yield f"level is {row['level']!r}, expected 1 to 5"
    for field in ("answer", "solution"):
        missing = not (isinstance(row[field], str) and row[field].strip())
        if missing and not (row[field] is None and row["answer_type"] == "open"):
            yield f"{field} is {row[field]!r}, expected text (null for an open question only)"
    yield from _check_fields_of_type(row)


def _check_fields_of_type(row: Row) -> Iterator[str]:
    """Check that choices belong to choice rows, and tests and reference to code rows."""
    kind = row["answer_type"]
    unchecked_code = kind == "open" and row["domain"] == "code"  # a task, solved but not tested
    for field, owner in (("choices", "choice"), ("tests", "code"), ("reference", "code")):
        if field == "reference" and unchecked_code:
            continue
        if (row[field] is not None) != (kind == owner):
            state = "null" if row[field] is None else "given"
            yield f"{field} is {state}, expected it in rows of answer_type {owner} and only there"
    if row["program"] is not None and kind != "number":
        yield "program is given, expected it in rows of answer_type number only"
    if row.get(OPTIONAL) is not None and row["domain"] == "code":
        yield "check is given, expected null: rows of code are run"
    if kind == "choice" and isinstance(row["choices"], list):
        letters = string.ascii_uppercase[: len(row["choices"])]
        if not 3 <= len(letters) <= 8:
            yield f"has {len(letters)} choices, expected 3 to 8"
        if len({normalise(str(choice)) for choice in row["choices"]}) < len(letters):
            yield "two choices are the same, expected different ones"
        if row["answer"] not in tuple(letters):
            yield f"answer is {row['answer']!r}, expected a letter A to {letters[-1:]}"


def check_duplicates(places: Sequence[Place]) -> Iterator[str]:
    """Report prompts that say the same, and the fourth that differs in its numbers only."""
    first: dict[str, Place] = {}
    patterns: Counter[tuple[str, str]] = Counter()
    for place in places:
        text = normalise(place.row["prompt"]).casefold().strip(string.punctuation + " ")
        if text in first:
            known = first[text].row["id"]
            yield place.problem(f"has the prompt of {known}, expected a prompt of its own")
        first.setdefault(text, place)
        pattern = (place.row["domain"], NUMBER.sub("#", text))
        patterns[pattern] += 1
        if patterns[pattern] == SAME_PATTERN + 1:
            yield place.problem(
                f"is the fourth prompt that differs in its numbers only, expected {SAME_PATTERN}"
            )


def check_answer(place: Place) -> list[str]:
    """Compute the answer of a well-formed row in every way that the row offers."""
    row = place.row
    if row["domain"] == "code":
        reasons = check_code(row)
    elif row["answer_type"] == "choice":
        reasons = check_choice(row)
    else:
        reasons = check_value(row)
    return [place.problem(reason) for reason in reasons]


def count_rows(rows: Sequence[Row]) -> str:
    """Return a small table: rows by domain and level, by domain and answer type, by letter."""
    lines = [f"{len(rows)} seeds, no problems"]
    for domain in sorted({row["domain"] for row in rows}):
        members = [row for row in rows if row["domain"] == domain]
        lines.append(f"{domain}: {len(members)}")
        lines.append("  level " + _tally(row["level"] for row in members))
        lines.append("  answer type " + _tally(row["answer_type"] for row in members))
        letters = [row["answer"] for row in members if row["answer_type"] == "choice"]
        if letters:
            lines.append("  right letter " + _tally(letters))
        computed = sum(row["program"] is not None for row in members)
        lines.append(f"  with a program: {computed}")
    return "\n".join(lines)


def _tally(values: Iterator[object] | Sequence[object]) -> str:
    return ", ".join(
        f"{value}: {count}" for value, count in sorted(Counter(values).items(), key=str)
    )


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


if __name__ == "__main__":
    sys.exit(main())
