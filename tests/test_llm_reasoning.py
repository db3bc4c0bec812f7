"""Reasoning is recognised in every dialect and kept apart from the answer."""

import pytest

from tasks.llm.reasoning import read_message, split_reasoning


@pytest.mark.parametrize(
    ("text", "reasoning", "content"),
    [
        ("It is 4.", None, "It is 4."),
        ("<think>2 and 2</think>It is 4.", "2 and 2", "It is 4."),
        ("\n <think>\n2 and 2\n</think>\n\nIt is 4.", "2 and 2", "It is 4."),
        ("<think></think>4", "", "4"),
        ("<think>cut off by the ceil", "cut off by the ceil", ""),
        ("the template opened it</think>4", "the template opened it", "4"),
        ("Say <think> is a tag and </think> too.", None, "Say <think> is a tag and </think> too."),
        ("<think>a</think>b</think>c", "a", "b</think>c"),
        ("", None, ""),
    ],
)
def test_think_blocks(text: str, reasoning: str | None, content: str) -> None:
    assert split_reasoning(text) == (reasoning, content)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": "4", "reasoning_content": "2 and 2"}, ("2 and 2", "4")),
        ({"content": "4", "reasoning": "2 and 2"}, ("2 and 2", "4")),
        ({"content": None, "reasoning_content": "never ended"}, ("never ended", "")),
        ({"content": [{"type": "text", "text": "4"}, {"type": "image"}]}, (None, "4")),
        ({"content": "<think>a</think>4", "reasoning_content": ""}, ("a", "4")),
        ({}, (None, "")),
    ],
)
def test_messages(message: dict[str, object], expected: tuple[str | None, str]) -> None:
    assert read_message(message) == expected
