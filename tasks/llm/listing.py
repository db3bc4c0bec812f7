"""Listing: which models a server says it has, asked before anything is paid for.

>>> list_models("http://localhost:8000/v1", "no-key-needed")
['Qwen/Qwen3-4B']
"""

import openai

from tasks.errors import ModelServerError
from tasks.llm.failures import hide_secrets

_PATIENCE_S = 10.0
_LONGEST = 300


def list_models(base_url: str, key: str) -> list[str] | None:
    """Return the names of a server's models, or None if it has no list of them.

    Raises ModelServerError if it cannot be reached, refuses the key or fails.
    """
    client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=_PATIENCE_S)
    try:
        with client:
            return sorted(str(model.id) for model in client.models.list().data or ())
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ModelServerError(f"it refuses the key ({error.status_code})") from error
    except openai.NotFoundError:
        return None
    except openai.APITimeoutError as error:
        raise ModelServerError(f"no answer within {_PATIENCE_S:g} s") from error
    except (openai.OpenAIError, OSError, ValueError, TypeError, AttributeError) as error:
        reason = hide_secrets(str(error.__cause__ or error))[:_LONGEST]
        raise ModelServerError(f"it cannot be asked: {reason}") from error
