"""What a rewrite is made of, what comes out, and the two ways it can end.

Parent(prompt_id="3c7b…", text="A baker fills 12 trays with 9 rolls each …", answer="73", …)
→ Candidate(text="A baker fills 14 trays with 8 rolls each …", claimed="81", answer="81", …)
| Refusal("answer_leaked", "the statement says 81, which is the answer")
"""

from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, Literal

from tasks.recipe import AnswerType
from tasks.recipe.domains import RouteName


@dataclass(frozen=True, slots=True)
class Parent:
    """The prompt that a rewrite is made of."""

    prompt_id: str
    root_id: str
    domain: str
    text: str
    choices: tuple[str, ...]
    answer: str | None
    answer_type: str
    program: str | None = None
    reference: str | None = None  # solution of a code problem
    tests: tuple[str, ...] = ()
    route: RouteName | None = None  # what a model said it is; None: the rules say

    @property
    def right_option(self) -> str | None:
        """The text of the option whose letter is the answer; None if there is no such option."""
        letter = (self.answer or "").strip()
        place = ascii_uppercase.find(letter) if len(letter) == 1 else -1
        return self.choices[place] if 0 <= place < len(self.choices) else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rewrite that can be read. `claimed` is the rewriter's answer, `answer` becomes the key.

    Where the key is `confirmed` nobody but the rewriter has said it: without a second model that
    finds it too the rewrite is refused.
    """

    text: str
    claimed: str
    answer: str
    answer_type: AnswerType
    answer_source: Literal["execution", "gold", "confirmed"]
    program: str | None = None
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a rewrite is not used: a short code for counting, and what was found for people."""

    reason: str
    detail: str = ""


def parent_of(row: Mapping[str, Any]) -> Parent:
    """Read a parent from a row with the columns of `prompts`."""
    return Parent(
        prompt_id=row["prompt_id"],
        root_id=row["root_id"],
        domain=row["domain"],
        text=row["text"],
        choices=tuple(row["choices"] or ()),
        answer=row["answer"],
        answer_type=row["answer_type"],
        program=row["program"],
        reference=row["reference"],
        tests=tuple(row["tests"] or ()),
        route=row.get("route"),
    )
