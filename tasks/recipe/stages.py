"""Stages: how each of them does its work."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tasks.recipe.fields import Name, Section, Share

ReleaseFormat = Literal["parquet", "jsonl"]


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


class ReleaseSettings(Section):
    """What is exported, where to, and how it is split."""

    folder: str
    formats: tuple[ReleaseFormat, ...] = ("parquet", "jsonl")
    validation_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    system_prompt: str | None = None
    reasoning: Literal["think", "field", "drop"] = Field(
        default="think",
        description="Reasoning as <think>…</think> in the content, as a field, or left out.",
    )
    min_pairs: int = Field(default=1, ge=1, description="The gate refuses a smaller release.")
