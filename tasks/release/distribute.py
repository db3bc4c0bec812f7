"""Distribute: a published release, brought to the targets that the recipe names.

target                place                                     files  uploaded
s3://sets/math        s3://sets/math/quickstart-3f9c01d2a4b7/   9      9
hf://our-lab/math     https://…/datasets/our-lab/math/tree/…    9      9

The folder is the release's home and comes first: whatever a target says, it stays. A target that
was reached is recorded in `publications`, and not asked again until there is another release.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.errors import PublishError
from tasks.identity import content_id
from tasks.progress import track
from tasks.recipe import PublishTarget, Recipe
from tasks.release.publish import Published
from tasks.release.targets.bucket import deliver_to_bucket
from tasks.release.targets.hub import deliver_to_hub
from tasks.release.targets.parcel import Delivery, Parcel, pack
from tasks.store import Store, open_store

_DELIVER: Mapping[str, Callable[[PublishTarget, Parcel], Delivery]] = {
    "s3": deliver_to_bucket,
    "hf": deliver_to_hub,
}


@dataclass(frozen=True, slots=True)
class Publication:
    """A release at one target, and whether this run brought it there."""

    target: str
    place: str
    new: bool


def distribute(
    store: Store, recipe: Recipe, run_id: str, published: Published
) -> tuple[Publication, ...]:
    """Bring a release to every target that lacks it; one that refuses does not hold up the others.

    Raises PublishError that names each target that was not reached, and why.
    """
    found: list[Publication] = []
    refused: list[str] = []
    parcel = cache(lambda: pack(published.folder, recipe.name, published.version))
    for target in recipe.release.publish:
        known = store.query("publications_of_target", **_identify(recipe, target))
        if not known.is_empty() and known["release_id"][0] == published.release_id:
            found.append(Publication(target.to, known["place"][0], new=False))
            continue
        try:
            delivery = _DELIVER[target.kind](target, parcel())
        except PublishError as error:
            refused.append(str(error))
            continue
        _record(store, recipe, run_id, target, parcel(), delivery)
        found.append(Publication(target.to, delivery.place, new=True))
    if refused:
        reasons = "\n  ".join(refused)
        raise PublishError(
            f"release {published.version} is in {published.folder}, but not everywhere it was to "
            f"be published; the next run continues with what is missing\n  {reasons}"
        )
    return tuple(found)


@task(task_run_name="publish-to-targets", cache_policy=NO_CACHE)
def distribute_release(
    recipe: Recipe, run_id: str, published: Published
) -> tuple[Publication, ...]:
    """Bring the release to the recipe's targets, if it names any."""
    if not recipe.release.publish:
        return ()
    with track("publish") as tracker:
        publications = distribute(open_store(recipe.store), recipe, run_id, published)
        tracker.advance(len(publications))
    return publications


def _identify(recipe: Recipe, target: PublishTarget) -> dict[str, str | None]:
    return {"target": target.to, "endpoint": target.endpoint, "recipe": recipe.name}


def _record(
    store: Store,
    recipe: Recipe,
    run_id: str,
    target: PublishTarget,
    parcel: Parcel,
    delivery: Delivery,
) -> None:
    row = {
        **_identify(recipe, target),
        "publication_id": content_id(
            "publication", target.to, target.endpoint, parcel.release_id, run_id
        ),
        "release_id": parcel.release_id,
        "place": delivery.place,
        "files": len(parcel.files),
        "uploaded": delivery.uploaded,
        "bytes_uploaded": delivery.bytes_uploaded,
    }
    frame = pl.DataFrame([row], schema_overrides={"endpoint": pl.String})
    store.append("publications", frame, run_id=run_id)
