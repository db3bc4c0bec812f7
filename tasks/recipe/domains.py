"""Domains: what is particular to math, science, code or safety. A pack is one of these in a file.

domains:
  safety:
    guidelines: guidelines.md      # the teacher reads it; a release never holds it
    rubrics:
      conduct: {rates: response, instruction: …, scores: {…}, flags: {…}, least: {…}}
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from tasks.identity import settings_digest
from tasks.recipe.fields import AnswerType, Section, Share
from tasks.recipe.select import Band
from tasks.recipe.stages import JudgedType, StrategyName

RouteName = Literal[
    "safety", "true_false", "choice", "code", "multi_part", "proof",
    "numeric", "expression", "text", "open",
]  # fmt: skip
_WORD = re.compile(r"[a-z][a-z0-9_]{0,40}")
_ASKED = ("rates", "instruction", "labels", "scores", "flags")  # What a judge is told.


def _check_word(word: str) -> str:
    if not _WORD.fullmatch(word):
        raise ValueError("lower-case letters, digits and _ only, e.g. `over_refusal`")
    return word


Word = Annotated[str, AfterValidator(_check_word)]


class Rubric(Section):
    """What a judge says of a prompt or of a response, and the bar that the subject must reach."""

    rates: Literal["prompt", "response"] = Field(
        description="What is rated: prompts, or responses of the teacher."
    )
    instruction: str = Field(min_length=1, description="What the judge is to do, in a paragraph.")
    labels: dict[Word, tuple[str, ...]] = Field(
        default_factory=dict, description="Kinds to tell apart, e.g. request: [harmful, harmless]."
    )
    scores: dict[Word, str] = Field(
        default_factory=dict, description="What is rated from 1 to 5, and what 1 and 5 mean."
    )
    flags: dict[Word, str] = Field(
        default_factory=dict, description="Faults that are there or not; one that is, counts."
    )
    least: dict[Word, int] = Field(
        default_factory=dict, description="The least score that a vote must give to be a good one."
    )
    votes: int = Field(default=1, ge=1, le=16, description="Of every judge.")
    share: Share = Field(default=1, description="Share of the domain's prompts that are rated.")
    only: Literal["all", "keyless"] = Field(
        default="all", description="All prompts, or those that no program can check (`open`)."
    )
    below: Literal["drop", "needs_review"] = Field(
        default="drop", description="What becomes of a prompt below the bar."
    )
    ranks: bool = Field(
        default=False,
        description="Its mean score ranks prompts that no rate tells apart; it keeps and drops "
        "none by itself.",
    )

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if not self.scores and not self.flags:
            raise ValueError("a rubric has at least one of scores and flags")
        names = [*self.labels, *self.scores, *self.flags]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{repeated[0]!r} is named twice among labels, scores and flags")
        for name, kinds in self.labels.items():
            if len(set(kinds)) < max(2, len(kinds)):
                raise ValueError(f"labels.{name}: expected two kinds or more, each named once")
        for name, score in self.least.items():
            if name not in self.scores:
                raise ValueError(f"least.{name}: there is no such score")
            if not 1 <= score <= 5:
                raise ValueError(f"least.{name}: {score} is not between 1 and 5")
        if self.ranks and (self.rates != "prompt" or not self.scores):
            raise ValueError("only a rubric with scores that rates prompts can rank them")
        if self.rates == "response" and self.only == "keyless":
            raise ValueError("only: keyless is for rubrics that rate prompts")
        return self

    def asked(self, guidelines: str | None) -> str:
        """Return a digest of what the judge is told: a rubric that asks otherwise asks anew."""
        told = self.model_dump(mode="json", include=set(_ASKED))
        return settings_digest(told | {"guidelines": guidelines})

    def objects(self) -> bool:
        """Say whether there is a bar that a subject can be below."""
        return bool(self.flags or self.least)

    def bar(self) -> str:
        """Return a digest of the bar, which may be moved without asking anybody."""
        return settings_digest({"least": self.least})[:4]


class DomainDefaults(Section):
    """What a pack says for `select` where the recipe says nothing."""

    band: Band | None = Field(
        default=None,
        description="As `select.domains`, where the recipe names no band and no policy.",
    )
    target: int | None = Field(default=None, ge=0, description="As `select.targets`.")


class DomainSettings(Section):
    """What is particular to one domain; all that is left out is as in every domain."""

    guidelines: str | None = Field(
        default=None,
        description="A text file that the teacher reads before its task and that no release may "
        "hold; once a recipe is read, its text.",
    )
    instructions: dict[AnswerType, str] = Field(
        default_factory=dict,
        description="What models are told with a task of an answer type, instead of the usual.",
    )
    strategies: dict[RouteName, tuple[StrategyName, ...]] = Field(
        default_factory=dict,
        description="Of the recipe's strategies, those that may rewrite a route; a route that is "
        "not named may have all of them.",
    )
    judge: tuple[JudgedType, ...] = Field(
        default=(), description="Answer types in which the judge has the last word, as "
        "`assess.judge` says it for all domains.",
    )  # fmt: skip
    keyless: str | None = Field(
        default=None,
        description="The rubric by which responses to prompts without any key are accepted; "
        "without one such prompts are dropped.",
    )
    rubrics: dict[Word, Rubric] = Field(
        default_factory=dict, description="Rubrics by name; `models.judge` rates on them."
    )
    defaults: DomainDefaults = DomainDefaults()

    @model_validator(mode="after")
    def _check_keyless(self) -> Self:
        if self.keyless is not None:
            rubric = self.rubrics.get(self.keyless)
            if rubric is None or rubric.rates != "response":
                raise ValueError(f"keyless: {self.keyless!r} is no rubric that rates responses")
            if not rubric.objects():
                raise ValueError(
                    "keyless: this rubric accepts everything; give it `flags` or `least`"
                )
            if rubric.share < 1:
                raise ValueError("keyless: this rubric has to rate every response (share: 1)")
        return self
