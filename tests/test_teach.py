"""Teach: what a teacher is still to write, and that nothing is asked for that nobody would use."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.assess.grade import grade_responses
from tasks.ingest import import_responses
from tasks.llm.pending import EVERYTHING
from tasks.llm.servers import stop_simulators
from tasks.llm.under_way import Completion
from tasks.plan.plan import make_plan
from tasks.recipe import Recipe
from tasks.sample import Wanted
from tasks.select.decide import decide_after_teach, decide_prompts
from tasks.select.texts import name_text_rules
from tasks.store import Store
from tasks.teach import count_wanted, rounds_of, teach_range
from tests.conftest import MakeRecipe
from tests.taught_store import RUN, STUDENT, TEACHER, fill, identify, taught

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
    assert count_wanted(store, recipe, first) == Wanted(prompts=6, calls=0)
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

    # A recipe that releases whatever is complete has a response of the wrong one too.
    lax = recipe.teach.model_copy(update={"only_correct": False})
    assert count_wanted(store, recipe.model_copy(update={"teach": lax}), second).prompts == 4

    others = set(names) - {"right"}
    assert count_wanted(store, recipe, second) == Wanted(prompts=5, calls=5)
    teach_range(store, recipe, RUN, EVERYTHING, second)
    assert _drawn(store, names) == {"right": [0], **{name: [0, 1] for name in others}}
    # Whoever looks again finds nothing left, whatever became of the second.
    for indices in (first, second):
        assert count_wanted(store, recipe, indices).calls == 0
        assert teach_range(store, recipe, RUN, EVERYTHING, indices) == Completion()


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
