"""How an answer ended, by whatever word its server has for it.

>>> name_ending("MAX_TOKENS"), name_ending("content_filter: PROHIBITED_CONTENT")
('length', 'content_filter')
>>> name_ending("tool_calls")  # What is not known stays as it is.
'tool_calls'
"""

from collections.abc import Mapping
from typing import Final

CUT_OFF: Final = "length"
FILTERED: Final = "content_filter"
BROKEN_OFF: Final = "error"
# In small letters. What is here has one meaning wherever it is said; OpenAI's own are `stop`,
# `length` and `content_filter`.
_ENDINGS: Mapping[str, str] = {
    "max_tokens": CUT_OFF,  # Anthropic, Gemini
    "model_length": CUT_OFF,  # Mistral, at the end of the model's window
    "model_context_window_exceeded": CUT_OFF,  # Anthropic, Zhipu
    "length": CUT_OFF,
    "sensitive": FILTERED,  # Zhipu
    "refusal": FILTERED,  # Anthropic
    "guardrail_intervened": FILTERED,  # Bedrock
    "safety": FILTERED,  # Gemini; so are the others down to `model_armor`
    "prohibited_content": FILTERED,
    "blocklist": FILTERED,
    "recitation": FILTERED,
    "spii": FILTERED,
    "model_armor": FILTERED,
    "error": BROKEN_OFF,  # OpenRouter, as its provider failed in the middle
    "abort": BROKEN_OFF,  # vLLM, SGLang
    "insufficient_system_resource": BROKEN_OFF,  # DeepSeek
    "network_error": BROKEN_OFF,  # Zhipu
}


def name_ending(said: str) -> str:
    """Return OpenAI's word for how an answer ended; BROKEN_OFF for one that the server ended."""
    word = said.lower()
    if word.startswith(FILTERED):  # Azure, Gemini and Bedrock add what it was that was filtered.
        return FILTERED
    return _ENDINGS.get(word, said)
