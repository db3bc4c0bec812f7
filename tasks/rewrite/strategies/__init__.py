"""The strategies by name. A new one is a module with what `Strategy` asks for, and a line here."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from tasks.llm.request import Messages, ResponseSchema
from tasks.recipe import ModelSettings, StrategyName
from tasks.rewrite.acceptance import Gate
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.strategies import (
    choice_to_open,
    harder,
    new_numbers,
    paraphrase,
    predict_output,
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


_ALL: Sequence[Strategy] = (new_numbers, choice_to_open, paraphrase, predict_output, harder)
STRATEGIES: Mapping[str, Strategy] = {strategy.NAME: strategy for strategy in _ALL}
BY_TEMPLATE: Mapping[str, Strategy] = {
    strategy.TEMPLATE: strategy for strategy in STRATEGIES.values()
}
