"""Spans of time and counts as people read them."""

from __future__ import annotations

_UNITS = ((1_000, "us"), (1_000_000, "ms"), (1_000_000_000, "s"))
_DIGITS = ((2, 9.995), (1, 99.95), (0, 999.5))  # digits after the point, for values below


def duration(ns: int) -> str:
    """A span to three digits or more: `850 ns`, `4.00 us`, `20.1 us`, `1.21 ms`, `75.3 s`, `4000 s`."""
    if abs(ns) < 1_000:
        return f"{ns} ns"
    for scale, unit in _UNITS:
        for digits, edge in _DIGITS:
            if abs(ns) < edge * scale:
                return f"{ns / scale:.{digits}f} {unit}"
    return f"{ns / 1_000_000_000:.0f} s"


def seconds(ns: int) -> str:
    """A span in seconds, exact to the microsecond: `+1.002010 s`."""
    sign, ns = ("-", -ns) if ns < 0 else ("+", ns)
    return f"{sign}{ns // 1_000_000_000}.{ns % 1_000_000_000 // 1000:06d} s"


def count(number: int, noun: str) -> str:
    """A number of things: `1 packet`, `1,000 packets`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
