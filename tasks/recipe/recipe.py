"""The recipe as a whole, and what of it decides the content of a release."""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import Field, model_validator

from tasks.identity import settings_digest
from tasks.recipe.fields import Name, Section
from tasks.recipe.models import Budget, Models, SimulatorSettings
from tasks.recipe.policies import PRESETS
from tasks.recipe.select import SelectSettings
from tasks.recipe.sources import BenchmarkSource, ResponseSource, SeedSource, StoreSettings
from tasks.recipe.stages import (
    AssessSettings,
    ReleaseSettings,
    RewriteSettings,
    SampleSettings,
    TeachSettings,
)


class Recipe(Section):
    """Everything that one project declares."""

    name: Name
    store: StoreSettings
    seeds: tuple[SeedSource, ...] = Field(min_length=1)
    benchmarks: tuple[BenchmarkSource, ...] = ()
    responses: tuple[ResponseSource, ...] = ()
    models: Models
    simulator: SimulatorSettings = SimulatorSettings()
    rewrite: RewriteSettings = RewriteSettings()
    sample: SampleSettings = SampleSettings()
    assess: AssessSettings = AssessSettings()
    select: SelectSettings = SelectSettings()
    teach: TeachSettings = TeachSettings()
    release: ReleaseSettings
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        names = [benchmark.name for benchmark in self.benchmarks]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"benchmarks: the name {repeated[0]!r} is used twice")
        if self.rewrite.confirmations > self.rewrite.tries:
            raise ValueError("rewrite.confirmations is larger than rewrite.tries")
        where = "sample.adaptive.start" if self.sample.adaptive else "sample.student"
        fewest = self.sample.adaptive.start if self.sample.adaptive else self.sample.student
        if self.select.min_samples > fewest:
            raise ValueError(
                f"select.min_samples ({self.select.min_samples}) is larger than {where} "
                f"({fewest}): no prompt could ever be kept"
            )
        if self.assess.judge and self.models.judge is None:
            raise ValueError("assess.judge names answer types, but models.judge names no model")
        students = [model.model for model in (self.models.student, *self.models.students)]
        if repeated := sorted({name for name in students if students.count(name) > 1}):
            raise ValueError(f"models.students: the model {repeated[0]!r} is a student twice")
        return self

    def of_each_student(self) -> Iterator["Recipe"]:
        """Yield this recipe, then the same with each of the further students as the student."""
        yield self
        for student in self.models.students:
            models = self.models.model_copy(update={"student": student, "students": ()})
            yield self.model_copy(update={"models": models})

    def settings_that_decide(self) -> dict[str, Any]:
        """Return what the content of a release depends on: no place, no secret, no limit."""
        settings = self.model_dump(mode="json", exclude={"store", "budget"})
        settings["release"].pop("folder")
        settings["simulator"].pop("batches")
        # They refuse a release or bring it elsewhere, they change nothing in it.
        for name in ("gate", "rules", "suite", "publish"):
            settings["release"].pop(name)
        for source in (*settings["seeds"], *settings["benchmarks"], *settings["responses"]):
            source["path"] = source["path"].rsplit("/", 1)[-1]
        students = settings["models"].pop("students")
        for model in (*filter(None, settings["models"].values()), *students):
            for limit in (
                "api_key_env",
                "mode",
                "batch",
                "max_concurrency",
                "adaptive_concurrency",
                "requests_per_minute",
                "tokens_per_minute",
                "timeout_s",
                "max_attempts",
                "max_outage_s",
            ):
                model.pop(limit)
        settings["models"]["students"] = students
        return settings

    def digest(self) -> str:
        """Return a short digest of `settings_that_decide`."""
        return settings_digest(self.settings_that_decide())

    def policy_version(self) -> str:
        """Name the selection policy and the settings it ran with, e.g. `teachable@4f0c21aa9b3e`."""
        preset = PRESETS.get(self.select.policy)
        settings = self.select.model_dump(mode="json") | {"preset": preset and preset.version}
        return f"{self.select.policy}@{settings_digest(settings)}"
