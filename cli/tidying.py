"""`teachset tidy`: house-keeping of a store, and what it came to.

data files: 31 instead of 412, 74.1 MB instead of 88.0 MB
"""

from pathlib import Path

from cli.prefect_server import prefect_server
from cli.project import read_recipe


def tidy(path: Path | None, *, orphans: bool) -> None:
    """Tidy the store of a recipe as a flow run and say what changed."""
    recipe = read_recipe(path)
    with prefect_server():
        from flows.tidy import tidy as tidy_flow

        done = tidy_flow(recipe, orphans=orphans)
    before, after = done.before, done.after
    print(
        f"data files: {after.files:,} instead of {before.files:,}, "
        f"{after.bytes / 1e6:,.1f} MB instead of {before.bytes / 1e6:,.1f} MB"
    )
    print(f"snapshots: {after.snapshots:,} instead of {before.snapshots:,}")
    if done.bodies:
        print(f"raw bodies emptied: {done.bodies:,}")
    if done.orphans:
        print(f"files that no snapshot named, removed: {done.orphans:,}")
