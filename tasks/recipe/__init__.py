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

from tasks.recipe.domains import DomainSettings, Rubric
from tasks.recipe.fields import AnswerType, Name, RecipeFile, Role, Share
from tasks.recipe.loading import as_recipe, load_recipe, recipe_schema, resolve_paths
from tasks.recipe.models import (
    BatchSettings,
    Budget,
    EmbedderSettings,
    LocalEmbedder,
    Models,
    ModelSettings,
    Prices,
    Sampling,
    SimulatorSettings,
)
from tasks.recipe.overlap import (
    ContaminationMethod,
    ContaminationSettings,
    DuplicateSettings,
    EmbeddingSettings,
    LexicalMethod,
)
from tasks.recipe.policies import PRESETS, Preset
from tasks.recipe.recipe import Recipe
from tasks.recipe.select import Band, LicenceSettings, SelectSettings, VerifierError
from tasks.recipe.sources import (
    BenchmarkSource,
    Columns,
    Constants,
    Delimited,
    ResponseColumns,
    ResponseSource,
    SeedSource,
    StoreSettings,
)
from tasks.recipe.stages import (
    AdaptiveReference,
    AdaptiveStudent,
    Allowances,
    AssessSettings,
    ExploreSettings,
    GateSettings,
    Phase,
    ReleaseField,
    ReleaseFormat,
    ReleaseSettings,
    RewriteSettings,
    SampleSettings,
    StrategyName,
    TeachSettings,
)
from tasks.recipe.targets import PublishTarget

__all__ = [
    "PRESETS",
    "AdaptiveReference",
    "AdaptiveStudent",
    "Allowances",
    "AnswerType",
    "AssessSettings",
    "Band",
    "BatchSettings",
    "BenchmarkSource",
    "Budget",
    "Columns",
    "Constants",
    "ContaminationMethod",
    "ContaminationSettings",
    "Delimited",
    "DomainSettings",
    "DuplicateSettings",
    "EmbedderSettings",
    "EmbeddingSettings",
    "ExploreSettings",
    "GateSettings",
    "LexicalMethod",
    "LicenceSettings",
    "LocalEmbedder",
    "ModelSettings",
    "Models",
    "Name",
    "Phase",
    "Preset",
    "Prices",
    "PublishTarget",
    "Recipe",
    "RecipeFile",
    "ReleaseField",
    "ReleaseFormat",
    "ReleaseSettings",
    "ResponseColumns",
    "ResponseSource",
    "RewriteSettings",
    "Role",
    "Rubric",
    "SampleSettings",
    "Sampling",
    "SeedSource",
    "SelectSettings",
    "Share",
    "SimulatorSettings",
    "StoreSettings",
    "StrategyName",
    "TeachSettings",
    "VerifierError",
    "as_recipe",
    "load_recipe",
    "recipe_schema",
    "resolve_paths",
]
