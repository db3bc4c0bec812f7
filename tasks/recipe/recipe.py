"""The recipe as a whole, and what of it decides the content of a release."""

from collections.abc import Generator, Iterator, Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from tasks.identity import content_id, settings_digest
from tasks.recipe.domains import DomainSettings
from tasks.recipe.fields import Domain, Name, Section
from tasks.recipe.models import Budget, Models, SimulatorSettings
from tasks.recipe.policies import PRESETS
from tasks.recipe.select import SelectSettings
from tasks.recipe.sources import BenchmarkSource, ResponseSource, SeedSource, StoreSettings
from tasks.recipe.stages import (
    AdaptiveStudent,
    AssessSettings,
    ExploreSettings,
    Phase,
    ReleaseSettings,
    RewriteSettings,
    SampleSettings,
    TeachSettings,
)

_USUAL_START = int(AdaptiveStudent.model_fields["start"].default)


class Recipe(Section):
    """Everything that one project declares."""

    name: Name = Field(description="Names releases, events and runs.")
    phase: Phase = Field(
        default="scale",
        description="`explore` asks about a sample of each domain and ends before teaching.",
    )
    explore: ExploreSettings = ExploreSettings()
    store: StoreSettings
    seeds: tuple[SeedSource, ...] = Field(min_length=1)
    benchmarks: tuple[BenchmarkSource, ...] = ()
    responses: tuple[ResponseSource, ...] = ()
    models: Models
    simulator: SimulatorSettings = SimulatorSettings()
    packs: tuple[str, ...] = Field(
        default=(),
        description="Files of domains' settings, e.g. packs/safety.yaml; read with the recipe.",
    )
    domains: dict[Domain, DomainSettings] = Field(
        default_factory=dict, description="What is particular to a domain; goes before its pack."
    )
    rewrite: RewriteSettings = RewriteSettings()
    sample: SampleSettings = SampleSettings()
    assess: AssessSettings = AssessSettings()
    select: SelectSettings = SelectSettings()
    teach: TeachSettings = TeachSettings()
    release: ReleaseSettings
    budget: Budget = Budget()

    @model_validator(mode="before")
    @classmethod
    def _sample_in_rounds(cls, declared: Any) -> Any:
        """Have samples drawn as they are needed where a recipe names no number of them.

        Not by a student that votes on the keys, for then they come after its samples, nor by one
        that is asked in batches: each round would be a batch, and may take a day.
        """
        if not isinstance(declared, Mapping):
            return declared
        sample, select, models = (declared.get(name, {}) for name in ("sample", "select", "models"))
        if not all(isinstance(section, Mapping) for section in (sample, select, models)):
            return declared
        student = models.get("student")
        told = {"student", "adaptive"} & sample.keys() or sample.get("keys_by") == "student"
        if told or not isinstance(student, Mapping) or student.get("mode") == "batch":
            return declared
        least = select.get("min_samples")
        start = {"start": least} if isinstance(least, int) and least > _USUAL_START else {}
        return {**declared, "sample": {**sample, "adaptive": start}}

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        names = [benchmark.name for benchmark in self.benchmarks]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"benchmarks: the name {repeated[0]!r} is used twice")
        if self.rewrite.confirmations > self.rewrite.tries:
            raise ValueError("rewrite.confirmations is larger than rewrite.tries")
        where = "sample.adaptive.start" if self.sample.adaptive else "sample.student"
        fewest = self.sample.every_prompt_gets
        if self.select.min_samples > fewest:
            raise ValueError(
                f"select.min_samples ({self.select.min_samples}) is larger than {where} "
                f"({fewest}): no prompt could ever be kept"
            )
        if self.assess.judge and self.models.judge is None:
            raise ValueError("assess.judge names answer types, but models.judge names no model")
        if self.packs:
            raise ValueError("packs are files beside a recipe's file; here `domains` is needed")
        self._check_embedding()
        self._check_players()
        return self

    def _check_players(self) -> None:
        """Raise ValueError if somebody plays twice, or a judge is wanted and nobody plays it."""
        models = self.models
        for role, played in (
            ("student", (models.student, *models.students)),
            ("judge", (*filter(None, [models.judge]), *models.judges)),
        ):
            names = [model.model for model in played]
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"models.{role}s: the model {repeated[0]!r} is a {role} twice")
        if models.judge is not None:
            return
        if models.judges:
            raise ValueError("models.judges are further ones; the first is models.judge")
        for name, domain in self.domains.items():
            rated = [rubric for rubric, settings in domain.rubrics.items() if settings.share > 0]
            if wanted := [*(f"rubrics.{rubric}" for rubric in rated), *domain.judge]:
                raise ValueError(
                    f"domains.{name}: {wanted[0]} needs a judge, but models.judge names no model"
                )

    def _check_embedding(self) -> None:
        """Raise ValueError if embeddings are wanted and nobody makes them or judges by them."""
        wanted = "select.duplicates.meaning"
        if self.select.contamination.by_embedding:
            wanted = "the method `embedding` of select.contamination"
            if self.models.judge is None:
                raise ValueError(f"{wanted} needs a judge, but models.judge names no model")
        if self.select.needs_embedder and self.models.embedder is None:
            raise ValueError(f"{wanted} needs an embedder, but models.embedder names no model")

    def __iter__(self) -> Generator[tuple[str, Any], None, None]:
        """Yield nothing: a recipe is one value to whoever takes collections apart.

        Prefect looks for futures in whatever is given to a task, twice a task, and these hundreds
        of values were a third of what a task run costs.
        """
        yield from ()

    def of_each_student(self) -> Iterator["Recipe"]:
        """Yield this recipe, then the same with each of the further students as the student."""
        yield self
        for student in self.models.students:
            models = self.models.model_copy(update={"student": student, "students": ()})
            yield self.model_copy(update={"models": models})

    def of_each_judge(self) -> Iterator["Recipe"]:
        """Yield this recipe, then the same with each of the further judges; none without one."""
        if self.models.judge is None:
            return
        for judge in (self.models.judge, *self.models.judges):
            models = self.models.model_copy(update={"judge": judge, "judges": ()})
            yield self.model_copy(update={"models": models})

    @property
    def writer(self) -> str | None:
        """The model that writes what is released, beside what was made elsewhere."""
        return self.models.name_of(self.teach.by)

    def judges_answers(self) -> bool:
        """Whether a judge has the last word on answers of some type, in some domain."""
        return bool(self.assess.judge or any(each.judge for each in self.domains.values()))

    def needs_judge(self) -> bool:
        """Whether a judge is asked anything at all."""
        return self.judges_answers() or any(
            rubric.share > 0
            for domain in self.domains.values()
            for rubric in domain.rubrics.values()
        )

    def domain(self, name: str | None) -> DomainSettings:
        """Return what is particular to a domain; nothing, if the recipe does not speak of it."""
        return self.domains.get(name or "", _NOTHING_PARTICULAR)

    def guidelines(self) -> list[str]:
        """Return the texts that teachers read and that no release may hold."""
        return [each.guidelines for each in self.domains.values() if each.guidelines]

    def settings_that_decide(self) -> dict[str, Any]:
        """Return what the content of a release depends on: no place, no secret, no limit."""
        settings = self.model_dump(mode="json", exclude={"store", "budget", "phase", "explore"})
        settings["release"].pop("folder")
        settings["select"] = self.select.describe()
        settings["simulator"].pop("batches")
        settings.pop("packs")
        for domain in settings["domains"].values():
            if domain["guidelines"] is not None:  # A manifest goes out with a release.
                domain["guidelines"] = content_id("guidelines", domain["guidelines"])
        if not settings["domains"]:
            settings.pop("domains")
        # They refuse a release or bring it elsewhere, they change nothing in it.
        for name in ("gate", "rules", "suite", "publish"):
            settings["release"].pop(name)
        for source in (*settings["seeds"], *settings["benchmarks"], *settings["responses"]):
            source["path"] = source["path"].rsplit("/", 1)[-1]
        if self.models.router is None:  # As it was before there was such a role.
            settings["models"].pop("router")
        students, judges = (settings["models"].pop(name) for name in ("students", "judges"))
        embedder = settings["models"]["embedder"]
        if embedder is not None and "local" in embedder:
            embedder.pop("local")  # Its vectors go by what is in the folder, wherever that lies.
        for model in (*filter(None, settings["models"].values()), *students, *judges):
            for limit in (
                "api_key_env",
                "api_key_block",
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
                model.pop(limit, None)  # A local embedder has none of them.
            if server := model.pop("server", None):
                model["base_url"] = server
        if self.models.embedder is None:  # As it was before there was such a role.
            settings["models"].pop("embedder")
        settings["models"]["students"] = students
        if judges:
            settings["models"]["judges"] = judges
        return settings

    def digest(self) -> str:
        """Return a short digest of `settings_that_decide`."""
        return settings_digest(self.settings_that_decide())

    def policy_version(self) -> str:
        """Name the selection policy and the settings it ran with, e.g. `teachable@4f0c21aa9b3e`."""
        preset = PRESETS.get(self.select.policy)
        settings = self.select.describe()
        settings["preset"] = preset and preset.version
        return f"{self.select.policy}@{settings_digest(settings)}"


_NOTHING_PARTICULAR = DomainSettings()
