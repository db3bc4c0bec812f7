"""Reasoning is kept apart from the answer, wherever a server puts it.

>>> split_reasoning("<think>2 and 2</think>It is 4.")
('2 and 2', 'It is 4.')
"""

import re
from collections.abc import Mapping
from typing import Any

_THINK = re.compile(r"\A\s*<think>(.*?)</think>\s*(.*)\Z", re.DOTALL)
_OPEN = re.compile(r"\A\s*<think>(.*)\Z", re.DOTALL)
_CLOSE_ONLY = re.compile(r"\A(.*?)</think>\s*(.*)\Z", re.DOTALL)


def split_reasoning(text: str) -> tuple[str | None, str]:
    """Split leading `<think>…</think>` off a text; returns (reasoning or None, content).

    A block that never closes is all reasoning: the ceiling cut it off and there is no answer.
    Some chat templates open the tag in the prompt, so a lone `</think>` closes what precedes it.
    """
    if match := _THINK.match(text):
        return match[1].strip(), match[2]
    if match := _OPEN.match(text):
        return match[1].strip(), ""
    if "<think>" not in text and (match := _CLOSE_ONLY.match(text)):
        return match[1].strip(), match[2]
    return None, text


def read_message(message: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return (reasoning or None, content) of a chat message in any of the known dialects."""
    content = message.get("content")
    text = content if isinstance(content, str) else _join_parts(content)
    for field in ("reasoning_content", "reasoning"):
        if isinstance(reasoning := message.get(field), str) and reasoning:
            return reasoning, text
    return split_reasoning(text)


def _join_parts(content: object) -> str:
    """Join the text of content given as a list of parts; other content has no text."""
    if not isinstance(content, list):
        return ""
    parts = (part.get("text", "") for part in content if isinstance(part, dict))
    return "".join(part for part in parts if isinstance(part, str))
