"""Items: problems whose answers the simulator knows, read from rows in the shape of seeds.

    {"id": "math-0001", "domain": "math", "prompt": "A baker fills 12 trays with 9 rolls each and
     sells 35 rolls. How many rolls are left?", "answer": "73", "answer_type": "number",
     "program": "n0 * n1 - n2", "solution": "12*9 = 108 rolls. 108 - 35 = 73.", "level": 1}

Only a text (`prompt`, `text`, `question` or `problem`) and an answer are required, so files such as
GSM8K's (`#### 72` at the end of the answer) and MMLU's (a choice's index) can be read as they are.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.identity import normalise
from tasks.simulator.chance import fingerprint
from tasks.simulator.programs import parse_number

_LEVEL = re.compile(r"\d+(?:\.\d+)?")
_TESTED = re.compile(r"\bassert\s+\(*(?!not\b)([A-Za-z_]\w*)\(")
_TEXT_FIELDS = ("prompt", "text", "question", "problem")


@dataclass(frozen=True, slots=True)
class Item:
    """A problem whose answer is known; `level` runs from 1 (trivial) to 5 (hard) or is unknown.

    `key` is a hash of the text and its choices: what is drawn by chance for an item, such as its
    difficulty, depends on it and not on ids or the order of files.
    """

    key: str
    item_id: str
    text: str
    answer: str
    answer_type: str
    domain: str | None = None
    choices: tuple[str, ...] = ()
    program: str | None = None
    solution: str | None = None
    tests: tuple[str, ...] = ()
    reference: str | None = None
    level: float | None = None


def read_item(row: Mapping[str, object]) -> Item:
    """Read a row in the shape of seeds, GSM8K or MATH; raise ValueError saying what is missing."""
    text = next((row[name] for name in _TEXT_FIELDS if isinstance(row.get(name), str)), None)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"no text in any of {', '.join(_TEXT_FIELDS)}")
    choices = _texts(row.get("choices"))
    solution = row.get("solution")
    answer = _read_answer(row.get("answer"), choices)
    if "####" in answer:
        solution, answer = (part.strip() for part in answer.rsplit("####", 1))
    tests = _texts(row.get("tests"))
    if not answer and tests:
        answer = _name_tested(tests)
    kind = row.get("answer_type") or infer_answer_type(answer, choices, tests)
    if not answer and row.get("answer_type") != "open":
        raise ValueError("no answer")
    if kind == "choice" and not (
        len(answer) == 1 and 0 <= ord(answer) - ord("A") < max(len(choices), 1) and choices
    ):
        raise ValueError(
            f"the answer {answer!r} is not the letter of one of {len(choices)} choices"
        )
    key = fingerprint(normalise(text), *map(normalise, choices)).hex()
    return Item(
        key=key,
        item_id=str(row.get("id") or f"item-{key[:12]}"),
        text=text,
        answer=answer,
        answer_type=str(kind),
        domain=_text_or_none(row.get("domain")),
        choices=choices,
        program=_text_or_none(row.get("program")),
        solution=_text_or_none(solution),
        tests=tests,
        reference=_text_or_none(row.get("reference")),
        level=_read_level(row.get("level")),
    )


def infer_answer_type(answer: str, choices: Sequence[str] = (), tests: Sequence[str] = ()) -> str:
    """Guess the answer type of a row that does not say it."""
    if tests:
        return "code"
    if choices:
        return "choice"
    if parse_number(answer) is not None:
        return "number"
    return "expression" if re.search(r"[\\^_{}=]|^[(\[].*[)\]]$|\d[a-z]", answer) else "text"


def _read_answer(answer: object, choices: Sequence[str]) -> str:
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(choices):
        return chr(ord("A") + answer)
    return "" if answer is None else str(answer).strip()


def _name_tested(tests: Sequence[str]) -> str:
    """Return the function that the tests of a row without an answer call first (MBPP)."""
    found = _TESTED.search("\n".join(tests))
    return found[1] if found else ""


def _read_level(level: object) -> float | None:
    found = _LEVEL.search(str(level)) if level is not None else None
    return min(5.0, max(1.0, float(found[0]))) if found else None


def _texts(values: object) -> tuple[str, ...]:
    return tuple(map(str, values)) if isinstance(values, list | tuple) else ()


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
