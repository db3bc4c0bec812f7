"""Chance that is the same on every machine: numbers drawn from a hash of what they are for.

>>> draw(0, "latency", "4f0c") == draw(0, "latency", "4f0c")
True
"""

from hashlib import blake2b
from random import Random


def fingerprint(*parts: object) -> bytes:
    """Hash parts into 16 bytes; the parts keep apart, so ("ab", "c") is not ("a", "bc")."""
    joined = "\x1f".join([str(part) for part in parts])
    return blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def draw(*parts: object) -> float:
    """Return a number in [0, 1) that depends on the parts alone."""
    return int.from_bytes(fingerprint(*parts)[:7], "big") / 2**56


def stream(*parts: object) -> Random:
    """Return a generator of chance for many draws that depend on the parts alone."""
    return Random(int.from_bytes(fingerprint(*parts), "big"))
