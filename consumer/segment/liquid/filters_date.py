"""Filters that write dates, after Ruby's ``strftime``, in English and in UTC unless a zone is named.

Text is read as V8 reads dates, numbers are Unix seconds; what is no date stays as it is. The word "now" fails: what a
mapping makes of an event must not depend on when it is run.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from consumer.segment import js_date
from consumer.segment.js import UNDEFINED
from consumer.segment.liquid.values import (
    Context,
    Drop,
    LiquidError,
    is_number,
    number_of,
    plain,
    stringify,
    text_of,
    weight,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFAULT_FORMAT: Final = "%A, %B %-e, %Y at %-l:%M %P %z"
_DIRECTIVE = re.compile("%([-_0^#:]+)?([0-9]+)?([EO])?([^\n\r\u2028\u2029])")
_DIGITS = re.compile("[0-9]+")
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS: Final = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905 - as a list it takes 14 lines
)
_WIDTHS: Final = {**dict.fromkeys("CdeHIklmMSUWy", 2), "j": 3, "L": 3, "Y": 4}
_PADDED_WITH_SPACES: Final = frozenset("aAbBceklpP")
_READING_WORK: Final = 15
_CYCLE_YEARS: Final = 400
_CYCLE: Final = timedelta(days=146_097)
"""The calendar repeats: years that Python's dates cannot hold are moved by whole cycles and moved back when written."""


class _Moment(Struct, frozen=True):
    """An instant as it is shown.

    Attributes:
        shown: the wall clock's reading, moved by ``cycles`` of 400 years.
        milliseconds: since 1970, in UTC.
        offset: minutes to the *west* of Greenwich, as JavaScript counts.
        zone: the zone's name, "" where only its offset is known.
    """

    shown: datetime
    cycles: int
    milliseconds: float
    offset: float
    zone: str

    @property
    def year(self) -> int:
        return self.shown.year + self.cycles * _CYCLE_YEARS

    @property
    def weekday(self) -> int:
        """0 is Sunday."""
        return self.shown.isoweekday() % 7

    @property
    def day_of_year(self) -> int:
        return self.shown.timetuple().tm_yday

    def week(self, first_day: int) -> int:
        """Weeks of the year that have begun; days before the first ``first_day`` are week 0."""
        return (self.day_of_year - 1 - (self.weekday - first_day) % 7 + 7) // 7

    def offset_text(self, colon: str) -> str:
        """``+0100``."""
        hours, minutes = divmod(abs(self.offset), 60)
        return f"{'-' if self.offset > 0 else '+'}{int(hours):02d}{colon}{text_of(minutes).rjust(2, '0')}"


def _moment(value: Any, zone: Any) -> _Moment | None:
    """What is to be shown, None where the value is no date."""
    value = plain(value)
    if value is None or value is UNDEFINED:
        return None
    if value in ("now", "today"):
        raise LiquidError(f'"{value}" is no date here: what is made of an event must not depend on when it is run')
    milliseconds = _milliseconds(value)
    if milliseconds is None or abs(milliseconds) > js_date.MAX_MILLISECONDS:
        return None
    offset, name = _zone(zone, milliseconds)
    local = milliseconds - offset * 60_000
    if not abs(local) <= js_date.MAX_MILLISECONDS:
        return None
    cycles, shown = _calendar(local)
    return _Moment(shown, cycles, milliseconds, offset, name)


def _calendar(milliseconds: float) -> tuple[int, datetime]:
    """An instant as whole cycles of the calendar and what is left of them, as Python's dates can hold it."""
    days, rest = divmod(math.trunc(milliseconds), 86_400_000)
    cycles, days = divmod(days, _CYCLE.days)
    return cycles, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days, milliseconds=rest)


def _milliseconds(value: Any) -> float | None:
    if is_number(value) or (isinstance(value, str) and _DIGITS.fullmatch(value)):
        number = number_of(value) * 1000
    elif isinstance(value, bool):
        number = float(value)
    else:
        return None if isinstance(value, Drop) else js_date.instant(text_of(value))
    return float(math.trunc(number)) if math.isfinite(number) else None


def _zone(zone: Any, milliseconds: float) -> tuple[float, str]:
    """Minutes west of Greenwich and the name to print."""
    if zone is UNDEFINED or zone is None:
        return 0, "UTC"
    if not isinstance(zone, str):
        minutes = number_of(zone)
        return (math.nan if math.isnan(minutes) else minutes), ""
    try:
        cycles, instant = _calendar(milliseconds)
        # Before there were zones each place had its own time: any early year stands for all of them.
        instant = instant if cycles >= 0 else datetime(1600, 1, 1, tzinfo=UTC)
        offset = instant.astimezone(ZoneInfo(zone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError, OverflowError, OSError):
        raise LiquidError("date: the time zone is not known") from None
    return -(offset or timedelta()).total_seconds() / 60, zone


def _format(context: Context, moment: _Moment, pattern: str) -> str:
    """``strftime``: directives with flags and a width; what is no directive stays."""

    def directive(found: re.Match[str]) -> str:
        flags, width, _, letter = found.groups("")
        convert = _CONVERSIONS.get(letter)
        if convert is None:
            return found[0]
        if len(width) > len(str(context.budget.left)):
            raise LiquidError("date: the width is too large")
        text = convert(moment, flags, int(width or 0))
        return _padded(context, text, letter, flags, int(width or 0) or _WIDTHS.get(letter, 0))

    return _DIRECTIVE.sub(directive, pattern)


def _padded(context: Context, text: str, letter: str, flags: str, width: int) -> str:
    if "^" in flags:
        text = text.upper()
    elif "#" in flags:
        text = text.upper() if re.search("[a-z]", text) else text.lower()
    filler = " " if letter in _PADDED_WITH_SPACES else "0"
    if "_" in flags:
        filler = " "
    elif "0" in flags:
        filler = "0"
    if "-" in flags:
        width = 0
    context.budget.use(width - len(text))
    if filler == "0" and text.startswith("-"):
        return "-" + text[1:].rjust(width - 1, filler)
    return text.rjust(width, filler)


def _ordinal(moment: _Moment) -> str:
    day = moment.shown.day
    return "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _hour12(moment: _Moment) -> int:
    return moment.shown.hour % 12 or 12


def _clock(moment: _Moment) -> str:
    return f"{_hour12(moment)}:{moment.shown:%M:%S} {_half(moment)}"


def _day(moment: _Moment) -> str:
    # There was no year 0: the year before 1 is written as 1 again, without its era.
    year = moment.year if moment.year > 0 else 1 - moment.year
    return f"{moment.shown.month}/{moment.shown.day}/{year}"


def _half(moment: _Moment) -> str:
    return "AM" if moment.shown.hour < 12 else "PM"


def _fraction(moment: _Moment, _flags: str, width: int) -> str:
    width = width or 9
    return f"{moment.shown.microsecond // 1000:03d}"[:width].ljust(width, "0")


def _number(get: Callable[[_Moment], object]) -> Callable[[_Moment, str, int], str]:
    return lambda moment, _flags, _width: str(get(moment))


def _offset(moment: _Moment, flags: str, _width: int) -> str:
    return moment.offset_text(":" if ":" in flags else "")


_CONVERSIONS: Final[dict[str, Callable[[_Moment, str, int], str]]] = {
    "a": _number(lambda moment: _DAYS[moment.weekday][:3]),
    "A": _number(lambda moment: _DAYS[moment.weekday]),
    "b": _number(lambda moment: _MONTHS[moment.shown.month - 1][:3]),
    "B": _number(lambda moment: _MONTHS[moment.shown.month - 1]),
    "c": _number(lambda moment: f"{_day(moment)}, {_clock(moment)}"),
    "C": _number(lambda moment: moment.year // 100),
    "d": _number(lambda moment: moment.shown.day),
    "e": _number(lambda moment: moment.shown.day),
    "h": _number(lambda moment: _MONTHS[moment.shown.month - 1][:3]),
    "H": _number(lambda moment: moment.shown.hour),
    "I": _number(_hour12),
    "j": _number(lambda moment: moment.day_of_year),
    "k": _number(lambda moment: moment.shown.hour),
    "l": _number(_hour12),
    "L": _number(lambda moment: moment.shown.microsecond // 1000),
    "m": _number(lambda moment: moment.shown.month),
    "M": _number(lambda moment: moment.shown.minute),
    "N": _fraction,
    "p": _number(_half),
    "P": _number(lambda moment: _half(moment).lower()),
    "q": _number(_ordinal),
    "s": _number(lambda moment: math.floor(moment.milliseconds / 1000)),
    "S": _number(lambda moment: moment.shown.second),
    "u": _number(lambda moment: moment.weekday or 7),
    "U": _number(lambda moment: moment.week(0)),
    "w": _number(lambda moment: moment.weekday),
    "W": _number(lambda moment: moment.week(1)),
    "x": _number(_day),
    "X": _number(_clock),
    "y": _number(lambda moment: moment.year % 100),
    "Y": _number(lambda moment: moment.year),
    "z": _offset,
    "Z": lambda moment, flags, width: moment.zone or _offset(moment, flags, width),
    "t": _number(lambda _: "\t"),
    "n": _number(lambda _: "\n"),
    "%": _number(lambda _: "%"),
}


def _date(context: Context, value: Any, pattern: Any = UNDEFINED, zone: Any = UNDEFINED, *_: Any) -> Any:
    """``date: format, zone``; the zone is a name or minutes west of Greenwich."""
    _charge(context, value)
    moment = _moment(value, zone)
    if moment is None:
        return value
    pattern = plain(pattern)
    text = _DEFAULT_FORMAT if pattern is None or pattern is UNDEFINED else stringify(pattern)
    return _format(context, moment, text)


def _charge(context: Context, value: Any) -> None:
    """Reading a date costs several times what a character does."""
    context.budget.use(weight(value) * _READING_WORK)


def _fixed(pattern: str) -> Callable[..., Any]:
    def apply(context: Context, value: Any, *_: Any) -> Any:
        return _date(context, value, pattern)

    return apply


def _spoken(month: str) -> Callable[..., Any]:
    """``15 Jan 2024``; with "ordinal" ``15th Jan 2024``, and with "US" beside it ``Jan 15th, 2024``."""

    def apply(context: Context, value: Any, kind: Any = UNDEFINED, style: Any = UNDEFINED, *_: Any) -> Any:
        _charge(context, value)
        moment = _moment(value, UNDEFINED)
        if moment is None:
            return value
        pattern = f"%d {month} %Y"
        if kind == "ordinal":
            day = moment.shown.day
            pattern = f"{month} {day}%q, %Y" if style == "US" else f"{day}%q {month} %Y"
        return _format(context, moment, pattern)

    return apply


DATE_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "date": _date,
    "date_to_long_string": _spoken("%B"),
    "date_to_rfc822": _fixed("%a, %d %b %Y %H:%M:%S %z"),
    "date_to_string": _spoken("%b"),
    "date_to_xmlschema": _fixed("%Y-%m-%dT%H:%M:%S%:z"),
}
