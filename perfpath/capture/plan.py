"""What to trace: the wish that a session carries out."""

from __future__ import annotations

from dataclasses import dataclass

from perfpath.tracepoints import MAIN


@dataclass(frozen=True, slots=True)
class Plan:
    """A command, the whole system, or both; which tracepoints; by which backend.

    command: the program and its arguments; empty with system_wide: until a signal comes.
    following: trace the whole system, to follow the command's flows; its own context where only perf trace works.
    events: tracepoints, `net:` left out. backend: "record", "trace", or "auto": record where it can be live.
    kernel_filter: a filter of perf's for the first four of them, "" for none.
    callchains: kernel call stacks with every event (record only); drops have theirs anyway.
    buffer: perf's `-m` (pages, or a size such as 4M), None for perf's default.
    options: more options for perf. perf: the perf to use, None to look for one.
    output: a descriptor that the command gets where its output or error would be a terminal, -1 for none (record only).
    grace: how many seconds to go on after the command's end, for replies and deferred work.
    """

    command: tuple[str, ...] = ()
    system_wide: bool = False
    following: bool = False
    events: tuple[str, ...] = tuple(event.name for event in MAIN)
    backend: str = "auto"
    kernel_filter: str = ""
    callchains: bool = False
    buffer: str | None = None
    options: tuple[str, ...] = ()
    perf: str | None = None
    output: int = -1
    grace: float = 0.08
