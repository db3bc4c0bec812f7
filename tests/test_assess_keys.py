"""Keys: votes recorded once, a share calibrated on gold, a second model, people's reviews."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from tasks.assess.calibrate import KeyShare, calibrate, describe
from tasks.assess.difficulty import measure_difficulty
from tasks.assess.grade import grade_responses
from tasks.assess.keys import derive_keys, trust
from tasks.assess.sandbox import sandbox_works
from tasks.errors import InputError
from tasks.recipe import SelectSettings
from tasks.review import Imported, export_reviews, import_reviews
from tasks.sample import Wanted, count_wanted
from tasks.select.decide import decide_prompts
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.graded import add_prompts, add_responses, keys_of

RUN = "run"


def votes(*parts: tuple[float, bool, int], domain: str = "math") -> pl.DataFrame:
    """Return prompts with a gold answer: share of their vote, whether it is right, how many."""
    rows = [(domain, share, right) for share, right, count in parts for _ in range(count)]
    schema = {"domain": pl.String, "share": pl.Float64, "right": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_the_share_is_the_smallest_that_is_right_often_enough() -> None:
    # 80 of 80 at share 1, then 19 of 20 at 0.75 (together 99 of 100), then 4 of 20 at 0.5.
    slice_of_math = votes((1.0, True, 80), (0.75, True, 19), (0.75, False, 1))
    slice_of_math = pl.concat([slice_of_math, votes((0.5, True, 4), (0.5, False, 16))])
    few, useless = votes((1.0, True, 49), domain="code"), votes((1.0, False, 60), domain="law")
    found = calibrate(pl.concat([slice_of_math, few, useless]), 0.95, 0.8)
    assert found == [
        KeyShare("code", 0.8, "too_few_gold", gold=49, above=49, precise=49, target=0.95),
        KeyShare("law", None, "none_precise", gold=60, above=0, precise=0, target=0.95),
        KeyShare("math", 0.75, "calibrated", gold=120, above=100, precise=99, target=0.95),
    ]
    said = [describe(share) for share in found]
    assert said[0].startswith("code: 49 voted prompts with a gold answer, 50 are needed")
    assert said[1].startswith("law: no share of votes is right 0.95 of the time over 60 gold")
    assert said[2].endswith("from a share of 0.75, right on 99 of 100 gold answers")


def test_a_precision_that_may_be_luck_is_not_believed() -> None:
    # 57 of 60 is exactly 0.95, and as likely below as above it.
    lucky = votes((1.0, True, 57), (1.0, False, 3))
    assert [share.basis for share in calibrate(lucky, 0.95, 0.8)] == ["none_precise"]
    assert [share.min_share for share in calibrate(lucky, 0.9, 0.8)] == [1.0]


def test_trust_by_share_or_by_a_second_model() -> None:
    rows = [
        ("math", 0.75, 4, None, None),
        ("code", 0.75, 4, None, None),
        ("code", 0.75, 4, 2, 3),
        ("code", 0.75, 4, 1, 1),  # one answer is not enough
        ("code", 0.75, 4, 2, 4),  # nor is half of them
        ("code", 1.0, 2, 3, 3),  # too few votes to begin with
        ("law", 1.0, 8, None, None),
    ]
    columns = ["domain", "share", "samples", "confirming", "confirmations"]
    keys = pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)
    shares = {None: 0.8, "math": 0.7, "law": None}
    assert trust(keys, shares)["trusted"].to_list() == [
        *(True, False, True, False, False, False, False)
    ]


@pytest.mark.slow
def test_a_second_model_confirms_what_votes_could_not(store: Store) -> None:
    add_prompts(store, *({"prompt_id": name, "domain": "math"} for name in "abc"))
    for name in "abc":
        add_responses(store, "reference", name, *[r"\boxed{7}"] * 3, r"\boxed{8}", r"\boxed{9}")
    add_responses(store, "confirmer", "a", r"\boxed{7.0}", r"\boxed{7}", r"\boxed{8}")
    add_responses(store, "confirmer", "b", r"\boxed{8}", r"\boxed{8}", "no idea")
    assert derive_keys(store, SelectSettings(), RUN) == 3
    assert [key[-1] for key in keys_of(store)] == [False] * 3
    assert derive_keys(store, SelectSettings(), RUN, confirmer="tiny") == 2
    said = store.sql(
        "select prompt_id, trusted, confirmer, confirming, confirmations from current_keys "
        "order by prompt_id"
    ).rows()
    assert said == [
        ("a", True, "tiny", 2, 3),
        ("b", False, "tiny", 0, 2),
        ("c", False, None, None, None),
    ]
    assert derive_keys(store, SelectSettings(), RUN, confirmer="tiny") == 0


@pytest.mark.skipif(not sandbox_works(), reason="nobody is asked about code without bubblewrap")
def test_tests_are_gold_as_answers_are(store: Store, make_recipe: MakeRecipe) -> None:
    add_prompts(
        store,
        {"prompt_id": "a", "answer_type": "code", "tests": ["assert f(1) == 2"]},
        {"prompt_id": "b", "answer_type": "code", "tests": []},
        {"prompt_id": "c", "answer_type": "code"},
        {"prompt_id": "d", "answer": "4"},
        {"prompt_id": "e"},
    )
    models = {"student": {"model": "tiny"}, "reference": {"model": "strong"}}
    by_reference = make_recipe(models=models, sample={"reference": 4})
    assert count_wanted(store, by_reference, "reference") == Wanted(prompts=3, calls=12)
    everywhere = make_recipe(models=models, sample={"reference": 4, "reference_on": "all"})
    assert count_wanted(store, everywhere, "reference") == Wanted(prompts=5, calls=20)
    # Where the student makes the keys it is asked without one, but where tests are about to be one.
    by_student = make_recipe(models=models, sample={"keys_by": "student"})
    assert count_wanted(store, by_student, "student").prompts == 3
    derive_keys(store, by_student.select, RUN)
    assert count_wanted(store, by_student, "student").prompts == 5


@pytest.mark.slow
def test_the_share_follows_the_gold_slice_of_the_store(store: Store) -> None:
    known = {"answer": "7", "answer_source": "gold", "domain": "math"}
    gold = [{"prompt_id": f"g{n:02d}", **known} for n in range(60)]
    # Rewrites that the same votes accepted tell nothing of what they are worth.
    kept = [{"prompt_id": f"w{n:02d}", **known, "kind": "rewrite"} for n in range(60)]
    add_prompts(store, *gold, *kept, {"prompt_id": "x", "domain": "math"})
    for row in kept:
        add_responses(store, "reference", row["prompt_id"], *[r"\boxed{7}"] * 3)
    answers = [(row["prompt_id"], rf"\boxed{{{n}}}") for row in gold for n in (7, 7, 8)]
    samples = pl.DataFrame(answers, schema=["prompt_id", "content"], orient="row").with_columns(
        response_id=pl.int_range(pl.len()).cast(pl.String), role=pl.lit("reference")
    )
    store.append("responses", samples, run_id=RUN)
    add_responses(store, "reference", "x", *[r"\boxed{5}"] * 2, r"\boxed{6}")
    calibrated = SelectSettings(key_precision=0.9)
    derive_keys(store, calibrated, RUN)
    assert store.sql(
        "select domain, round(min_share, 3), basis, gold, precise from current_key_shares"
    ).rows() == [("math", 0.667, "calibrated", 60, 60)]
    trusted = "select trusted from current_keys where prompt_id = 'x'"
    assert store.sql(trusted).rows() == [(True,)]
    derive_keys(store, SelectSettings(), RUN)
    assert store.sql(trusted).rows() == [(False,)]


def test_a_students_own_votes_warn(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    add_prompts(store, {"prompt_id": "a"})
    add_responses(store, "student", "a", *[r"\boxed{7}"] * 4)
    assert derive_keys(store, SelectSettings(), RUN, student="tiny") == 1
    assert keys_of(store)[0][1:3] == ("7", "plurality")
    assert store.sql("select voter from current_keys").rows() == [("student",)]
    assert "voted for by the student tiny itself" in caplog.text


def test_signs_of_difficulty_beside_the_rate(store: Store) -> None:
    add_prompts(store, {"prompt_id": "a", "answer": "7", "answer_source": "gold"})
    # Four classes: right, 8 in two spellings, 9, 10; nothing was found in the last one.
    found = ["7", "7.0", "8", "8.00", "9", "10"]
    add_responses(store, "student", "a", *[rf"\boxed{{{n}}}" for n in found], "no idea")
    add_responses(store, "reference", "a", *[r"\boxed{8}"] * 3, r"\boxed{7}")
    derive_keys(store, SelectSettings(), RUN)
    grade_responses(store, ["student", "reference"], RUN)
    measure_difficulty(store, SelectSettings(), RUN)
    row = store.sql(
        "select correct, wrong, round(entropy, 4) as entropy, answers, agreement, reference_rate, "
        "reference_decided, gap from current_difficulty"
    ).rows(named=True)[0]
    shares = (2 / 6, 2 / 6, 1 / 6, 1 / 6)
    assert row == {
        "correct": 2,
        "wrong": 5,
        "entropy": round(-sum(share * math.log2(share) for share in shares), 4),
        "answers": 4,
        "agreement": pytest.approx(2 / 6),
        "reference_rate": 0.25,
        "reference_decided": 4,
        "gap": pytest.approx(0.25 - 2 / 7),
    }


def write_lines(file: Path, *rows: Mapping[str, object] | str) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.mark.slow
def test_people_give_the_keys_that_no_vote_could(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe()
    add_prompts(
        store,
        {"prompt_id": "a"},
        {"prompt_id": "b", "answer_type": "choice", "choices": ["x", "y"]},
        {"prompt_id": "c"},
        {"prompt_id": "d", "answer": "4", "answer_source": "gold"},
        {"prompt_id": "e", "answer_type": "open"},
    )
    add_responses(store, "reference", "a", *[r"\boxed{7}"] * 2, r"\boxed{8}")
    derive_keys(store, recipe.select, RUN)
    decide_prompts(store, recipe, RUN)
    assert count_wanted(store, recipe, "student").prompts == 1
    file = tmp_path / "review.jsonl"
    assert export_reviews(store, file) == 3
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [row["prompt_id"] for row in rows] == ["a", "b", "c"]
    assert rows[0]["votes"] == [
        {"role": "reference", "answer": "7", "votes": 2},
        {"role": "reference", "answer": "8", "votes": 1},
    ]
    assert (rows[1]["choices"], rows[1]["votes"], rows[1]["answer"]) == (["x", "y"], [], None)
    filled = write_lines(
        file,
        rows[0] | {"answer": "1,007.0", "note": "the tax is included"},
        rows[1] | {"answer": "y", "reviewer": "bob"},
        rows[2] | {"refuse": "two readings"},
        {"prompt_id": "d"},  # left blank
    )
    assert import_reviews(store, filled, "ann", RUN) == Imported(3, 3, 1, 0)
    assert keys_of(store) == [
        ("a", "1007", "gold", None, None, None, True),
        ("b", "B", "gold", None, None, None, True),
        ("d", "4", "gold", None, None, None, True),
    ]
    assert store.sql(
        "select prompt_id, reviewer, note, refusal, created_at is not null from reviews order by 1"
    ).rows() == [
        ("a", "ann", "the tax is included", None, True),
        ("b", "bob", None, None, True),
        ("c", "ann", None, "two readings", True),
    ]
    # What people said stands: neither the next derivation nor the same file changes anything.
    assert derive_keys(store, recipe.select, "next") == 0
    assert import_reviews(store, filled, "ann", "next") == Imported(3, 0, 1, 0)
    assert count_wanted(store, recipe, "student").prompts == 3
    decide_prompts(store, recipe, RUN)
    assert store.sql(
        "select reason, detail from current_decisions where prompt_id = 'c'"
    ).rows() == [("refused_in_review", "two readings")]
    # A change of mind is a new row, and a review goes before the prompt's own answer.
    again = write_lines(file, {"prompt_id": "a", "answer": "7"}, {"prompt_id": "d", "answer": 5})
    assert import_reviews(store, again, "ann", RUN) == Imported(2, 2, 0, 0)
    assert [key[:2] for key in keys_of(store)] == [("a", "7"), ("b", "B"), ("d", "5")]
    assert store.sql("select count(*) from reviews where prompt_id = 'a'").item() == 2
    assert derive_keys(store, recipe.select, RUN) == 0


OTHERS = (
    *("unknown_prompt", "missing_reviewer", "bad_review", "not_reviewable", "bad_json"),
    *("conflicting_review", "bad_answer"),
)


def test_rows_of_a_review_that_cannot_be_used_are_set_aside(store: Store, tmp_path: Path) -> None:
    add_prompts(
        store,
        {"prompt_id": "a"},
        {"prompt_id": "b", "answer_type": "choice", "choices": ["x", "y"]},
        {"prompt_id": "e", "answer_type": "open"},
    )
    file = write_lines(
        tmp_path / "review.jsonl",
        {"prompt_id": "a", "answer": "about five", "reviewer": "ann"},
        {"prompt_id": "zzz", "answer": "5", "reviewer": "ann"},
        {"prompt_id": "a", "answer": "5"},
        {"prompt_id": "a", "answer": "5", "refuse": "unclear", "reviewer": "ann"},
        {"prompt_id": "b", "answer": "C", "reviewer": "ann"},
        {"prompt_id": "e", "answer": "Dear all", "reviewer": "ann"},
        "{not json",
        {"prompt_id": "b", "answer": "A", "reviewer": "ann"},
        {"prompt_id": "b", "answer": "B", "reviewer": "bob"},
        {"prompt_id": "a", "answer": {"value": 5}, "reviewer": "ann"},
    )
    imported = import_reviews(store, file, None, RUN)
    assert imported == Imported(1, 1, 0, 9, {"unreadable_answer": 2} | dict.fromkeys(OTHERS, 1))
    assert next(iter(imported.reasons)) == "unreadable_answer"
    assert store.sql(
        "select row_number, purpose, reason from quarantine order by row_number"
    ).rows() == [
        (1, "review", "unreadable_answer"),
        (2, "review", "unknown_prompt"),
        (3, "review", "missing_reviewer"),
        (4, "review", "bad_review"),
        (5, "review", "unreadable_answer"),
        (6, "review", "not_reviewable"),
        (7, "review", "bad_json"),
        (9, "review", "conflicting_review"),
        (10, "review", "bad_answer"),
    ]
    assert keys_of(store) == [("b", "A", "gold", None, None, None, True)]
    with pytest.raises(InputError, match="no such file"):
        import_reviews(store, tmp_path / "absent.jsonl", "ann", RUN)


def test_a_review_by_nobody_is_refused_once_and_the_command_says_why_rows_are_set_aside(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    add_prompts(store, {"prompt_id": "a"}, {"prompt_id": "b"}, {"prompt_id": "c"})
    answers = [{"prompt_id": name, "answer": str(n)} for n, name in enumerate("abz")]
    file = write_lines(tmp_path / "review.jsonl", *answers, {"prompt_id": "c"})
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(make_recipe().model_dump_json(exclude={"sample": {"adaptive"}}))
    ask = ["review", str(recipe), "--import", str(file)]

    refused = CliRunner().invoke(app, ask)
    assert (refused.exit_code, refused.stderr) == (
        3,
        f"teachset: {file}: 2 rows do not say who answered; name the person in `reviewer`, or of "
        "all of them with --reviewer NAME. Nothing was taken\n",
    )
    assert store.sql("select * from quarantine").is_empty()

    taken = CliRunner().invoke(app, [*ask, "--reviewer", "ann"])
    assert (taken.exit_code, taken.stdout) == (
        0,
        f"{file}: 2 answers taken, 2 of them new; 1 left blank, 1 quarantined: 1 unknown_prompt "
        "(the table `quarantine` says what is wrong with each)\n",
    )


def test_what_people_have_filled_in_is_not_written_over(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    add_prompts(store, {"prompt_id": "a"})
    recipe, file = tmp_path / "recipe.yaml", tmp_path / "review.jsonl"
    recipe.write_text(make_recipe().model_dump_json(exclude={"sample": {"adaptive"}}))
    file.write_text("an hour of work")
    ask = ["review", str(recipe), "--export", str(file)]
    refused = CliRunner().invoke(app, ask)
    assert refused.exit_code == 3
    assert refused.stderr == (
        f"teachset: {file}: is there already; --force replaces it and what was filled in\n"
    )
    assert file.read_text() == "an hour of work"
    assert CliRunner().invoke(app, [*ask, "--force"]).exit_code == 0
    assert json.loads(file.read_text())["prompt_id"] == "a"
