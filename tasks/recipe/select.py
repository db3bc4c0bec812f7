"""Select: the policy by which a prompt is kept or set aside, own or one of the presets."""

from typing import Any, Self

from pydantic import Field, model_validator

from tasks.recipe.fields import AnswerType, Domain, Name, Section, Share
from tasks.recipe.overlap import ContaminationSettings, DuplicateSettings
from tasks.recipe.policies import PRESETS


class Band(Section):
    """Pass rates that count as teachable, both ends included."""

    low: Share = Field(default=0.125, description="Below it a prompt is too hard.")
    high: Share = Field(default=0.75, description="Above it a prompt is too easy.")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")
        return self


class VerifierError(Section):
    """How often a verifier errs, as measured on labelled answers."""

    recall: Share = Field(default=1, description="Share of right answers that it calls correct.")
    false_positive: Share = Field(
        default=0, description="Share of wrong answers that it calls correct."
    )

    @model_validator(mode="after")
    def _check_worth(self) -> Self:
        if self.recall <= self.false_positive:
            raise ValueError(
                f"recall ({self.recall}) must be above false_positive ({self.false_positive}): "
                "such a verifier says nothing"
            )
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


class SelectSettings(Section):
    """The policy by which a prompt is kept or set aside.

    A policy named like a preset (tasks/recipe/policies.py) begins with its settings; what is set
    beside it goes before.
    """

    policy: Name = Field(
        default="teachable",
        description="A preset (docs/teachable.md), or a name of your own.",
    )
    duplicates: DuplicateSettings = DuplicateSettings()
    contamination: ContaminationSettings = ContaminationSettings()
    licences: LicenceSettings = LicenceSettings()
    band: Band = Band()
    domains: dict[Domain, Band] = Field(
        default_factory=dict, description="A band of its own for a domain, instead of `band`."
    )
    min_samples: int = Field(
        default=4, ge=1, description="Decided samples needed before a pass rate is believed."
    )
    min_in_band: Share = Field(
        default=0, description="Probability that the true rate is in the band, at least."
    )
    verifier_error: dict[AnswerType, VerifierError] = Field(
        default_factory=dict,
        description="Known error of the verifier of an answer type; pass rates are corrected.",
    )
    min_key_share: Share = Field(
        default=0.8, description="The reference's plurality must reach this share to be a key."
    )
    key_precision: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description=(
            "Instead of `min_key_share`: the smallest share whose keys are right this often where "
            "gold answers tell, domain by domain (docs/teachable.md)."
        ),
    )
    hard_share: Share = Field(
        default=0,
        description=(
            "At most this share of a domain may be prompts below the band that the reference "
            "solves: certified hard."
        ),
    )
    easy_share: Share = Field(
        default=0, description="At most this share of a domain may be prompts above the band."
    )
    targets: dict[Domain, int] = Field(
        default_factory=dict, description="At most so many prompts of a domain."
    )
    mixture: dict[Domain, Share] = Field(
        default_factory=dict,
        description="The share of each domain in the release, summing to 1; empty keeps all.",
    )
    max_easier: Share = Field(
        default=0.5,
        description=(
            "How far the pass rate of a rewrite may be above that of the prompt it was made of; a "
            "step of a problem (`decompose`) may be as easy as it is."
        ),
    )
    organic_share: Share = Field(
        default=0,
        description="At least this share of what a domain keeps are seeds, not rewrites.",
    )
    freeze: tuple[Domain, ...] = Field(
        default=(),
        description=(
            "Domains whose rows stay as the newest release has them: nothing more is asked or "
            "decided about them (docs/phases.md)."
        ),
    )
    max_per_root: int | None = Field(
        default=None,
        ge=1,
        description="Prompts that are kept of a seed with its rewrites, at most.",
    )
    max_per_source: int | None = Field(
        default=None, ge=1, description="Prompts that are kept of a source, at most."
    )

    @model_validator(mode="before")
    @classmethod
    def _begin_with_preset(cls, declared: Any) -> Any:
        if not isinstance(declared, dict):
            return declared
        preset = PRESETS.get(str(declared.get("policy", "teachable")))
        if preset is None:
            return declared
        begun = {name: value for name, value in preset.settings.items() if name not in declared}
        band, own = preset.settings.get("band"), declared.get("band")
        if isinstance(band, dict) and isinstance(own, dict):
            begun["band"] = band | own
        return declared | begun

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if self.mixture and abs(sum(self.mixture.values()) - 1) > 1e-6:
            raise ValueError(f"mixture sums to {sum(self.mixture.values()):g}, must sum to 1")
        if self.hard_share + self.easy_share >= 1:
            raise ValueError("hard_share and easy_share leave nothing for the band")
        if repeated := sorted({name for name in self.freeze if self.freeze.count(name) > 1}):
            raise ValueError(f"freeze: {repeated[0]!r} is named twice")
        if negative := [name for name, count in self.targets.items() if count < 0]:
            raise ValueError(f"targets.{negative[0]} must not be negative")
        return self

    @property
    def needs_embedder(self) -> bool:
        """Whether prompts are embedded at all."""
        return self.contamination.by_embedding or self.duplicates.meaning is not None

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON, without those that were added later and are not in use.

        So a policy without them has the name and the digest that it had before.
        """
        settings = self.model_dump(mode="json")
        if not self.freeze:
            settings.pop("freeze")
        if not self.contamination.by_embedding:
            settings["contamination"].pop("embedding")
        if self.duplicates.meaning is None:
            settings["duplicates"].pop("meaning")
        return settings

    def band_of(self, domain: str | None) -> Band:
        """Return the band of a domain: its own or the one of all."""
        return self.domains.get(domain or "", self.band)
