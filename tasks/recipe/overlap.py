"""Overlap: what counts as the same prompt twice, and as an item of a benchmark."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tasks.recipe.fields import Section, Share


class DuplicateSettings(Section):
    """What counts as the same prompt twice. See docs/overlap.md."""

    method: Literal["exact", "minhash"] = Field(
        default="minhash",
        description="Only the same but for case and marks, or near-duplicates as well.",
    )
    bands: int = Field(
        default=14, ge=1, le=64, description="Bands of a signature of `rows` minima each."
    )
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
    meaning: Share | None = Field(
        default=None,
        description=(
            "Cosine of embeddings from which two prompts are duplicates as well; needs "
            "`models.embedder`. None: embeddings are not looked at."
        ),
    )


LexicalMethod = Literal["exact", "13-gram", "7-gram", "tulu", "s1", "similar", "code"]
ContaminationMethod = Literal[LexicalMethod, "embedding"]


class EmbeddingSettings(Section):
    """Which items a judge is shown beside a prompt: those that are nearest by their embeddings."""

    nearest: int = Field(
        default=3, ge=1, le=50, description="Items of each benchmark at most, for one prompt."
    )
    floor: Share = Field(
        default=0.6,
        description="Cosine below which nobody is asked; every embedder has a scale of its own.",
    )


class ContaminationSettings(Section):
    """When a prompt or response holds a benchmark's item. See docs/overlap.md."""

    drop: tuple[ContaminationMethod, ...] = Field(
        default=("exact", "13-gram", "7-gram", "similar", "code"),
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
        default=0.64, description="similar: weighted words plus 0.7 × weighted numbers."
    )
    code_similarity: Annotated[float, Field(ge=0, le=2)] = Field(
        default=0.6, description="code: weighted words plus weighted runs of normalised tokens."
    )
    allowed: tuple[str, ...] = Field(
        default=(), description="13-gram: phrases of 13 words or more that prompts may share."
    )
    common_after: int | None = Field(
        default=None,
        ge=1,
        description="13-gram: what more items than this of one benchmark share is allowed too.",
    )

    embedding: EmbeddingSettings = Field(
        default=EmbeddingSettings(),
        description="embedding: who is compared. Needs `models.embedder` and `models.judge`.",
    )

    @property
    def methods(self) -> frozenset[str]:
        """All methods that are looked with, whatever comes of it."""
        return frozenset({*self.drop, *self.report})

    @property
    def by_embedding(self) -> bool:
        """Whether a judge is asked about items that are near by their embeddings."""
        return "embedding" in self.methods

    @model_validator(mode="after")
    def _check_methods(self) -> Self:
        if both := sorted(set(self.drop) & set(self.report)):
            raise ValueError(f"{both[0]!r} is in both `drop` and `report`")
        if self.partial_ratio > self.contaminated_ratio:
            raise ValueError("partial_ratio is above contaminated_ratio")
        return self
