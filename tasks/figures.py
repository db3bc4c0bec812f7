"""Figures: numbers as people read them.

$3.01   $0.0031   8,665   45 %   unknown
"""

import math


def say_dollars(usd: float | None) -> str:
    """Return an amount as a person reads it: `$1,234.50`, `$0.0031`, or `unknown`."""
    if usd is None:
        return "unknown"
    if usd >= 0.1 or usd <= 0:
        return f"${usd:,.2f}"
    return f"${usd:.{1 - math.floor(math.log10(usd))}f}"  # Two digits that say something.


def say_count(number: int | None) -> str:
    """Return a count with its thousands apart."""
    return "unknown" if number is None else f"{number:,}"


def say_share(share: float | None) -> str:
    """Return a share as a percentage."""
    return "" if share is None else f"{100 * share:.{0 if share >= 0.0995 else 1}f} %"
