"""The strategies by name. A new one is a module with what `Strategy` asks for, and a line here."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from tasks.llm.request import Messages, ResponseSchema
from tasks.recipe import ModelSettings, StrategyName
from tasks.rewrite.acceptance import Gate
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.strategies import (
    choice_to_open,
    code_to_tests,
    decompose,
    harder,
    instruction_reversal,
    multi_part,
    new_numbers,
    paraphrase,
    predict_output,
    proof_to_answer,
    self_revision,
    word_problem,
)


class Strategy(Protocol):
    """A way to derive a prompt from a prompt: of which routes, what is asked, how it is read, what
    it must pass."""

    @property
    def NAME(self) -> StrategyName: ...
    @property
    def TEMPLATE(self) -> str: ...
    @property
    def SCHEMA(self) -> ResponseSchema: ...
    @property
    def ROUTES(self) -> Collection[str]: ...
    @property
    def GATES(self) -> Sequence[Gate]: ...

    def applies(self, parent: Parent) -> bool:
        """Say whether this prompt can be rewritten so."""

    def messages(self, parent: Parent, variant: int, settings: ModelSettings) -> Messages:
        """Ask for one rewrite; variants of one parent must come out different."""

    def read(self, reply: Mapping[str, Any], parent: Parent) -> Candidate | Refusal:
        """Read a reply that follows `SCHEMA`."""


@runtime_checkable
class InParts(Protocol):
    """A strategy that asks for a number of things of a parent, whatever the recipe's variants."""

    def parts(self, parent: Parent) -> int:
        """Say how many; the number of the part, from 0, is its variant."""


@runtime_checkable
class FollowedUp(Protocol):
    """A strategy whose replies are answered, up to `ROUNDS` times (tasks/rewrite/rounds.py)."""

    ROUNDS: int

    def follow_up(self, parent: Parent, reply: Mapping[str, Any], number: int) -> str | None:
        """Return what the user says after a reply; None if the reply has the last word."""


@runtime_checkable
class NeedsReference(Protocol):
    """A strategy whose rewrites are worth nothing until a second model has solved them."""

    NEEDS_REFERENCE: bool


def template_of_round(strategy: Strategy, number: int) -> str:
    """Return the template of a round; round 0 is the first request."""
    return f"{strategy.TEMPLATE}+{number}" if number else strategy.TEMPLATE


_ALL: Sequence[Strategy] = (
    new_numbers,
    choice_to_open,
    paraphrase,
    predict_output,
    harder,
    proof_to_answer,
    multi_part,
    decompose,
    self_revision,
    code_to_tests,
    word_problem,
    instruction_reversal,
)
STRATEGIES: Mapping[str, Strategy] = {strategy.NAME: strategy for strategy in _ALL}
BY_TEMPLATE: Mapping[str, Strategy] = {
    template_of_round(strategy, number): strategy
    for strategy in _ALL
    for number in range(1 + (strategy.ROUNDS if isinstance(strategy, FollowedUp) else 0))
}
