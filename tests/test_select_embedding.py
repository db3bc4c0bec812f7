"""Embeddings with a judge: paid once, near pairs found, both orders asked, evidence told apart."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tasks.errors import ModelServerError
from tasks.ingest import ingest_benchmarks, ingest_seeds
from tasks.llm.embedding import decode_vector, read_vector
from tasks.llm.pending import EVERYTHING
from tasks.llm.servers import stop_simulators
from tasks.plan.plan import make_plan
from tasks.recipe import Recipe
from tasks.select.contamination import find_contamination
from tasks.select.decide import decide_prompts
from tasks.select.duplicates import find_duplicates
from tasks.select.embed import count_texts, embed_range, name_embedder
from tasks.select.meaning import find_neighbours
from tasks.select.nearest import as_directions, find_nearest, normalise
from tasks.select.reworded import (
    SCHEMA,
    ask,
    compare_range,
    count_comparisons,
    find_near_items,
    read_word,
    settle_evidence,
    weigh,
)
from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.completions import ChatRequest, complete, read_request
from tasks.simulator.settings import read_settings
from tasks.store import Store
from tests.conftest import MakeRecipe

RUN = "run"
ITEM = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes "
    "muffins with four. She sells the remainder for $2 per egg. How much does she make every day?"
)
REWORDED = (
    "Every day 16 eggs are laid by the ducks of Janet. Three she eats at breakfast, four go into "
    "muffins. What remains is sold at $2 an egg. What does selling eggs make her per day?"
)
RENUMBERED = REWORDED.replace("16", "19")
OTHER = "A train travels 60 miles an hour for 3 hours and then stops. How far did it travel?"
PRICES = {"prices": {"input": 1, "output": 1}}
SURE = {"skill": 30, "malformed_json": 0}


@pytest.fixture(autouse=True)
def no_simulator_left() -> Iterator[None]:
    yield
    stop_simulators()


@pytest.fixture
def compared(make_recipe: MakeRecipe, tmp_path: Any) -> Any:
    """A factory of recipes whose one benchmark has the item, with a judge without fault."""

    def make(*seeds: str, items: tuple[str, ...] = (ITEM,), **changes: Any) -> Recipe:
        lines = [orjson.dumps({"prompt": text}) for text in items]
        (tmp_path / "items.jsonl").write_bytes(b"\n".join(lines))
        sections: dict[str, Any] = {
            "benchmarks": [{"name": "exam", "path": "items.jsonl"}],
            "models": {
                "judge": {"model": "sim-judge", **PRICES},
                "embedder": {"model": "sim-embedder", "prices": {"input": 0.02}},
            },
            "simulator": {"models": {"sim-judge": SURE}},
            "select": {
                "contamination": {"drop": ["13-gram", "embedding"], "embedding": {"floor": 0.45}}
            },
        }
        rows = [{"prompt": text, "answer": "1", "domain": "math"} for text in seeds]
        return make_recipe(rows, **{**sections, **changes})

    return make


def fill(store: Store, recipe: Recipe) -> None:
    ingest_seeds(store, recipe, RUN)
    ingest_benchmarks(store, recipe, RUN)
    names = [each.name for each in recipe.benchmarks]
    find_contamination(store, recipe.select.contamination, names, RUN)


def look(store: Store, recipe: Recipe) -> None:
    embed_range(store, recipe, RUN, EVERYTHING)
    find_near_items(store, recipe, RUN)
    compare_range(store, recipe, RUN, EVERYTHING)
    settle_evidence(store, recipe, RUN)


def hits(store: Store) -> dict[str, tuple[float, str]]:
    rows = store.sql(
        "select text, score, current_contamination.detail from current_contamination "
        "inner join prompts using (prompt_id) where method = 'embedding'"
    )
    return {text: (score, detail) for text, score, detail in rows.iter_rows()}


def calls(store: Store) -> dict[str, int]:
    return dict(store.sql("select role, count(*) from responses group by role").iter_rows())


@pytest.mark.slow
def test_a_reworded_item_is_found_and_a_sibling_with_other_numbers_is_not(
    store: Store, compared: Any
) -> None:
    recipe = compared(REWORDED, RENUMBERED, OTHER)
    fill(store, recipe)
    assert count_texts(store, recipe) == 4
    look(store, recipe)
    assert calls(store) == {"embedder": 4, "judge": 4}
    found = hits(store)
    assert list(found) == [REWORDED]
    score, detail = found[REWORDED]
    assert score == 1.0
    assert detail.startswith("cosine 0.")
    assert detail.count("yes: the same numbers") == 2
    said = store.sql("select score from comparisons order by score")["score"].to_list()
    assert said == [0.0, 1.0]
    decide_prompts(store, recipe, RUN)
    reasons = store.sql("select reason from current_decisions where reason like 'benchmark%'")
    assert reasons["reason"].to_list() == ["benchmark_judged"]
    bill = "select sum(cost_usd) / sum(prompt_tokens) from spend where role = 'embedder'"
    assert store.sql(bill).item() == pytest.approx(0.02e-6)
    vectors = store.sql("select vector, simulated from embeddings")
    assert as_directions(vectors["vector"]).shape == (4, 384)
    assert vectors["simulated"].all()


@pytest.mark.slow
def test_nothing_is_asked_twice_and_only_what_is_new_is_asked(store: Store, compared: Any) -> None:
    recipe = compared(REWORDED, OTHER)
    fill(store, recipe)
    look(store, recipe)
    before = calls(store)
    look(store, recipe)
    assert count_texts(store, recipe) == count_comparisons(store, recipe) == 0
    assert calls(store) == before == {"embedder": 3, "judge": 2}
    more = compared(REWORDED, OTHER, RENUMBERED)
    fill(store, more)
    look(store, more)
    assert calls(store) == {"embedder": 4, "judge": 4}
    third = "A train goes 60 miles an hour during 3 hours, then it stops. How far did it travel?"
    grown = compared(REWORDED, OTHER, RENUMBERED, items=(ITEM, third))
    fill(store, grown)
    look(store, grown)
    assert calls(store) == {"embedder": 5, "judge": 6}  # One item, and one pair with an old prompt.
    assert set(hits(store)) == {REWORDED, OTHER}


@pytest.mark.slow
def test_what_was_paid_is_found_again_when_what_came_of_it_is_lost(
    store: Store, compared: Any
) -> None:
    recipe = compared(REWORDED)
    fill(store, recipe)
    look(store, recipe)
    before, found = calls(store), hits(store)
    for table in ("embeddings", "near_items", "comparisons", "contamination", "screened"):
        store.execute(f"delete from {table}")
    look(store, recipe)
    assert calls(store) == before
    assert hits(store) == found


@pytest.mark.slow
def test_a_server_that_fails_now_and_then_is_asked_until_every_text_has_its_vector(
    store: Store, compared: Any
) -> None:
    faults = {"server_error": 0.3, "malformed": 0.2, "dropped": 0.1}
    recipe = compared(REWORDED, RENUMBERED, OTHER, simulator={"faults": faults})
    fill(store, recipe)
    embed_range(store, recipe, RUN, EVERYTHING)
    sums = "select count(*), count(distinct prompt_id), sum(attempts) from responses"
    ((responses, texts, attempts),) = store.sql(sums).iter_rows()
    assert (responses, texts) == (4, 4)
    assert attempts > 4
    assert store.sql("select * from failures").is_empty()
    assert count_texts(store, recipe) == 0


@pytest.mark.slow
def test_one_yes_of_two_is_evidence_and_no_hit(store: Store, compared: Any) -> None:
    recipe = compared(REWORDED, simulator={"models": {"sim-judge": {**SURE, "skill": -0.5}}})
    for seed in range(40):  # A judge that tosses a coin; sooner or later its two words differ.
        recipe = recipe.model_copy(
            update={"simulator": recipe.simulator.model_copy(update={"seed": seed})}
        )
        if _toss(recipe) == {True, False}:
            break
    fill(store, recipe)
    look(store, recipe)
    ((score, detail),) = hits(store).values()
    assert score == 0.5
    assert "yes: " in detail
    assert "no: " in detail
    assert store.sql("select * from tainting").is_empty()
    assert not store.sql("select * from spendable_prompts").is_empty()


def _toss(recipe: Recipe) -> set[bool]:
    """What the simulated judge will say to both orders, worked out without a server."""

    settings, words = read_settings(recipe.simulator.model_dump(mode="json")), set()
    for first, second in ((REWORDED, ITEM), (ITEM, REWORDED)):
        messages = [{"role": role, "content": text} for role, text in ask(first, second)]
        wanted = {"name": SCHEMA.name, "schema": SCHEMA.schema, "strict": True}
        body = {
            "model": "sim-judge",
            "messages": messages,
            "max_tokens": 4096,
            "seed": 0,
            "response_format": {"type": "json_schema", "json_schema": wanted},
        }
        request = read_request(orjson.dumps(body))
        assert isinstance(request, ChatRequest)
        (choice,) = complete(settings, AnswerKey(), request, "0", None)
        words.add(orjson.loads(choice.content or "")["same"])
    return words


@pytest.mark.slow
def test_another_judge_may_take_a_hit_back(store: Store, compared: Any) -> None:
    recipe = compared(REWORDED)
    fill(store, recipe)
    look(store, recipe)
    assert hits(store)[REWORDED][0] == 1.0
    doubting = compared(REWORDED, simulator={"models": {"sim-judge": {**SURE, "skill": -30}}})
    look(store, doubting)
    score, detail = hits(store)[REWORDED]
    assert score == 0.0
    assert detail.count("no: ") == 2
    strict = compared(
        REWORDED, select={"contamination": {"drop": ["embedding"], "embedding": {"floor": 0.99}}}
    )
    look(store, recipe)
    assert hits(store)[REWORDED][0] == 1.0
    look(store, strict)
    assert hits(store)[REWORDED] == (0.0, "not among the nearest any more")


def test_it_is_off_unless_asked_for_and_needs_both_models(
    store: Store, compared: Any, make_recipe: MakeRecipe
) -> None:
    off = compared(REWORDED, select={})
    fill(store, off)
    look(store, off)
    assert calls(store) == {}
    for models, named in (
        ({"judge": {"model": "sim-judge"}}, "models.embedder"),
        ({"embedder": {"model": "sim-embedder"}}, "models.judge"),
    ):
        with pytest.raises(ValueError, match=named):
            make_recipe(models=models, select={"contamination": {"report": ["embedding"]}})
    with pytest.raises(ValueError, match=r"models\.embedder"):
        make_recipe(select={"duplicates": {"meaning": 0.9}})
    with pytest.raises(ValueError, match="mode: batch"):
        make_recipe(models={"embedder": {"model": "sim-embedder", "mode": "batch"}})


@pytest.mark.slow
def test_a_plan_counts_what_will_be_embedded_and_compared(store: Store, compared: Any) -> None:
    recipe = compared(REWORDED, OTHER)
    embed, compare = make_plan(recipe).stages[:2]
    assert (embed.stage, embed.role, embed.model) == ("embed", "embedder", "sim-embedder")
    assert embed.cost.calls.expected == 3
    assert embed.cost.completion_tokens.expected == 0
    assert (compare.stage, compare.role) == ("compare", "judge")
    assert 0 <= compare.cost.calls.low < compare.cost.calls.expected < compare.cost.calls.high <= 12
    assert compare.shares_from == 0
    fill(store, recipe)
    embed_range(store, recipe, RUN, EVERYTHING)
    embed, compare = make_plan(recipe).stages[:2]
    assert embed.cost.calls.expected == 0
    assert compare.cost.calls.expected == compare.cost.calls.high == 2
    look(store, recipe)
    assert [each.cost.calls.high for each in make_plan(recipe).stages[:2]] == [0, 0]


def test_policies_that_do_without_keep_their_names(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe()
    described = recipe.settings_that_decide()
    assert "embedder" not in described["models"]
    assert "embedding" not in described["select"]["contamination"]
    assert "meaning" not in described["select"]["duplicates"]


@pytest.mark.slow
def test_twins_by_meaning_need_the_same_numbers_and_another_root(
    store: Store, compared: Any
) -> None:
    settings = {"duplicates": {"meaning": 0.5}}
    recipe = compared(ITEM, REWORDED, RENUMBERED, OTHER, select=settings, benchmarks=[])
    fill(store, recipe)
    embed_range(store, recipe, RUN, EVERYTHING)
    assert find_neighbours(store, recipe, RUN) == 3
    assert find_neighbours(store, recipe, RUN) == 0
    embedder = name_embedder(recipe)
    find_duplicates(store, recipe.select.duplicates, RUN, embedder)
    twins = (
        "select representative_id, method, score from current_duplicates where method = 'embedding'"
    )
    ((stands, method, score),) = store.sql(twins).iter_rows()
    assert method == "embedding"
    assert 0.5 <= score < 1
    assert find_duplicates(store, recipe.select.duplicates, RUN, embedder) == 0
    decide_prompts(store, recipe, RUN)
    dropped = store.sql("select detail from current_decisions where reason = 'same_meaning'")
    assert dropped["detail"].to_list() == [f"of {stands}, {round(score, 2)}"]
    ignoring = recipe.select.duplicates.model_copy(update={"numbers": "ignore"})
    assert find_duplicates(store, ignoring, RUN, embedder) >= 1
    assert store.sql(twins).height == 2


@pytest.mark.slow
def test_a_rewrite_is_no_twin_of_its_own_root(store: Store, compared: Any) -> None:
    recipe = compared(ITEM, select={"duplicates": {"meaning": 0.5}}, benchmarks=[])
    fill(store, recipe)
    root = store.sql("select prompt_id from prompts").item()
    child = {"prompt_id": "f" * 32, "root_id": root, "kind": "rewrite", "text": REWORDED}
    store.append("prompts", pl.DataFrame([{**child, "domain": "math"}]), run_id=RUN)
    embed_range(store, recipe, RUN, EVERYTHING)
    assert store.sql("select count(*) from embeddings").item() == 2
    assert find_neighbours(store, recipe, RUN) == 0


@given(
    arrays.arrays(np.float32, (7, 3), elements=st.floats(-1, 1, width=32)),
    arrays.arrays(np.float32, (5, 3), elements=st.floats(-1, 1, width=32)),
    st.integers(1, 5),
    st.floats(0, 1),
)
def test_the_nearest_are_those_that_a_plain_search_finds(
    texts: Any, items: Any, most: int, floor: float
) -> None:
    texts, items = normalise(texts), normalise(items)
    found = find_nearest(texts, items, most, floor)
    for number, text in enumerate(texts):
        cosines = np.round((items @ text).astype(np.float64), 4)
        expected = sorted(cosines[cosines >= floor].tolist(), reverse=True)[:most]
        own = found.filter(pl.col("text") == number)["similarity"].to_list()
        if not np.isclose(cosines, floor, atol=2e-4).any():
            assert own == pytest.approx(expected, abs=1.1e-4)


def test_vectors_of_two_models_are_not_compared() -> None:
    with pytest.raises(ModelServerError, match="of 2 and of 3 numbers"):
        as_directions(pl.Series([[1.0, 0.0], [1.0, 0.0, 0.0]], dtype=pl.List(pl.Float32)))
    with pytest.raises(ModelServerError, match="of 2 and of 3 numbers"):
        find_nearest(np.ones((1, 2), np.float32), np.ones((1, 3), np.float32), 1, 0.5)


def test_digits_and_base64_are_the_same_vector() -> None:
    assert read_vector([1, 0.5]) == read_vector("AACAPwAAAD8=")
    assert decode_vector("AACAPwAAAD8=").tolist() == [1.0, 0.5]
    for nothing in ([], ["1"], [True], None, "", "AAAA", "not base64", [float("nan")], [10**400]):
        with pytest.raises((ValueError, OverflowError)):
            read_vector(nothing)


def test_a_judges_word_is_read_or_it_is_none() -> None:
    assert read_word('{"reason": "alike", "same": true}') == (True, "alike")
    for none in (None, "", "[]", '{"same": "yes"}', '{"reason": "alike"}'):
        assert read_word(none) is None
    assert weigh(0.5, [(False, "x" * 300), (False, "")])[0] == 0.0
