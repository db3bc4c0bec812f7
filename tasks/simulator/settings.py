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
class Batches:
    """How batches go: seconds in each state, the limits of a file, and what goes wrong.

    `expired` is the share of batches that end unfinished, after `expired_after` of their lines;
    `invalid_lines` the share of lines that validation refuses. A share of `create_dropped` of the
    batches is made without its client hearing of it; `create_answer_s` is how long that takes.
    """

    validating_s: float = 0.0
    in_progress_s: float = 0.0
    finalizing_s: float = 0.0
    most_requests: int = 50_000
    most_bytes: int = 209_715_200
    enqueued_tokens: int | None = None
    expired: float = 0.0
    expired_after: float = 0.5
    invalid_lines: float = 0.0
    create_dropped: float = 0.0
    create_answer_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("expired", "expired_after", "invalid_lines", "create_dropped"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1")
        for name in ("validating_s", "in_progress_s", "finalizing_s", "create_answer_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        for name in ("most_requests", "most_bytes", "enqueued_tokens"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ValueError(f"{name} must be at least 1")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the simulator's behaviour depends on beside its items."""

    seed: int = 0
    latency: Latency = field(default_factory=Latency)
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(default_factory=Limits)
    batches: Batches = field(default_factory=Batches)
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
