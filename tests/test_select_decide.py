"""Decisions: each reason in its order, the mixture's arithmetic, and that nothing vanishes."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.recipe import (
    ContaminationSettings,
    DuplicateSettings,
    Recipe,
    SelectSettings,
    TeachSettings,
)
from tasks.select.contamination import find_contamination
from tasks.select.decide import Decided, decide, decide_after_teach, decide_prompts
from tasks.select.duplicates import find_duplicates, mark_duplicates
from tasks.select.limits import count_mixture
from tasks.store import Store
from tasks.teach import pupils_of
from tests.conftest import MakeRecipe
from tests.taught_store import (
    BENCHMARK_TEXT,
    RUN,
    STUDENT,
    TEACHER,
    Taught,
    add_item,
    fill,
    identify,
    taught,
)

MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}


def decisions(store: Store, recipe: Recipe) -> dict[str, tuple[bool, str, str, str | None]]:
    """Return the last word on every prompt under the recipe's policy."""
    rows = store.sql(
        "select prompt_id, kept, stage, reason, detail from current_decisions "
        "where policy = $policy",
        {"policy": recipe.policy_version()},
    )
    return {row[0]: row[1:] for row in rows.iter_rows()}


def decide_one(store: Store, recipe: Recipe, prompt: Taught) -> tuple[bool, str, str, str | None]:
    """Return the last word on one prompt after teaching."""
    fill(store, prompt)
    decide_after_teach(store, recipe, RUN)
    return decisions(store, recipe)[identify(prompt.name)]


CASES: list[tuple[dict[str, Any], tuple[bool, str, str, str | None]]] = [
    ({}, (True, "select", "kept", None)),
    (
        {"key": None, "answer": None},
        (False, "assess", "needs_review", "no key, and nobody voted for one"),
    ),
    (
        {"trusted": False},
        (False, "assess", "needs_review", "plurality key needs a review, share 0.5"),
    ),
    (
        {"correct": 2, "wrong": 1, "truncated": 5},
        (
            False,
            "assess",
            "too_few_decided",
            "correct 2, wrong 1, truncated 5, unverifiable 0; 4 decided are needed",
        ),
    ),
    (
        {"correct": 7, "wrong": 1},
        (False, "select", "too_easy", "pass rate 0.875 is above 0.75 (math)"),
    ),
    ({"correct": 6, "wrong": 2}, (True, "select", "kept", None)),
    ({"correct": 1, "wrong": 7}, (True, "select", "kept", None)),
    (
        {"correct": 0, "wrong": 8},
        (False, "select", "too_hard", "pass rate 0.0 is below 0.125 (math)"),
    ),
    ({"teacher": ()}, (False, "teach", "no_teacher_response", "no completed call")),
    (
        {"teacher": (("It is 5.", "wrong"), ("It", "truncated"))},
        (False, "teach", "no_correct_response", "2 responses, 1 usable, 0 correct"),
    ),
    (
        {"teacher": ((" \n", "correct"),)},
        (False, "teach", "no_correct_response", "1 responses, 0 usable, 0 correct"),
    ),
    ({"teacher": (("It is 5.", "wrong"), ("It is 4.", "correct"))}, (True, "select", "kept", None)),
]


def test_every_reason_with_its_detail(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(models=MODELS)
    fill(store, *(taught(f"p{row}", **changes) for row, (changes, _) in enumerate(CASES)))
    decide_after_teach(store, recipe, RUN)
    found = decisions(store, recipe)
    assert [found[identify(f"p{row}")] for row in range(len(CASES))] == [case[1] for case in CASES]


@pytest.mark.slow
def test_wrong_responses_are_kept_where_the_recipe_says_so(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(models=MODELS, teach={"only_correct": False})
    wrong = taught("wrong", teacher=(("It is 5.", "wrong"),))
    cut = taught("cut", teacher=(("It", "truncated"),))
    fill(store, cut)
    assert decide_one(store, recipe, wrong) == (True, "select", "kept", None)
    detail = "1 responses, 0 usable, 0 correct"
    expected = (False, "teach", "no_usable_response", detail)
    assert decisions(store, recipe)[identify("cut")] == expected


def test_a_response_of_another_teacher_does_not_count(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(models={**MODELS, "teacher": {"model": "another"}})
    assert decide_one(store, recipe, taught("a"))[2] == "no_teacher_response"


def test_the_first_reason_counts(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(models=MODELS)
    fill(
        store,
        taught("seed", text=BENCHMARK_TEXT, key=None),
        taught("copy", text=BENCHMARK_TEXT.upper(), kind="rewrite", key=None),
        taught("short", text="Two plus two", correct=8, wrong=0),
    )
    item = add_item(store, BENCHMARK_TEXT)
    short = add_item(store, "two plus two?", name="mini")
    find_duplicates(store, DuplicateSettings(), RUN)
    find_contamination(store, ContaminationSettings(), ["exam", "mini"], RUN)
    assert decide_prompts(store, recipe, RUN) == Decided(prompts=3, kept=0, changed=3)
    assert decisions(store, recipe) == {
        identify("copy"): (False, "duplicates", "exact_duplicate", f"of {identify('seed')}"),
        identify("seed"): (False, "contamination", "benchmark_13_gram", f"item {item} of exam"),
        identify("short"): (False, "contamination", "benchmark_exact", f"item {short} of mini"),
    }


def test_a_domain_has_its_own_band(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(models=MODELS, select={"domains": {"safety": {"low": 0, "high": 1}}})
    fill(store, taught("math", correct=8, wrong=0))
    assert decide_one(store, recipe, taught("s", domain="safety", correct=8, wrong=0))[0]
    assert decisions(store, recipe)[identify("math")][2] == "too_easy"


def test_a_seed_goes_before_its_rewrites_and_the_middle_before_the_edge(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(models=MODELS, select={"max_per_root": 2})
    fill(
        store,
        taught("seed", correct=6, wrong=2),
        taught("edge", kind="rewrite", root="seed", correct=2, wrong=6),
        taught("middle", kind="rewrite", root="seed", correct=4, wrong=4),
        taught("too-easy", kind="rewrite", root="seed", correct=8, wrong=0),
    )
    decide_prompts(store, recipe, RUN)
    found = decisions(store, recipe)
    assert {name for name in ("seed", "edge", "middle") if found[identify(name)][0]} == {
        "seed",
        "middle",
    }
    detail = f"rank 3 of {identify('seed')}, 2 are kept"
    assert found[identify("edge")] == (False, "select", "over_per_root", detail)
    assert found[identify("too-easy")][2] == "too_easy"


def test_the_mixture_keeps_its_shares_and_prefers_the_middle(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = make_recipe(models=MODELS, select={"mixture": {"math": 0.75, "code": 0.25}})
    fill(
        store,
        taught("code", domain="code"),
        taught("m1", correct=4, wrong=4),
        taught("m2", correct=5, wrong=3),
        taught("m3", correct=3, wrong=5),
        taught("m4", correct=6, wrong=2),
        taught("law", domain="law"),
    )
    assert decide_prompts(store, recipe, RUN).kept == 4
    found = decisions(store, recipe)
    assert found[identify("m4")] == (
        False,
        "select",
        "over_mixture",
        "rank 4 in math, the mixture takes 3",
    )
    assert found[identify("law")] == (
        False,
        "select",
        "domain_not_in_mixture",
        "law has no share in the mixture",
    )


@pytest.mark.parametrize(
    ("available", "mixture", "counts"),
    [
        ({"math": 90, "code": 10}, {"math": 0.75, "code": 0.25}, {"math": 30, "code": 10}),
        ({"math": 3, "code": 9}, {"math": 0.3, "code": 0.7}, {"math": 3, "code": 7}),
        ({"math": 9}, {"math": 1.0, "code": 0.0}, {"math": 9, "code": 0}),
        ({"math": 9}, {"math": 0.5, "code": 0.5}, {"math": 0, "code": 0}),
        ({}, {"math": 1.0}, {"math": 0}),
    ],
)
def test_mixture_by_hand(
    available: dict[str, int], mixture: dict[str, float], counts: dict[str, int]
) -> None:
    assert count_mixture(available, mixture) == counts


@given(
    available=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 500), min_size=1),
    weights=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9), min_size=1),
)
def test_mixture_never_takes_more_than_there_is_and_uses_up_one_domain(
    available: dict[str, int], weights: dict[str, int]
) -> None:
    mixture = {domain: weight / sum(weights.values()) for domain, weight in weights.items()}
    counts = count_mixture(available, mixture)
    assert all(counts[domain] <= available.get(domain, 0) for domain in mixture)
    assert any(counts[domain] == available.get(domain, 0) for domain in mixture)
    total = min(available.get(domain, 0) / share for domain, share in mixture.items())
    assert all(abs(counts[domain] - total * share) < 1 for domain, share in mixture.items())


@pytest.mark.slow
def test_two_passes_do_not_undo_each_other(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(models=MODELS)
    fill(
        store,
        taught("good"),
        taught("easy", correct=8, wrong=0),
        taught("untaught", teacher=()),
        taught("mistaught", teacher=(("It is 5.", "wrong"),)),
    )
    assert decide_prompts(store, recipe, RUN) == Decided(prompts=4, kept=3, changed=4)
    assert decide_after_teach(store, recipe, RUN) == Decided(prompts=4, kept=1, changed=2)
    before = decisions(store, recipe)
    assert decide_prompts(store, recipe, "run-2") == Decided(prompts=4, kept=3, changed=0)
    assert decide_after_teach(store, recipe, "run-2") == Decided(prompts=4, kept=1, changed=0)
    assert decisions(store, recipe) == before
    teachable = store.query("teach_prompts", low="", high="g", **pupils_of(store, recipe, range(2)))
    assert set(teachable["prompt_id"]) == {identify(n) for n in ("untaught", "mistaught")}


@pytest.mark.slow
def test_another_policy_leaves_the_old_words(store: Store, make_recipe: MakeRecipe) -> None:
    one = make_recipe(models=MODELS)
    other = make_recipe(models=MODELS, select={"band": {"low": 0, "high": 0.25}})
    fill(store, taught("a"))
    decide_after_teach(store, one, RUN)
    decide_after_teach(store, other, RUN)
    assert decisions(store, one)[identify("a")][2] == "kept"
    assert decisions(store, other)[identify("a")][2] == "too_easy"


EVIDENCE = st.lists(
    st.fixed_dictionaries(
        {
            "root_id": st.sampled_from(["r1", "r2", "r3"]),
            "kind": st.sampled_from(["seed", "rewrite"]),
            "domain": st.sampled_from(["math", "code", "law", None]),
            "duplicate_of": st.sampled_from([None, None, None, "x"]),
            "duplicate_method": st.sampled_from(["exact", "minhash"]),
            "duplicate_score": st.just(0.9),
            "answer_type": st.sampled_from(["number", "open", "code"]),
            "source": st.sampled_from(["s1", "s2", None]),
            "refusal": st.sampled_from([None, None, None, "ambiguous"]),
            "reference_rate": st.sampled_from([0.5, 1.0, None]),
            "reference_decided": st.integers(0, 4),
            "key_confirming": st.sampled_from([None, 1]),
            "key_confirmations": st.sampled_from([None, 3]),
            "votes": st.sampled_from([None, 2]),
            "voted": st.sampled_from([None, 4]),
            "item_id": st.just("i"),
            "benchmark": st.just("b"),
            "method": st.sampled_from([None, None, None, "13-gram", "similar"]),
            "trusted": st.sampled_from([True, True, True, False, None]),
            "key_source": st.just("plurality"),
            "key_share": st.sampled_from([0.5, None]),
            "correct": st.integers(0, 8),
            "wrong": st.integers(0, 8),
            "truncated": st.integers(0, 2),
            "unverifiable": st.integers(0, 2),
            "teacher_responses": st.integers(0, 2),
            "teacher_correct": st.integers(0, 1),
            "teacher_usable": st.integers(0, 1),
            "teacher_fit": st.integers(0, 1),
            "teacher_fault": st.sampled_from([None, "looping"]),
        }
    ),
    max_size=25,
)


def as_evidence(rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {
        **dict.fromkeys(
            (
                "prompt_id",
                "root_id",
                "parent_id",
                "strategy",
                "kind",
                "domain",
                "duplicate_of",
                "item_id",
                "benchmark",
            ),
            pl.String,
        ),
        **{"duplicate_method": pl.String, "duplicate_score": pl.Float64},
        **{"method": pl.String, "trusted": pl.Boolean, "key_source": pl.String},
        **dict.fromkeys(("key_share", "reference_rate"), pl.Float64),
        **dict.fromkeys(
            ("answer_type", "source", "refusal", "withdrawn", "removed", "parent_id", "strategy"),
            pl.String,
        ),
        **dict.fromkeys(("key_confirming", "key_confirmations", "votes", "voted"), pl.Int64),
        "reference_decided": pl.Int64,
        **dict.fromkeys(("correct", "wrong", "truncated", "unverifiable"), pl.Int64),
        **dict.fromkeys(("pass_rate", "in_band"), pl.Float64),
        **dict.fromkeys(("teacher_responses", "teacher_correct", "teacher_usable"), pl.Int64),
        **{"teacher_fit": pl.Int64, "teacher_fault": pl.String, "teacher_fault_detail": pl.String},
    }
    for index, row in enumerate(rows):
        decided = row["correct"] + row["wrong"]
        row["prompt_id"] = f"{index:03d}"
        if row["duplicate_of"] is None:
            row["duplicate_method"] = None
        if row.get("teacher_fault") is not None:
            row["teacher_fault_detail"] = "7 times the same"
        row["pass_rate"] = row["correct"] / decided if decided else None
        row["in_band"] = row["pass_rate"]
    return pl.DataFrame(rows, schema=schema)


@settings(max_examples=60)
@given(rows=EVIDENCE, mixed=st.booleans(), per_root=st.sampled_from([None, 1, 2]), data=st.data())
def test_nothing_vanishes_and_order_never_matters(
    rows: list[dict[str, Any]], mixed: bool, per_root: int | None, data: st.DataObject
) -> None:
    declared: dict[str, object] = {"max_per_root": per_root, "max_per_source": per_root}
    if mixed:
        declared |= {"mixture": {"math": 0.6, "code": 0.4}, "targets": {"code": 3}}
        declared |= {"hard_share": 0.2, "easy_share": 0.1, "min_in_band": 0.2}
    policy = SelectSettings.model_validate(declared)
    evidence = as_evidence(rows)
    found = decide(evidence, policy, TeachSettings())
    assert found["prompt_id"].to_list() == evidence["prompt_id"].to_list()
    kept = ("kept", "certified_hard", "easy_anchor")
    assert found["kept"].to_list() == found["reason"].is_in(kept).to_list()
    assert found.drop_nulls(["kept", "stage", "reason"]).height == len(rows)
    dropped = found.filter(~pl.col("kept"))
    assert dropped["detail"].null_count() == 0
    shuffled = data.draw(st.permutations(range(len(rows)))) if rows else []
    assert decide(evidence[list(shuffled)], policy, TeachSettings()).equals(found)


@pytest.mark.everyday(3)
@pytest.mark.parametrize(
    ("licences", "verdicts"),
    [
        ({"refuse": ["CC-BY-NC-4.0"]}, {"mit": None, "nc": "CC-BY-NC-4.0", "both": "CC-BY-NC-4.0"}),
        ({"allow": ["mit"]}, {"nc": "CC-BY-NC-4.0", "none": "unknown", "both": "CC-BY-NC-4.0"}),
        ({"refuse": ["unknown"]}, {"mit": None, "nc": None, "none": "unknown", "rewrite": None}),
        ({"refuse": ["CC-BY-NC-4.0"]}, {"rewrite": "CC-BY-NC-4.0", "none": None}),
        ({"refuse": ["CC-BY-NC-4.0"]}, {"list": "CC-BY-NC-4.0 , MIT"}),
        ({"allow": ["mit", "cc-by-nc-4.0"]}, {"list": None, "none": "unknown"}),
        ({"allow": ["mit"]}, {"mit": None, "list": "CC-BY-NC-4.0 , MIT"}),
        ({"allow": ["cc-by-nc-4.0 , mit"]}, {"list": None, "mit": "MIT"}),
        ({}, dict.fromkeys(["mit", "nc", "both", "none", "rewrite", "list"])),
    ],
)
def test_a_licence_may_be_refused_for_a_seed_and_all_that_was_made_of_it(
    store: Store,
    make_recipe: MakeRecipe,
    licences: dict[str, list[str]],
    verdicts: dict[str, str | None],
) -> None:
    """A seed that came with several licences needs them all; books balance as for any reason."""
    fill(
        store,
        taught("mit", licence="MIT"),
        taught("nc", licence="CC-BY-NC-4.0"),
        taught("none", licence=None),
        taught("both", licence="MIT"),
        taught("list", licence="CC-BY-NC-4.0 , MIT"),
        taught("rewrite", kind="rewrite", root="nc"),
    )
    second = {"prompt_id": identify("both"), "licence": "CC-BY-NC-4.0", "uri": "x", "row_number": 1}
    store.append("prompt_sources", pl.DataFrame([second]), run_id=RUN)
    recipe = make_recipe(models=MODELS, select={"licences": licences})
    decided = decide_after_teach(store, recipe, RUN)
    said = decisions(store, recipe)
    assert decided.prompts == len(said) == 6
    for name, refused in verdicts.items():
        expected: tuple[bool, str, str, str | None] = (True, "select", "kept", None)
        if refused is not None:
            expected = (False, "select", "licence_refused", f"licence {refused}")
        assert said[identify(name)] == expected, name


def test_a_seed_of_another_licence_is_not_lost_with_its_twin(
    store: Store, make_recipe: MakeRecipe
) -> None:
    first, second = sorted(("one", "other"), key=identify)
    fill(
        store,
        taught(first, text="How many ducks are left?", licence="CC-BY-NC-4.0"),
        taught(second, text="how many ducks are left", licence="MIT"),
    )
    licences = {"refuse": ["cc-by-nc-4.0"]}
    recipe = make_recipe(models=MODELS, select={"licences": licences})
    mark_duplicates.fn(recipe, RUN)
    decide_after_teach(store, recipe, RUN)
    assert decisions(store, recipe) == {
        identify(first): (False, "duplicates", "exact_duplicate", f"of {identify(second)}"),
        identify(second): (True, "select", "kept", None),
    }


def test_a_licence_is_not_both_allowed_and_refused() -> None:
    with pytest.raises(ValueError, match="mit is both allowed and refused"):
        SelectSettings.model_validate({"licences": {"allow": ["MIT"], "refuse": ["mit"]}})


def sound(**changes: Any) -> dict[str, Any]:
    """Return the evidence of a prompt that is kept."""
    whole = dict.fromkeys(
        ("duplicate_of", "item_id", "method", "refusal", "source", "withdrawn", "removed")
    )
    counts = dict.fromkeys(("truncated", "unverifiable", "reference_decided"), 0)
    return {
        **whole,
        **counts,
        **{"root_id": "r", "domain": "math", "answer_type": "number", "trusted": True},
        **{"correct": 4, "wrong": 4, **changes},
    }


def test_a_rewrite_far_easier_than_its_parent_is_set_aside_and_a_step_is_not() -> None:
    parent = {"kind": "seed", "correct": 1, "wrong": 7}  # 0.125
    child = {"kind": "rewrite", "parent_id": "000", "correct": 6, "wrong": 2}  # 0.75
    rows = [
        sound(**parent),
        sound(**child, strategy="paraphrase"),
        sound(**child, strategy="decompose"),
        sound(**{**child, "correct": 5, "wrong": 3}, strategy="paraphrase"),  # just 0.5 more
    ]
    decided = decide(as_evidence(rows), SelectSettings())
    assert decided["reason"].to_list() == ["kept", "easier_than_parent", "kept", "kept"]
    assert (
        decided["detail"][1] == "pass rate 0.75, that of its parent is 0.125; 0.5 more are allowed"
    )


def test_a_domain_keeps_its_share_of_seeds() -> None:
    rows = [sound(kind="seed"), *(sound(kind="rewrite") for _ in range(4))]
    decided = decide(as_evidence(rows), SelectSettings(organic_share=0.4))
    # One seed of 0.4 at least: 1 / 0.4 = 2.5, so one rewrite may stand beside it.
    assert decided["reason"].to_list() == ["kept", "kept", *["over_synthetic"] * 3]
    assert decide(as_evidence(rows), SelectSettings())["kept"].all()


def count_kept(decided: pl.DataFrame, rows: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Return the seeds and rewrites that are kept, by domain."""
    kept = as_evidence(rows).join(decided.filter("kept"), on="prompt_id", how="semi")
    is_seed = pl.col("kind") == "seed"
    counted = kept.group_by("domain").agg(is_seed.sum().alias("seeds"), (~is_seed).sum())
    return {domain: (seeds, rewrites) for domain, seeds, rewrites in counted.iter_rows()}


def hard(kind: str) -> dict[str, Any]:
    """Return the evidence of a prompt that may be an anchor: the reference alone solves it."""
    certain = {"reference_rate": 1.0, "reference_decided": 4}
    return sound(kind=kind, correct=0, wrong=8, **certain)


@pytest.mark.parametrize(
    ("rewrites", "hard_seeds", "kept"),
    [
        (10, 0, (10, 10)),  # In the band they take all the room that ten seeds make.
        (10, 5, (15, 10)),  # Seeds may be anchors, but make no room for others.
        (4, 0, (10, 10)),  # Six are left; three in ten of 20 are as many.
        (2, 0, (10, 7)),  # Five are the share of anchors: 5 of 17.
    ],
)
def test_a_domain_keeps_its_share_of_seeds_with_its_anchors(
    rewrites: int, hard_seeds: int, kept: tuple[int, int]
) -> None:
    rows = [
        *(sound(kind="seed") for _ in range(10)),
        *(sound(kind="rewrite") for _ in range(rewrites)),
        *(hard("seed") for _ in range(hard_seeds)),
        *(hard("rewrite") for _ in range(20)),
    ]
    policy = SelectSettings(organic_share=0.5, hard_share=0.3)
    decided = decide(as_evidence(rows), policy)
    assert count_kept(decided, rows) == {"math": kept}


@settings(max_examples=60)
@given(rows=EVIDENCE, share=st.sampled_from([0.2, 0.5, 0.75]), mixed=st.booleans())
def test_whatever_is_kept_a_domain_has_its_share_of_seeds(
    rows: list[dict[str, Any]], share: float, mixed: bool
) -> None:
    declared: dict[str, Any] = {"organic_share": share, "hard_share": 0.3, "easy_share": 0.3}
    if mixed:
        declared |= {"mixture": {"math": 0.6, "code": 0.4}}
    evidence = as_evidence(rows).with_columns(pl.col("domain").fill_null("none"))
    decided = decide(evidence, SelectSettings.model_validate(declared))
    kept = evidence.join(decided.filter("kept"), on="prompt_id", how="semi")
    seeds = kept.group_by("domain").agg((pl.col("kind") == "seed").mean().alias("seeds"))
    assert (seeds["seeds"] >= share - 1e-9).all()


def test_where_no_seed_is_in_the_band_no_rewrite_is_an_anchor() -> None:
    rows = [hard("rewrite"), *(hard("seed") for _ in range(2)), sound(kind="rewrite")]
    decided = decide(as_evidence(rows), SelectSettings(organic_share=0.5, hard_share=0.3))
    assert decided["reason"][0] == decided["reason"][3] == "over_synthetic"
    assert decided["detail"][0] == (
        "rank 1 of the rewrites in math, its seeds allow outside the band 0"
    )


def test_the_mixture_is_of_what_the_share_of_seeds_leaves() -> None:
    math = {"domain": "math"}
    rows = [
        *(sound(kind="seed", **math) for _ in range(20)),
        *(sound(kind="rewrite", **math) for _ in range(180)),
        *(sound(kind="seed", domain="code") for _ in range(200)),
    ]
    halves = SelectSettings(mixture={"math": 0.5, "code": 0.5}, organic_share=0.5)
    decided = decide(as_evidence(rows), halves)
    # 20 seeds bear 20 rewrites; 40 are a half, so 40 of code are the other.
    assert count_kept(decided, rows) == {"math": (20, 20), "code": (40, 0)}
    reasons = dict(decided["reason"].value_counts().iter_rows())
    assert reasons == {"kept": 80, "over_synthetic": 160, "over_mixture": 160}


def test_a_mixture_that_takes_little_of_a_domain_takes_no_more_of_its_rewrites() -> None:
    far = {"correct": 2, "wrong": 6}  # so that rewrites, at a half, go first
    rows = [
        *(sound(kind="seed", domain="math", **far) for _ in range(20)),
        *(sound(kind="rewrite", domain="math") for _ in range(180)),
        *(sound(kind="seed", domain="code") for _ in range(60)),
    ]
    quarter = SelectSettings(mixture={"math": 0.25, "code": 0.75}, organic_share=0.5)
    decided = decide(as_evidence(rows), quarter)
    # 60 of code are three quarters, so 20 of math are one: ten seeds and the ten that they bear.
    assert count_kept(decided, rows) == {"math": (10, 10), "code": (60, 0)}
    assert (
        decided.filter(pl.col("reason") == "over_mixture")["detail"]
        .str.contains("of the rewrites in math, the mixture takes 10")
        .any()
    )


def test_where_no_share_of_seeds_is_asked_for_the_mixture_says_what_it_takes() -> None:
    rows = [
        sound(kind="seed", domain="math"),
        *(sound(kind="rewrite", domain="math") for _ in range(9)),
        *(sound(kind="seed", domain="code") for _ in range(4)),
    ]
    decided = decide(as_evidence(rows), SelectSettings(mixture={"math": 0.5, "code": 0.5}))
    assert dict(decided["reason"].value_counts().iter_rows()) == {"kept": 8, "over_mixture": 6}
