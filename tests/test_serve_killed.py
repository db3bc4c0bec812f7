"""Scheduled runs by the clock: `kill -9` in the middle of one, started again, nothing lost."""

from pathlib import Path

import pytest

from cli.serving import find_served
from flows.serve import PREFECT_FILE, read_deployments
from tasks.errors import InputError, RecipeError
from tests.conftest import MakeRecipe
from tests.served import (
    Served,
    count_responses,
    read_store,
    serving,
    wait_until,
    write_served_project,
)

PORT = 25875
EVERY_MINUTE = """
deployments:
  - name: by-the-clock
    entrypoint: flows/build.py:build
    parameters: {{recipe: {recipe}}}
    schedules: [{{cron: "* * * * *"}}]
"""
ONCE_A_DAY = EVERY_MINUTE.replace("by-the-clock", "{name}").replace("* * * * *", "0 0 * * *")
SEEDS, SAMPLES = 30, 8


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("deployments: [{name: x, entrypoint: 'flows/build.py:build'}]", "KeyError: 'parameters'"),
        ("deployments: [{name: x, entrypoint: build, parameters: {}}]", "not enough values"),
        ("deployments: [{name: x, entrypoint: 'flows/no.py:no', parameters: {}}]", "No module"),
        (EVERY_MINUTE.format(recipe="absent.yaml"), "/absent.yaml: no such recipe"),
        ("- nothing", "TypeError"),
        ("a: [", "while parsing"),
    ],
)
def test_deployments_that_cannot_be_used_say_what_is_expected(
    tmp_path: Path, text: str, reason: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"(?s)mine\.yaml: .*Expected `deployments:`") as caught:
        read_deployments(file)
    assert reason in str(caught.value)


def test_the_recipe_that_is_served_is_named_once_and_can_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_recipe: MakeRecipe
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TEACHSET_RECIPE", raising=False)
    mine, broken = tmp_path / "mine.yaml", tmp_path / "broken.yaml"
    mine.write_text(make_recipe().model_dump_json(exclude_defaults=True))
    broken.write_text("name: [")
    assert find_served(Path("mine.yaml"), None) == mine
    assert find_served(Path("mine.yaml"), Path("deployments.yaml")) == mine
    assert find_served(None, Path("deployments.yaml")) is None
    assert find_served(None, None) is None  # The quick start's, as prefect.yaml says.
    monkeypatch.setenv("TEACHSET_RECIPE", str(mine))
    assert find_served(None, None) == mine
    with pytest.raises(RecipeError, match="broken"):
        find_served(broken, None)
    monkeypatch.chdir(PREFECT_FILE.parent)
    monkeypatch.delenv("TEACHSET_RECIPE")
    assert find_served(None, None) is None


@pytest.mark.slow
def test_a_recipe_lies_beside_the_deployments_that_name_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(EVERY_MINUTE.format(recipe="batch.yaml"))
    (tmp_path / "batch.yaml").write_text("name: batch")
    (deployment,) = read_deployments(tmp_path / "mine.yaml")
    assert deployment.parameters == {"recipe": str(tmp_path / "batch.yaml")}
    assert {Path(each.parameters["recipe"]) for each in read_deployments()} == {
        PREFECT_FILE.parent / "recipes" / "quickstart.yaml"
    }
    # Whoever serves a recipe of their own names it once.
    own = read_deployments(recipe=tmp_path / "batch.yaml")
    assert {each.parameters["recipe"] for each in own} == {str(tmp_path / "batch.yaml")}
    nightly = next(each for each in own if each.name == "nightly")
    assert nightly.parameters["publish"] is False  # A release is made weekly.


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_scheduled_runs_outlive_a_kill_of_what_serves_them(tmp_path: Path) -> None:
    recipe = write_served_project(tmp_path / "project", seeds=SEEDS, samples=SAMPLES, latency=0.5)
    deployments = tmp_path / "mine.yaml"
    deployments.write_text(EVERY_MINUTE.format(recipe=recipe))
    home, options = tmp_path / "prefect", ("--deployments", deployments)

    with serving(home, PORT, *options) as served:
        wait_until(lambda: count_responses(recipe) > 20, 300, "no scheduled run made a call")
        served.process.kill()
    before = count_responses(recipe)
    assert before < SEEDS * SAMPLES

    with serving(home, PORT, *options) as served:
        deployment = served.deployment("build/by-the-clock")["id"]
        runs = {"deployments": {"id": {"any_": [deployment]}}, "sort": "START_TIME_ASC"}

        def states() -> list[str]:
            return [run["state_type"] for run in served.ask("/flow_runs/filter", runs)]

        wait_until(lambda: states().count("COMPLETED") >= 2, 500, "the schedule does not go on")
        ended = states()
        for key in ("served-funnel", "served-spend"):  # A key's history is one entry a run.
            named = {"artifacts": {"key": {"any_": [key]}}}
            history = served.ask("/artifacts/filter", named)
            assert len({each["flow_run_id"] for each in history}) == len(history) >= 2
            assert len(served.ask("/artifacts/latest/filter", named)) == 1
    assert ended.count("CRASHED") == 1
    assert "FAILED" not in ended
    assert ended.count("RUNNING") <= 1  # The next minute's, perhaps.

    counted = "select count(*), count(distinct response_id) from responses where role = 'student'"
    assert read_store(recipe, counted).row(0) == (SEEDS * SAMPLES, SEEDS * SAMPLES)
    assert read_store(recipe, "select count(*) as n from releases")["n"][0] <= 1
    states_of_runs = read_store(recipe, "select state from runs order by started_at")["state"]
    assert states_of_runs.to_list()[:2] == ["interrupted", "completed"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_deployment_that_is_declared_no_more_has_no_schedule(tmp_path: Path) -> None:
    recipe = write_served_project(tmp_path / "project")
    home, old, new = (tmp_path / name for name in ("prefect", "old.yaml", "new.yaml"))
    old.write_text(ONCE_A_DAY.format(name="old", recipe=recipe))
    new.write_text(ONCE_A_DAY.format(name="new", recipe=recipe))

    def wait_for(served: Served, name: str, *, expected: bool) -> None:
        """Wait until a deployment's schedule is on and a run of it due, or neither."""

        def look() -> bool:
            deployment = served.deployment(f"build/{name}")
            due = {
                "deployments": {"id": {"any_": [deployment["id"]]}},
                "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
            }
            (schedule,) = deployment["schedules"]
            runs = served.ask("/flow_runs/filter", due)
            return {schedule["active"], bool(runs)} == {expected}

        wait_until(look, 60, f"{name}: its schedule and runs are not {expected}")

    with serving(home, PORT, "--deployments", old) as served:
        wait_for(served, "old", expected=True)
    with serving(home, PORT, "--deployments", new) as served:
        wait_for(served, "new", expected=True)
        wait_for(served, "old", expected=False)
    with serving(home, PORT, "--deployments", old) as served:
        wait_for(served, "old", expected=True)
        wait_for(served, "new", expected=False)
