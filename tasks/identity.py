"""Content-addressed ids: the same content has the same id on every machine, in every order.

    >>> prompt_id("What is 2 + 2?", domain="math")
    '3c7b…'  (32 hexadecimal digits: the first 128 bits of SHA-256)

At 1.4 million rows the chance that two different rows share a 128-bit id is below 1e-26.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence

ID_DIGITS = 32
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def normalise(text: str) -> str:
    """Return the form under which two texts count as the same: NFC, one space between words.

    Case and punctuation stay: they can carry meaning in mathematics and code. NFKC is not used
    because it would make `x²` and `x2` the same problem.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def content_id(*parts: object) -> str:
    """Hash JSON-representable parts into an id; dictionary order and whitespace never leak in."""
    canonical = _CANONICAL.encode(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(canonical).hexdigest()[:ID_DIGITS]


def prompt_id(
    text: str,
    *,
    domain: str,
    choices: Sequence[str] | None = None,
    strategy: str | None = None,
    template: str | None = None,
) -> str:
    """Identify a prompt by what a model is asked and, for a rewrite, by how it was made."""
    options = [normalise(choice) for choice in choices] if choices else None
    return content_id("prompt", normalise(text), options, domain, strategy, template)


def share_bound(share: float) -> str:
    """Return what eight hexadecimal digits of a hash are below with a chance of `share`."""
    return "g" if share >= 1 else f"{int(share * 2**32):08x}"


def settings_digest(settings: Mapping[str, object]) -> str:
    """Return a short digest that changes when, and only when, one of the settings changes."""
    return content_id("settings", dict(settings))[:12]
