"""One module a way of checking; each has NAME, VERSION and a pure `check(key, answer)`.

VERSION rises with any change that could change a verdict, extraction included: every stored
response is then graded anew, without a model call, and the old verdicts stay beside the new ones.
"""

from typing import Literal, NamedTuple

VerdictName = Literal["correct", "wrong", "truncated", "unverifiable"]


class Outcome(NamedTuple):
    """What a verifier says of one answer, and a short code for why."""

    verdict: VerdictName
    reason: str
