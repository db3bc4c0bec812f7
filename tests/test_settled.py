"""Settled: a stage that was through has nothing to do until something that it read has changed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks import settled
from tasks.assess.difficulty import measure_difficulty_task
from tasks.errors import GateFailed
from tasks.recipe import Band, Budget, Recipe
from tasks.release import publish
from tasks.release.publish import release
from tasks.release.stage import stage_pairs
from tasks.select.decide import select_prompts, select_taught_prompts
from tasks.select.duplicates import mark_duplicates
from tasks.select.texts import judge_texts
from tasks.settled import find_settled, list_tables, settling, unless_settled
from tasks.store import Store, close_stores, open_store
from tests.conftest import MakeRecipe
from tests.taught_store import RUN, fill, identify, taught

MODELS = {"student": {"model": "sim-student"}, "teacher": {"model": "sim-teacher"}}


@pytest.fixture(autouse=True)
def every_store_has_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settled, "MANY_PROMPTS", 0)


@pytest.fixture
def recipe(store: Store, make_recipe: MakeRecipe) -> Recipe:
    """A recipe over a store with a few prompts that are taught."""
    names = ("a", "b", "c", "d")
    fill(store, *(taught(name) for name in names), taught("hard", correct=0, wrong=8))
    return make_recipe(models=MODELS, release={"validation_share": 0})


class Stage:
    """A stage that reads what it is told to, and counts how often it did."""

    def __init__(self, store: Store, read: Callable[[], Any], says: int = 3) -> None:
        self.store, self.read, self.says, self.done = store, read, says, 0

    def work(self) -> int:
        self.done += 1
        self.read()
        return self.says

    def times(self, recipe: Recipe, name: str = "stage", **how: bool) -> int:
        """Run it if need be and return how often it ran by now."""
        unless_settled(self.store, recipe, RUN, name, self.work, **how)
        return self.done


def _say_key(store: Store, answer: str) -> None:
    row = {"key_id": answer, "prompt_id": identify("a"), "answer": answer, "trusted": True}
    store.append("keys", pl.DataFrame([row]), run_id=RUN)


EVIDENCE = {"student": "s", "writer": "t", "only_correct": True, "text_rules": "r"}
READS: dict[str, Callable[[Store], Any]] = {
    "a table": lambda store: store.sql("select count(*) from keys"),
    "a view": lambda store: store.sql("select * from current_keys"),
    "a query": lambda store: store.query("select_evidence", **EVIDENCE),
    "a query, from memory": lambda store: [
        store.recall("select_evidence", **EVIDENCE) for _ in range(2)
    ],
    "a stream": lambda store: list(store.stream("gate_state_responses", 10)),
    "what is added": lambda store: store.append("keys", pl.DataFrame({"prompt_id": []})),
    "what is changed": lambda store: store.execute("delete from keys where key_id = 'none'"),
    "in capitals": lambda store: store.sql('SELECT COUNT(*) FROM "KEYS"'),
}


@pytest.mark.slow
def test_a_stage_is_done_again_when_a_table_behind_what_it_read_has_changed(
    store: Store, recipe: Recipe
) -> None:
    stages = {name: Stage(store, partial(read, store)) for name, read in READS.items()}

    def times() -> set[int]:
        return {stage.times(recipe, name) for name, stage in stages.items()}

    assert [times(), times()] == [{1}, {1}]
    store.append("audits", pl.DataFrame({"audit": ["x"], "benchmark": ["y"]}), run_id=RUN)
    assert times() == {1}  # None reads that.
    _say_key(store, "5")
    assert [times(), times()] == [{2}, {2}]
    _say_key(store, "5")  # The same word again changes nothing.
    assert times() == {2}


def test_what_another_thread_asks_for_a_stage_is_noted(store: Store, recipe: Recipe) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        stage = Stage(store, lambda: pool.submit(store.sql, "from keys").result())
        assert [stage.times(recipe), stage.times(recipe)] == [1, 1]
        _say_key(store, "5")
        assert stage.times(recipe) == 2


@pytest.mark.slow
def test_rows_of_another_process_and_rows_that_went_are_changes(
    store: Store, recipe: Recipe
) -> None:
    stage = Stage(store, lambda: store.sql("from keys"))
    assert stage.times(recipe) == 1
    close_stores()  # Whoever comes next knows only what is in the store.
    stage.store = again = open_store(recipe.store)
    stage.read = lambda: again.sql("from keys")
    assert stage.times(recipe) == 1
    again.execute("delete from keys where prompt_id = $id", {"id": identify("b")})
    assert [stage.times(recipe), stage.times(recipe)] == [2, 2]
    again.execute("update keys set answer = '7' where prompt_id = $id", {"id": identify("c")})
    assert [stage.times(recipe), stage.times(recipe)] == [3, 3]


@pytest.mark.slow
def test_another_recipe_other_code_and_other_libraries_do_it_again_and_a_budget_does_not(
    store: Store, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(store, lambda: store.sql("from keys"))
    assert [stage.times(recipe), stage.times(recipe)] == [1, 1]
    assert stage.times(recipe.model_copy(update={"budget": Budget(calls=7)})) == 1
    band = recipe.select.model_copy(update={"band": Band(low=0.4, high=0.6)})
    assert stage.times(recipe.model_copy(update={"select": band})) == 2
    assert stage.times(recipe) == 2  # Both are remembered.
    monkeypatch.setattr(settled, "_digest_code", lambda: "newer")
    assert [stage.times(recipe), stage.times(recipe)] == [3, 3]
    monkeypatch.undo()
    monkeypatch.setattr(settled, "MANY_PROMPTS", 0)
    settled._digest_code.cache_clear()
    monkeypatch.setattr(settled, "version", lambda library: f"{library} of tomorrow")
    assert [stage.times(recipe), stage.times(recipe)] == [4, 4]
    settled._digest_code.cache_clear()


def test_what_failed_is_not_settled_and_neither_is_a_count_of_what_others_are_to_do(
    store: Store, recipe: Recipe
) -> None:
    def fail() -> None:
        raise ValueError("out of order")

    stage = Stage(store, fail)
    for times in (1, 2):
        with pytest.raises(ValueError, match="out of order"):
            stage.times(recipe)
        assert stage.done == times
    wanted = Stage(store, lambda: store.sql("from keys"), says=2)
    assert [wanted.times(recipe, counts=True), wanted.times(recipe, counts=True)] == [1, 2]
    wanted.says = 0
    assert [wanted.times(recipe, counts=True), wanted.times(recipe, counts=True)] == [3, 3]


def test_a_stage_that_does_not_say_that_it_is_through_is_not(store: Store, recipe: Recipe) -> None:
    with settling(store, recipe, RUN, "stage"):
        pass
    assert find_settled(store, recipe, "stage") is None
    with settling(store, recipe, RUN, "stage") as is_through:
        is_through("what came of it")
    found = find_settled(store, recipe, "stage")
    assert found is not None
    assert found.outcome == "what came of it"
    assert find_settled(store, recipe, "another stage") is None


@pytest.mark.slow
@pytest.mark.usefixtures("store_folder")
def test_tidying_is_a_change_and_an_expired_snapshot_says_nothing(
    make_recipe: MakeRecipe,
) -> None:
    recipe = make_recipe(store={"keep_snapshots_days": 0})
    store = open_store(recipe.store)
    _say_key(store, "5")
    stage = Stage(store, lambda: store.sql("from keys"))
    assert [stage.times(recipe), stage.times(recipe)] == [1, 1]
    store.compact()
    assert [stage.times(recipe), stage.times(recipe)] == [2, 2]
    close_stores()


@pytest.mark.slow
def test_a_small_store_is_looked_through(
    store: Store, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "MANY_PROMPTS", 6)
    stage = Stage(store, lambda: store.sql("from keys"))
    assert [stage.times(recipe), stage.times(recipe)] == [1, 2]
    fill(store, taught("e"))
    assert [stage.times(recipe), stage.times(recipe)] == [3, 3]


def test_tables_are_what_a_statement_names(store: Store) -> None:
    for statement, tables in (
        ("select 1 -- of the responses\nfrom keys", ["keys"]),
        ("select ' of the gates' || 'it''s in the runs' from keys", ["keys"]),
        ("select '-- ' || model from responses -- don't\njoin keys", ["keys", "responses"]),
        ("select * from query_table('prompts')", ["prompts"]),
        ('SELECT 1 FROM "Keys"', ["keys"]),
        ("select 'nothing'", []),
    ):
        assert list_tables(store, [statement]) == tables


def test_tables_are_those_behind_views_and_macros(store: Store) -> None:
    assert list_tables(store, ["from current_decisions"]) == ["decisions"]
    behind = list_tables(store, ["from spendable_prompts"])
    assert {"prompts", "rewrites", "duplicates", "contamination"} <= set(behind)
    assert {"prompts"} <= set(list_tables(store, ["from scoped_prompts('a', 'b', [], [])"]))
    changed = list_tables(store, ["from what_changed_since(now())"])
    assert {"runs", "prompts", "responses", "decisions", "releases"} <= set(changed)


def _settle_all(recipe: Recipe, run_id: str) -> None:
    mark_duplicates.fn(recipe, run_id)
    measure_difficulty_task.fn(recipe, run_id)
    select_prompts.fn(recipe, run_id)
    judge_texts.fn(recipe, run_id)
    select_taught_prompts.fn(recipe, run_id)


def _grade(store: Store, verdict: str) -> None:
    rows = store.sql("select * exclude (attempt) from grades where verdict = 'correct' limit 1")
    again = rows.with_columns(verdict=pl.lit(verdict), version=pl.lit(99))
    store.append("grades", again, run_id="change")


CHANGES: dict[str, Callable[[Store], Any]] = {
    "nothing": lambda store: None,
    "a prompt": lambda store: fill(store, taught("e")),
    "a twin": lambda store: fill(store, taught("e", text="What is two plus two, asked as a?")),
    "a key": lambda store: _say_key(store, "5"),
    "a verdict": lambda store: _grade(store, "wrong"),
    "a response": lambda store: fill(store, taught("hard", correct=9, wrong=1)),
    "a text that no rule lets through": lambda store: fill(
        store, taught("e", teacher=(("Ring +44 20 7946 0958.", "correct"),))
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_night_decides_as_if_nothing_had_been_settled(
    change: Callable[[Store], Any], store: Store, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = (
        "select policy, prompt_id, kept, stage, reason, detail from current_decisions order by all"
    )
    for night in ("one", "two"):
        _settle_all(recipe, night)
    change(store)
    for night in ("three", "four"):
        _settle_all(recipe, night)
    found = store.sql(decided)
    monkeypatch.setattr(settled, "MANY_PROMPTS", 1_000)
    _settle_all(recipe, "five")
    assert store.sql(decided).equals(found)
    rows = store.sql("select count(*) as n from decisions where run_id = 'five'")
    assert rows["n"].item() == 0
    assert not store.sql("from difficulty where run_id = 'five'").height


@pytest.mark.slow
def test_a_release_of_the_same_rows_is_not_staged_again_as_long_as_it_lies_there_whole(
    store: Store, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged: list[str] = []

    def stage(*arguments: Any) -> Any:
        staged.append(arguments[3])
        return stage_pairs(*arguments)

    monkeypatch.setattr(publish, "stage_pairs", stage)
    _settle_all(recipe, RUN)
    first = release(store, recipe, "one")
    again = release(store, recipe, "two")
    if not again.new and staged == ["one", "two"]:  # What the first recorded was read by it, too.
        again = release(store, recipe, "three")
    known = staged.copy()
    again = release(store, recipe, "four")
    assert staged == known
    assert (first.new, again.new) == (True, False)
    same = ("release_id", "folder", "version", "pairs", "validation_pairs", "gate")
    assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]

    # `latest` leads to it again, and a file that was cut or a folder that is gone is made anew.
    latest = first.folder.with_name("latest")
    latest.unlink()
    assert release(store, recipe, "five").folder == latest.resolve()
    assert staged == known
    data = next(first.folder.glob("data/*.parquet"))
    whole = data.read_bytes()
    data.write_bytes(whole[:-1])
    assert release(store, recipe, "six").new
    assert staged == [*known, "six"]
    assert data.read_bytes() == whole


@pytest.mark.slow
def test_a_rule_of_the_user_that_has_changed_judges_the_release_again(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    fill(store, *(taught(name) for name in "abcd"))
    rules = tmp_path / "rules"
    rules.mkdir()
    rule = rules / "own.sql"
    rule.write_text("-- critical: No pair is bad.\nselect pair_id from pairs where false\n")
    told = {"validation_share": 0, "rules": str(rules)}
    recipe = make_recipe(models=MODELS, release=told)
    _settle_all(recipe, RUN)
    for run_id in ("one", "two", "three"):
        release(store, recipe, run_id)
    assert store.sql("from gates where run_id = 'three'").is_empty()
    rule.write_text("-- critical: No pair is bad.\nselect pair_id from pairs\n")
    with pytest.raises(GateFailed, match="own"):
        release(store, recipe, "four")
