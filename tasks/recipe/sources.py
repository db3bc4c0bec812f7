"""Sources: where the store is and what is read into it."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from tasks.recipe.fields import URI, AnswerType, Name, Section


def _check_catalog(catalog: str) -> str:
    if not catalog or (URI.match(catalog) and not re.match(r"postgres(ql)?://", catalog)):
        raise ValueError("expected a file's path or postgresql://user@host/database")
    if re.match(r"postgres(ql)?://([^/@]*:.*@|.*[?&]password=)", catalog):
        raise ValueError("leave the password out; it is read from PGPASSWORD or ~/.pgpass")
    return catalog


class StoreSettings(Section):
    """Where the DuckLake lives: a folder at first, PostgreSQL and an object store for a team."""

    catalog: Annotated[str, AfterValidator(_check_catalog)] = Field(
        description="Path of the SQLite catalog, or postgresql://user@host/database.",
    )
    data: str | None = Field(
        default=None,
        description="Folder or object-store URI of the Parquet files; beside the catalog if none.",
    )
    keep_snapshots_days: float = Field(
        default=7, ge=0, description="`teachset tidy` lets older snapshots expire."
    )
    keep_raw_bodies_days: float | None = Field(
        default=None,
        ge=0,
        description="`teachset tidy` empties the raw bodies of older answers; kept if absent.",
    )


class Columns(Section):
    """Which column (or dotted path of a JSON row) holds what; the defaults are Teachset's names."""

    prompt: str = Field(default="prompt", description="The problem's text.")
    answer: str | None = Field(default="answer", description="The right answer.")
    answer_type: str | None = Field(default="answer_type", description="What kind of answer it is.")
    choices: str | tuple[str, ...] | None = Field(
        default="choices", description="One column with a list or an object, or one per option."
    )
    domain: str | None = Field(
        default="domain", description="math, science, code, safety or another."
    )
    licence: str | None = Field(default="licence", description="The licence of the row.")
    source: str | None = Field(default="source", description="The set that the row is from.")
    external_id: str | None = Field(default="id", description="The row's own id.")
    level: str | None = Field(default="level", description="The author's difficulty, 1 to 5.")
    program: str | None = Field(
        default="program", description="An expression that computes the answer."
    )
    solution: str | None = Field(default="solution", description="A worked solution.")
    tests: str | None = Field(default="tests", description="Tests of a code problem.")
    reference: str | None = Field(
        default="reference", description="A solution that passes the tests."
    )
    entry_point: str | None = Field(
        default="entry_point",
        description="The function that tests call, where a text of tests is a `check` of it.",
    )


class Constants(Section):
    """Values that every row of a source has; they fill what its columns leave empty."""

    domain: str | None = Field(default=None, description="The domain of rows that name none.")
    licence: str | None = Field(default=None, description="The licence of rows that name none.")
    source: str | None = Field(default=None, description="The source of rows that name none.")
    answer_type: AnswerType | None = Field(
        default=None, description="The type of the answer where the row says none."
    )


def find_repeated(names: Sequence[str]) -> str | None:
    """Return a column's name that is another's, too; columns without a name are not read."""
    return min((name for name in names if name and names.count(name) > 1), default=None)


def _check_header(header: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if repeated := find_repeated(header or ()):
        raise ValueError(f"two columns are called {repeated!r}; give each a name of its own")
    return header


class Delimited(Section):
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
    header: Annotated[tuple[str, ...] | None, AfterValidator(_check_header)] = Field(
        default=None, description="Names of the columns of a file without a header row."
    )

    @model_validator(mode="after")
    def _check_signs(self) -> Self:
        if self.quote and self.quote == self.delimiter:
            raise ValueError(f"`quote` and `delimiter` are both {self.quote!r}; they must differ")
        if "\n" in (self.quote, self.delimiter) or "\r" in (self.quote, self.delimiter):
            raise ValueError("a line's end can be neither `quote` nor `delimiter`")
        return self


class SeedSource(Section):
    """A file, a glob or a URI of seed problems, and how to read a row of it."""

    path: str = Field(description="A file, a glob or a URI.")
    format: Literal["auto", "jsonl", "json", "csv", "tsv", "parquet"] = Field(
        default="auto", description="`auto`: as the file's name says."
    )
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

    name: Name = Field(description="What reports and the card call it.")


class ResponseColumns(Section):
    """Which column of a file of responses made elsewhere holds what."""

    prompt: str = Field(default="prompt", description="The prompt's text or its `prompt_id`.")
    response: str = Field(
        default="response", description="The response's text; `<think>…</think>` is split off."
    )
    model: str = Field(default="model", description="Who wrote it.")
    sample_index: str | None = Field(
        default="sample_index", description="Which of several samples it is, from 0."
    )
    reasoning: str | None = Field(
        default="reasoning", description="Its reasoning, where the text does not hold it."
    )
    finish_reason: str | None = Field(
        default="finish_reason", description="`length` if it was cut off."
    )
    prompt_tokens: str | None = Field(default="prompt_tokens", description="Tokens of the prompt.")
    completion_tokens: str | None = Field(
        default="completion_tokens", description="Tokens of the response."
    )


class ResponseSource(Section):
    """Responses generated elsewhere; imported, they are like any other response."""

    path: str = Field(description="A file, a glob or a URI.")
    format: Literal["auto", "jsonl", "json", "csv", "tsv", "parquet"] = Field(
        default="auto", description="`auto`: as the file's name says."
    )
    role: Literal["reference", "student", "teacher"] = Field(
        description="Whose responses they are."
    )
    columns: ResponseColumns = ResponseColumns()
    csv: Delimited = Delimited()
    model: str | None = Field(default=None, description="The model, where no column names it.")
