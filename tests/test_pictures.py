"""Pictures of difficulty: bars, dots and tables hold the numbers that they are drawn from."""

import re

import polars as pl
import pytest

from tasks.operations.pictures import (
    describe_difficulty,
    draw_blocks,
    tabulate_difficulty,
    tabulate_gap,
)
from tasks.recipe import PRESETS
from tasks.release.facts import gather_facts
from tasks.release.report.charts import Dot, draw_scatter
from tasks.release.report.teachable import (
    count_bars,
    count_in_band,
    difficulty_charts,
    gap_chart,
    policy_rows,
    say_in_band,
)
from tasks.select.decide import decide_prompts
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import STUDENT, TEACHER, fill, taught

MODELS = {"student": {"model": STUDENT}, "teacher": {"model": TEACHER}}
DIFFICULTY = pl.DataFrame(
    [
        {
            "domain": "code",
            "pass_rate": 0.0,
            "kept": False,
            "prompts": 6,
            "likely": 0.6,
            "doubt": 0.54,
        },
        {
            "domain": "code",
            "pass_rate": 0.5,
            "kept": True,
            "prompts": 2,
            "likely": 1.8,
            "doubt": 0.18,
        },
        {
            "domain": "math",
            "pass_rate": 0.25,
            "kept": True,
            "prompts": 3,
            "likely": 2.7,
            "doubt": 0.27,
        },
        {
            "domain": "math",
            "pass_rate": 0.25,
            "kept": False,
            "prompts": 1,
            "likely": 0.9,
            "doubt": 0.09,
        },
        {
            "domain": "math",
            "pass_rate": 1.0,
            "kept": False,
            "prompts": 4,
            "likely": 0.0,
            "doubt": 0.0,
        },
    ]
)
GAP = pl.DataFrame(
    {
        "student": [5, 5, 40, 40],  # fortieths: 1 of 8, and always
        "reference": [10, 10, 10, 7],  # tenths
        "kept": [True, False, False, False],
        "prompts": [5, 3, 4, 1],
    }
)


def test_likely_members_of_the_band_are_the_sum_of_their_probabilities(
    make_recipe: MakeRecipe,
) -> None:
    code, math = count_in_band(DIFFICULTY, make_recipe())
    assert (code["measured"], code["shown"], round(code["likely"], 6)) == (8, 2, 2.4)
    # 1.96 standard deviations: √0.72 = 0.8485.
    assert (round(code["low"], 2), round(code["high"], 2)) == (0.74, 4.06)
    assert (math["measured"], math["shown"], round(math["likely"], 6)) == (8, 4, 3.6)
    assert say_in_band(code) == "2 show a rate in the band, 2 (1 to 4) are likely in it"


def test_a_histogram_has_a_step_a_sample_or_tenths_where_samples_differ(
    make_recipe: MakeRecipe,
) -> None:
    assert count_bars(make_recipe(sample={"student": 8})) == 9
    assert count_bars(make_recipe(sample={"student": 64})) == 12
    assert count_bars(make_recipe(sample={"adaptive": {}})) == 12
    # Corrected rates are no counts.
    known = {"verifier_error": {"number": {"recall": 0.9}}}
    assert count_bars(make_recipe(sample={"student": 8}, select=known)) == 12
    code, math = difficulty_charts(DIFFICULTY, make_recipe())
    assert (code["measured"], code["kept"], math["measured"], math["kept"]) == (8, 2, 8, 3)
    assert "2 of 8 right: 3 kept, 1 set aside (inside the band)" in math["chart"]


def test_where_samples_differ_a_bar_says_what_of_it_is_in_the_band(
    make_recipe: MakeRecipe,
) -> None:
    # 0 of 10, 1 of 10, 1 of 8, 7 of 10, 6 of 8, 7 of 9 and 4 of 4; the band is 0.125 to 0.75.
    counts = [(0, 10), (1, 10), (1, 8), (7, 10), (6, 8), (7, 9), (4, 4)]
    rates = pl.DataFrame(
        {
            "domain": "math",
            "pass_rate": [right / samples for right, samples in counts],
            "kept": [False, False, True, True, True, False, False],
            "prompts": [64, 1, 2, 4, 8, 16, 32],
            "likely": 0.0,
            "doubt": 0.0,
        }
    )
    recipe = make_recipe(sample={"adaptive": {}})
    (math,) = difficulty_charts(rates, recipe)
    assert (math["measured"], math["kept"]) == (127, 14)
    titles = re.findall(r"<title>([^<]*)</title>", math["chart"])
    assert titles[0] == "none right: 0 kept, 64 set aside (outside the band)"
    assert titles[1] == "some, below 0.1 right: 0 kept, 0 set aside"
    edge = "0.1 to 0.2 right: 2 kept, 1 set aside (2 inside the band, 1 outside)"
    assert titles[2] == edge
    # 6 of 8 are in the band, 7 of 9 in the same tenth are not.
    edge = "0.7 to 0.8 right: 12 kept, 16 set aside (12 inside the band, 16 outside)"
    assert titles[8] == edge
    assert titles[11] == "all right: 0 kept, 32 set aside (outside the band)"
    # Twelve bars over 324 pixels, 27 each: from 0.125 (2.25 bars) to 0.75 (8.5 bars).
    (shaded,) = re.findall(
        r'<rect class="band" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', math["chart"]
    )
    assert (float(shaded[0]), float(shaded[1])) == (68.8, 168.8)
    assert tabulate_difficulty(rates, recipe)["0 to 100 %"][0] == "█·▁·····▄··▄"


def test_dots_have_areas_as_their_numbers_and_lie_where_they_belong() -> None:
    chart = draw_scatter(
        [Dot(0.0, 0.0, 1, "kept", "<few>"), Dot(1.0, 1.0, 4, "dropped", "many")],
        title="t",
        across="student",
        up="reference",
        band=(0.25, 0.75),
    )
    dots = re.findall(r'<circle class="(\w+)" cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', chart)
    (large, small) = dots
    assert (large[0], small[0]) == ("dropped", "kept")  # The small one is drawn above.
    assert float(large[3]) / float(small[3]) == 2 * 5.75 / 5.8  # rounded to tenths of a pixel
    assert float(large[1]) - float(small[1]) == float(small[2]) - float(large[2]) == 260
    assert "&lt;few&gt;" in chart


def test_the_reference_is_ahead_where_its_rate_is_higher(make_recipe: MakeRecipe) -> None:
    found = gap_chart(GAP, make_recipe())
    assert found is not None
    assert (found["prompts"], found["ahead"]) == (13, 8)
    assert "student 12 %, reference 100 %: 8 prompts, 5 kept" in found["chart"]
    assert gap_chart(GAP.clear(), make_recipe()) is None
    assert tabulate_gap(GAP).rows()[:2] == [
        ("80 to 100 %", 8, 0, 0, 0, 4),
        ("60 to 80 %", 0, 0, 0, 0, 1),
    ]


def test_policies_are_compared_by_what_their_bands_hold(make_recipe: MakeRecipe) -> None:
    rows = {row["policy"]: row for row in policy_rows(DIFFICULTY, make_recipe())}
    assert len(rows) == 1 + len(PRESETS)
    assert rows["teachable (this recipe)"]["prompts"] == 5
    assert (rows["teachable"]["prompts"], rows["teachable"]["shared"]) == (6, 5)
    assert (rows["olmo3"]["prompts"], rows["none"]["prompts"]) == (12, 16)
    assert rows["none"]["share"] == 1.0


def test_blocks_are_as_high_as_counts_and_nothing_is_a_dot() -> None:
    assert draw_blocks([0, 1, 8, 4]) == "·▁█▄"
    assert draw_blocks([0, 0]) == "··"


@pytest.mark.slow
def test_the_artifact_tells_what_the_store_has(store: Store, make_recipe: MakeRecipe) -> None:
    fill(
        store,
        taught("half"),
        taught("never", correct=0, wrong=8),
        taught("always", domain="code|x", correct=8, wrong=0),
    )
    store.execute("update difficulty set in_band = 0.5, reference_rate = 1.0, gap = 0.5")
    recipe = make_recipe(models=MODELS)
    decide_prompts(store, recipe, "run")
    facts = gather_facts(store, recipe, "run")
    code, math = tabulate_difficulty(facts.difficulty, recipe).to_dicts()
    assert (code["0 to 100 %"], math["0 to 100 %"]) == ("········█", "█···█····")
    assert (math["never"], math["always"], math["measured"], math["kept"]) == (1, 0, 2, 1)
    text = describe_difficulty(facts.difficulty, facts.gap, recipe)
    assert "code\\|x" in text
    assert "## The reference beside the student" in text
