"""Stages: how each of them does its work."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tasks.recipe.fields import Name, Section, Share

ReleaseFormat = Literal[
    "parquet", "jsonl", "sharegpt", "alpaca", "prompt-completion", "rl", "preference"
]
ReleaseField = Literal[
    "pair_id", "domain", "kind", "strategy", "key", "answer_type", "key_source", "pass_rate",
    "low", "high", "teacher", "verdict", "source", "licence", "prompt_id", "root_id",
    "response_id", "simulated", "split",
]  # fmt: skip
Script = Literal["Arabic", "Cyrillic", "Devanagari", "Han", "Hangul", "Hebrew", "Thai"]
Epochs = Annotated[float, Field(ge=1, le=100)]


class RewriteSettings(Section):
    """Which strategies write synthetic prompts, and how many a seed may have."""

    strategies: tuple[Literal["new_numbers", "choice_to_open"], ...] = (
        "new_numbers",
        "choice_to_open",
    )
    variants: int = Field(
        default=1, ge=0, le=8, description="Rewrites asked for a seed, a strategy."
    )
    max_per_root: int = Field(default=3, ge=0)
    confirmations: int = Field(
        default=2,
        ge=0,
        description="Of `tries` reference answers, how many must agree with the key.",
    )
    tries: int = Field(default=3, ge=1)


class SampleSettings(Section):
    """How many samples are drawn of whom."""

    student: int = Field(default=8, ge=1, le=1024)
    reference: int = Field(default=4, ge=1, le=1024)
    reference_on: Literal["without_gold", "all"] = Field(
        default="without_gold",
        description="Sample the reference only where no gold answer exists, or everywhere.",
    )


class Band(Section):
    """Pass rates that count as teachable, both ends included."""

    low: Share = 0.125
    high: Share = 0.75

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")
        return self


class LicenceSettings(Section):
    """Which licences a seed may have; a rewrite has those of its seed. `unknown` is one as well."""

    allow: tuple[str, ...] = Field(
        default=(), description="If any is named, a seed with another licence is set aside."
    )
    refuse: tuple[str, ...] = Field(
        default=(), description="A seed with one of these is set aside, e.g. `cc-by-nc-4.0`."
    )

    @model_validator(mode="after")
    def _check_overlap(self) -> Self:
        if both := {name.lower() for name in self.allow} & {name.lower() for name in self.refuse}:
            raise ValueError(f"{min(both)} is both allowed and refused")
        return self


class DuplicateSettings(Section):
    """What counts as the same prompt twice. See docs/overlap.md."""

    method: Literal["exact", "minhash"] = Field(
        default="minhash",
        description="Only the same but for case and marks, or near-duplicates as well.",
    )
    bands: int = Field(default=14, ge=1, le=64)
    rows: int = Field(
        default=8,
        ge=4,
        le=16,
        description="Minima in a band; two prompts with one equal band meet.",
    )
    threshold: Share = Field(
        default=0.5, description="Estimated Jaccard similarity of 5-word runs that is a duplicate."
    )
    numbers: Literal["distinct", "ignore"] = Field(
        default="distinct",
        description="Other numbers make another prompt, or they make no difference.",
    )


ContaminationMethod = Literal["exact", "13-gram", "7-gram", "tulu", "s1", "similar"]


class ContaminationSettings(Section):
    """When a prompt or response holds a benchmark's item. See docs/overlap.md."""

    drop: tuple[ContaminationMethod, ...] = Field(
        default=("exact", "13-gram", "7-gram", "similar"),
        description="Methods whose hits are set aside.",
    )
    report: tuple[ContaminationMethod, ...] = Field(
        default=(), description="Methods whose hits are only recorded."
    )
    partial_ratio: Share = Field(
        default=0.1, description="7-gram: above this share a hit is recorded (Phi-4: partial)."
    )
    contaminated_ratio: Share = Field(
        default=0.2, description="7-gram: from this share a hit is contaminated. Unpublished."
    )
    covered: Share = Field(
        default=0.5, description="tulu: share of an item's words in shared 8-grams, above which."
    )
    similarity: Annotated[float, Field(ge=0, le=2)] = Field(
        default=0.615, description="similar: weighted words plus 0.7 × weighted numbers."
    )
    allowed: tuple[str, ...] = Field(
        default=(), description="13-gram: phrases of 13 words or more that prompts may share."
    )
    common_after: int | None = Field(
        default=None,
        ge=1,
        description="13-gram: what more items than this of one benchmark share is allowed too.",
    )

    @model_validator(mode="after")
    def _check_methods(self) -> Self:
        if both := sorted(set(self.drop) & set(self.report)):
            raise ValueError(f"{both[0]!r} is in both `drop` and `report`")
        if self.partial_ratio > self.contaminated_ratio:
            raise ValueError("partial_ratio is above contaminated_ratio")
        return self


class SelectSettings(Section):
    """The policy by which a prompt is kept or set aside."""

    policy: Name = "teachable"
    duplicates: DuplicateSettings = DuplicateSettings()
    contamination: ContaminationSettings = ContaminationSettings()
    band: Band = Band()
    domains: dict[str, Band] = Field(
        default_factory=dict, description="A band of its own for a domain, instead of `band`."
    )
    min_samples: int = Field(
        default=4, ge=1, description="Decided samples needed before a pass rate is believed."
    )
    min_key_share: Share = Field(
        default=0.8, description="The reference's plurality must reach this share to be a key."
    )
    mixture: dict[str, Share] = Field(
        default_factory=dict,
        description="The share of each domain in the release, summing to 1; empty keeps all.",
    )
    max_per_root: int | None = Field(default=None, ge=1)
    licences: LicenceSettings = LicenceSettings()

    @model_validator(mode="after")
    def _check_mixture(self) -> Self:
        if self.mixture and abs(sum(self.mixture.values()) - 1) > 1e-6:
            raise ValueError(f"mixture sums to {sum(self.mixture.values()):g}, must sum to 1")
        return self


class TeachSettings(Section):
    """How the training responses are written and chosen."""

    samples: int = Field(default=2, ge=1, description="Teacher responses asked for a kept prompt.")
    only_correct: bool = Field(
        default=True, description="Release only responses whose answer agrees with the key."
    )


class Allowances(Section):
    """The share of pairs that may break a rule on their texts before the gate closes."""

    foreign_script: Share = 0.0
    leaked_guideline: Share = 0.0
    looping: Share = 0.0
    personal_data: Share = 0.001
    secret: Share = 0.0
    unknown_licence: Share = 0.0


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

    domains: dict[str, Epochs] = Field(default_factory=dict)
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

    folder: str
    formats: tuple[ReleaseFormat, ...] = Field(default=("parquet", "jsonl"), min_length=1)
    fields: tuple[ReleaseField, ...] | None = Field(
        default=None, description="What a row carries beside what its trainer reads; all if absent."
    )
    validation_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    system_prompt: str | None = None
    reasoning: Literal["think", "field", "drop"] = Field(
        default="think",
        description="Reasoning as <think>…</think> in the content, as a field, or left out.",
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

    @model_validator(mode="after")
    def _check_repetition(self) -> Self:
        for name, values in (("formats", self.formats), ("fields", self.fields or ())):
            if repeated := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"{name}: {repeated[0]} is named twice")
        return self
