"""Pairs: a prompt and its response as the messages that are judged and released.

question      answer          reasoning    messages
What is 2+2?  It is \\boxed{4}  Two and two  [{"role": "user", …}, {"role": "assistant", …}]
"""

from collections.abc import Sequence

import polars as pl

from tasks.messages import render_prompt
from tasks.recipe import ReleaseSettings

Turns = Sequence[tuple[str, pl.Expr]]


def build_pairs(rows: pl.DataFrame, settings: ReleaseSettings) -> pl.DataFrame:
    """Add question, answer, messages and reasoning to rows with text, choices, content, reasoning.

    `answer` is what the assistant says, with its reasoning where the recipe wants it there.
    """
    answer, thought = read_answer("content", "reasoning", settings)
    return (
        rows.with_columns(write_questions(rows))
        .with_columns(answer.alias("answer"), thought.alias("reasoning"))
        .with_columns(write_chat(list_turns(settings)).alias("messages"))
    )


def read_answer(content: str, reasoning: str, settings: ReleaseSettings) -> tuple[pl.Expr, pl.Expr]:
    """Return the answer to release, of two columns, and the reasoning behind it."""
    # A first line that is indented is code that goes on; a single space is a model's habit.
    begun = pl.col(content).str.replace(r"^(?:[^\S\n]*\n)+", "").str.replace(r"^ (\S)", "${1}")
    answer = begun.str.strip_chars_end()
    thought = pl.col(reasoning).str.strip_chars().replace("", None)
    if settings.reasoning == "think":
        thinking = pl.format("<think>\n{}\n</think>\n\n{}", thought, answer)
        answer = pl.when(thought.is_null()).then(answer).otherwise(thinking)
    return answer, thought


def write_questions(rows: pl.DataFrame) -> pl.Series:
    """Return what each row with text and choices asks, as the column `question`."""
    questions = [
        render_prompt(text, choices)
        for text, choices in zip(rows["text"], rows["choices"].to_list(), strict=True)
    ]
    return pl.Series("question", questions, dtype=pl.String)


def list_turns(settings: ReleaseSettings) -> list[tuple[str, pl.Expr]]:
    """Return who says what, the assistant last."""
    system = [] if settings.system_prompt is None else [("system", pl.lit(settings.system_prompt))]
    return [*system, ("user", pl.col("question")), ("assistant", pl.col("answer"))]


def write_chat(turns: Turns) -> pl.Expr:
    """Return turns as a list of role and content."""
    return pl.concat_list(
        pl.struct(pl.lit(role).alias("role"), content.alias("content")) for role, content in turns
    )
