"""The notebook runs on a store and draws what is in it."""

import pytest

from tasks.store import Store, close_stores
from tests.conftest import MakeRecipe
from tests.taught_store import fill, taught


@pytest.mark.slow
def test_the_notebook_draws_what_the_store_holds(
    store: Store, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("marimo")
    from notebooks.store import app

    fill(store, taught("a", correct=4, wrong=4), taught("b", correct=8, wrong=0))
    close_stores()
    recipe = make_recipe()
    file = recipe.store.catalog + ".recipe.json"
    with open(file, "w", encoding="utf-8") as written:
        written.write(recipe.model_dump_json(exclude_defaults=True))
    monkeypatch.setenv("TEACHSET_RECIPE", file)
    _, found = app.run()
    rates = found["rates"].select("domain", "pass_rate_from", "prompts")
    assert rates.rows() == [("math", 0.5, 1), ("math", 1.0, 1)]
    assert found["domains"]["domain"].to_list() == ["math"]
    (drawn,) = found["rates_chart"].to_dict()["datasets"].values()
    assert [(row["pass_rate_from"], row["prompts"]) for row in drawn] == [(0.5, 1), (1.0, 1)]
    for chart in ("funnel_chart", "spend_chart"):
        found[chart].to_dict()  # Checked against Vega-Lite's schema.
