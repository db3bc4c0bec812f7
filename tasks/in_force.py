"""In force: the policy that runs go by and the release that a recipe's `latest` leads to.

    what     recipe      id                    created_at
    policy   null        teachable@4d96c1f2…   2026-11-30 02:00:11+00
    release  quickstart  70425c2ab16a          2026-11-30 02:01:40+00

Who takes a setting back comes back to decisions and to a release that are in the store already, so
nothing else tells that they are the ones that count again.
"""

from typing import Literal

import polars as pl

from tasks.store import Store


def note_in_force(
    store: Store,
    what: Literal["policy", "release"],
    name: str,
    run_id: str,
    recipe: str | None = None,
) -> None:
    """Note what a run goes by or ended on; nothing is added if it is what was noted last."""
    row = pl.DataFrame([{"what": what, "recipe": recipe, "id": name}])
    store.append("in_force", row.cast(pl.String), run_id=run_id)
