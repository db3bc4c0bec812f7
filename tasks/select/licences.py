"""Licences: what may be released at all, decided before a teacher is paid for it.

prompt_id  licences               refused
9f2c…      [MIT, cc-by-nc-4.0]    cc-by-nc-4.0
"""

import polars as pl

from tasks.recipe import LicenceSettings


def find_refused(licences: pl.Expr, settings: LicenceSettings) -> pl.Expr:
    """Return the first licence of a list that is refused or not allowed, else null.

    A seed that came with several licences needs every one of them: nobody knows which set copied
    from which. A seed without any source has the licence `unknown`.
    """
    if not settings.allow and not settings.refuse:
        return pl.lit(None, dtype=pl.String)
    name = pl.element().str.strip_chars().str.to_lowercase()
    forbidden = name.is_in([refused.strip().lower() for refused in settings.refuse])
    if settings.allow:
        forbidden = forbidden | ~name.is_in([allowed.strip().lower() for allowed in settings.allow])
    known = licences.fill_null(pl.lit(["unknown"]))
    return known.list.eval(pl.element().filter(forbidden)).list.first()
