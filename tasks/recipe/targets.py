"""Targets: where a release is published besides its folder.

publish:
  - {to: s3://bucket/prefix, endpoint: https://objects.example.org}
  - {to: hf://org/name, private: true, token_env: HF_TOKEN}
"""

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.recipe.fields import Section

_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()=-]+)*")
_REPOSITORY = re.compile(r"hf://(datasets/)?[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_OWN_FIELDS = {"s3": ("region",), "hf": ("private", "token_env")}


class PublishTarget(Section):
    """A prefix of S3-compatible storage, or a data set's repository on a Hugging Face hub."""

    to: str = Field(description="s3://bucket/prefix or hf://org/name.")
    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@?]+$",
        description="The server's address, where it is not Amazon's or huggingface.co.",
    )
    region: str | None = Field(default=None, description="Of a bucket; else the environment's.")
    private: bool = Field(
        default=True, description="Whether a repository that is not there yet is made private."
    )
    token_env: str = Field(
        default="HF_TOKEN",
        description="The NAME of the environment variable that holds the hub's token, never the "
        "token. Buckets are opened as the AWS tools open them (AWS_PROFILE, AWS_ACCESS_KEY_ID, …).",
        pattern=r"^[A-Z_][A-Z0-9_]*$",
    )

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        pattern, example = (
            (_BUCKET, "s3://bucket/prefix") if self.kind == "s3" else (_REPOSITORY, "hf://org/name")
        )
        if not pattern.fullmatch(self.to) or ".." in self.to:
            raise ValueError(f"to: expected s3://bucket/prefix or hf://org/name, e.g. {example}")
        for kind, names in _OWN_FIELDS.items():
            for name in sorted(self.model_fields_set.intersection(names)):
                if kind != self.kind and getattr(self, name) != self.default_of(name):
                    raise ValueError(f"{name}: means nothing to {self.to}")
        return self

    @classmethod
    def default_of(cls, name: str) -> object:
        """Return what a field is if it is not declared."""
        return cls.model_fields[name].default

    @property
    def kind(self) -> Literal["s3", "hf"]:
        """What speaks there."""
        return "s3" if self.to.startswith("s3://") else "hf"

    @property
    def path(self) -> str:
        """The bucket and prefix, or the repository, without the scheme."""
        return self.to.partition("://")[2].removeprefix("datasets/")
