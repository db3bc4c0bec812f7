"""What calls cost, and the budget that they may not exceed.

Usage(prompt_tokens=120, cached_tokens=0, completion_tokens=300, reasoning_tokens=0)
at Prices(input=0.10, output=0.40) costs 0.000132 US dollars.
"""

from dataclasses import dataclass, field
from typing import TypeVar

from tasks.errors import BudgetReached, RecipeError
from tasks.recipe import Budget, ModelSettings, Prices

MESSAGE_OVERHEAD = 64  # Tokens that chat templates put around the messages.
UNBOUNDED_COMPLETION = 32_768  # What is reserved for a model without a token ceiling.
Known = TypeVar("Known", int, float)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as the server counted them; None where it did not say."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def tokens(self) -> int:
        """Tokens that count towards a budget."""
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


@dataclass(slots=True)
class Bill:
    """What the attempts of one call add up to; one that a server turned away is not billed.

    A sum of which a part is unknown is unknown: None. The last three are what a budget counts: all
    that is known, and an estimate for the `uncounted`. They are kept beside the others, so that a
    later run counts the same.
    """

    attempts: int = 0
    malformed: int = 0
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    cost_usd: float | None = 0.0
    budget_usd: float | None = 0.0
    budget_tokens: int | None = 0
    uncounted: int = 0

    def add(self, usage: Usage | None, prices: Prices, most: "Amount") -> "Amount":
        """Add an attempt and return what a budget has to count for it alone.

        That is what it did cost; where the server did not count its tokens, it is the `most` that
        it can have cost, since a cap that forgets what it was not told is no cap.
        """
        self.attempts += 1
        if usage is None:
            return Amount(calls=1)
        cost = cost_usd(usage, prices)
        self.prompt_tokens = _add_known(self.prompt_tokens, usage.prompt_tokens)
        self.completion_tokens = _add_known(self.completion_tokens, usage.completion_tokens)
        self.cost_usd = _add_known(self.cost_usd, cost)
        uncounted = int(usage.prompt_tokens is None or usage.completion_tokens is None)
        usd, tokens = cost, usage.tokens
        if uncounted:
            usd, tokens = _most_of(usage, prices, most)
        return self._budget(usd, tokens, uncounted)

    def add_unanswered(self, prices: Prices, most: "Amount") -> "Amount":
        """Add an attempt that was sent and whose answer never came.

        It may have been worked on and paid for: the books have nothing of it, and a budget counts
        the `most` that it can have cost.
        """
        self.attempts += 1
        usd, tokens = _most_of(Usage(), prices, most)
        self.cost_usd = _add_known(self.cost_usd, None if usd is None else 0.0)
        return self._budget(usd, tokens, 1)

    def _budget(self, usd: float | None, tokens: int, uncounted: int) -> "Amount":
        """Add what a budget counts of an attempt, and return it."""
        self.budget_usd = _add_known(self.budget_usd, usd)
        self.budget_tokens = _add_known(self.budget_tokens, tokens)
        self.uncounted += uncounted
        return Amount(usd=usd or 0.0, tokens=tokens, calls=1, uncounted=uncounted)


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of each thing that a budget caps.

    `uncounted` of the calls are in it with an estimate: nobody said what they took.
    """

    usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    uncounted: int = 0


def cost_usd(usage: Usage, prices: Prices) -> float | None:
    """Return the cost in US dollars, or None where a price or a count is unknown."""
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    if prices.input is None or prices.output is None:
        return None
    cached = _part_of(usage.prompt_tokens, usage.cached_tokens)
    reasoning = _part_of(usage.completion_tokens, usage.reasoning_tokens)
    if prices.reasoning is None:
        reasoning = 0
    cached_price = prices.input if prices.cached_input is None else prices.cached_input
    millionths = (
        (usage.prompt_tokens - cached) * prices.input
        + cached * cached_price
        + (usage.completion_tokens - reasoning) * prices.output
        + reasoning * (prices.reasoning or 0.0)
    )
    return millionths / 1_000_000


def most_prompt_tokens(prompt_bytes: int) -> int:
    """Return the most tokens that a prompt can be: a token is at least a byte of text."""
    return prompt_bytes + MESSAGE_OVERHEAD


def reserve_for(settings: ModelSettings, prompt_bytes: int, ceiling: int | None = None) -> Amount:
    """Return the most that one attempt of a call can cost, under its own ceiling if it has one."""
    prompt_tokens = most_prompt_tokens(prompt_bytes)
    if ceiling is None:
        ceiling = settings.sampling.max_tokens
    completion_tokens = UNBOUNDED_COMPLETION if ceiling is None else ceiling
    usd = most_usd(settings.prices, prompt_tokens, completion_tokens)
    return Amount(usd=usd, tokens=prompt_tokens + completion_tokens, calls=1)


def most_usd(prices: Prices, prompt_tokens: int, completion_tokens: int) -> float:
    """Return the most that so many tokens can cost; a price that is unknown counts as nothing."""
    output = max(prices.output or 0.0, prices.reasoning or 0.0)
    return (prompt_tokens * (prices.input or 0.0) + completion_tokens * output) / 1_000_000


@dataclass(slots=True)
class Purse:
    """A budget, what was spent of it and what calls in flight and batches may still spend."""

    budget: Budget
    spent: Amount = field(default_factory=Amount)
    reserved: Amount = field(default_factory=Amount)
    submitted: Amount = field(default_factory=Amount)

    def fits(self, amount: Amount) -> bool:
        """Say whether an amount can be reserved without ever exceeding the budget."""
        return all(
            cap is None or spent + reserved + submitted + more <= cap
            for cap, spent, reserved, submitted, more in zip(
                (self.budget.usd, self.budget.tokens, self.budget.calls),
                _values(self.spent),
                _values(self.reserved),
                _values(self.submitted),
                _values(amount),
                strict=True,
            )
        )

    def reserve(self, amount: Amount) -> None:
        """Set an amount aside for a call that is about to be made."""
        self.reserved = add_amounts(self.reserved, amount)

    def settle(self, amount: Amount, actual: Amount) -> None:
        """Give a reservation back and book what the call did cost."""
        self.reserved = add_amounts(self.reserved, amount, -1)
        self.spent = add_amounts(self.spent, actual)

    def submit(self, amount: Amount) -> bool:
        """Set an amount aside for a batch, for as long as it takes; say whether it fits."""
        if not self.fits(amount):
            return False
        self.submitted = add_amounts(self.submitted, amount)
        return True

    def settle_submitted(self, amount: Amount, actual: Amount) -> None:
        """Give back what a batch set aside and book what it did cost."""
        self.submitted = add_amounts(self.submitted, amount, -1)
        self.spent = add_amounts(self.spent, actual)

    def is_idle(self) -> bool:
        """Say whether no call is in flight."""
        return self.reserved.calls == 0

    def reached(self) -> BudgetReached:
        """Return the error that stops a run at its budget."""
        caps = {name: cap for name, cap in self.budget.model_dump().items() if cap is not None}
        spent = ", ".join(
            f"{name} {getattr(self.spent, name):,.6g} of {cap:,.6g}" for name, cap in caps.items()
        )
        if self.spent.uncounted:
            spent += (
                f"; {self.spent.uncounted:,} calls are estimated, since their server did not say "
                "how many tokens they took or never answered"
            )
        return BudgetReached(
            f"the budget is used up ({spent}): the next call could exceed it. "
            "Everything paid for is in the store; raise `budget` in the recipe and run again."
        )


def batch_prices(settings: ModelSettings) -> Prices:
    """Return what a model costs in a batch: its own batch prices, or a share of the usual ones."""
    declared, factor = settings.batch, settings.batch.price_factor
    if declared.prices is not None:
        return declared.prices
    usual = settings.prices.model_dump()
    return Prices(**{name: None if each is None else each * factor for name, each in usual.items()})


def prices_of(settings: ModelSettings) -> Prices:
    """Return what a model's calls cost in the way that it is asked."""
    return batch_prices(settings) if settings.mode == "batch" else settings.prices


def check_budget(budget: Budget, settings: ModelSettings) -> None:
    """Refuse a cap in dollars over a model whose prices are unknown: it could not be kept."""
    if budget.usd is not None and (settings.prices.input is None or settings.prices.output is None):
        raise RecipeError(
            f"budget.usd: the model {settings.model!r} has no prices; "
            "set its prices.input and prices.output (US dollars per million tokens)"
        )


def _part_of(whole: int, part: int | None) -> int:
    """Return a part of a count; one that is said to be more than the whole is none of it."""
    return part if part is not None and part <= whole else 0


def _most_of(usage: Usage, prices: Prices, most: Amount) -> tuple[float | None, int]:
    """Return the most that an attempt can have taken, and never less than what was counted of it.

    Without a price there are no dollars: they are counted when there is one.
    """
    tokens = max(most.tokens, usage.tokens)
    if prices.input is None or prices.output is None:
        return None, tokens
    counted = most_usd(prices, usage.prompt_tokens or 0, usage.completion_tokens or 0)
    return max(most.usd, counted), tokens


def _add_known(sum_: Known | None, more: Known | None) -> Known | None:
    return None if sum_ is None or more is None else sum_ + more


def _values(amount: Amount) -> tuple[float, int, int]:
    return amount.usd, amount.tokens, amount.calls


def add_amounts(left: Amount, right: Amount, sign: int = 1) -> Amount:
    """Add two amounts, or subtract the right one."""
    return Amount(
        usd=left.usd + sign * right.usd,
        tokens=left.tokens + sign * right.tokens,
        calls=left.calls + sign * right.calls,
        uncounted=left.uncounted + sign * right.uncounted,
    )
