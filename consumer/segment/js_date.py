"""V8's ``new Date(text)``: which instant a text is, if any.

V8 first tries ISO 8601 as ECMAScript has it. Where the text leaves that form before a ``T``, it goes on with what it
has read in a lenient way of its own, which is old and no standard: numbers are collected as day and time parts, month
names and time zones are known by their first letters, words before the first number and text in parentheses are
ignored. Hence "foo 12" is a date (the first of December 2001) and "yesterday" is none.

Theory of operation: the text is cut into tokens once, left to right; `_Reader` holds the parts found so far; `_iso` and
`_lenient` feed it; `_Reader.instant` joins the parts and asks whether that is within ECMAScript's range. Time is
linear in the text. The local time zone is UTC, as on Segment's machines.

Source: V8's ``src/date/dateparser`` (behaviour; checked against Node 20 by the differential test).
"""

from __future__ import annotations

from datetime import date

from consumer.segment.js_date_tokens import END, MOST_DIGITS, NUMBER, SPACE, SYMBOL, WORD, Token, tokens

MAX_MILLISECONDS = 8.64e15
"""ECMAScript's dates reach this far to either side of 1970."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
        start=1,
    )
}
_ZONE_HOURS = {
    "ut": 0,
    "utc": 0,
    "z": 0,
    "gmt": 0,
    "cdt": -5,
    "cst": -6,
    "edt": -4,
    "est": -5,
    "mdt": -6,
    "mst": -7,
    "pdt": -7,
    "pst": -8,
}
_HALF_DAYS = {"am": 0, "pm": 12}


class _InvalidError(Exception):
    """The text is no date, whatever follows."""


def is_engine_date(text: str) -> bool:
    """Whether V8's ``Date`` reads ``text`` as an instant it can hold."""
    return instant(text) is not None


def instant(text: str) -> int | None:
    """Milliseconds since 1970 that V8's ``Date`` reads in ``text``; None where it reads no instant it can hold."""
    try:
        reader = _Reader(text)
        rest = _iso(reader)
        if rest is not None:
            _lenient(reader, rest)
        return reader.instant()
    except _InvalidError:
        return None


class _Reader:
    """The tokens with one of lookahead, and the parts of a date found so far."""

    def __init__(self, text: str) -> None:
        self._source = tokens(text)
        self.peek = next(self._source)
        self.iso = False
        self.days: list[int] = []  # at most 3: year, month, day in some order
        self.month: int | None = None  # by name
        self.times: list[int] = []  # at most 4: hour, minute, second, millisecond
        self.half_day: int | None = None
        self.zone_sign = 0  # 0: no zone
        self.zone_hour: int | None = None
        self.zone_minute: int | None = None

    def next(self) -> Token:
        token, self.peek = self.peek, next(self._source)
        return token

    def skip(self, symbol: str) -> bool:
        if self.peek.kind == SYMBOL and self.peek.text == symbol:
            self.next()
            return True
        return False

    def add_day(self, number: int) -> None:
        if len(self.days) == 3:
            raise _InvalidError
        self.days.append(number)

    def add_time(self, number: int) -> None:
        if len(self.times) == 4:
            raise _InvalidError
        self.times.append(number)

    def end_time(self, number: int) -> None:
        self.times = [*self.times, number, 0, 0, 0][:4]

    def set_zone(self, hours: int) -> None:
        self.zone_sign = -1 if hours < 0 else 1
        self.zone_hour, self.zone_minute = abs(hours), 0

    def expects_zone_minute(self, number: int) -> bool:
        return self.zone_hour is not None and self.zone_minute is None and number <= 59

    def expects_time(self, number: int) -> bool:
        return 1 <= len(self.times) <= 3 and number <= (59, 59, 999)[len(self.times) - 1]

    def instant(self) -> int | None:
        """Milliseconds since 1970, or None."""
        days, milliseconds, offset = self._civil(), self._milliseconds(), self._offset()
        if days is None or milliseconds is None or offset is None:
            return None
        since_1970 = (days * 86_400 - offset) * 1000 + milliseconds
        return since_1970 if abs(since_1970) <= MAX_MILLISECONDS else None

    def _civil(self) -> int | None:
        """Days since 1970, or None."""
        if not self.days:
            return None
        first, second, third = [*self.days, 1, 1][:3]
        if self.month is not None:
            year, month, day = (second, self.month, first) if 1 <= first <= 31 else (first, self.month, second)
        elif self.iso or not 1 <= first <= 31:
            year, month, day = first, second, third
        else:
            year, month, day = third, first, second
        if not self.iso and 0 <= year <= 99:
            year += 2000 if year <= 49 else 1900
        if not (1 <= month <= 12 and 1 <= day <= 31) or abs(year) > 1_000_000:
            return None
        # The calendar repeats every 400 years of 146,097 days; a day past the month's end runs on into the next.
        cycles, year = divmod(year - 1600, 400)
        return date(1600 + year, month, 1).toordinal() + day - 1 + cycles * 146_097 - date(1970, 1, 1).toordinal()

    def _milliseconds(self) -> int | None:
        """Milliseconds since midnight, or None."""
        hour, minute, second, millisecond = [*self.times, 0, 0, 0, 0][:4]
        if self.half_day is not None:
            if hour > 12:
                return None
            hour = hour % 12 + self.half_day
        in_range = hour <= 23 and minute <= 59 and second <= 59 and millisecond <= 999
        if not in_range and (hour, minute, second, millisecond) != (24, 0, 0, 0):
            return None
        return (hour * 3600 + minute * 60 + second) * 1000 + millisecond

    def _offset(self) -> int | None:
        """Seconds east of Greenwich, 0 where there is no zone, or None where V8's 32-bit sum is out of range."""
        if not self.zone_sign:
            return 0
        seconds = ((self.zone_hour or 0) * 3600 + (self.zone_minute or 0) * 60) % 2**32
        return None if seconds >= 2**31 else self.zone_sign * seconds


def _iso(reader: _Reader) -> Token | None:
    """Read ECMAScript's ISO 8601 form: None where the text is that; else the token the lenient reading begins with."""
    if reader.peek.kind == SYMBOL and reader.peek.text in "+-":
        sign = reader.next()
        if not reader.peek.has_digits(6) or (sign.text == "-" and reader.peek.number == 0):
            # V8 has taken the number already where it finds "-000000": it is gone.
            if reader.peek.has_digits(6):
                reader.next()
            return sign
        year = reader.next().number
        reader.add_day(-year if sign.text == "-" else year)
    elif reader.peek.has_digits(4):
        reader.add_day(reader.next().number)
    else:
        return reader.next()
    for last in (12, 31):
        if not reader.skip("-"):
            break
        if not reader.peek.two_digits_within(1, last):
            return reader.next()
        reader.add_day(reader.next().number)
    if reader.peek.kind == WORD and reader.peek.text in ("T", "t"):
        reader.next()
        _iso_time(reader)
    elif reader.peek.kind != END:
        return reader.next()
    reader.iso = True
    return None


def _iso_time(reader: _Reader) -> None:
    """``HH:mm[:ss[.sss]][Z|(+|-)hh[:]mm]``, to the end of the text; past a ``T`` there is no way back."""
    hour = _two_digits(reader, 24)
    midnight = hour == 24  # the end of the day: everything after it is zero
    reader.add_time(hour)
    _colon(reader)
    reader.add_time(_two_digits(reader, 0 if midnight else 59))
    if reader.skip(":"):
        reader.add_time(_two_digits(reader, 0 if midnight else 59))
        if reader.skip("."):
            if reader.peek.kind != NUMBER or (midnight and reader.peek.number > 0):
                raise _InvalidError
            reader.add_time(_milliseconds(reader.next()))
    if reader.peek.kind == WORD and reader.peek.text in ("Z", "z"):
        reader.next()
        reader.set_zone(0)
    elif reader.peek.kind == SYMBOL and reader.peek.text in "+-":
        reader.zone_sign = -1 if reader.next().text == "-" else 1
        if reader.peek.has_digits(4):
            reader.zone_hour, reader.zone_minute = divmod(reader.next().number, 100)
            if reader.zone_hour > 23 or reader.zone_minute > 59:
                raise _InvalidError
        else:
            reader.zone_hour = _two_digits(reader, 23)
            _colon(reader)
            reader.zone_minute = _two_digits(reader, 59)
    if reader.peek.kind != END:
        raise _InvalidError


def _two_digits(reader: _Reader, most: int) -> int:
    if not reader.peek.two_digits_within(0, most):
        raise _InvalidError
    return reader.next().number


def _colon(reader: _Reader) -> None:
    if not reader.skip(":"):
        raise _InvalidError


def _milliseconds(token: Token) -> int:
    """The first three digits of a fraction of a second as V8 takes them: from the number, so zeros may be lost."""
    digits = min(len(token.text), MOST_DIGITS)
    return int(token.number * 1000 // 10**digits)


def _lenient(reader: _Reader, token: Token) -> None:
    """Read the rest as V8's old reading does."""
    number_seen = bool(reader.days)
    while token.kind != END:
        if token.kind == NUMBER:
            number_seen = True
            _lenient_number(reader, token.number)
        elif token.kind == WORD:
            _lenient_word(reader, token.text, number_seen=number_seen)
        elif token.kind == SYMBOL and token.text in "+-" and _zone_may_follow(reader):
            number_seen = True
            _lenient_zone(reader, token.text)
        elif token.kind == SYMBOL and token.text in "+-)" and number_seen:
            raise _InvalidError
        token = reader.next()


def _zone_may_follow(reader: _Reader) -> bool:
    return bool(reader.times) or (reader.zone_hour == 0 and reader.zone_minute == 0)


def _lenient_number(reader: _Reader, number: int) -> None:
    if reader.skip(":"):
        if reader.skip(":"):
            if reader.times:
                raise _InvalidError
            reader.times += [number, 0]
        else:
            reader.add_time(number)
            reader.skip(".")
    elif reader.skip(".") and reader.expects_time(number):
        reader.add_time(number)
        if reader.peek.kind != NUMBER:
            raise _InvalidError
        reader.end_time(_milliseconds(reader.next()))
    elif reader.expects_zone_minute(number):
        reader.zone_minute = number
    elif reader.expects_time(number):
        reader.end_time(number)
        after = reader.peek
        if not (
            after.kind in (END, SPACE)
            or (after.kind == WORD and after.text in ("Z", "z"))
            or (after.kind == SYMBOL and after.text in "+-")
        ):
            raise _InvalidError
    else:
        reader.add_day(number)
        reader.skip("-")


def _lenient_word(reader: _Reader, word: str, *, number_seen: bool) -> None:
    # Only ASCII letters have a lower case here: a Kelvin sign is no "k".
    name = word.lower() if word[:3].isascii() else word
    if name in _HALF_DAYS and reader.times:
        reader.half_day = _HALF_DAYS[name]
    elif name[:3] in _MONTHS:
        reader.month = _MONTHS[name[:3]]
        reader.skip("-")
    elif name in _ZONE_HOURS and number_seen:
        reader.set_zone(_ZONE_HOURS[name])
    elif number_seen or reader.peek.kind == NUMBER:
        # Any word but these ends it after a number; before one, something has to stand between.
        raise _InvalidError


def _lenient_zone(reader: _Reader, sign: str) -> None:
    """The offset after a sign: ``h``, ``hh``, ``hmm``, ``hhmm`` or ``hh:`` with the minutes to come; may be empty."""
    reader.zone_sign = -1 if sign == "-" else 1
    offset = reader.next() if reader.peek.kind == NUMBER else Token(NUMBER)
    digits = len(offset.text)
    if reader.peek.kind == SYMBOL and reader.peek.text == ":":
        reader.zone_hour, reader.zone_minute = offset.number, None
    elif digits in (1, 2):
        reader.zone_hour, reader.zone_minute = offset.number, 0
    elif digits in (3, 4):
        reader.zone_hour, reader.zone_minute = divmod(offset.number, 100)
    else:
        raise _InvalidError
