"""Spans of time and counts as people read them."""

from __future__ import annotations

_UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"))


def duration(ns: int) -> str:
    """A span with three digits or more: `850 ns`, `4.00 us`, `20.1 us`, `1.21 ms`, `75.3 s`."""
    for scale, unit in _UNITS:
        if abs(ns) >= scale:
            value = ns / scale
            digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
            return f"{value:.{digits}f} {unit}"
    return f"{ns} ns"


def seconds(ns: int) -> str:
    """A span in seconds, exact to the microsecond: `+1.002010 s`."""
    sign, ns = ("-", -ns) if ns < 0 else ("+", ns)
    return f"{sign}{ns // 1_000_000_000}.{ns % 1_000_000_000 // 1000:06d} s"


def count(number: int, noun: str) -> str:
    """A number of things: `1 packet`, `1,000 packets`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
