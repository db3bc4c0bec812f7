"""Licences: what may be released at all, decided before a teacher is paid for it.

prompt_id  licences               refused
9f2c…      [MIT, cc-by-nc-4.0]    cc-by-nc-4.0
"""

import polars as pl

from tasks.recipe import LicenceSettings
from tasks.store import Store

_NAMES = pl.List(pl.String)
_ROWS_AT_A_TIME = 50_000


def find_refused(licences: pl.Expr, settings: LicenceSettings) -> pl.Expr:
    """Return the first licence of a list that is refused or not allowed, else null.

    A seed that came with several licences needs every one of them: nobody knows which set copied
    from which. A source may name several itself, with commas between them. A seed without any
    source has the licence `unknown`.
    """
    if not settings.allow and not settings.refuse:
        return pl.lit(None, dtype=pl.String)
    name = pl.element().str.strip_chars().str.to_lowercase()
    parts = name.str.replace_all(r"\s*,\s*", ",").str.split(",")
    refused = pl.lit([licence.strip().lower() for licence in settings.refuse], _NAMES)
    forbidden = name.is_in(refused) | (parts.list.set_intersection(refused).list.len() > 0)
    if settings.allow:
        allowed = pl.lit([licence.strip().lower() for licence in settings.allow], _NAMES)
        missing = parts.list.set_difference(allowed).list.len() > 0
        forbidden = forbidden | (missing & ~name.is_in(allowed))
    known = licences.fill_null(pl.lit(["unknown"]))
    return known.list.eval(pl.element().filter(forbidden)).list.first()


def list_refused(store: Store, settings: LicenceSettings) -> pl.Series:
    """Return the ids of the prompts whose licences are refused."""
    names = [pl.Series("prompt_id", [], pl.String)]
    if settings.allow or settings.refuse:
        refused = find_refused(pl.col("licences"), settings).is_not_null()
        rows = store.stream("select_licences", _ROWS_AT_A_TIME)
        names += [part.filter(refused)["prompt_id"] for part in rows]
    return pl.concat(names)
