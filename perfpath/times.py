"""Points in time as people write them, and as the recording counts them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from perfpath.errors import UsageError

if TYPE_CHECKING:
    from perfpath.readers.recording import Info

UNITS: dict[str, int] = {
    "": 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
    "m": 60 * 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?\s*([a-z]*)", re.ASCII)

FINER = re.compile(r":\d\d[.,]\d{6}(\d{1,3})(?!\d)", re.ASCII)


def nanoseconds(text: str) -> int:
    """A duration or a count of perf seconds, exactly: "1.5s", "-200ms", "4843.359673".

    Raises UsageError for anything else.
    """
    match = NUMBER.fullmatch(text.strip())
    if not match or match[4] not in UNITS:
        raise UsageError(f"{text!r} is not a time span: write a number with s, ms, us, ns, min or h, such as 200ms")
    sign, whole, fraction, unit = match.groups(default="")
    scale: int = 10 ** len(fraction)
    value = int(whole + fraction) * UNITS[unit] // scale
    return -value if sign == "-" else value


def moment(text: str, info: Info) -> int:
    """A point in time on the recording's clock, in ns.

    text: perf seconds ("4843.359"), relative to the first event ("+1.5s") or to the last ("-200ms"), or a wall-clock
    time in any form dateutil reads (in the local time zone and of the recording's day where it names none).
    Raises UsageError where the text is none of these, or the recording can't tell wall-clock time or its end.
    """
    text = text.strip()
    if NUMBER.fullmatch(text) and (text[0] in "+-" or not text.isdigit() or len(text) < 8):
        span = nanoseconds(text)
        if text[0] == "+":
            return _known(info.first_ns, text, "beginning") + span
        if text[0] == "-":
            return _known(info.last_ns, text, "end") + span
        return span
    return _wall(text, info)


def _known(edge: int | None, text: str, which: str) -> int:
    if edge is None:
        raise UsageError(
            f"{text!r} counts from the recording's {which}, which isn't known while it is read as a stream"
        )
    return edge


def _wall(text: str, info: Info) -> int:
    when = _read(text, info)
    if info.wall_offset_ns is None:
        raise UsageError(
            f"{text!r} is a wall-clock time, and this recording doesn't say when its clock started "
            "(perf record -k CLOCK_MONOTONIC does): use perf seconds, or +SPAN from the beginning"
        )
    span = when.astimezone() - datetime(1970, 1, 1, tzinfo=UTC)
    finer = FINER.search(text)  # than dateutil reads
    rest = int(finer[1].ljust(3, "0")) if finer else 0
    whole = (span.days * 86400 + span.seconds) * 10**9 + span.microseconds * 1000
    return whole + rest - info.wall_offset_ns


def _read(text: str, info: Info) -> datetime:
    """What dateutil reads, of the day the recording begins where it names none."""
    from dateutil import parser

    begins = ((info.first_ns or 0) + info.wall_offset_ns) // 10**9 if info.wall_offset_ns is not None else 0
    day = datetime.fromtimestamp(begins, UTC).astimezone().replace(tzinfo=None, hour=0, minute=0, second=0)
    try:
        with catch_warnings():
            simplefilter("error", parser.UnknownTimezoneWarning)
            when = parser.parse(text, default=day)
            if when.tzinfo is not None:
                day = datetime.fromtimestamp(begins, when.tzinfo).replace(tzinfo=None, hour=0, minute=0, second=0)
                when = parser.parse(text, default=day)
    except parser.UnknownTimezoneWarning as error:
        raise UsageError(
            f"{text!r} names a time zone that is not known here: write its offset, such as +01:00"
        ) from error
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is no time: write perf seconds (4843.359), +1.5s from the beginning, -200ms from the end, "
            "or a date and time"
        ) from error
    return when


def iso8601(time_ns: int, wall_offset_ns: int) -> str:
    """A time of the recording as local ISO 8601 with zone and nine digits: 2026-11-22T23:49:05.000000001+00:00."""
    seconds, rest = divmod(time_ns + wall_offset_ns, 10**9)
    when = datetime.fromtimestamp(seconds, UTC).astimezone()
    zone = when.strftime("%z")
    return f"{when:%Y-%m-%dT%H:%M:%S}.{rest:09d}{zone[:3]}:{zone[3:5]}"
