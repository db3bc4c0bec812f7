"""`teachset review`: keys that nobody may believe, out to people and back."""

from pathlib import Path

from cli.project import read_recipe
from tasks.errors import InputError
from tasks.review import export_reviews, import_reviews
from tasks.run import recorded_run
from tasks.store import open_store


def review(
    recipe: Path | None, out: Path | None, back: Path | None, reviewer: str | None, *, force: bool
) -> str:
    """Export or import and return what to tell.

    Raises InputError unless exactly one is asked, and for a file that is there already: people may
    have filled it in.
    """
    if (out is None) == (back is None):
        raise InputError("review: say either --export FILE or --import FILE")
    if out is not None and out.exists() and not force:
        raise InputError(f"{out}: is there already; --force replaces it and what was filled in")
    loaded = read_recipe(recipe)
    if out is not None:
        count = export_reviews(open_store(loaded.store, migrate=False), out)
        return f"{out}: {count:,} prompts need a review"
    assert back is not None
    with recorded_run(loaded, "review") as run_id:
        done = import_reviews(open_store(loaded.store), back, reviewer, run_id)
    told = (
        f"{back}: {done.taken:,} answers taken, {done.new:,} of them new; {done.blank:,} left "
        f"blank, {done.quarantined:,} quarantined"
    )
    if not done.reasons:
        return told
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in done.reasons.items())
    return f"{told}: {reasons} (the table `quarantine` says what is wrong with each)"
