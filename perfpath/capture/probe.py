"""What can be traced here, and why it can't: tracefs, rights, lockdown, tracepoints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from perfpath.errors import CaptureError
from perfpath.escape import visible
from perfpath.tracepoints import FALLBACK, HOP_EVENTS, perf_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.diagnostics import Diagnostics

TRACEFS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
LOCKDOWN = Path("/sys/kernel/security/lockdown")
PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
CAP_SYS_ADMIN, CAP_PERFMON = 21, 38  # include/uapi/linux/capability.h


def tracefs_events() -> Path | None:
    """The folder of all tracepoints; None where tracefs isn't mounted or may not be looked into."""
    for root in TRACEFS:
        folder = root / "events"
        try:
            if (folder / "header_page").stat():
                return folder
        except OSError:
            continue
    return None


def existing(events: Sequence[str]) -> tuple[str, ...]:
    """Those of the tracepoints that this kernel has; all of them where that can't be seen."""
    folder = tracefs_events()
    if folder is None:
        return tuple(events)
    return tuple(event for event in events if (folder / perf_name(event).replace(":", "/", 1) / "format").is_file())


def choose_events(wanted: Sequence[str], diagnostics: Diagnostics) -> tuple[str, ...]:
    """The wanted tracepoints that exist, else the second best; what is missing is noted.

    Raises CaptureError where this kernel has none of them.
    """
    found = existing(wanted)
    for event in wanted:
        if event not in found:
            diagnostics.note(
                "missing-tracepoint",
                "this kernel doesn't have every tracepoint asked for: hops that only those show are missing",
                example=perf_name(event),
            )
    hops = [event for event in wanted if event in HOP_EVENTS]
    if any(event in found for event in hops) or (found and not hops):
        return found
    others, found = found, existing([event.name for event in FALLBACK])
    if not found:
        raise CaptureError(
            "this kernel has none of the tracepoints "
            + ", ".join(visible(perf_name(event)) for event in wanted)
            + ": it was built without CONFIG_NET or CONFIG_TRACEPOINTS; trace on another kernel"
        )
    diagnostics.note(
        "fallback-tracepoints",
        "none of the tracepoints asked for exists: second-best ones are traced, which see fewer places",
        example=", ".join(perf_name(event) for event in found),
    )
    return (*found, *others)


SCRATCH = "/tmp"  # noqa: S108 - perf's choice
"""Where perf puts the formats of the events before it writes them to a pipe (util/trace-event-info.c)."""


def explain(words: Sequence[str], perf: str) -> CaptureError:
    """The error for a perf that ended before it traced, by what it said and by what the system allows."""
    said = " / ".join(visible(word) for word in words[:4]) or "nothing"
    return CaptureError(f"{_reason(perf)} (perf said: {said})")


def _reason(perf: str) -> str:
    lockdown = first_line(LOCKDOWN)
    if "[confidentiality]" in lockdown:
        return "the kernel is locked down (confidentiality): nothing may be traced until it boots without lockdown"
    if not privileged():
        return (
            f"tracing isn't permitted: user id {os.geteuid()} is not root and lacks CAP_PERFMON, and "
            f"kernel.perf_event_paranoid is {first_line(PARANOID) or 'unreadable'}: run it as root (sudo perfpath ...)"
        )
    if tracefs_events() is None:
        return (
            "tracefs isn't mounted, or can't be read: mount it with `mount -t tracefs tracefs /sys/kernel/tracing`; "
            "in a container, run perfpath on the host instead, or pass /sys/kernel/tracing and CAP_SYS_ADMIN in"
        )
    if "[integrity]" in lockdown:
        return f"{visible(perf)} ended before it traced anything, and the kernel is locked down (integrity)"
    if not os.access(SCRATCH, os.W_OK):
        return f"{visible(perf)} ended before it traced anything: it needs {SCRATCH}, which can't be written to here"
    return f"{visible(perf)} ended before it traced anything; see what it said, or name another perf with --perf PATH"


def privileged() -> bool:
    """True where we hold a capability that lets us open tracepoints."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
            return bool(held >> CAP_SYS_ADMIN & 1 or held >> CAP_PERFMON & 1)
    return os.geteuid() == 0


def first_line(path: Path) -> str:
    """The first line of a small file, without its end; "" where it can't be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
