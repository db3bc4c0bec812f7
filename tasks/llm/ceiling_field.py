"""The field of a request that bounds its answer: the recipe's, until the server wants another.

ceiling_field_of("https://api.openai.com/v1", settings)
→ "max_tokens", and "max_completion_tokens" once gpt-5 has asked for it

OpenAI's newer models refuse the older field, most other servers know no other. Which one is sent
changes no answer, so it is in no request's key, and is found out by asking.
"""

import re

from tasks.recipe import ModelSettings

_NEWER = "max_completion_tokens"
_ASKED_FOR = re.compile(rf"\buse\W{{1,4}}{_NEWER}\b", re.IGNORECASE)


def ceiling_field_of(base_url: str, settings: ModelSettings) -> str:
    """Return the field in which a model is told how many tokens its answer may have."""
    is_wanted = (base_url, settings.model) in _WANTING
    return _NEWER if is_wanted else settings.max_tokens_field


def note_wanted_field(base_url: str, settings: ModelSettings, refusal: str) -> bool:
    """Say whether a refusal asks for the newer field, which the model is sent from now on.

    It does not where that field is what the recipe has the model sent: then it is no help.
    """
    if settings.max_tokens_field == _NEWER or not _ASKED_FOR.search(refusal):
        return False
    _WANTING.add((base_url, settings.model))
    return True


_WANTING: set[tuple[str, str]] = set()  # Models at their servers, found out by this process.
