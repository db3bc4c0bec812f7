"""Assumptions: what is taken of calls of a model that this store has never made.

    assume(recipe, recipe.models.student)   → Assumed(completion_tokens=512.0, latency_s=11.2)

All of them are coarse, and the plan says where it rests on them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from tasks.assess.stopping import edges_of, plan_of
from tasks.plan.estimate import share_in_band
from tasks.recipe import EmbedderSettings, ModelSettings, Recipe
from tasks.simulator.settings import Settings, read_settings

BYTES_PER_TOKEN = 4.0
MESSAGE_TOKENS = 8.0  # What a chat template puts around the messages.
COMPLETION_SHARE = 0.25  # Of the token ceiling.
NO_CEILING = 4_096
DRAFT_SHARE = 0.75  # Of a rewriter's answers, that pass the gates and are to be confirmed.
ACCEPTED_SHARE = 0.65  # Of a rewriter's answers, that become prompts.
FIRST_CONTINUED_SHARE = 0.9  # Of first drafts, that their author is asked to judge.
CONTINUED_SHARE = 0.5  # Of versions judged once, that are judged again.
ROUND_BYTES = 2_000.0  # What a round adds to the messages: a reply, and what is said to it.
TRUSTED_SHARE = 0.7  # Of the prompts without an answer, that get a key from the reference.
CONFIRMED_SHARE = 0.5  # Of the votes that were not believed, that a second model confirms.
FIT_SHARE = 0.9  # Of the prompts that are taught, that get a response fit to be released.
NEAR_SHARE = 0.02  # Of the items that may be shown beside a prompt, that are near enough.
FIRST_TOKEN_S = 1.0
TOKENS_PER_SECOND = 50.0
_SIMULATED_TOKENS = 75.0
_SIMULATED_PER_SECOND = 400.0  # What this program and the simulator do together on two cores.


@dataclass(frozen=True, slots=True)
class Assumed:
    """What a call of a model is taken to be like."""

    completion_tokens: float
    latency_s: float


def assume(recipe: Recipe, settings: ModelSettings) -> Assumed:
    """Return what is assumed of a model's calls: a real one's, or those of the simulator."""
    if isinstance(settings, EmbedderSettings):  # It writes nothing.
        return Assumed(0.0, FIRST_TOKEN_S if settings.base_url else _own_time(settings))
    if settings.base_url is None:
        return _assume_simulated(recipe, settings)
    tokens = (settings.sampling.max_tokens or NO_CEILING) * COMPLETION_SHARE
    return Assumed(tokens, FIRST_TOKEN_S + tokens / TOKENS_PER_SECOND)


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a student's samples are taken to come to: a prompt's number, the share in the band."""

    samples: float
    in_band: float


def assume_sampling(recipe: Recipe, prompts: pl.DataFrame) -> Callable[[str | None], Sampling]:
    """Return what is taken of a domain: the mean over the answer types that its prompts have."""
    counted = prompts.group_by("domain", "answer_type").len()
    types: dict[str | None, dict[str | None, int]] = {}
    for domain, answer_type, count in counted.rows():
        types.setdefault(domain, {})[answer_type] = count

    def of_domain(domain: str | None) -> Sampling:
        weights = types.get(domain) or {None: 1}
        each = {name: _assume_of_type(recipe, domain, name) for name in weights}
        total = sum(weights.values())
        return Sampling(
            sum(each[name].samples * weight for name, weight in weights.items()) / total,
            sum(each[name].in_band * weight for name, weight in weights.items()) / total,
        )

    return of_domain


def _assume_of_type(recipe: Recipe, domain: str | None, answer_type: str | None) -> Sampling:
    if recipe.sample.adaptive is not None:
        plan = plan_of(recipe, recipe.sample.adaptive, domain, answer_type)
        return Sampling(plan.samples, plan.in_band)
    edges, samples = edges_of(recipe, domain, answer_type), recipe.sample.student
    return Sampling(samples, share_in_band(edges.low, edges.high, samples, edges.error))


def _assume_simulated(recipe: Recipe, settings: ModelSettings) -> Assumed:
    simulator: Settings = read_settings(recipe.simulator.model_dump(mode="json"))
    tokens = _SIMULATED_TOKENS
    profile = simulator.models.get(settings.model)
    if profile is not None:
        thinks = profile.reasoning != "none"
        tokens = tokens * profile.verbosity + (profile.reasoning_tokens if thinks else 0)
    ceiling = settings.sampling.max_tokens or NO_CEILING
    wait = {"none": 0.0, "fixed": simulator.latency.seconds, "lognormal": simulator.latency.mean}
    return Assumed(min(tokens, ceiling), max(_own_time(settings), wait[simulator.latency.kind]))


def _own_time(settings: ModelSettings) -> float:
    """Return what a simulated call takes of this machine while as many as may be are under way."""
    return settings.max_concurrency / _SIMULATED_PER_SECOND
