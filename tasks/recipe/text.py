"""A recipe as text: its YAML read without surprises, and what is wrong with it in one line a fault.

    recipe.yaml: 1 fault(s) in the recipe
      sample.studnet: unknown field; did you mean `student`?

What stands where a secret may have been pasted is never shown.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tasks.errors import RecipeError

_MOST_BYTES = 1_000_000
_MOST_VALUES = 100_000  # With every alias written out, as each of them is checked.
_SECRETS = ("api_key_env", "api_key_block", "catalog", "base_url", "token_env", "endpoint", "to")
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
        declared = yaml.load(_read_text(file), _Loader)
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


def check_values(declared: object) -> None:
    """Raise ValueError for what no recipe can hold: an endless alias, or text that is none."""
    for number, (place, value) in enumerate(_walk(declared, (), frozenset())):
        if number >= _MOST_VALUES:
            raise ValueError(f"more than {_MOST_VALUES:,} values, its aliases written out")
        if isinstance(value, str) and _has_surrogate(value):
            raise ValueError(
                f"{place}: the text holds half a character (a lone surrogate, such as \\ud800); "
                "write the whole one, in UTF-8"
            )


def check_numbers_of_samples(declared: object) -> None:
    """Raise ValueError where a number of samples is declared that would count for nothing.

    A recipe itself always has both, and so has what was dumped of one; here is what a person wrote.
    """
    sample = declared.get("sample") if isinstance(declared, dict) else None
    if not isinstance(sample, dict):
        return
    for fixed, in_rounds in (("student", "adaptive"), ("reference", "adaptive_reference")):
        if fixed in sample and sample.get(in_rounds) is not None:
            raise ValueError(
                f"sample.{fixed} and sample.{in_rounds}: in rounds no fixed number is drawn, so "
                f"sample.{fixed} would count for nothing; leave one of the two out (on the command "
                f"line: --set sample.{in_rounds}=null)"
            )


def _walk(
    value: object, steps: tuple[str, ...], inside: frozenset[int]
) -> Iterator[tuple[str, object]]:
    """Yield every value and every name of a mapping with the place it is at."""
    place = ".".join(steps) or "recipe"
    if not isinstance(value, dict | list):
        yield place, value
        return
    if id(value) in inside:
        raise ValueError(f"{place}: an alias (*) names what it is a part of; it would never end")
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, each in items:
        yield place, name
        shown = str(name).encode("ascii", "backslashreplace").decode()
        yield from _walk(each, (*steps, shown), inside | {id(value)})


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _read_text(file: Path) -> str:
    """Return the file's text; what is far too long for a recipe would keep YAML busy for hours."""
    with file.open("rb") as opened:
        content = opened.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise RecipeError(
            f"{file}: this file is larger than {_MOST_BYTES:,} bytes, so it is no recipe; "
            "is it a file of seeds? Name those under `seeds`."
        )
    return content.decode("utf-8-sig")


def describe_faults(error: ValidationError, schema: dict[str, Any], what: str = "recipe") -> str:
    """Say one line a fault: the field's path, what is wrong, and the nearest known name."""
    faults = error.errors(include_url=False)
    lines = []
    for fault in faults:
        inside = [other for other in faults if other["loc"][: len(fault["loc"])] == fault["loc"]]
        if fault["type"] == "too_short" and len(inside) > 1:
            continue  # pydantic counts a list's faulty items as missing.
        place = ".".join(str(step) for step in fault["loc"]) or what
        lines.append(f"{place}: {_explain(fault, schema)}")
    return "\n  ".join([f"{len(lines)} fault(s) in the {what}", *lines])


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
    nodes = [schema]
    for step in location:
        below = [
            node.get("items")
            if isinstance(step, int)
            else node.get("properties", {}).get(step) or node.get("additionalProperties")
            for node in nodes
        ]
        nodes = [each for node in below if isinstance(node, dict) for each in _follow(schema, node)]
    return list(dict.fromkeys(name for node in nodes for name in node.get("properties", {})))


def _follow(schema: dict[str, Any], node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a node refers to, each kind that it may be; itself if it refers to nothing."""
    options = (node, *node.get("anyOf", []), *node.get("allOf", []))
    names = [option["$ref"].rsplit("/", 1)[-1] for option in options if "$ref" in option]
    return [schema["$defs"][name] for name in names] or [node]


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
