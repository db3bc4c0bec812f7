"""A recipe as text: its YAML read without surprises, and what is wrong with it in one line a fault.

    recipe.yaml: 1 fault(s) in the recipe
      sample.studnet: unknown field; did you mean `student`?

What stands where a secret may have been pasted is never shown.
"""

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tasks.errors import RecipeError

_SECRETS = ("api_key_env", "catalog", "base_url")
_NO_VALUE = ("tuple_type", "list_type", "model_type", "dict_type", "model_attributes_type")


class _Loader(yaml.SafeLoader):
    """Refuses a name that is declared twice; YAML itself would forget the first one silently."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        names: list[Any] = []
        for key, _ in node.value:
            if key.value in names:
                raise yaml.composer.ComposerError(
                    None, None, f"`{key.value}` is declared twice", key.start_mark
                )
            names.append(key.value)
        return node


def read_declared(file: Path) -> dict[str, Any]:
    """Return what a recipe's file declares. Raises RecipeError saying why it cannot be read."""
    try:
        declared = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise RecipeError(
            f"{file}: no such recipe. Copy recipes/quickstart.yaml to begin."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: cannot be read as UTF-8 text: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # `from None`: the cause quotes the line, which may hold a secret.
        raise RecipeError(f"{file}{_place(error)}: not valid YAML: {_reason(error)}") from None
    if not isinstance(declared, dict):
        raise RecipeError(f"{file}: expected a mapping of settings, found {_kind(declared)}")
    return declared


def describe_faults(error: ValidationError, schema: dict[str, Any]) -> str:
    """Say one line a fault: the field's path, what is wrong, and the nearest known name."""
    faults = error.errors(include_url=False)
    lines = []
    for fault in faults:
        inside = [other for other in faults if other["loc"][: len(fault["loc"])] == fault["loc"]]
        if fault["type"] == "too_short" and len(inside) > 1:
            continue  # pydantic counts a list's faulty items as missing.
        place = ".".join(str(step) for step in fault["loc"]) or "recipe"
        lines.append(f"{place}: {_explain(fault, schema)}")
    return "\n  ".join([f"{len(lines)} fault(s) in the recipe", *lines])


def _explain(fault: Any, schema: dict[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        return f"unknown field{_suggest(fault['loc'], schema)}"
    if fault["type"] == "missing":
        return "is required and missing"
    if fault["type"] in _NO_VALUE:
        expected = "a list" if fault["type"] in ("tuple_type", "list_type") else "a mapping"
        return f"expected {expected}, found {_kind(fault['input'])}"
    hidden = isinstance(fault["input"], dict | list) or set(_SECRETS) & set(fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return str(message) if hidden else f"{message} (found {fault['input']!r})"


def _suggest(location: tuple[int | str, ...], schema: dict[str, Any]) -> str:
    known = _fields_at(schema, location[:-1])
    nearest = difflib.get_close_matches(str(location[-1]), known, n=1)
    if nearest:
        return f"; did you mean `{nearest[0]}`?"
    return f"; known here: {', '.join(sorted(known))}" if known else ""


def _fields_at(schema: dict[str, Any], location: tuple[int | str, ...]) -> list[str]:
    """Return the field names that the JSON schema allows at a location."""
    node: Any = schema
    for step in location:
        node = _follow(schema, node)
        if isinstance(step, int):
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(step) or node.get("additionalProperties")
        if not isinstance(node, dict):
            return []
    return list(_follow(schema, node).get("properties", {}))


def _follow(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for option in (node, *node.get("anyOf", []), *node.get("allOf", [])):
        if "$ref" in option:
            target: dict[str, Any] = schema["$defs"][option["$ref"].rsplit("/", 1)[-1]]
            return target
    return node


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _reason(error: Exception) -> str:
    """Return what is wrong without the line it is in."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, yaml.MarkedYAMLError):
        return str(error.problem)
    return getattr(error, "reason", None) or str(error)
