"""Limits: how much of a root, a source, a domain and of anchors may be kept.

rank  root_id  reason         detail
3     5f0c…    over_per_root  rank 3 of 5f0c…, 2 are kept
"""

from collections.abc import Collection

import polars as pl

from tasks.recipe import SelectSettings
from tasks.select.difficulty import CERTIFIED_HARD, EASY_ANCHOR
from tasks.select.dropping import KEPT, drop, rank_open

_ROUNDING = 1e-9  # a share times a count may fall short of a whole number by this


def count_mixture(
    available: dict[str, int], mixture: dict[str, float], frozen: Collection[str] = ()
) -> dict[str, int]:
    """Return how many prompts each domain may have: the largest total that keeps the shares.

    Frozen domains keep what they have, and the others have their shares beside that, as far as
    there are prompts for it.

    >>> count_mixture({"math": 90, "code": 10}, {"math": 0.75, "code": 0.25})
    {'math': 30, 'code': 10}
    >>> count_mixture({"math": 90, "code": 70}, {"math": 0.75, "code": 0.25}, frozen=["math"])
    {'math': 90, 'code': 30}
    """
    wanted = {domain: share for domain, share in mixture.items() if share > 0}
    fixed = [domain for domain in wanted if domain in frozen]
    if fixed:
        total = sum(available.get(name, 0) for name in fixed) / sum(wanted[name] for name in fixed)
        return {
            domain: available.get(domain, 0)
            if domain in frozen
            else min(available.get(domain, 0), int(total * share + _ROUNDING))
            for domain, share in mixture.items()
        }
    total = min((available.get(domain, 0) / share for domain, share in wanted.items()), default=0)
    return {domain: int(total * share + _ROUNDING) for domain, share in mixture.items()}


def count_anchors(inside: int, hard: tuple[int, float], easy: tuple[int, float]) -> tuple[int, int]:
    """Return how many hard and easy anchors may join `inside` prompts: as many as the shares allow.

    Each is (there are, its largest share of all that is kept).

    >>> count_anchors(85, (50, 0.10), (50, 0.05))
    (10, 5)
    """
    (few_hard, hard_share), (few_easy, easy_share) = hard, easy
    while True:
        allowed_hard = int((inside + few_easy) * hard_share / (1 - hard_share) + _ROUNDING)
        fewer_hard = min(few_hard, allowed_hard)
        allowed_easy = int((inside + fewer_hard) * easy_share / (1 - easy_share) + _ROUNDING)
        fewer_easy = min(few_easy, allowed_easy)
        if (fewer_hard, fewer_easy) == (few_hard, few_easy):
            return fewer_hard, fewer_easy
        few_hard, few_easy = fewer_hard, fewer_easy


def drop_over(prompts: pl.DataFrame, group: str, most: int | None) -> pl.DataFrame:
    """Drop what a root or a source has too much of; a seed goes before its rewrites."""
    if most is None:
        return prompts
    name = group.removesuffix("_id")
    order = ["is_anchor", "is_rewrite", "distance", "prompt_id"]
    if group != "root_id":
        order.remove("is_rewrite")
    return prompts.pipe(rank_open, group, order).pipe(
        drop,
        pl.col("rank") > most,
        "select",
        f"over_per_{name}",
        pl.format(f"rank {{}} of {{}}, {most} are kept", "rank", group),
    )


def drop_over_target(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    """Drop what a domain has beyond the number that it is to have, anchors first."""
    if not settings.targets:
        return prompts
    domain = pl.col("domain")
    target = domain.replace_strict(settings.targets, default=None, return_dtype=pl.Int64)
    return prompts.pipe(rank_open, "domain", ["is_anchor", "distance", "prompt_id"]).pipe(
        drop,
        pl.col("rank") > target,
        "select",
        "over_target",
        pl.format("rank {} in {}, the target is {}", "rank", "domain", target),
    )


def drop_outside_mixture(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    """Drop what is over a domain's share, and of it rewrites first that its seeds would not bear.

    Comes after `drop_over_organic`: what that takes away is not there to be mixed.
    """
    if not settings.mixture:
        return prompts
    domain = pl.col("domain")
    named = list(settings.mixture)
    teachable = prompts.filter(
        pl.col("reason").is_null(), pl.col("anchor").is_null(), domain.is_in(named)
    )
    available = dict(teachable.group_by("domain").len().iter_rows())
    counts = count_mixture(available, settings.mixture, settings.freeze)
    quota = domain.replace_strict(counts, default=None, return_dtype=pl.Int64)
    if settings.organic_share:
        bear = 1 - settings.organic_share
        borne = {name: int(count * bear + _ROUNDING) for name, count in counts.items()}
        prompts = _drop_rewrites_over(prompts, borne, "over_mixture", "the mixture takes")
    return (
        prompts.pipe(rank_open, "domain", ["is_anchor", "distance", "prompt_id"])
        .pipe(
            drop,
            (pl.col("rank") > quota) & pl.col("anchor").is_null(),
            "select",
            "over_mixture",
            pl.format("rank {} in {}, the mixture takes {}", "rank", "domain", quota),
        )
        .pipe(
            drop,
            ~domain.is_in(named),
            "select",
            "domain_not_in_mixture",
            pl.format("{} has no share in the mixture", "domain"),
        )
    )


def drop_over_organic(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    """Drop the rewrites beyond which a domain's seeds would be less than their least share."""
    share = settings.organic_share
    if not share:
        return prompts
    open_ones = prompts.filter(pl.col("reason").is_null(), pl.col("anchor").is_null())
    return _drop_rewrites_over(
        prompts, _room(open_ones, share), "over_synthetic", "its seeds allow"
    )


def drop_anchors_over_organic(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    """Drop the anchors among rewrites that the domain's seeds in the band have no room left for.

    Comes after `drop_outside_mixture`, which says what is left of those seeds; seeds that are
    anchors make no room, as it is not yet known which of them stay.
    """
    share = settings.organic_share
    if not share or not (settings.hard_share or settings.easy_share):
        return prompts
    inside = prompts.filter(pl.col("reason").is_null(), pl.col("anchor").is_null())
    rewrites = inside.filter(pl.col("kind") != "seed").group_by("domain").len()
    taken = dict(rewrites.iter_rows())
    left = dict.fromkeys(prompts["domain"].unique(), 0) | {
        name: max(0, room - taken.get(name, 0)) for name, room in _room(inside, share).items()
    }
    return _drop_rewrites_over(
        prompts, left, "over_synthetic", "its seeds allow outside the band", of_anchors=True
    )


def _room(prompts: pl.DataFrame, share: float) -> dict[str, int]:
    """Return how many rewrites the seeds of each domain may have beside them."""
    seeds = prompts.group_by("domain").agg((pl.col("kind") == "seed").sum())
    return {name: int(n * (1 - share) / share + _ROUNDING) for name, n in seeds.iter_rows()}


def _drop_rewrites_over(
    prompts: pl.DataFrame, most: dict[str, int], reason: str, why: str, *, of_anchors: bool = False
) -> pl.DataFrame:
    """Drop the rewrites of which a domain has more than this: those in the band, or the anchors."""
    domain, is_rewrite = pl.col("domain"), pl.col("kind") != "seed"
    quota = domain.replace_strict(most, default=None, return_dtype=pl.Int64)
    rewrites = pl.when(is_rewrite & (pl.col("anchor").is_not_null() == of_anchors)).then(domain)
    return (
        prompts.with_columns(rewrites.alias("pool"))
        .pipe(rank_open, "pool", ["distance", "prompt_id"])
        .pipe(
            drop,
            pl.col("rank") > quota,
            "select",
            reason,
            pl.format(f"rank {{}} of the rewrites in {{}}, {why} {{}}", "rank", "pool", quota),
        )
        .drop("pool")
    )


def drop_over_anchors(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    """Drop the anchors that exceed their share of what their domain keeps."""
    if not settings.hard_share and not settings.easy_share:
        return prompts
    open_ones = prompts.filter(pl.col("reason").is_null())
    kinds = pl.col("anchor").fill_null(KEPT)
    counted = open_ones.group_by("domain", kinds.alias("kind")).len().sort("domain")
    quotas: dict[str, int] = {}
    for (domain,), part in counted.group_by("domain", maintain_order=True):
        have = dict(part.select("kind", "len").iter_rows())
        hard, easy = count_anchors(
            have.get(KEPT, 0),
            (have.get(CERTIFIED_HARD, 0), settings.hard_share),
            (have.get(EASY_ANCHOR, 0), settings.easy_share),
        )
        quotas |= {f"{domain}/{CERTIFIED_HARD}": hard, f"{domain}/{EASY_ANCHOR}": easy}
    key = pl.concat_str("domain", pl.lit("/"), "anchor")
    quota = key.replace_strict(quotas, default=None, return_dtype=pl.Int64)
    return (
        prompts.with_columns(key.alias("pool"))
        .pipe(rank_open, "pool", ["distance", "prompt_id"])
        .pipe(
            drop,
            pl.col("rank") > quota,
            "select",
            "over_anchors",
            pl.format("rank {} of {}, its share allows {}", "rank", "pool", quota),
        )
    )
