"""The exchange with the rewriter: what strategies ask, and read, in the same way.

→ {"strategy": "harder", "problem": "A baker fills 12 trays …", "answer": "73", "variant": 0}
← {"valid": true, "problem": "…", "program": "(12 * 9 - 35) // 8", "answer": "9"}
"""

import json
from collections.abc import Mapping
from typing import Any

from tasks.llm.request import Messages, ResponseSchema
from tasks.recipe import ModelSettings
from tasks.rewrite import acceptance
from tasks.rewrite.answers import show_number
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.snippet import tidy_code

_OF_COMPUTED = ("problem", "program", "answer")


def describe_reply(name: str, *texts: str, **others: Mapping[str, Any]) -> ResponseSchema:
    """Return the schema of a reply: `valid`, then fields of text, then others by their schemas."""
    fields: dict[str, Mapping[str, Any]] = {"valid": {"type": "boolean"}}
    fields |= {text: {"type": "string"} for text in texts} | others
    return ResponseSchema(
        name=name,
        schema={
            "type": "object",
            "properties": fields,
            "required": list(fields),
            "additionalProperties": False,
        },
    )


def describe_computed(name: str) -> ResponseSchema:
    """Return the schema of a reply with a problem, a program and its value (`read_computed`)."""
    return describe_reply(name, *_OF_COMPUTED)


def ask_rewriter(settings: ModelSettings, instruction: str, asked: Mapping[str, Any]) -> Messages:
    """Return the messages: the recipe's own instruction, the strategy's, then what is asked."""
    own = settings.system_prompt
    system = f"{own}\n\n{instruction}" if own else instruction
    return ("system", system), ("user", json.dumps(asked, ensure_ascii=False))


def ask_about(
    settings: ModelSettings,
    instruction: str,
    strategy: str,
    parent: Parent,
    variant: int,
    **shown: object,
) -> Messages:
    """Return the messages that show a parent's text, what else is `shown` of it, and no key."""
    asked = {"strategy": strategy, "problem": parent.text, **shown, "variant": variant}
    return ask_rewriter(settings, instruction, asked)


def ask_about_code(
    settings: ModelSettings, instruction: str, strategy: str, parent: Parent, variant: int
) -> Messages:
    """Return the messages that show a coding task with its solution, and no tests."""
    code = tidy_code(parent.reference or "")
    return ask_about(settings, instruction, strategy, parent, variant, code=code)


def read_computed(reply: Mapping[str, Any], parent: Parent) -> Candidate | Refusal:
    """Return the candidate, its key being the program's value whatever the rewriter answered."""
    refusal = acceptance.refuse_declined(reply) or acceptance.refuse_empty(reply, _OF_COMPUTED)
    if refusal:
        return refusal
    program = reply["program"].strip()
    value = acceptance.run_program(program)
    if isinstance(value, Refusal):
        return value
    return Candidate(
        text=reply["problem"].strip(),
        claimed=reply["answer"].strip(),
        answer=show_number(value, like=parent.answer),
        answer_type="number",
        answer_source="execution",
        program=program,
    )
