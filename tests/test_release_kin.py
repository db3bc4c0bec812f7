"""Kin: what duplicates tie together is in one split, and everything else stays where it was."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.release.kin import find_kin, record_kin
from tasks.release.stage import stage_pairs
from tasks.select.decide import decide_after_teach
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import RUN, STUDENT, TEACHER, fill, identify, taught

MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}
TIES = {"root_id": pl.String, "other_id": pl.String, "duplicate": pl.Boolean}
FAMILIES = 12


def as_ties(*rows: tuple[str, str, bool]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=TIES, orient="row")


def test_the_anchor_is_the_first_that_is_no_duplicate() -> None:
    ties = as_ties(("a", "c", True), ("c", "d", False), ("x", "y", True), ("y", "x", True))
    assert dict(find_kin(ties).iter_rows()) == {"a": "c", "c": "c", "d": "c", "x": "x", "y": "x"}
    assert find_kin(as_ties()).is_empty()


def test_what_is_in_a_release_keeps_its_anchor() -> None:
    ties = as_ties(("a", "c", False), ("c", "a", True), ("x", "y", True))
    released = pl.DataFrame({"root_id": ["c"], "anchor_id": ["c"]})
    assert dict(find_kin(ties, released).iter_rows()) == {"a": "c", "c": "c", "x": "y", "y": "y"}
    both = pl.DataFrame({"root_id": ["a", "c"], "anchor_id": ["k", "c"]})
    assert dict(find_kin(ties.head(2), both).iter_rows()) == {"a": "c", "c": "c"}


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"), st.booleans())),
)
def test_two_are_kin_if_a_chain_of_ties_leads_from_one_to_the_other(
    rows: list[tuple[str, str, bool]],
) -> None:
    ties = as_ties(*rows)
    kin = dict(find_kin(ties).iter_rows())
    reach = {name: {name} for row in rows for name in row[:2]}
    for _ in reach:
        for first, second, _ in rows:
            both = reach[first] | reach[second]
            for name in both:
                reach[name] = both
    assert kin.keys() == reach.keys()
    for first in reach:
        for second in reach:
            assert (kin[first] == kin[second]) == (second in reach[first])
    duplicates = {root for root, _, duplicate in rows if duplicate}
    for root, anchor in kin.items():
        originals = reach[root] - duplicates
        assert anchor == min(originals or reach[root])
    assert find_kin(ties.reverse()).equals(find_kin(ties))


@pytest.mark.slow
def test_a_kept_rewrite_of_a_dropped_duplicate_is_where_its_twin_is(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe(models=MODELS, release={"validation_share": 0.5})
    families = [(f"seed{index}", f"twin{index}", f"made{index}") for index in range(FAMILIES)]
    for seed, twin, made in families:
        fill(
            store,
            taught(seed),
            taught(twin),
            taught(made, kind="rewrite", root=twin),
        )
    alone = [taught(f"alone{index}") for index in range(FAMILIES)]
    fill(store, *alone)

    def split() -> dict[str, str]:
        folder = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return dict(
            stage_pairs(store, recipe, folder, RUN).links.select("prompt_id", "split").rows()
        )

    decide_after_teach(store, recipe, RUN)
    before = split()
    twins = [
        {
            "prompt_id": identify(twin),
            "representative_id": identify(seed),
            "method": "exact",
            "score": 1.0,
        }
        for seed, twin, _ in families
    ]
    store.append("duplicates", pl.DataFrame(twins), run_id=RUN)
    decide_after_teach(store, recipe, RUN)
    parted = split()
    assert any(parted[identify(seed)] != parted[identify(made)] for seed, _, made in families)
    assert record_kin(store, RUN) == 2 * FAMILIES
    after = split()
    assert len(after) == 3 * FAMILIES  # The twins are dropped.
    assert all(after[identify(seed)] == after[identify(made)] for seed, _, made in families)
    for name in [seed for seed, _, _ in families] + [each.name for each in alone]:
        assert after[identify(name)] == before[identify(name)]
    assert record_kin(store, RUN) == 0

    # What is released stays where it is, though the seed is now the duplicate of something alone.
    pairs = [
        {"release_id": "r1", "pair_id": prompt_id, "prompt_id": prompt_id, "split": side}
        for prompt_id, side in after.items()
    ]
    store.append("release_pairs", pl.DataFrame(pairs), run_id=None)
    newcomers = [f"new{index}" for index in range(FAMILIES)]
    fill(store, *(taught(name) for name in newcomers))
    later = [
        {**row, "prompt_id": identify(seed), "representative_id": identify(name)}
        for row, (seed, _, _), name in zip(twins, families, newcomers, strict=True)
    ]
    store.append("duplicates", pl.DataFrame(later), run_id=RUN)
    decide_after_teach(store, recipe, RUN)
    assert record_kin(store, RUN) == FAMILIES
    last = split()
    for (_, _, made), name in zip(families, newcomers, strict=True):
        assert last[identify(name)] == last[identify(made)] == after[identify(made)]
