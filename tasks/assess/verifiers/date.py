"""Dates: the same day, month or year in any spelling; what has two readings is not guessed.

>>> check("1776-07-04", "July 4th, 1776"), check("2024-03-04", "03/04/2024")
(('correct', 'same_date'), ('unverifiable', 'ambiguous'))

A text is read as every date that it can be. The answer is right if all readings of both sides agree
and wrong if none do. Libraries such as dateutil guess an order and fill in what is not said.
"""

import calendar
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from tasks.assess.extract import strip_wrappers
from tasks.assess.verifiers import Outcome

NAME = "date"
VERSION = 4
LONGEST = 60
_MONTHS = {
    name.lower(): number
    for names in (calendar.month_name, calendar.month_abbr, ("",) * 9 + ("Sept",))
    for number, name in enumerate(names)
    if name
}
_WEEKDAYS = {
    name.lower(): number
    for names in (calendar.day_name, calendar.day_abbr)
    for number, name in enumerate(names)
}
_ERA = re.compile(
    r"\s*\b(?P<before>b\.?\s?c\.?(?:\s?e\.?)?)$|\s*\b(?P<after>a\.?\s?d\.?|c\.?\s?e\.?)$"
)
_NOISE = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b|[,]|\b(?:of|the|on|year|in)\b")
_RAISED = re.compile("[⁰¹²³⁴-⁹]")
_WEEKDAY = re.compile(rf"^(?P<day>{'|'.join(_WEEKDAYS)})\b\.?\s*")
_MONTH = rf"(?P<name>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_NAMED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_MONTH}\s*(?P<day>\d{{1,2}})\s+(?P<year>\d{{1,4}})",
        rf"(?P<day>\d{{1,2}})[\s-]*{_MONTH}[\s-]*(?P<year>\d{{1,4}})",
        rf"(?P<year>\d{{3,4}})[\s-]+{_MONTH}[\s-]+(?P<day>\d{{1,2}})",
        rf"{_MONTH}\s+(?P<year>\d{{3,4}})",
        rf"{_MONTH}\s+(?P<day>\d{{1,2}})",
        rf"(?P<day>\d{{1,2}})\s+{_MONTH}",
    )
)
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})(?:\2(?P<day>\d{1,2}))?")
_NUMERIC = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?")


class Date(NamedTuple):
    """What a text says of a date; `time` is hour, minute, second, and `zoned` whether it is UTC."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    time: tuple[int, int, float] | None = None
    zoned: bool | None = None


def check(key: str, answer: str) -> Outcome:
    """Compare every reading of the answer with every reading of the key."""
    if key == answer:
        return Outcome("correct", "identical")
    wanted, found = read_dates(key), read_dates(answer)
    if not wanted:
        return Outcome("unverifiable", "key_not_read")
    if not found:
        return Outcome("wrong", "no_date")
    outcomes = {_compare(*pair) for pair in product(wanted, found)}
    if len(outcomes) == 1:
        return outcomes.pop()
    if all(outcome.verdict == "wrong" for outcome in outcomes):
        return Outcome("wrong", "other_date")
    return Outcome("unverifiable", "ambiguous")


@lru_cache(maxsize=65_536)
def read_dates(text: str) -> frozenset[Date]:
    """Return every date that a text can mean, and none if it is no date or holds more than one."""
    if not any(character.isdecimal() for character in text) or len(text) > LONGEST:
        return frozenset()
    if _RAISED.search(text):  # `10²` is no year 102.
        return frozenset()
    plain = unicodedata.normalize("NFKC", strip_wrappers(text)).strip().strip("$").strip()
    plain = re.sub("[\u2010-\u2015\u2212]", "-", plain)
    if _MOMENT.fullmatch(plain):
        return frozenset(_read_moment(plain))
    plain = " ".join(_NOISE.sub(" ", plain.lower()).split()).removesuffix(".")
    weekday = _WEEKDAY.match(plain)
    plain = plain[weekday.end() :] if weekday else plain
    era = _ERA.search(plain)
    plain = plain[: era.start()].strip() if era else plain.removeprefix("ad ").strip()
    sign = -1 if era and era["before"] else 1
    found = (
        each._replace(year=each.year * sign if each.year is not None else None)
        for each in _read_plain(plain, has_era=era is not None)
    )
    return frozenset(
        each
        for each in found
        if _exists(each) and (not weekday or _is_weekday(each, _WEEKDAYS[weekday["day"]]))
    )


def _read_plain(plain: str, *, has_era: bool) -> Iterator[Date]:
    for pattern in _NAMED:
        if match := pattern.fullmatch(plain):
            said = match.groupdict()
            year, day = (int(said[name]) if said.get(name) else None for name in ("year", "day"))
            named = Date(year, _MONTHS[said["name"]], day)
            # `July 76` may be a year of this or another century, `May 4 05` is no year 5.
            yield from _centuries(named, match) if not has_era else (named,)
            return
    if match := _YEAR_FIRST.fullmatch(plain):
        yield Date(int(match["year"]), int(match["month"]), int(match["day"] or 0) or None)
    elif match := _NUMERIC.fullmatch(plain):
        yield from _read_numeric(int(match[1]), int(match[3]), match[4])
    elif re.fullmatch(r"\d{1,4}" if has_era else r"[1-9]\d{2,3}", plain):
        yield Date(int(plain))


def _centuries(named: Date, match: re.Match[str]) -> Iterator[Date]:
    if named.year is not None and len(match["year"]) == 2:
        yield named._replace(year=1900 + named.year)
        yield named._replace(year=2000 + named.year)
    else:
        yield named


def _read_numeric(first: int, second: int, last: str) -> Iterator[Date]:
    """Read 03/04/2024 in both orders; with two digits of a year in both centuries, or it first."""
    years = (int(last),) if len(last) == 4 else (1900 + int(last), 2000 + int(last))
    for year in years:
        yield Date(year, first, second)
        yield Date(year, second, first)
    if len(last) == 2:
        for century in (1900, 2000):
            yield Date(century + first, second, int(last))


def _read_moment(text: str) -> Iterator[Date]:
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment.tzinfo is not None
        moment = moment.astimezone(UTC) if zoned else moment
    except (ValueError, OverflowError):
        return
    time = (moment.hour, moment.minute, moment.second + moment.microsecond / 1e6)
    yield Date(moment.year, moment.month, moment.day, time, zoned)


def _compare(key: Date, answer: Date) -> Outcome:
    """Compare what both say; less than the key says is wrong, more can not be checked."""
    if key.time and answer.time and key.zoned != answer.zoned:
        return Outcome("unverifiable", "time_zone")
    pairs = list(zip(key, answer, strict=True))
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        return Outcome("wrong", "other_date")
    if any(said is None and wanted is not None for wanted, said in pairs):
        return Outcome("wrong", "less_precise")
    if any(wanted is None and said is not None for wanted, said in pairs):
        return Outcome("unverifiable", "more_precise")
    return Outcome("correct", "same_date")


def _exists(said: Date) -> bool:
    if said.month is None:
        return said.year != 0
    if not 1 <= said.month <= 12 or said.year == 0:
        return False
    year = said.year if said.year is not None and said.year > 0 else 2000
    return said.day is None or 1 <= said.day <= calendar.monthrange(year, said.month)[1]


def _is_weekday(said: Date, weekday: int) -> bool:
    """A date that is said to be another day of the week than it is, is none."""
    if said.year is None or said.month is None or said.day is None or said.year < 1:
        return True
    return date(said.year, said.month, said.day).weekday() == weekday
