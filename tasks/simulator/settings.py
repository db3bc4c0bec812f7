"""The simulator's settings, read from JSON into frozen values and refused with the field's path.

{"seed": 0,
 "latency": {"kind": "lognormal", "mean": 0.8, "sigma": 0.5, "capacity": 16},
 "faults": {"rate_limit": 0.02, "server_error": 0.01},
 "models": {"sim-student": {"skill": 0.4}}}
"""

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, TypeVar

from tasks.errors import RecipeError
from tasks.simulator.faults import Faults, Latency
from tasks.simulator.models import ROSTER, ModelProfile

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Limits:
    """The server's own limits, refused with 429 when exceeded in any 60 s. None: no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ValueError(f"{name} must be at least 1, or null")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the simulator's behaviour depends on beside its items."""

    seed: int = 0
    latency: Latency = field(default_factory=Latency)
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(default_factory=Limits)
    cache_from_tokens: int = 1024
    models: Mapping[str, ModelProfile] = field(default_factory=lambda: dict(ROSTER))


def read_settings(declared: object) -> Settings:
    """Check settings; raise RecipeError naming the first field that is wrong."""
    if not isinstance(declared, Mapping):
        raise RecipeError(f"simulator: expected an object, found {type(declared).__name__}")
    models = declared.get("models", {})
    if not isinstance(models, Mapping):
        raise RecipeError("simulator.models: expected an object of models by name")
    roster = dict(ROSTER)
    for name, changes in models.items():
        roster[name] = _read(roster.get(name, ModelProfile()), changes, f"simulator.models.{name}")
    plain = {name: value for name, value in declared.items() if name != "models"}
    return dataclasses.replace(_read(Settings(), plain, "simulator"), models=roster)


def _read(default: _T, changes: object, place: str) -> _T:
    """Return a dataclass value with some of its fields replaced by what was declared."""
    if not isinstance(changes, Mapping):
        raise RecipeError(f"{place}: expected an object, found {changes!r}")
    kinds = typing.get_type_hints(type(default))
    values: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in kinds:
            raise RecipeError(f"{place}.{name}: unknown field; {_suggest(str(name), list(kinds))}")
        before = getattr(default, name)
        if dataclasses.is_dataclass(before):
            values[name] = _read(before, value, f"{place}.{name}")
        else:
            values[name] = _check(value, kinds[name], f"{place}.{name}")
    try:
        return typing.cast(_T, dataclasses.replace(typing.cast(Any, default), **values))
    except ValueError as error:
        raise RecipeError(f"{place}: {error}") from error


def _check(value: object, kind: Any, place: str) -> object:
    if typing.get_origin(kind) is Literal:
        if value not in typing.get_args(kind):
            known = ", ".join(typing.get_args(kind))
            raise RecipeError(f"{place}: expected one of {known}, found {value!r}")
        return value
    options = typing.get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if value is None and type(None) in options:
        return None
    if isinstance(value, bool) and bool not in options:
        raise RecipeError(f"{place}: expected a number, found {value!r}")
    if float in options and isinstance(value, int | float):
        return float(value)
    if isinstance(value, tuple(option for option in options if option is not type(None))):
        return value
    names = " or ".join("null" if option is type(None) else option.__name__ for option in options)
    raise RecipeError(f"{place}: expected {names}, found {value!r}")


def _suggest(name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"did you mean `{nearest[0]}`?" if nearest else f"known: {', '.join(sorted(known))}"
