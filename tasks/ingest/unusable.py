"""Unusable: a seed file of which not one row can be used is a mistake in the recipe, not in a row.

train.jsonl: none of its 900 rows can be used: pattern_not_found (898 of them), no "####" in …
"""

from tasks.errors import InputError
from tasks.ingest.files import find_files, tell_apart
from tasks.recipe import Recipe
from tasks.store import Store


def refuse_unusable_files(store: Store, recipe: Recipe) -> None:
    """Raise InputError if all rows of a seed file were set aside and no prompt is from it.

    To be called when the seeds were read: the rows are in `quarantine`, each with its reason.
    """
    found = [(source, file) for source in recipe.seeds for file in find_files(source)]
    uris = sorted({file.uri for _, file in tell_apart(found)})
    for row in store.query("ingest_unusable_files", uris=uris).iter_rows(named=True):
        raise InputError(
            f"{row['uri']}: none of its {row['rows_read']:,} rows can be used: {row['reason']} "
            f"({row['rows']:,} of them), {row['detail']}. Mend the file or what the recipe says of "
            "it; all reasons are in the table `quarantine`"
        )
