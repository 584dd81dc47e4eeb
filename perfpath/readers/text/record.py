"""What one line of text says."""

from __future__ import annotations

from typing import NamedTuple

from perfpath.schema import UNKNOWN_RC

PERF_TRACE, PERF_SCRIPT, FTRACE, TRACE_CMD = "perf trace", "perf script", "ftrace", "trace-cmd"


class Fields(NamedTuple):
    """What an event's own fields say; the sentinels of `schema.EVENTS` where they don't.

    nameless: the device is there as a number, which is perf's own pointer and not a name. reason, location: of a drop.
    """

    dev: bytes | None = None
    skbaddr: int = 0
    len: int = 0
    protocol: int = 0
    ifindex: int = 0
    rc: int = UNKNOWN_RC
    nameless: bool = False
    reason: bytes | None = None
    location: bytes | None = None


class Head(NamedTuple):
    """What stands before the fields.

    time: where in the line the time's digits begin, where its point is (-1 for none) and where they end;
    cpu_at: where the CPU's digits begin and end, where the line has them before the time.
    """

    format: str
    time_ns: int
    time: tuple[int, int, int]
    event: str
    payload: bytes
    comm: bytes | None = None
    pid: int = -1
    tid: int = -1
    cpu: int = -1
    flags: int = -1
    cpu_at: tuple[int, int] | None = None


class Event(NamedTuple):
    """A tracepoint hit."""

    head: Head
    fields: Fields


class Lost(NamedTuple):
    """Events are missing here: before the time, where the line has one, else before the next event (of that CPU).

    events: how many, 0 where nobody knows.
    """

    format: str
    events: int
    cpu: int = -1
    time_ns: int | None = None


class Chatter(NamedTuple):
    """A line that is known and holds no event: headers, callchains, system calls, summaries.

    format: what printed it, None where several may have.
    """

    format: str | None = None
