"""Loading: a YAML file becomes a checked recipe, or an error that names the field."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tasks.errors import RecipeError
from tasks.recipe.fields import URI
from tasks.recipe.packs import put_packs
from tasks.recipe.recipe import Recipe
from tasks.recipe.stages import Phase
from tasks.recipe.text import (
    check_numbers_of_samples,
    check_values,
    describe_faults,
    read_declared,
)


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
        check_values(declared)
        check_numbers_of_samples(declared)
    except ValueError as error:
        raise RecipeError(f"{file}: {error}") from None
    put_packs(declared, file.resolve().parent)
    try:
        recipe = Recipe.model_validate(declared)
    except ValidationError as error:
        # `from None`: the cause quotes every value, and one of them may be a pasted secret.
        faults = describe_faults(error, Recipe.model_json_schema())
        raise RecipeError(f"{file}: {faults}") from None
    return resolve_paths(recipe, file.resolve().parent)


def as_recipe(recipe: Recipe | Path, phase: Phase | None = None) -> Recipe:
    """Return a recipe that may have been given by its path, as deployments do; in a phase."""
    read = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    return read if phase is None else read.model_copy(update={"phase": phase})


def resolve_paths(recipe: Recipe, folder: Path) -> Recipe:
    """Make every local path absolute, relative ones starting at `folder`; URIs stay as they are."""
    declared = recipe.model_dump(mode="json")
    for source in (*declared["seeds"], *declared["benchmarks"], *declared["responses"]):
        source["path"] = _resolve(source["path"], folder)
    declared["store"]["catalog"] = _resolve(declared["store"]["catalog"], folder)
    if declared["store"]["data"]:
        declared["store"]["data"] = _resolve(declared["store"]["data"], folder)
    embedder = declared["models"]["embedder"]
    if embedder is not None and "local" in embedder:
        embedder["local"] = _resolve(embedder["local"], folder)
    declared["release"]["folder"] = _resolve(declared["release"]["folder"], folder)
    for name in ("rules", "suite"):
        if declared["release"][name]:
            declared["release"][name] = _resolve(declared["release"][name], folder)
    tokenizer = declared["release"]["gate"]["tokenizer"]
    if tokenizer and tokenizer.endswith(".json"):  # Else a model on the hub.
        declared["release"]["gate"]["tokenizer"] = _resolve(tokenizer, folder)
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
        check_values(value)
        value = _resolve_within(value, (*steps, last), Path.cwd())
        node[int(last) if isinstance(node, list) else last] = value
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise RecipeError(
            f"--set {override}: expected a field's path and a value, e.g. sample.student=16"
        ) from error
    if not equals:
        raise RecipeError(f"--set {override}: the value is missing, e.g. sample.student=16")


def _resolve_within(value: Any, place: tuple[str, ...], folder: Path) -> Any:
    """Return a declared value with every local path in it absolute; `place` is where it goes."""
    if isinstance(value, dict):
        return {
            name: _resolve_within(each, (*place, str(name)), folder) for name, each in value.items()
        }
    if isinstance(value, list):
        return [
            _resolve_within(each, (*place, str(number)), folder)
            for number, each in enumerate(value)
        ]
    return _resolve(value, folder) if isinstance(value, str) and _is_path(place) else value


def _is_path(place: tuple[str, ...]) -> bool:
    """Whether a place of a recipe holds a path."""
    if len(place) == 2 and place[0] == "packs":
        return True
    if len(place) == 3 and place[0] == "domains":
        return place[2] == "guidelines"
    if len(place) == 3:
        listed = place[0] in ("seeds", "benchmarks", "responses") and place[2] == "path"
        return listed or place in _PATHS
    return place in _PATHS


_PATHS = (
    ("models", "embedder", "local"),
    ("store", "catalog"),
    ("store", "data"),
    ("release", "folder"),
    ("release", "rules"),
    ("release", "suite"),
)


def _resolve(path: str, folder: Path) -> str:
    if URI.match(path):
        return path
    try:
        return os.path.normpath(folder / Path(path).expanduser())
    except RuntimeError as error:
        raise RecipeError(f"{path}: there is no such user's home folder") from error
