"""Pairs: a prompt and its response as the messages that are judged and released.

question      answer          reasoning    messages
What is 2+2?  It is \\boxed{4}  Two and two  [{"role": "user", …}, {"role": "assistant", …}]
"""

from collections.abc import Mapping, Sequence

import polars as pl

from tasks.messages import instruction_of, join_told, render_prompt
from tasks.recipe import DomainSettings, ReleaseSettings

Turns = Sequence[tuple[str, pl.Expr]]


def build_pairs(
    rows: pl.DataFrame, settings: ReleaseSettings, domains: Mapping[str, DomainSettings]
) -> pl.DataFrame:
    """Add question, answer, messages and reasoning to rows with text, choices, content, reasoning.

    `answer` is what the assistant says, with its reasoning where the recipe wants it there. Answer
    type and domain of a row decide on the instruction that is released with it, if any is.
    """
    answer, thought = read_answer("content", "reasoning", settings)
    return (
        rows.with_columns(write_prompts(rows, settings, domains))
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


def write_prompts(
    rows: pl.DataFrame, settings: ReleaseSettings, domains: Mapping[str, DomainSettings]
) -> list[pl.Series]:
    """Return what each row asks (`question`), and what is said with it: `system_turn`, `user_turn`.

    The same instruction by which the models were asked goes to either turn, or to none.
    """
    questions = [
        render_prompt(text, choices)
        for text, choices in zip(rows["text"], rows["choices"].to_list(), strict=True)
    ]
    system, user = [settings.system_prompt] * rows.height, questions
    if settings.instruction != "none":
        instructions = [
            instruction_of(answer_type, domains.get(domain or ""))
            for answer_type, domain in zip(rows["answer_type"], rows["domain"], strict=True)
        ]
        if settings.instruction == "system":
            system = [join_told(settings.system_prompt, told) for told in instructions]
        else:
            user = [join_told(*turn) for turn in zip(questions, instructions, strict=True)]
    columns: dict[str, Sequence[str | None]] = {
        "question": questions,
        "system_turn": system,
        "user_turn": user,
    }
    return [pl.Series(name, texts, dtype=pl.String) for name, texts in columns.items()]


def list_turns(settings: ReleaseSettings) -> list[tuple[str, pl.Expr]]:
    """Return who says what, the assistant last."""
    has_system = settings.system_prompt is not None or settings.instruction == "system"
    system = [("system", pl.col("system_turn"))] if has_system else []
    return [*system, ("user", pl.col("user_turn")), ("assistant", pl.col("answer"))]


def write_chat(turns: Turns) -> pl.Expr:
    """Return turns as a list of role and content."""
    return pl.concat_list(
        pl.struct(pl.lit(role).alias("role"), content.alias("content")) for role, content in turns
    )
