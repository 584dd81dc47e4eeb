"""What a recording is: the lines of `perfpath report --header`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from perfpath.escape import visible
from perfpath.times import iso8601

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perfpath.diagnostics import Diagnostics
    from perfpath.readers.recording import Info

UNKNOWN = "not recorded"
CLOCKS = {0: "CLOCK_REALTIME", 1: "CLOCK_MONOTONIC", 4: "CLOCK_MONOTONIC_RAW", 7: "CLOCK_BOOTTIME", 11: "CLOCK_TAI"}


def header(info: Info, counts: Mapping[str, int], diagnostics: Diagnostics) -> str:
    """The whole text. counts: event -> how many there are of it."""
    rows = {
        "recording": visible(info.path),
        "format": info.format,
        "host": visible(info.hostname or UNKNOWN),
        "kernel": visible(" ".join(filter(None, (info.kernel, info.arch))) or UNKNOWN),
        "perf": visible(info.perf_version or UNKNOWN),
        "command": visible(shlex.join(info.command)) or UNKNOWN,
        "clock": _clock(info),
        "when": _when(info),
        "lost": f"{diagnostics.lost:,}",
    }
    lines = [f"{key:<10} {value}" for key, value in rows.items()]
    lines += [f"{'events' if not number else '':<10} {text}" for number, text in enumerate(_events(info, counts))]
    for note in diagnostics.notes.values():
        lines.append(f"{note.severity:<10} {visible(note.message)} ({note.count:,})")
        lines += [f"{'':<10} {visible(example)}" for example in note.examples]
    return "\n".join(lines) + "\n"


def _clock(info: Info) -> str:
    if info.clockid is None:
        return "perf's own (sched_clock)" if info.format.startswith("perf") else UNKNOWN
    return CLOCKS.get(info.clockid, f"clock {info.clockid}")


def _when(info: Info) -> str:
    if info.first_ns is None or info.last_ns is None:
        return "no events"
    span = f"{_seconds(info.first_ns)} to {_seconds(info.last_ns)} s, {_seconds(info.last_ns - info.first_ns)} s long"
    if info.wall_offset_ns is None:
        return f"{span} (wall-clock time not recorded)"
    return f"{span}, from {iso8601(info.first_ns, info.wall_offset_ns)}"


def _seconds(time_ns: int) -> str:
    return f"{time_ns // 10**9}.{time_ns % 10**9:09d}"


def _events(info: Info, counts: Mapping[str, int]) -> list[str]:
    names = dict.fromkeys((*info.events, *counts))
    return [f"{counts.get(name, 0):>10,}  {visible(name)}" for name in names] or ["none"]
