"""The recipe: one YAML file that declares a project, checked before anything is spent.

    name: quickstart
    store: {catalog: ../projects/quickstart/store/catalog.sqlite}
    seeds:
      - {path: ../seeds/math.jsonl}
    models:
      student: {model: sim-student}

Relative paths are relative to the recipe's own folder. A model without `base_url` is served by the
simulator. The model is also the flows' parameter, so the Prefect UI draws a form from it.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.errors import RecipeError
from tasks.identity import settings_digest
from tasks.recipe_text import describe_faults, read_declared
from tasks.simulator.settings import read_settings

Role = Literal["rewriter", "reference", "student", "teacher", "judge"]
AnswerType = Literal["number", "expression", "choice", "text", "code", "open"]
ReleaseFormat = Literal["parquet", "jsonl"]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_URI = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "lower-case letters, digits and dashes only, at most 63, e.g. `gsm8k-test`"
        )
    return name


Name = Annotated[str, AfterValidator(_check_name)]
Share = Annotated[float, Field(ge=0, le=1)]
RecipeFile = Annotated[
    Path,
    Field(
        title="file",
        description="A recipe's YAML file; relative to the folder of Teachset where it is served.",
    ),
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _check_catalog(catalog: str) -> str:
    if not catalog or (_URI.match(catalog) and not re.match(r"postgres(ql)?://", catalog)):
        raise ValueError("expected a file's path or postgresql://user@host/database")
    if re.match(r"postgres(ql)?://([^/@]*:.*@|.*[?&]password=)", catalog):
        raise ValueError("leave the password out; it is read from PGPASSWORD or ~/.pgpass")
    return catalog


class StoreSettings(_Section):
    """Where the DuckLake lives: a folder at first, PostgreSQL and an object store for a team."""

    catalog: Annotated[str, AfterValidator(_check_catalog)] = Field(
        description="Path of the SQLite catalog, or postgresql://user@host/database.",
    )
    data: str | None = Field(
        default=None,
        description="Folder or object-store URI of the Parquet files; beside the catalog if none.",
    )
    keep_snapshots_days: float = Field(
        default=7, ge=0, description="Snapshots older than this are expired when a stage compacts."
    )


class Columns(_Section):
    """Which column (or dotted path of a JSON row) holds what; the defaults are Teachset's names."""

    prompt: str = "prompt"
    answer: str | None = "answer"
    answer_type: str | None = "answer_type"
    choices: str | tuple[str, ...] | None = Field(
        default="choices", description="One column with a list or an object, or one per option."
    )
    domain: str | None = "domain"
    licence: str | None = "licence"
    source: str | None = "source"
    external_id: str | None = "id"
    level: str | None = "level"
    program: str | None = "program"
    solution: str | None = "solution"
    tests: str | None = "tests"
    reference: str | None = "reference"


class Constants(_Section):
    """Values that every row of a source has; they fill what its columns leave empty."""

    domain: str | None = None
    licence: str | None = None
    source: str | None = None
    answer_type: AnswerType | None = None


class Delimited(_Section):
    """How a CSV or TSV file is written, where it differs from the usual."""

    quote: str = Field(
        default='"', max_length=1, description='Empty ("") where quotes are ordinary characters.'
    )
    delimiter: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="Comma for CSV, tab for TSV if absent.",
    )
    header: tuple[str, ...] | None = Field(
        default=None, description="Names of the columns of a file without a header row."
    )


class SeedSource(_Section):
    """A file, a glob or a URI of seed problems, and how to read a row of it."""

    path: str
    format: Literal["auto", "jsonl", "json", "csv", "tsv", "parquet"] = "auto"
    columns: Columns = Columns()
    constants: Constants = Constants()
    csv: Delimited = Delimited()
    answer_pattern: str | None = Field(
        default=None,
        description=(
            "How to find the answer in the answer column: `hash` (GSM8K's `#### 72`), `boxed` "
            r"(the last \boxed{}), or a regular expression with one group, of which the last "
            "match counts."
        ),
    )

    @model_validator(mode="after")
    def _check_pattern(self) -> Self:
        if self.answer_pattern in (None, "hash", "boxed"):
            return self
        try:
            groups = re.compile(self.answer_pattern or "").groups
        except re.error as error:
            raise ValueError(f"answer_pattern is not a regular expression: {error}") from error
        if groups != 1:
            raise ValueError(f"answer_pattern needs exactly one group in parentheses, has {groups}")
        return self


class BenchmarkSource(SeedSource):
    """A benchmark that the training set must not contain."""

    name: Name


class ResponseColumns(_Section):
    """Which column of a file of responses made elsewhere holds what."""

    prompt: str = "prompt"
    response: str = "response"
    model: str = "model"
    sample_index: str | None = "sample_index"
    reasoning: str | None = "reasoning"
    finish_reason: str | None = "finish_reason"
    prompt_tokens: str | None = "prompt_tokens"
    completion_tokens: str | None = "completion_tokens"


class ResponseSource(_Section):
    """Responses generated elsewhere; imported, they are like any other response."""

    path: str
    format: Literal["auto", "jsonl", "json", "csv", "tsv", "parquet"] = "auto"
    role: Literal["reference", "student", "teacher"]
    columns: ResponseColumns = ResponseColumns()
    csv: Delimited = Delimited()
    model: str | None = Field(default=None, description="The model, where no column names it.")


class Prices(_Section):
    """US dollars per million tokens. An unknown price makes a cost unknown (null), never zero."""

    input: float | None = Field(default=None, ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    output: float | None = Field(default=None, ge=0)
    reasoning: float | None = Field(
        default=None, ge=0, description="If reasoning tokens are priced apart from the output."
    )


class Sampling(_Section):
    """What is sent with a request and changes its answer."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=4096, ge=1)
    extra: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of the request body, e.g. top_k or reasoning_effort.",
    )


class ModelSettings(_Section):
    """One model in one role, behind any OpenAI-compatible server."""

    model: str
    base_url: str | None = Field(default=None, description="None: the simulator serves it.")
    api_key_env: str | None = Field(
        default=None,
        description="The NAME of the environment variable that holds the key, never the key.",
        pattern=r"^[A-Z_][A-Z0-9_]*$",
    )
    sampling: Sampling = Sampling()
    prices: Prices = Prices()
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    system_prompt: str | None = Field(
        default=None, description="Put before the instruction that the answer type asks for."
    )
    send_seed: bool = Field(
        default=True,
        description="Send the sample's index as `seed`; off for servers that refuse the field.",
    )
    max_concurrency: int = Field(default=64, ge=1, le=4096)
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    timeout_s: float = Field(default=600, gt=0)
    max_attempts: int = Field(default=6, ge=1, le=20)


class Models(_Section):
    """Who plays which role. A stage that needs a role which is not filled is skipped or refused."""

    rewriter: ModelSettings | None = None
    reference: ModelSettings | None = None
    student: ModelSettings
    teacher: ModelSettings | None = None
    judge: ModelSettings | None = None


class SimulatorSettings(_Section):
    """The models served on loopback when a role names no server (see docs/simulator.md)."""

    seed: int = 0
    latency: dict[str, Any] = Field(default_factory=dict)
    faults: dict[str, Any] = Field(default_factory=dict)
    limits: dict[str, Any] = Field(default_factory=dict)
    models: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        try:
            read_settings(self.model_dump(mode="json"))
        except RecipeError as error:
            raise ValueError(str(error)) from error
        return self


class RewriteSettings(_Section):
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


class SampleSettings(_Section):
    """How many samples are drawn of whom."""

    student: int = Field(default=8, ge=1, le=1024)
    reference: int = Field(default=4, ge=1, le=1024)
    reference_on: Literal["without_gold", "all"] = Field(
        default="without_gold",
        description="Sample the reference only where no gold answer exists, or everywhere.",
    )


class Band(_Section):
    """Pass rates that count as teachable, both ends included."""

    low: Share = 0.125
    high: Share = 0.75

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")
        return self


class SelectSettings(_Section):
    """The policy by which a prompt is kept or set aside."""

    policy: Name = "teachable"
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


class TeachSettings(_Section):
    """How the training responses are written and chosen."""

    samples: int = Field(default=2, ge=1, description="Teacher responses asked for a kept prompt.")
    only_correct: bool = Field(
        default=True, description="Release only responses whose answer agrees with the key."
    )


class ReleaseSettings(_Section):
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


class Budget(_Section):
    """A hard cap over everything the store has ever recorded for this recipe."""

    usd: float | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    calls: int | None = Field(default=None, ge=0)


class Recipe(_Section):
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
        if self.select.min_samples > self.sample.student:
            raise ValueError(
                f"select.min_samples ({self.select.min_samples}) is larger than sample.student "
                f"({self.sample.student}): no prompt could ever be kept"
            )
        return self

    def settings_that_decide(self) -> dict[str, Any]:
        """Return what the content of a release depends on: no place, no secret, no limit."""
        settings = self.model_dump(mode="json", exclude={"store", "budget"})
        settings["release"].pop("folder")
        for source in (*settings["seeds"], *settings["benchmarks"], *settings["responses"]):
            source["path"] = source["path"].rsplit("/", 1)[-1]
        for model in filter(None, settings["models"].values()):
            for limit in (
                "api_key_env",
                "max_concurrency",
                "requests_per_minute",
                "tokens_per_minute",
                "timeout_s",
                "max_attempts",
            ):
                model.pop(limit)
        return settings

    def digest(self) -> str:
        """Return a short digest of `settings_that_decide`."""
        return settings_digest(self.settings_that_decide())

    def policy_version(self) -> str:
        """Name the selection policy and the settings it ran with, e.g. `teachable@4f0c21aa9b3e`."""
        return f"{self.select.policy}@{settings_digest(self.select.model_dump(mode='json'))}"


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe; paths come back absolute. Raises RecipeError naming the field.

    An override is `seeds.0.path=train.jsonl`: a field's path, and its value in YAML; a local path
    in it is relative to the working folder, as on any command line.
    """
    file = Path(path)
    declared = read_declared(file)
    for override in overrides:
        _override(declared, override)
    try:
        recipe = Recipe.model_validate(declared)
    except ValidationError as error:
        # `from None`: the cause quotes every value, and one of them may be a pasted secret.
        faults = describe_faults(error, Recipe.model_json_schema())
        raise RecipeError(f"{file}: {faults}") from None
    return resolve_paths(recipe, file.resolve().parent)


def as_recipe(recipe: Recipe | Path) -> Recipe:
    """Return a recipe that may have been given by its path, as deployments do."""
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)


def resolve_paths(recipe: Recipe, folder: Path) -> Recipe:
    """Make every local path absolute, relative ones starting at `folder`; URIs stay as they are."""
    declared = recipe.model_dump(mode="json")
    for source in (*declared["seeds"], *declared["benchmarks"], *declared["responses"]):
        source["path"] = _resolve(source["path"], folder)
    declared["store"]["catalog"] = _resolve(declared["store"]["catalog"], folder)
    if declared["store"]["data"]:
        declared["store"]["data"] = _resolve(declared["store"]["data"], folder)
    declared["release"]["folder"] = _resolve(declared["release"]["folder"], folder)
    return Recipe.model_validate(declared)


def recipe_schema() -> str:
    """Return the JSON Schema that editors check a recipe against."""
    schema = Recipe.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _override(declared: dict[str, Any], override: str) -> None:
    """Set one field of a declared recipe. Raises RecipeError if there is no such place."""
    field, equals, text = override.partition("=")
    *steps, last = field.split(".")
    try:
        node: Any = declared
        for step in steps:
            node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
        value = yaml.safe_load(text)
        if last in ("path", "folder", "catalog", "data") and isinstance(value, str):
            value = _resolve(value, Path.cwd())
        node[int(last) if isinstance(node, list) else last] = value
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise RecipeError(
            f"--set {override}: expected a field's path and a value, e.g. sample.student=16"
        ) from error
    if not equals:
        raise RecipeError(f"--set {override}: the value is missing, e.g. sample.student=16")


def _resolve(path: str, folder: Path) -> str:
    if _URI.match(path):
        return path
    try:
        return os.path.normpath(folder / Path(path).expanduser())
    except RuntimeError as error:
        raise RecipeError(f"{path}: there is no such user's home folder") from error
