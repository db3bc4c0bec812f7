"""Seeds and benchmark items: one usable row, or the reason why it is none.

{"question": "Natalia sold…", "answer": "… #### 72"}  with columns {prompt: question}, hash
→  Seed(prompt_id="5f0c…", text="Natalia sold…", answer="72", answer_type="number", …)
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.assess.code_tests import write_tests
from tasks.identity import content_id, normalise, prompt_id
from tasks.ingest.answers import (
    ANSWER_TYPES,
    Choices,
    describe_pattern,
    describe_value,
    extract_answer,
    find_letter,
    infer_answer_type,
    read_choices,
    read_level,
    tidy_answer,
    write_answer,
)
from tasks.ingest.completions import call_check, complete_reference
from tasks.ingest.rows import (
    Fault,
    Purpose,
    QuarantinedRow,
    RawRow,
    find_unstorable,
    find_value,
    quarantine_row,
    read_text,
)
from tasks.recipe import BenchmarkSource, SeedSource

PROMPT_LIMIT = 200_000  # characters
DEFAULT_DOMAIN = "general"


@dataclass(frozen=True, slots=True)
class Seed:
    """One problem as it came in: a row of `prompts` and one of `prompt_sources`."""

    prompt_id: str
    domain: str
    text: str
    choices: tuple[str, ...] | None
    answer: str | None
    answer_type: str
    program: str | None
    solution: str | None
    tests: tuple[str, ...] | None
    reference: str | None
    level: int | None
    source: str
    licence: str | None
    uri: str
    row_number: int
    external_id: str | None


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str | None
    type: str
    solution: str | None = None


def parse_seed(row: RawRow, source: SeedSource) -> Seed | QuarantinedRow:
    """Make a seed of a row, or set it aside with the reason."""
    purpose: Purpose = "benchmark" if isinstance(source, BenchmarkSource) else "seed"
    if row.fault:
        return quarantine_row(row, purpose, row.fault)
    made = _make_seed(row, source)
    if isinstance(made, Fault):
        return quarantine_row(row, purpose, made)
    return made


def _make_seed(row: RawRow, source: SeedSource) -> Seed | Fault:
    values, columns, constants = row.values, source.columns, source.constants
    text = read_prompt(values, columns.prompt)
    if isinstance(text, Fault):
        return text
    choices = read_choices(_choices_value(values, columns.choices))
    if isinstance(choices, Fault):
        return choices
    entry_point = read_text(values, columns.entry_point)
    tests = _read_tests(find_value(values, columns.tests), entry_point)
    if isinstance(tests, Fault):
        return tests
    answer = _read_answer(values, source, choices, tests)
    if isinstance(answer, Fault):
        return answer
    domain = (read_text(values, columns.domain) or constants.domain or DEFAULT_DOMAIN).lower()
    solution = _read_long(values, columns.solution) or answer.solution
    options = choices.texts if choices and answer.type == "choice" else None
    licence = _read_licence(values, columns.licence) or constants.licence
    seed = Seed(
        prompt_id=prompt_id(text, domain=domain, choices=options),
        domain=domain,
        text=text,
        choices=options,
        answer=answer.text,
        answer_type=answer.type,
        program=_read_long(values, columns.program),
        solution=solution,
        tests=tests,
        reference=complete_reference(_read_long(values, columns.reference), text, entry_point),
        level=read_level(find_value(values, columns.level)),
        source=read_text(values, columns.source) or constants.source or _name_of(row.uri),
        licence=licence,
        uri=row.uri,
        row_number=row.row_number,
        external_id=read_text(values, columns.external_id),
    )
    return find_unstorable(*_texts_of(seed)) or seed


def _texts_of(seed: Seed) -> tuple[str | None, ...]:
    short = (seed.domain, seed.answer, seed.source, seed.licence, seed.external_id)
    long = (seed.text, seed.program, seed.solution, seed.reference)
    return (*short, *long, *(seed.choices or ()), *(seed.tests or ()))


def _name_of(uri: str) -> str:
    return uri.rsplit("/", 1)[-1].split(".")[0]


def read_prompt(values: Mapping[str, Any], column: str) -> str | Fault:
    """Return the text of a prompt, or what is wrong with it."""
    value = find_value(values, column)
    if value is None:
        detail = f"no value in `{column}`, expected the text of the problem"
        return Fault("missing_prompt", f"{detail}; there is: {', '.join(list(values)[:10]) or '-'}")
    if not isinstance(value, str):
        return Fault(
            "missing_prompt",
            f"expected a text in `{column}`, found {describe_value(value)}; name the part that is "
            f"the text with a dotted path such as `{column}.0.content`",
        )
    if not value.strip():
        return Fault("empty_prompt", f"`{column}` is blank; write the problem or leave the row out")
    if len(value) > PROMPT_LIMIT:
        return Fault(
            "too_long",
            f"the prompt has {len(value):,} characters, at most {PROMPT_LIMIT:,} are taken; "
            "shorten it or split it",
        )
    return value


def _read_answer(
    values: Mapping[str, Any],
    source: SeedSource,
    choices: Choices | None,
    tests: Sequence[str] | None,
) -> _Answer | Fault:
    declared = read_text(values, source.columns.answer_type) or source.constants.answer_type
    declared = declared.lower() if declared else None
    if declared is not None and declared not in ANSWER_TYPES:
        return Fault(
            "unknown_answer_type",
            f"the answer type {declared[:80]!r} is none of {', '.join(ANSWER_TYPES)}; mend it, or "
            "set `columns: {answer_type: null}` to have it told by the answer",
        )
    if declared == "choice" and choices is None:
        return Fault("bad_choices", "the answer type is choice, but the row has no options")
    value, solution = find_value(values, source.columns.answer), None
    if source.answer_pattern and (worked := write_answer(value)) is not None:
        if isinstance(worked, Fault):
            return worked
        value = extract_answer(worked, source.answer_pattern)
        if value is None:
            expected = describe_pattern(source.answer_pattern)
            return Fault("pattern_not_found", f"expected {expected} in `{source.columns.answer}`")
        solution = worked
    return _judge_answer(value, declared, choices, tests, solution)


def _judge_answer(
    value: Any,
    declared: str | None,
    choices: Choices | None,
    tests: Sequence[str] | None,
    solution: str | None,
) -> _Answer | Fault:
    answer = write_answer(value)
    if isinstance(answer, Fault):
        return answer
    kind = declared or infer_answer_type(answer, choices, tests)
    if answer is None:
        return _Answer(None, kind, solution)
    if kind == "choice" and choices:
        letter = find_letter(value, choices)
        return letter if isinstance(letter, Fault) else _Answer(letter, kind, solution)
    if kind in ("number", "expression"):
        answer = tidy_answer(answer)
    return _Answer(answer, kind, solution)


def _choices_value(values: Mapping[str, Any], column: str | Sequence[str] | None) -> Any:
    """Return the options as the row has them; a text, as in CSV, may hold them as JSON."""
    if column is None or isinstance(column, str):
        value = find_value(values, column)
        return _parse_json(value) if isinstance(value, str) else value
    return {name: find_value(values, name) for name in column}


def _read_tests(value: Any, entry_point: str | None) -> tuple[str, ...] | Fault | None:
    if isinstance(value, str):
        value = _parse_json(value) or None
    if value is None or _is_blank(value):
        return None
    try:
        tests = write_tests(value)
        return tuple(call_check(tests, entry_point)) if tests else None
    except (ValueError, RecursionError) as error:
        return Fault(
            "bad_tests",
            f"found {describe_value(value)}: {error}; expected asserts or cases (docs/seeds.md), "
            "or the part that has them by a dotted path such as `tests.functional`",
        )


def _is_blank(tests: Any) -> bool:
    """Tell tests that say nothing: no text, or a list of none."""
    listed = tests if isinstance(tests, list | tuple) else [tests]
    return all(isinstance(test, str) and not test.strip() for test in listed)


def _parse_json(text: str) -> Any:
    """Read a cell that holds a JSON list or object; any other text stays as it is."""
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read_licence(values: Mapping[str, Any], column: str | None) -> str | None:
    """Return the licence of a row; a list of them, as data sets' cards have it, as one text."""
    value = find_value(values, column)
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return normalise(", ".join(value)) or None
    return read_text(values, column)


def _read_long(values: Mapping[str, Any], column: str | None) -> str | None:
    value = find_value(values, column)
    return value if isinstance(value, str) and value.strip() else None


def frame_prompts(seeds: Sequence[Seed]) -> pl.DataFrame:
    """Return the seeds as a frame of the table `prompts`."""
    columns: dict[str, list[Any]] = {
        name: [getattr(seed, name) for seed in seeds]
        for name in (
            *("prompt_id", "domain", "text", "choices", "answer", "answer_type", "program"),
            *("solution", "tests", "reference", "level"),
        )
    }
    lists = pl.List(pl.String)
    types: dict[str, pl.DataType] = {"level": pl.Int32(), "choices": lists, "tests": lists}
    schema = {name: types.get(name, pl.String()) for name in columns}
    return pl.DataFrame(columns, schema=schema).with_columns(
        pl.col("prompt_id").alias("root_id"),
        pl.lit("seed").alias("kind"),
        pl.when(pl.col("answer").is_not_null()).then(pl.lit("gold")).alias("answer_source"),
        pl.lit(False).alias("simulated"),
    )


def frame_sources(seeds: Sequence[Seed]) -> pl.DataFrame:
    """Return the seeds as a frame of the table `prompt_sources`."""
    names = ("prompt_id", "source", "licence", "uri", "row_number", "external_id")
    columns = {name: [getattr(seed, name) for seed in seeds] for name in names}
    return pl.DataFrame(
        columns, schema=dict.fromkeys(names, pl.String()) | {"row_number": pl.Int64()}
    )


def frame_benchmark_items(items: Sequence[Seed], benchmark: str) -> pl.DataFrame:
    """Return what was read of a benchmark as a frame of the table `benchmark_items`."""
    columns: dict[str, list[Any]] = {
        name: [getattr(item, name) for item in items]
        for name in ("text", "choices", "answer", "uri", "row_number")
    }
    columns["item_id"] = [identify_item(item, benchmark) for item in items]
    types: dict[str, pl.DataType] = {"row_number": pl.Int64(), "choices": pl.List(pl.String)}
    schema = {name: types.get(name, pl.String()) for name in columns}
    return pl.DataFrame(columns, schema=schema).with_columns(pl.lit(benchmark).alias("benchmark"))


def identify_item(item: Seed, benchmark: str) -> str:
    """Identify a benchmark item by its benchmark, text and options."""
    options = [normalise(choice) for choice in item.choices] if item.choices else None
    return content_id("item", benchmark, normalise(item.text), options)
