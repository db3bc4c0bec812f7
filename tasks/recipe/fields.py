"""Fields: what several sections of a recipe are made of."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tasks.identity import normalise

Role = Literal[
    "router", "rewriter", "reference", "confirmer", "student", "teacher", "judge", "embedder"
]
AnswerType = Literal[
    "number", "expression", "choice", "text", "date", "quantity", "json", "code", "open"
]
URI = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "lower-case letters, digits and dashes only, at most 63, e.g. `gsm8k-test`"
        )
    return name


def _check_domain(domain: str) -> str:
    stored = normalise(domain).lower()
    if not stored or domain != stored:
        raise ValueError(f"the store has domains in lower case; write `{stored or 'math'}`")
    return domain


Name = Annotated[str, AfterValidator(_check_name)]
Domain = Annotated[str, AfterValidator(_check_domain)]
Share = Annotated[float, Field(ge=0, le=1)]
RecipeFile = Annotated[
    Path,
    Field(
        title="file",
        description="A recipe's YAML file; relative to the folder of Teachset where it is served.",
    ),
]


class Section(BaseModel):
    """A section of the recipe: unknown fields are refused, nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
