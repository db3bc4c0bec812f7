"""Teach: what a teacher is still to write where some of it was written elsewhere."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from tasks.store import Store
from tasks.teach import count_wanted, teach_range
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
    store: Store, make_recipe: MakeRecipe, folder: Path, **models: dict[str, str]
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
        teach={"samples": 2},
    )
    import_responses(store, recipe, RUN)
    decide_prompts(store, recipe, RUN)
    return recipe


def _drawn(store: Store) -> dict[str, list[int]]:
    drawn: dict[str, list[int]] = {}
    rows = store.sql(
        "select prompt_id, sample_index from responses "
        "where role = 'teacher' and server <> 'import' order by all"
    )
    names = {identify(name): name for name in BROUGHT}
    for prompt_id, index in rows.iter_rows():
        drawn.setdefault(names[prompt_id], []).append(index)
    return drawn


def test_responses_made_elsewhere_count_towards_the_teachers_samples(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = _prepare(store, make_recipe, tmp_path, teacher={"model": TEACHER})
    assert count_wanted(store, recipe) == Wanted(prompts=2, calls=3)
    teach_range(store, recipe, RUN, EVERYTHING)
    assert _drawn(store) == {"none": [0, 1], "one": [0]}
    assert count_wanted(store, recipe) == Wanted(prompts=2, calls=0)


def test_without_a_teacher_what_was_made_elsewhere_is_taught(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = _prepare(store, make_recipe, tmp_path)
    warned = "nobody plays the teacher; prompts without a response of `responses` are set aside"
    assert any(warned in warning for warning in make_plan(recipe).warnings)

    assert count_wanted(store, recipe) == Wanted(0, 0)
    assert teach_range(store, recipe, RUN, EVERYTHING) == Completion()
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
