"""Teach: what a teacher is still to write, and that nothing is asked for that nobody would use."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.assess.grade import grade_responses
from tasks.errors import RunInterrupted
from tasks.ingest import import_responses
from tasks.llm.batch.records import load_reserved
from tasks.llm.drawing import fetch_batches
from tasks.llm.pending import EVERYTHING
from tasks.llm.servers import stop_simulators
from tasks.llm.under_way import Completion, stop_calling
from tasks.plan.plan import make_plan
from tasks.progress import track
from tasks.recipe import Recipe
from tasks.sample import Wanted
from tasks.select.decide import decide_after_teach, decide_prompts
from tasks.select.texts import name_text_rules
from tasks.store import Store
from tasks.teach import count_wanted, has_lessons_out, pupils_of, rounds_of, teach_range
from tests.conftest import MakeRecipe
from tests.planned import PRICES
from tests.scripted import once
from tests.simulated import simulating, stats
from tests.taught_store import RUN, STUDENT, TEACHER, fill, identify, response_of, taught

BROUGHT = {
    "none": (),
    "one": (r"\boxed{4}",),
    "two": (r"\boxed{4}", r"\boxed{5}"),
    "three": ("4", "5", "6"),
}


@pytest.fixture(autouse=True)
def _end_simulators() -> Iterator[None]:
    yield
    stop_simulators()


def _prepare(
    store: Store, make_recipe: MakeRecipe, folder: Path, teach: Any = None, **models: dict[str, str]
) -> Recipe:
    """Prompts that are kept, with as many responses of another lab's teacher as they are called."""
    rows = [
        {"prompt": identify(name), "response": response}
        for name, responses in BROUGHT.items()
        for response in responses
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "lessons.jsonl").write_text(lines, encoding="utf-8")
    fill(store, *(taught(name, teacher=()) for name in BROUGHT))
    recipe = make_recipe(
        models={"student": {"model": STUDENT}, **models},
        responses=[{"path": "lessons.jsonl", "role": "teacher", "model": "their-teacher"}],
        teach={"samples": 2, **(teach or {})},
    )
    import_responses(store, recipe, RUN)
    decide_prompts(store, recipe, RUN)
    return recipe


def _drawn(store: Store, names: Iterable[str] = BROUGHT) -> dict[str, list[int]]:
    drawn: dict[str, list[int]] = {}
    rows = store.sql(
        "select prompt_id, sample_index from responses "
        "where role = 'teacher' and server <> 'import' order by all"
    )
    by_id = {identify(name): name for name in names}
    for prompt_id, index in rows.iter_rows():
        drawn.setdefault(by_id[prompt_id], []).append(index)
    return drawn


def test_a_round_asks_for_one_sample_each_or_for_all(make_recipe: MakeRecipe) -> None:
    assert rounds_of(make_recipe()) == [range(0, 1), range(1, 2)]
    always = make_recipe(teach={"samples": 3, "ask_again": "always"})
    assert rounds_of(always) == [range(3)]


def test_another_response_is_asked_for_only_where_none_is_fit(
    store: Store, make_recipe: MakeRecipe
) -> None:
    names = ("right", "wrong", "cut off", "looping", "objected", "with a benchmark")
    fill(store, *(taught(name, teacher=()) for name in names))
    recipe = make_recipe(models={"student": {"model": STUDENT}, "teacher": {"model": TEACHER}})
    decide_prompts(store, recipe, RUN)
    first, second = rounds_of(recipe)
    assert count_wanted(store, recipe, first) == Wanted(prompts=6, calls=6)
    teach_range(store, recipe, RUN, EVERYTHING, first)
    assert count_wanted(store, recipe, second).calls == 0  # Nobody knows yet which are fit.
    grade_responses(store, ("teacher",), RUN)

    store.execute("update grades set verdict = 'correct' where role = 'teacher'")
    for name, verdict in (("wrong", "wrong"), ("cut off", "truncated")):
        store.execute(
            "update grades set verdict = $verdict where role = 'teacher' and prompt_id = $name",
            {"verdict": verdict, "name": identify(name)},
        )
    rows = store.sql("select prompt_id, response_id from responses where role = 'teacher'")
    said = {prompt_id: response_id for prompt_id, response_id in rows.iter_rows()}
    faults: dict[str, tuple[str, dict[str, Any]]] = {
        "text_faults": ("looping", {"rules": name_text_rules(recipe), "rule": "looping"}),
        "objections": ("objected", {"source": "guidelines", "reason": "guidelines_leaked"}),
        "contamination": (
            "with a benchmark",
            {"benchmark": "exam", "method": "exact", "score": 1.0},
        ),
    }
    for table, (name, row) in faults.items():
        columns = {"prompt_id": identify(name), "response_id": said[identify(name)], **row}
        known = [each for each in columns if each in store.columns(table)]
        store.append(table, pl.DataFrame([columns]).select(known), run_id=RUN)
    guard = {"benchmark": "exam", "method": "exact", "drops_from": 0.0}
    store.append("guards", pl.DataFrame([guard]), run_id=RUN)

    others = set(names) - {"right"}
    assert count_wanted(store, recipe, second) == Wanted(prompts=5, calls=5)
    teach_range(store, recipe, RUN, EVERYTHING, second)
    assert _drawn(store, names) == {"right": [0], **{name: [0, 1] for name in others}}
    # Whoever looks again finds nothing left, whatever became of the second.
    for indices in (first, second):
        assert count_wanted(store, recipe, indices).calls == 0
        assert teach_range(store, recipe, RUN, EVERYTHING, indices) == Completion()


def test_a_wrong_response_is_not_enough_even_where_wrong_ones_are_released(
    store: Store, make_recipe: MakeRecipe
) -> None:
    """The right one goes first, so it is asked for before one that is wrong has to do."""
    models = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}
    recipe = make_recipe(models=models, teach={"only_correct": False})
    said = {"right": "correct", "wrong": "wrong", "unsure": "unverifiable"}
    fill(store, *(taught(name, teacher=(("It is.", verdict),)) for name, verdict in said.items()))
    decide_prompts(store, recipe, RUN)
    second = rounds_of(recipe)[1]
    asked = store.query("teach_prompts", low="", high="g", **pupils_of(store, recipe, second))
    assert asked["prompt_id"].to_list() == [identify("wrong")]
    assert decide_after_teach(store, recipe, RUN).kept == 3


def test_nobody_is_asked_again_while_a_rating_is_missing_that_may_still_come(
    store: Store, make_recipe: MakeRecipe
) -> None:
    models = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}
    recipe = make_recipe(models=models)
    names = ("to be rated", "rated badly", "wrong as well", "judge gave up")
    verdicts = {"wrong as well": "wrong"}
    fill(
        store,
        *(taught(n, teacher=(("It is 4.", verdicts.get(n, "correct")),)) for n in names),
    )
    decide_prompts(store, recipe, RUN)
    objections = [
        {
            "prompt_id": identify(name),
            "response_id": response_of(name),
            "source": "a rubric",
            "reason": "low_quality" if name == "rated badly" else "not_rated",
        }
        for name in names
    ]
    store.append("objections", pl.DataFrame(objections), run_id=RUN)
    failed = {"prompt_id": identify("judge gave up"), "role": "judge", "failure": "refused"}
    store.append("failures", pl.DataFrame([{**failed, "failure_id": "f"}]), run_id=RUN)
    pupils = pupils_of(store, recipe, rounds_of(recipe)[1])
    asked = store.query("teach_prompts", low="", high="g", **pupils)["prompt_id"].to_list()
    assert set(asked) == {identify(name) for name in names if name != "to be rated"}


@pytest.mark.slow
def test_batches_that_are_out_are_fetched_also_where_nothing_is_wanted_any_more(
    store: Store, make_recipe: MakeRecipe
) -> None:
    with simulating({"batches": {"in_progress_s": 3.0}}) as url:
        teacher = {"model": TEACHER, "base_url": url, "mode": "batch", "prices": PRICES}
        recipe = make_recipe(
            models={
                "student": {"model": STUDENT},
                "teacher": {**teacher, "batch": {"poll_interval_s": 0.2}},
            }
        )
        fill(store, taught("a", teacher=()))
        decide_prompts(store, recipe, RUN)
        first, second = rounds_of(recipe)
        under_way = once(lambda: bool(stats(url)["batches"]["submitted"]), stop_calling)
        with track("teacher"), pytest.raises(RunInterrupted):
            teach_range(store, recipe, RUN, EVERYTHING, first)
        under_way.join(20)
        assert has_lessons_out(store, recipe)

        # Meanwhile a fit response came from elsewhere.
        import_answer(store, "a")
        assert [count_wanted(store, recipe, each).calls for each in (first, second)] == [0, 0]
        with track("teacher batches") as tracker:
            fetched = fetch_batches(store, recipe, "teacher", run_id="run-2", tracker=tracker)
        assert fetched.completed == 1
        assert not has_lessons_out(store, recipe)
        assert load_reserved(store).calls == 0
        assert stats(url)["batches"]["submitted"] == 1


def import_answer(store: Store, name: str) -> None:
    """Add a right response to a prompt that was made elsewhere."""
    row = {
        "response_id": response_of(name, 7),
        "prompt_id": identify(name),
        "role": "teacher",
        "model": "their-teacher",
        "server": "import",
        "template": "import",
        "sample_index": 0,
        "content": "It is \\boxed{4}.",
        "finish_reason": "stop",
    }
    store.append("responses", pl.DataFrame([row]), run_id=RUN)
    grade_responses(store, ("teacher",), RUN)


@pytest.mark.slow
def test_responses_made_elsewhere_count_towards_the_teachers_samples(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    always = {"ask_again": "always"}
    recipe = _prepare(store, make_recipe, tmp_path, always, teacher={"model": TEACHER})
    assert count_wanted(store, recipe, range(2)) == Wanted(prompts=2, calls=3)
    teach_range(store, recipe, RUN, EVERYTHING, range(2))
    assert _drawn(store) == {"none": [0, 1], "one": [0]}
    assert count_wanted(store, recipe, range(2)) == Wanted(prompts=2, calls=0)


def test_nobody_is_asked_where_what_was_made_elsewhere_is_fit(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = _prepare(store, make_recipe, tmp_path, teacher={"model": TEACHER})
    grade_responses(store, ("teacher",), RUN)
    first, second = rounds_of(recipe)
    assert count_wanted(store, recipe, first) == Wanted(prompts=1, calls=1)
    teach_range(store, recipe, RUN, EVERYTHING, first)
    assert _drawn(store) == {"none": [0]}
    grade_responses(store, ("teacher",), RUN)
    store.execute("update grades set verdict = 'wrong' where role = 'teacher'")
    # One may be asked for as many as are missing: its own first, and none beside two or three.
    assert count_wanted(store, recipe, first) == Wanted(prompts=2, calls=1)
    assert count_wanted(store, recipe, second) == Wanted(prompts=1, calls=1)


def test_without_a_teacher_what_was_made_elsewhere_is_taught(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = _prepare(store, make_recipe, tmp_path)
    warned = "nobody plays the teacher; prompts without a response of `responses` are set aside"
    assert any(warned in warning for warning in make_plan(recipe).warnings)

    assert count_wanted(store, recipe, range(2)) == Wanted(0, 0)
    assert teach_range(store, recipe, RUN, EVERYTHING, range(2)) == Completion()
    grade_responses(store, ("teacher",), RUN)
    decide_after_teach(store, recipe, RUN)
    reasons: dict[str, Any] = dict(
        store.sql("select prompt_id, reason from current_decisions").iter_rows()
    )
    assert {name: reasons[identify(name)] for name in BROUGHT} == {
        "none": "no_teacher_response",
        "one": "kept",
        "two": "kept",
        "three": "kept",
    }
