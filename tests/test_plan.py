"""Plans: what is pending is counted, what follows is estimated, and nothing is written."""

import json
import re
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from tasks.assess.difficulty import measure_difficulty
from tasks.assess.grade import grade_responses
from tasks.assess.keys import derive_keys
from tasks.assess.stopping import Edges, expect_votes, plan_stopping
from tasks.errors import StoreError
from tasks.ingest import import_responses
from tasks.llm.money import Amount
from tasks.llm.pending import EVERYTHING
from tasks.llm.servers import stop_simulators
from tasks.plan import overlay
from tasks.plan.confirming import expect_answers
from tasks.plan.estimate import share_in_band
from tasks.plan.plan import Plan, StagePlan, make_plan
from tasks.plan.price import Span
from tasks.progress import active
from tasks.recipe import AdaptiveStudent, Band, Recipe, ResponseSource, VerifierError
from tasks.recipe.stages import TeachSettings
from tasks.rewrite.stage import rewrite_range
from tasks.sample import sample_range
from tasks.select.decide import decide_after_teach, decide_prompts
from tasks.select.duplicates import find_duplicates
from tasks.store import Store, close_stores
from tasks.teach import rounds_of, teach_range
from tests.conftest import MakeRecipe
from tests.planned import NEW_SEEDS, PRICES, RUN, SEEDS, answer, grade, ingest, models, reply

TEXTS = [row["prompt"] for row in SEEDS]
# Math: two in the band of 1 to 3 of 4, one too hard, one too easy. Science: in the band.
CORRECT = {TEXTS[0]: 1, TEXTS[1]: 3, TEXTS[2]: 0, TEXTS[3]: 4, TEXTS[4]: 2}
# Calls of the teacher a prompt, where nothing is known of it: of ten prompts nine get a response
# that is fit, most of them at the first of two.
LESSON = 1.1708


@pytest.fixture
def recipe(make_recipe: MakeRecipe) -> Recipe:
    """Four student samples, up to two of the teacher for what 1 to 3 of 4 were right on."""
    return make_recipe(
        SEEDS,
        models=models("student", "teacher"),
        sample={"student": 4},
        select={"band": {"low": 0.25, "high": 0.75}},
    )


def _of(plan: Plan, role: str, stage: str | None = None) -> StagePlan:
    (found,) = (s for s in plan.stages if s.role == role and stage in (None, s.stage))
    return found


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_without_a_store_the_seeds_are_counted_and_no_store_is_made(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    rows = [*SEEDS, SEEDS[0], {"prompt": "what is 1 + 1", "answer": "2", "domain": "math"}, {}]
    (tmp_path / "exam.jsonl").write_text(json.dumps({"prompt": TEXTS[4]}) + "\n")
    recipe = make_recipe(
        rows,
        models=models("student", "teacher"),
        sample={"student": 4},
        select={"band": {"low": 0.25, "high": 0.75}},
        benchmarks=[{"name": "exam", "path": "exam.jsonl"}],
    )
    before = _files(tmp_path)
    plan = make_plan(recipe)
    assert _files(tmp_path) == before
    assert not (tmp_path / "store").exists()

    setting = plan.setting
    assert not setting.has_store
    assert (setting.read.read, setting.read.new, setting.read.merged) == (8, 6, 1)
    assert setting.read.quarantined == 1
    assert (setting.seeds, setting.duplicates, setting.contaminated) == (6, 1, 1)
    student = _of(plan, "student")
    assert (student.prompts.low, student.prompts.high) == (4, 4)
    assert (student.cost.calls.low, student.cost.calls.expected) == (16, 16)
    # Nothing is known of the student: the chance of 1 to 3 of 4 under Beta(1/2, 1/2) is 116/256.
    teacher = _of(plan, "teacher")
    assert teacher.prompts.expected == pytest.approx(4 * 116 / 256)
    assert teacher.cost.calls.expected == pytest.approx(LESSON * 4 * 116 / 256, rel=1e-3)
    assert teacher.shares_from == 0
    # 25 of at most 100 tokens; the prompt is 14 bytes and its instruction more.
    assert student.cost.completion_tokens.expected == 16 * 25
    assert student.cost.seen == 0
    # Each takes 1 s and 25 tokens at 50 a second; four at a time: 16 calls in 4 x 1.5 s.
    assert student.cost.minutes.expected == pytest.approx(6 / 60)
    assert plan.budget.fits == "no budget"


@pytest.mark.slow
def test_lessons_that_were_made_elsewhere_are_not_planned(
    store: Store, recipe: Recipe, tmp_path: Path
) -> None:
    ingest(store, recipe)
    answer(store, recipe, "student", TEXTS, samples=4)
    grade(store, CORRECT)
    teacher = _of(make_plan(recipe), "teacher")
    assert (teacher.prompts.expected, teacher.cost.calls.low) == (3, 3)
    assert teacher.cost.calls.expected == pytest.approx(3 * LESSON, rel=1e-3)

    rows = [{"prompt": TEXTS[place], "response": said} for place, said in ((0, "2"), (1, "3"))]
    lines = [*rows, {"prompt": TEXTS[1], "response": "4"}]
    (tmp_path / "lessons.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    brought = ResponseSource(
        path=str(tmp_path / "lessons.jsonl"), role="teacher", model="their-teacher"
    )
    recipe = recipe.model_copy(update={"responses": (brought,)})
    import_responses(store, recipe, RUN)
    teacher = _of(make_plan(recipe), "teacher")
    # One has had both; another's is not judged yet, and only if it is wrong there will be one more.
    calls = teacher.cost.calls
    assert (teacher.prompts.expected, calls.low) == (2, 1)
    assert calls.expected == pytest.approx((LESSON - 1) + LESSON, rel=1e-3)


def test_a_teacher_that_is_hardly_ever_asked_twice_makes_few_pairs_of_its_own(
    make_recipe: MakeRecipe,
) -> None:
    def warn(**teach: str) -> list[str]:
        recipe = make_recipe(
            SEEDS,
            models=models("student", "teacher"),
            teach=teach,
            release={"formats": ["preference"], "preference": {"roles": ["teacher"]}},
        )
        return [said for said in make_plan(recipe).warnings if "preference" in said]

    (said,) = warn()
    assert "set teach.ask_again: always" in said
    assert warn(ask_again="always") == warn(by="student") == []


def test_what_is_left_of_begun_lessons_is_no_more_than_there_are_prompts(
    store: Store, make_recipe: MakeRecipe
) -> None:
    """A prompt with a wrong response takes more calls on average than one that has had none."""
    seeds = [
        {"prompt": f"What is 7 + {n}?", "answer": str(n + 7), "domain": "math"} for n in range(12)
    ]
    recipe = make_recipe(
        seeds,
        models=models("student", "teacher"),
        sample={"student": 4},
        teach={"samples": 3},
        select={"band": {"low": 0.0, "high": 1.0}},
    )
    ingest(store, recipe)
    answer(store, recipe, "teacher", [seed["prompt"] for seed in seeds], samples=1)
    grade_responses(store, ("teacher",), RUN)
    store.execute("update grades set verdict = 'wrong' where role = 'teacher'")
    teacher = _of(make_plan(recipe), "teacher")
    assert teacher.prompts.low <= teacher.prompts.expected <= teacher.prompts.high == 12
    assert 12 <= teacher.cost.calls.expected <= teacher.cost.calls.high <= 2 * 12


@pytest.mark.slow
def test_a_project_is_planned_step_by_step_until_nothing_is_left(
    store: Store, recipe: Recipe, make_recipe: MakeRecipe
) -> None:
    ingest(store, recipe)
    answer(store, recipe, "student", TEXTS[:2], samples=3)
    plan = make_plan(recipe)
    assert plan.setting.has_store
    assert (plan.setting.read.new, plan.setting.seeds) == (0, 5)
    student = _of(plan, "student")
    # One sample is missing of two prompts, four of three; tokens as the six calls had them.
    assert (student.prompts.expected, student.cost.calls.expected) == (5, 2 * 1 + 3 * 4)
    assert student.cost.seen == 6
    assert student.cost.completion_tokens.expected == pytest.approx(14 * 60)
    assert student.cost.minutes.expected == pytest.approx(14 * 2.0 / 4 / 60)

    answer(store, recipe, "student", TEXTS, samples=4)
    plan = make_plan(recipe)
    assert _of(plan, "student").cost.calls.high == 0
    # All are drawn, none is graded: what will be kept is still a guess.
    assert _of(plan, "teacher").prompts.expected == pytest.approx(5 * 116 / 256)

    grade(store, CORRECT)
    teacher = _of(make_plan(recipe), "teacher")
    assert teacher.prompts.expected == 3
    assert teacher.cost.calls.expected == pytest.approx(3 * LESSON, rel=1e-3)
    assert (teacher.cost.calls.low, teacher.shares_from) == (3, None)
    assert teacher.cost.calls.high < 6
    everything = recipe.model_copy(update={"teach": TeachSettings(ask_again="always")})
    calls = _of(make_plan(everything), "teacher").cost.calls
    assert (calls.low, calls.expected, calls.high) == (6, 6, 6)

    # A wider band, and the policy decides anew: the one that is never right is taught as well.
    wider = recipe.model_copy(
        update={"select": recipe.select.model_copy(update={"band": Band(low=0.0, high=0.75)})}
    )
    assert _of(make_plan(wider), "teacher").cost.calls.low == 4

    answer(store, recipe, "teacher", [TEXTS[0], TEXTS[1], TEXTS[4]], samples=2)
    plan = make_plan(recipe)
    assert plan.total.calls.high == 0
    assert plan.total.cost_usd is not None
    assert plan.total.cost_usd.high == 0
    assert plan.notes == ()

    more = make_recipe(
        (*SEEDS, *NEW_SEEDS),
        models=models("student", "teacher"),
        sample={"student": 4},
        select={"band": {"low": 0.25, "high": 0.75}},
    )
    plan = make_plan(more)
    assert _of(plan, "student").cost.calls.expected == 3 * 4
    # Of 5 prompts 3 are in the band. All: (3 + 10 x 116/256) / 15. Math has shown 2 of 4, science
    # 1 of 1; each is drawn to the share of all with the weight of ten.
    everywhere = (3 + 10 * 116 / 256) / 15
    math, science = (2 + 10 * everywhere) / 14, (1 + 10 * everywhere) / 11
    teacher = _of(plan, "teacher")
    assert teacher.prompts.expected == pytest.approx(2 * math + science)
    assert teacher.shares_from == 5
    assert teacher.cost.calls.low < teacher.cost.calls.expected < teacher.cost.calls.high <= 6
    assert teacher.cost.cost_usd is not None
    # 40 tokens of the prompt at $1 and 60 of the answer at $10 a million, as before but for the
    # length of the new prompts: a token for four bytes.
    expected = teacher.cost.calls.expected
    assert teacher.cost.cost_usd.expected == pytest.approx(expected * 0.00064, rel=0.01)


@pytest.mark.slow
def test_what_was_taught_for_another_student_is_not_planned_again(
    store: Store, recipe: Recipe
) -> None:
    """A new checkpoint is measured on all prompts; the lessons on three of them are there."""
    ingest(store, recipe)
    answer(store, recipe, "teacher", [TEXTS[0], TEXTS[1], TEXTS[4]], samples=2)
    teacher = _of(make_plan(recipe), "teacher")
    # Math has lessons on two of four, science on its only one.
    assert teacher.prompts.expected == pytest.approx(4 * 116 / 256 / 2)
    assert teacher.cost.calls.expected == pytest.approx(LESSON * 2 * 116 / 256, rel=1e-3)
    assert teacher.cost.calls.high <= 2 * 2


def test_prompts_that_a_rubric_accepts_are_no_evidence_for_the_band(
    make_recipe: MakeRecipe,
) -> None:
    safe = [{"prompt": f"How do I ask {n} people?", "domain": "safety"} for n in range(40)]
    rubric = {
        "rates": "response",
        "instruction": "Judge what the reply does.",
        "scores": {"quality": "5 if it is of use"},
        "least": {"quality": 4},
    }
    recipe = make_recipe(
        [*SEEDS, *safe],
        models=models("student", "teacher", "judge"),
        sample={"student": 4},
        select={"band": {"low": 0.25, "high": 0.75}},
        domains={"safety": {"keyless": "conduct", "rubrics": {"conduct": rubric}}},
    )
    teacher = _of(make_plan(recipe), "teacher")
    # All of the forty are taught; of the five others as many as with no one before them.
    assert teacher.prompts.expected == pytest.approx(40 + 5 * 116 / 256)
    assert teacher.cost.calls.low < LESSON * teacher.prompts.expected < teacher.cost.calls.high
    assert teacher.shares_from == 0


@pytest.mark.slow
def test_a_prompt_without_an_answer_waits_for_its_key(
    make_recipe: MakeRecipe, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*SEEDS[:2], {"prompt": "What is 9 + 9?", "domain": "math", "answer_type": "number"}]
    recipe = make_recipe(rows, models=models("student", "reference"), sample={"reference": 4})
    ingest(store, recipe)
    plan = make_plan(recipe)
    reference, student = _of(plan, "reference", "sample"), _of(plan, "student")
    assert (reference.prompts.expected, reference.cost.calls.expected) == (1, 4)
    # 0.7 of such prompts are taken to get a trusted key.
    assert student.prompts.expected == pytest.approx(2.7)
    assert student.cost.calls.expected == pytest.approx(8 * 2.7)
    assert (student.prompts.low, student.prompts.high) == (2, 3)

    answer(store, recipe, "reference", ["What is 9 + 9?"], samples=4, content="\\boxed{18}")
    monkeypatch.setattr(overlay, "COPIED_BYTES", 0)  # As with tables that are too large to copy.
    plan = make_plan(recipe)
    # The vote is counted on the overlay, as the stage will: the student is asked for certain.
    assert _of(plan, "reference", "sample").cost.calls.high == 0
    assert _of(plan, "student").prompts.low == _of(plan, "student").prompts.high == 3
    assert store.sql("select * from keys where source = 'plurality'").is_empty()


@pytest.mark.slow
def test_votes_that_may_not_be_believed_are_shown_to_the_confirmer(
    make_recipe: MakeRecipe, store: Store
) -> None:
    rows = [*SEEDS[:2], {"prompt": "What is 9 + 9?", "domain": "math", "answer_type": "number"}]
    recipe = make_recipe(
        rows,
        models=models("student", "reference", "confirmer"),
        sample={"reference": 4, "confirmations": 3, "student": 8},
    )
    ingest(store, recipe)
    confirmer = _of(make_plan(recipe), "confirmer")
    assert confirmer.prompts.expected == pytest.approx(1 - 0.7)
    assert confirmer.cost.calls.expected == pytest.approx(3 * 0.3)
    assert (confirmer.cost.calls.low, confirmer.cost.calls.high) == (0, 3)

    # Three to one: not believed, and now the second model is asked for certain.
    texts = ["What is 9 + 9?"]
    answer(store, recipe, "reference", texts, samples=3, content="\\boxed{18}")
    answer(store, recipe, "reference", texts, samples=4, content="\\boxed{19}")
    plan = make_plan(recipe)
    assert _of(plan, "reference", "sample").cost.calls.high == 0
    asked = _of(plan, "confirmer").cost.calls
    assert (asked.low, asked.high) == (3, 3)
    # Half of such votes are taken to be confirmed.
    assert _of(plan, "student").prompts.expected == pytest.approx(2.5)

    answer(store, recipe, "confirmer", texts, samples=3, content="\\boxed{18}")
    plan = make_plan(recipe)
    # A plan counts keys as the stage will, so that the student is asked for certain.
    assert _of(plan, "confirmer").cost.calls.high == 0
    assert (_of(plan, "student").prompts.low, _of(plan, "student").prompts.high) == (3, 3)


@pytest.mark.slow
def test_further_students_are_planned_as_the_first_is(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    further = models("student", api_key_env="OTHER_KEY", prices={})["student"] | {
        "model": "m-other"
    }
    recipe = make_recipe(
        SEEDS,
        models={**models("student"), "students": [further]},
        sample={"student": 4},
        budget={"usd": 1},
    )
    plan = make_plan(recipe)
    drawn = [stage for stage in plan.stages if stage.role == "student"]
    assert [stage.model for stage in drawn] == ["m-student", "m-other"]
    assert [stage.cost.calls.expected for stage in drawn] == [20, 20]
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.model_dump_json(), encoding="utf-8")
    shown = CliRunner().invoke(app, ["plan", str(file)]).stdout
    assert re.findall(r"^ sample: student \S+", shown, re.MULTILINE) == [
        " sample: student m-student",
        " sample: student m-other",
    ]
    assert plan.warnings[:2] == (
        "models.students.0: the environment variable OTHER_KEY is not set",
        "models.students.0: m-other has no prices, so budget.usd cannot be kept and the run would "
        "refuse to call it",
    )


BAKER = "A baker fills 12 trays with 9 rolls each and sells 35 rolls. How many rolls are left?"
REPLY = {
    "valid": True,
    "problem": BAKER.replace("12", "14").replace("9", "8").replace("35", "31"),
    "program": "14 * 8 - 31",
    "answer": "81",
}


@pytest.mark.slow
def test_rewrites_lead_to_confirmations_and_new_prompts(
    store: Store, make_recipe: MakeRecipe
) -> None:
    rows = [{"prompt": BAKER, "answer": "73", "domain": "math"}, *SEEDS[4:]]
    recipe = make_recipe(
        rows,
        models=models("rewriter", "reference", "student"),
        rewrite={"tries": 3, "strategies": ["new_numbers"]},
    )
    ingest(store, recipe)
    plan = make_plan(recipe)
    assert _of(plan, "rewriter").cost.calls.expected == 1
    usual = expect_answers(confirmations=2, tries=3, share=0.65 / 0.75).asked
    confirmations = _of(plan, "reference", "rewrite").cost.calls
    assert confirmations.expected == pytest.approx(usual * 0.75)
    assert _of(plan, "student").prompts.expected == pytest.approx(2 + 0.65)
    assert _of(plan, "student").shares_from == 0

    reply(store, recipe, REPLY)
    plan = make_plan(recipe)
    assert _of(plan, "rewriter").cost.calls.high == 0
    # A draft that passed the gates: two confirmations for certain, 0.65 of 0.75 are accepted.
    confirmations = _of(plan, "reference", "rewrite").cost.calls
    assert confirmations.low == 2
    assert confirmations.high == pytest.approx(2.75, abs=0.1)
    assert confirmations.expected == pytest.approx(usual)
    assert _of(plan, "student").prompts.expected == pytest.approx(2 + 0.65 / 0.75)
    assert _of(plan, "student").cost.calls.high == 24


@pytest.mark.slow
def test_a_plan_has_what_a_killed_run_wrote_down_and_one_moment_of_a_running_one(
    store: Store, recipe: Recipe, tmp_path: Path
) -> None:
    ingest(store, recipe)
    answer(store, recipe, "student", TEXTS[:1], samples=4)
    row = store.sql("select * from responses where sample_index = 0").to_dicts()[0]
    lost = {
        name: value
        for name, value in row.items()
        if value is not None and name not in ("run_id", "created_at", "parameters")
    }
    lost |= {"response_id": "in-the-journal", "reuse_key": "in-the-journal"}
    journal = tmp_path / "store" / "journal"
    journal.mkdir()
    (journal / "1-a.jsonl").write_bytes(orjson.dumps(["responses", RUN, lost]) + b'\n["resp')
    store.append(
        "runs",
        pl.DataFrame(
            [{"run_id": "r", "state": "running", "started_at": "2026-11-22 06:20:26"}]
        ).with_columns(pl.col("started_at").str.to_datetime(time_zone="UTC")),
    )
    plan = make_plan(recipe)
    assert _of(plan, "student").cost.seen == 5
    assert any(
        note.startswith("a run that began at 2026-11-22 06:20:26 has") for note in plan.notes
    )
    assert (journal / "1-a.jsonl").exists()
    assert store.sql("select count(*) as n from responses")["n"].item() == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("delete from migrations where number > 1", r"is older .* needs migration 0002_"),
        ("insert into migrations values (999, 'x', now())", r"is at migration 999"),
    ],
)
def test_a_store_of_another_version_is_refused(
    store: Store, recipe: Recipe, change: str, said: str
) -> None:
    store.execute(change)
    with pytest.raises(StoreError, match=said):
        make_plan(recipe)


def test_a_catalog_that_is_no_store_is_named(recipe: Recipe) -> None:
    catalog = Path(recipe.store.catalog)
    catalog.parent.mkdir(exist_ok=True)
    catalog.write_text("not a database", encoding="utf-8")
    with pytest.raises(StoreError, match="this store cannot be read"):
        make_plan(recipe)
    catalog.write_bytes(b"")
    assert not make_plan(recipe).setting.has_store
    assert catalog.read_bytes() == b""


def test_the_command_shows_a_table_or_json_and_names_what_would_stop_the_run(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    recipe = make_recipe(
        SEEDS,
        models=models("student", "reference", api_key_env="NO_SUCH_KEY"),
        sample={"student": 4},
        budget={"calls": 10},
    )
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.model_dump_json(), encoding="utf-8")

    shown = CliRunner().invoke(app, ["plan", str(file)])
    assert shown.exit_code == 0
    lines = [line for line in shown.stdout.splitlines() if line.strip()]
    assert lines[0] == "5 seeds; no store yet"
    assert lines[1].split() == [
        *("stage", "prompts", "calls", "likely", "tokens", "in,", "out", "dollars", "time", "from")
    ]
    row = next(line.split() for line in lines if line.startswith(" sample: student"))
    assert row[2:5] == ["5", "20", "exactly"]
    assert "the run would stop at the cap in calls after about 10 of 20 calls" in shown.stdout
    assert "models.student: the environment variable NO_SUCH_KEY is not set" in shown.stdout
    assert "models.teacher: nobody plays the teacher" in shown.stdout

    document = json.loads(CliRunner().invoke(app, ["plan", "--json", str(file)]).stdout)
    assert list(document) == [
        *("recipe", "setting", "stages", "total", "budget", "warnings", "notes")
    ]
    student = document["stages"][2]
    assert list(student) == [
        *("stage", "role", "model", "prompts", "calls", "prompt_tokens", "completion_tokens"),
        *("cost_usd", "minutes", "tokens_from_calls", "shares_from_cases", "limited_by"),
    ]
    assert student["calls"] == {"low": 20, "expected": 20, "high": 20}
    assert document["budget"]["fits"] == "no"

    wrong = CliRunner().invoke(app, ["plan", str(file), "--set", "sample.studnet=4"])
    assert wrong.exit_code == 2
    assert "did you mean `student`?" in wrong.stderr
    close_stores()


@pytest.mark.slow
def test_a_real_run_makes_about_the_calls_that_were_planned_and_then_none(
    store: Store, make_recipe: MakeRecipe
) -> None:
    bundled = (ROOT / "seeds" / "math.jsonl").read_text(encoding="utf-8").splitlines()
    seeds = [json.loads(line) for line in bundled[:70]]
    roles = ("rewriter", "reference", "student", "teacher")
    simulated = {role: {"model": f"sim-{role}", "prices": PRICES} for role in roles}
    made = Amount()
    try:
        for count, tolerance in ((40, 0.25), (70, 0.10)):
            recipe = make_recipe(
                seeds[:count],
                models=simulated,
                sample={"student": 4},
                # Those of which the simulated rewriter declines about as many as are assumed to be.
                rewrite={"strategies": ["new_numbers", "choice_to_open", "paraphrase", "harder"]},
            )
            planned = make_plan(recipe).total
            _run_all(store, recipe)
            now = Amount(**store.query("spent").row(0, named=True))
            calls, dollars = now.calls - made.calls, now.usd - made.usd
            assert planned.calls.expected == pytest.approx(calls, rel=tolerance)
            assert planned.calls.low <= calls <= planned.calls.high
            assert planned.cost_usd is not None
            assert planned.cost_usd.low <= dollars <= planned.cost_usd.high
            after = make_plan(recipe).total
            assert (after.calls.high, after.cost_usd, after.minutes) == (0, Span(), Span())
            made = now
    finally:
        stop_simulators()


def _run_all(store: Store, recipe: Recipe) -> None:
    """Run every stage up to the teacher's responses, without Prefect."""
    run_id = f"{RUN}-{len(recipe.seeds)}-{store.query('spent').row(0)}"
    ingest(store, recipe)
    find_duplicates(store, recipe.select.duplicates, run_id)
    rewrite_range(store, recipe, run_id, EVERYTHING, active("rewrite"))
    find_duplicates(store, recipe.select.duplicates, run_id)
    derive_keys(store, recipe.select, run_id)
    sample_range(store, recipe, run_id, "reference", EVERYTHING)
    sample_range(store, recipe, run_id, "student", EVERYTHING)
    grade_responses(store, ("reference", "student"), run_id)
    measure_difficulty(store, recipe.select, run_id)
    decide_prompts(store, recipe, run_id)
    for indices in rounds_of(recipe):
        teach_range(store, recipe, run_id, EVERYTHING, indices)
        grade_responses(store, ("teacher",), run_id)
    decide_after_teach(store, recipe, run_id)


ROOT = Path(__file__).resolve().parents[1]


def test_votes_in_rounds_are_planned_to_their_likely_end(make_recipe: MakeRecipe) -> None:
    rows = [
        {"prompt": f"What is 9 + {n}?", "domain": "math", "answer_type": "number"} for n in "12"
    ]
    recipe = make_recipe(
        rows,
        models=models("student", "reference"),
        sample={"adaptive_reference": {"start": 4, "step": 2, "most": 16, "confidence": 0.95}},
    )
    assert recipe.sample.adaptive_reference is not None
    usual = expect_votes(recipe.sample.adaptive_reference)
    calls = _of(make_plan(recipe), "reference", "sample").cost.calls
    assert calls.expected == pytest.approx(2 * usual)
    assert 2 * 4 <= calls.low < calls.expected < calls.high <= 2 * 16


def test_samples_in_rounds_are_planned_to_their_likely_end(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(
        SEEDS,
        models=models("student"),
        sample={"adaptive": {"start": 4, "step": 2, "most": 24, "error": 0.125}},
    )
    band = recipe.select.band
    assert recipe.sample.adaptive is not None
    rule = plan_stopping(Edges(band.low, band.high), recipe.sample.adaptive)
    calls = _of(make_plan(recipe), "student").cost.calls
    assert calls.expected == pytest.approx(5 * rule.samples)
    assert 5 * 4 < calls.low < calls.expected < calls.high <= 5 * 24


@pytest.mark.slow
def test_the_share_in_the_band_is_what_the_samples_of_the_recipe_will_show(
    make_recipe: MakeRecipe,
) -> None:
    def lessons(**select: Any) -> tuple[float, Plan]:
        asked = {"models": models("student", "teacher"), "sample": {"adaptive": {}}}
        plan = make_plan(make_recipe(SEEDS, **asked, select=select))
        return _of(plan, "teacher").prompts.expected, plan

    # A fixed 8 shows a rate in the band for another share of the prompts than rounds do.
    rounds = plan_stopping(Edges(0.125, 0.75), AdaptiveStudent())
    kept, plan = lessons()
    assert kept == pytest.approx(5 * rounds.in_band, abs=0.01)
    assert abs(rounds.in_band - share_in_band(0.125, 0.75, 8)) > 0.01
    assert not any(note.startswith("sample.adaptive") for note in plan.notes)
    # The verifier's error counts for the samples and for the share.
    deaf = VerifierError(recall=0.8)
    rounds = plan_stopping(Edges(0.125, 0.75, deaf), AdaptiveStudent())
    kept, plan = lessons(verifier_error={"number": {"recall": 0.8}})
    assert kept == pytest.approx(5 * rounds.in_band, abs=0.01)
    assert _of(plan, "student").cost.calls.expected == pytest.approx(5 * rounds.samples)
    # An error that is out of reach is said.
    (said,) = [note for note in lessons(policy="skywork")[1].notes if "sample.adaptive" in note]
    assert "0.19 may end on its wrong side" in said
