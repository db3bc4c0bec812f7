"""Stages: how each of them does its work. How selection does it is in select.py."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from tasks.recipe.fields import Domain, Section, Share
from tasks.recipe.targets import PublishTarget

Phase = Literal["explore", "scale"]
ReleaseFormat = Literal[
    "parquet", "jsonl", "sharegpt", "alpaca", "prompt-completion", "rl", "preference"
]
ReleaseField = Literal[
    "pair_id", "domain", "kind", "strategy", "key", "answer_type", "key_source", "pass_rate",
    "low", "high", "teacher", "verdict", "source", "licence", "prompt_id", "root_id",
    "response_id", "simulated", "split",
]  # fmt: skip
StrategyName = Literal[
    "new_numbers", "choice_to_open", "paraphrase", "predict_output", "harder", "proof_to_answer",
    "multi_part", "decompose", "self_revision", "code_to_tests", "word_problem",
    "instruction_reversal",
]  # fmt: skip
JudgedType = Literal["number", "expression", "choice", "text", "date", "quantity", "json"]
Language = Literal[
    "Czech", "Danish", "Dutch", "English", "Finnish", "French", "German", "Hungarian",
    "Indonesian", "Italian", "Malay", "Norwegian", "Polish", "Portuguese", "Romanian", "Russian",
    "Slovak", "Spanish", "Swedish", "Turkish", "Ukrainian", "Vietnamese",
]  # fmt: skip
Script = Literal["Arabic", "Cyrillic", "Devanagari", "Han", "Hangul", "Hebrew", "Thai"]
Epochs = Annotated[float, Field(ge=1, le=100)]


class ExploreSettings(Section):
    """What is tried before the whole is paid for (docs/phases.md)."""

    roots: int = Field(
        default=100,
        ge=1,
        description=(
            "Seeds of each domain, drawn by their ids: the sample of a larger number contains "
            "the sample of a smaller one."
        ),
    )


class RewriteSettings(Section):
    """Which strategies write synthetic prompts, and how many a seed may have."""

    strategies: tuple[StrategyName, ...] = Field(
        default=get_args(StrategyName),
        description="Which are tried (docs/rewrites.md); all if absent.",
    )
    share: dict[StrategyName, Share] = Field(
        default={
            "paraphrase": 0.5,
            "harder": 0.25,
            "decompose": 0.5,
            "instruction_reversal": 0.25,
        },
        description="Share of the seeds a strategy is tried on; 1 where none is named.",
    )
    variants: int = Field(
        default=1, ge=0, le=8, description="Rewrites asked for a seed, a strategy."
    )
    max_per_root: int = Field(
        default=3, ge=0, description="Rewrites that are accepted of a seed, at most."
    )
    confirmations: int = Field(
        default=2,
        ge=0,
        description="Of `tries` reference answers, how many must agree with the key.",
    )
    tries: int = Field(
        default=3,
        ge=1,
        description=(
            "Reference answers by which a rewrite is confirmed, at most: once it is settled no "
            "more are asked for, but in batches and where `select.hard_share` is above 0."
        ),
    )


class AdaptiveStudent(Section):
    """Samples go where membership of the band is open (see docs/teachable.md)."""

    start: int = Field(default=4, ge=1, le=256, description="Samples that every prompt gets.")
    step: int = Field(default=2, ge=1, le=256, description="Samples of a further round.")
    most: int = Field(default=24, ge=1, le=256, description="Samples that no prompt exceeds.")
    error: float | None = Field(
        default=None,
        gt=0,
        lt=0.5,
        description=(
            "The share of prompts that may end on the wrong side of the band, expected over a "
            "pool with the U-shape of Jeffreys' prior. If none is named it is 0.125, or the least "
            "that `most` samples can reach, if that is more."
        ),
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.start > self.most:
            raise ValueError(f"start ({self.start}) is above most ({self.most})")
        return self


class AdaptiveReference(Section):
    """Votes for a key stop once the leader is unlikely to be overtaken (docs/teachable.md)."""

    start: int = Field(default=4, ge=1, le=256, description="Samples that every prompt gets.")
    step: int = Field(default=2, ge=1, le=256, description="Samples of a further round.")
    most: int = Field(default=16, ge=1, le=256, description="Samples that no prompt exceeds.")
    confidence: float = Field(
        default=0.95,
        ge=0.5,
        lt=1,
        description="Probability, under the Beta rule, that the leader leads for good.",
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.start > self.most:
            raise ValueError(f"start ({self.start}) is above most ({self.most})")
        return self


class SampleSettings(Section):
    """How many samples are drawn of whom."""

    student: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="So many of each, if it is named or `adaptive` does not hold.",
    )
    adaptive: AdaptiveStudent | None = Field(
        default=None,
        description=(
            "As many as it takes. It holds with its defaults unless `student` is named, is asked "
            "in batches or votes on the keys."
        ),
    )
    reference: int = Field(
        default=4, ge=1, le=1024, description="Votes of the reference on a prompt."
    )
    adaptive_reference: AdaptiveReference | None = Field(
        default=None, description="Instead of `reference` samples each: as many as it takes."
    )
    reference_on: Literal["without_gold", "all"] = Field(
        default="without_gold",
        description="Sample the reference only where no answer and no tests are given, or always.",
    )
    gold_share: Share = Field(
        default=0,
        description=(
            "Share of the prompts with a gold answer that the reference answers all the same, "
            "so that `select.key_precision` has something to be measured on."
        ),
    )
    confirmations: int = Field(
        default=3,
        ge=1,
        le=64,
        description="Samples of `models.confirmer` on a key whose share is too small.",
    )
    keys_by: Literal["reference", "student"] = Field(
        default="reference",
        description=(
            "Who votes where no answer is given. `student` is the one-model filter whose keys are "
            "wrong in up to half of what it keeps; it warns."
        ),
    )

    @model_validator(mode="after")
    def _check_votes(self) -> Self:
        if self.keys_by == "student" and self.adaptive is not None:
            raise ValueError(
                "adaptive needs keys before the student is sampled, keys_by: student makes them "
                "after; use a fixed number of samples"
            )
        return self

    @property
    def every_prompt_gets(self) -> int:
        """The samples of the student that every prompt gets, however plain its case is."""
        return self.adaptive.start if self.adaptive else self.student


class AssessSettings(Section):
    """Where the rules do not have the last word on an answer."""

    judge: tuple[JudgedType, ...] = Field(
        default=(),
        description="Answer types in which `models.judge` is asked about answers that the "
        "verifier found wrong or could not tell (docs/verdicts.md); none unless it is named here.",
    )


class TeachSettings(Section):
    """How the training responses are written and chosen."""

    by: Literal["teacher", "student"] = Field(
        default="teacher",
        description=(
            "Who writes what is released: `models.teacher`, or the student, whose right recorded "
            "answers are taken (rejection sampling) and nobody is asked."
        ),
    )
    samples: int = Field(
        default=2, ge=1, description="Responses asked for, or taken, of a kept prompt, at most."
    )
    ask_again: Literal["where_unfit", "always"] = Field(
        default="where_unfit",
        description=(
            "Ask for another response, up to `samples`, where none is fit to be released, or ask "
            "for all of them at once, though a release has one of a prompt."
        ),
    )
    only_correct: bool = Field(
        default=True, description="Release only responses whose answer agrees with the key."
    )

    @model_validator(mode="after")
    def _check_writer(self) -> Self:
        if self.by == "student" and not self.only_correct:
            raise ValueError(
                "by: student takes only right answers; leave out only_correct: false, or have a "
                "teacher write"
            )
        return self


class Allowances(Section):
    """The share of pairs that may break a rule on their texts before the gate closes."""

    foreign_language: Share = Field(
        default=0.0, description="Another language than the question's."
    )
    foreign_script: Share = Field(default=0.0, description="Another script than the question's.")
    leaked_guideline: Share = Field(
        default=0.0, description="Talk of instructions that the model was given."
    )
    looping: Share = Field(default=0.0, description="The same passages over and over.")
    personal_data: Share = Field(
        default=0.001, description="E-mail addresses and telephone numbers."
    )
    secret: Share = Field(default=0.0, description="Keys, tokens and passwords.")
    unknown_licence: Share = Field(default=0.0, description="Seeds that came without a licence.")


class GateSettings(Section):
    """What the gate allows, what it asks besides its own rules, and how it measures length."""

    allow: Allowances = Allowances()
    severity: dict[str, Literal["critical"]] = Field(
        default_factory=dict, description="Warnings that are to close the gate, e.g. off_mixture."
    )
    tokenizer: str | None = Field(
        default=None,
        description="A tokenizer.json, or a model on the Hugging Face hub; without one four "
        "characters count as a token.",
    )
    max_tokens: int = Field(
        default=32_768, ge=1, description="No conversation may be longer, in tokens."
    )
    scripts: tuple[Script, ...] = Field(
        default=(),
        description="The scripts, besides Latin and Greek, that a response may be written in; "
        "empty: those of its question.",
    )
    languages: tuple[Language, ...] = Field(
        default=(),
        description="The languages that a response may be written in; empty: that of its question.",
    )
    guidelines: tuple[str, ...] = Field(
        default=(), description="Passages that no response may repeat, e.g. of a policy."
    )
    mixture_tolerance: Share = Field(
        default=0.05, description="How far a domain's share may be from `select.mixture`."
    )
    drift: Share = Field(
        default=0.2,
        description="How far a figure may be from the previous release's before it is reported.",
    )


class WeightSettings(Section):
    """How many epochs of a domain or source are released, e.g. 2 or 1.5; 1 for what is not named.

    Fewer of a domain is the mixture's business (`select.mixture`).
    """

    domains: dict[Domain, Epochs] = Field(default_factory=dict, description="Epochs by domain.")
    sources: dict[str, Epochs] = Field(
        default_factory=dict, description="Times the domain's; the largest, if a pair has several."
    )
    written_as: Literal["rows", "column"] = Field(
        default="rows",
        description="Repeat the pairs to train on, or carry the number as the field `weight`.",
    )

    @property
    def repeats(self) -> bool:
        """Whether a pair may be released more than once."""
        return self.written_as == "rows" and bool(self.domains or self.sources)

    @property
    def is_column(self) -> bool:
        """Whether rows carry their weight."""
        return self.written_as == "column" and bool(self.domains or self.sources)


class PreferenceSettings(Section):
    """Which recorded answers are set against each other in preference pairs."""

    roles: tuple[Literal["student", "teacher"], ...] = Field(
        default=("student", "teacher"), min_length=1, description="Whose answers are taken."
    )
    max_length_ratio: float = Field(
        default=2.0, ge=1, description="How many times as long the longer of two may be."
    )


class ReleaseSettings(Section):
    """What is exported, where to, and how it is split."""

    folder: str = Field(description="Where releases go, each into a folder of its own.")
    formats: tuple[ReleaseFormat, ...] = Field(
        default=("parquet", "jsonl"),
        min_length=1,
        description="What is written (docs/releases.md).",
    )
    fields: tuple[ReleaseField, ...] | None = Field(
        default=None, description="What a row carries beside what its trainer reads; all if absent."
    )
    validation_share: float = Field(
        default=0.05, ge=0, lt=1, description="Of seeds; a seed and its rewrites are in one split."
    )
    system_prompt: str | None = Field(
        default=None,
        description="Put before every prompt of the release; the models' own never are.",
    )
    instruction: Literal["none", "system", "user"] = Field(
        default="none",
        description=(
            "Where the instruction on the answer's form goes by which the models were asked: after "
            "the system prompt, after the question, or nowhere. Rows of `rl` always have it."
        ),
    )
    reasoning: Literal["think", "field", "drop"] = Field(
        default="think",
        description="Reasoning as `<think>…</think>` in the content, as a field, or left out.",
    )
    weights: WeightSettings = WeightSettings()
    preference: PreferenceSettings = PreferenceSettings()
    min_pairs: int = Field(default=1, ge=1, description="The gate refuses a smaller release.")
    gate: GateSettings = GateSettings()
    rules: str | None = Field(
        default=None, description="A folder of SQL files of your own that return bad rows."
    )
    suite: str | None = Field(
        default=None, description="A JSON file with expectations of Great Expectations of your own."
    )
    publish: tuple[PublishTarget, ...] = Field(
        default=(), description="Where releases are published besides the folder."
    )

    @model_validator(mode="after")
    def _check_repetition(self) -> Self:
        targets = tuple(f"{each.to} {each.endpoint or ''}".strip() for each in self.publish)
        for name, values in (
            ("formats", self.formats),
            ("fields", self.fields or ()),
            ("publish", targets),
        ):
            if repeated := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"{name}: {repeated[0]} is named twice")
        return self
