"""What stands before an event's fields: who, where and when, in each of the formats.

Names of processes stand there unescaped and may hold anything, `] 1.000000: x:y: ` too. They have at most 15 bytes
(TASK_COMM_LEN, 14 in perf trace), so the longest name that leaves a well-formed rest is the right one: each expression
is greedy inside that bound.
"""

from __future__ import annotations

import re
from typing import Final

from perfpath.readers.text.record import FTRACE, PERF_SCRIPT, PERF_TRACE, TRACE_CMD, Head
from perfpath.tracepoints import HARDIRQ, NMI, SOFTIRQ

TRACE_START: Final = (
    rb" *(?P<s>\d+)\.(?P<f>\d{3}) (?:\((?: {9}|[ \d.]{6,} ms)\): )?(?:\[(?P<cpu>\d{3,})\] )?"
    rb"(?:(?:(?P<comm>.{0,14})/)?(?P<tid>-?\d+) )?"
)
"""tools/perf/builtin-trace.c: trace__fprintf_tstamp, _entry_head, _comm_tid."""
_TRACE = re.compile(TRACE_START + rb"(?P<event>[\w.-]+:[\w.-]+)(?P<style>[(:])(?P<payload>.*)\)", re.DOTALL)

SCRIPT_START: Final = (
    rb"(?:(?: *(?P<comm>[^ ].{0,14}) +|(?P<anon> {17,})| *)(?P<pid>-?\d+)(?:/(?P<tid>-?\d+))? +|"
    rb" *(?P<alone>[^ \[].{0,14}) +| *)"
    rb"(?:\[(?P<cpu>\d+)\] +)?(?:[A-Za-z]+ +)?(?P<s>\d+)\.(?P<f>\d{9}|\d{6}): "
)
"""tools/perf/builtin-script.c: perf_sample__fprintf_start. `-F` leaves out parts of it."""
_SCRIPT = re.compile(
    SCRIPT_START + rb"(?: *\d+ )? *(?P<event>[\w.-]+:[\w.-]+): *(?P<payload>.*)",
    re.DOTALL,
)

_FTRACE = re.compile(
    rb"(?:\S[^:]*: )? *(?P<comm>.{0,15})-(?P<tid>\d+) +(?:\( *(?P<pid>\d+|-+)\) +)?"
    rb"\[(?P<cpu>\d+)\] ?(?P<flags>[^ \d]\S{3,5})? *"
    rb"(?P<s>\d+)(?:\.(?P<f>\d{9}|\d{6}))?: (?:\([+-]?\d+\))? *(?P<event>[\w.-]+): *(?P<payload>.*)",
    re.DOTALL,
)
"""kernel/trace/trace_output.c: trace_print_context; trace-cmd's default report."""
_LATENCY = re.compile(
    rb"(?:\S[^:]*: )? *(?P<comm>.{0,15})-(?P<tid>\d+) +(?P<cpu>\d{1,3})(?P<flags>[^ \d]\S{3,5}) +"
    rb"(?P<s>\d+)(?:\.(?P<f>\d{9}|\d{6})|us[^:]{0,2}): (?P<event>[\w.-]+): *(?P<payload>.*)",
    re.DOTALL,
)
"""The same with options/latency-format (times in us), or trace-cmd report -l."""

_SKB_EVENTS = {"kfree_skb", "consume_skb"}


def parse_head(line: bytes) -> Head | None:
    """The head of an event line without its line end, whichever format it is; None where it is none."""
    return _perf_trace(line) or _perf_script(line) or _ftrace(line)


def _perf_trace(line: bytes) -> Head | None:
    found = _TRACE.fullmatch(line)
    if not found:
        return None
    tid = _number(found["tid"], 1 << 31)
    cpu = _number(found["cpu"], 1 << 15)
    time_ns = int(found["s"]) * 1_000_000 + int(found["f"]) * 1000
    if time_ns >= 1 << 63:  # before the first event perf trace printed: its unsigned difference wraps
        time_ns -= 1 << 64
    if tid is None or cpu is None or not -(1 << 63) <= time_ns < 1 << 63:
        return None
    event = _without_net(found["event"])
    comm = found["comm"]
    return Head(PERF_TRACE, time_ns, _span(found), event, found["payload"], comm, tid, tid, cpu)


def _perf_script(line: bytes) -> Head | None:
    found = _SCRIPT.fullmatch(line)
    if not found:
        return None
    where = script_place(found)
    if where is None:
        return None
    comm, pid, tid, cpu, time_ns = where
    event, cpu_at = _without_net(found["event"]), _cpu_span(found)
    return Head(PERF_SCRIPT, time_ns, _span(found), event, found["payload"], comm, pid, tid, cpu, cpu_at=cpu_at)


def script_place(found: re.Match[bytes]) -> tuple[bytes | None, int, int, int, int] | None:
    """(comm, pid, tid, cpu, time_ns) of a match of SCRIPT_START; None where a number is out of range."""
    pid = _number(found["pid"], 1 << 31)
    tid = _number(found["tid"] or found["pid"], 1 << 31)
    cpu = _number(found["cpu"], 1 << 15)
    time_ns = _time(found)
    if pid is None or tid is None or cpu is None or time_ns is None:
        return None
    comm = b"" if found["anon"] is not None else found["comm"] or found["alone"]
    return comm if comm is None else comm.rstrip(b" "), pid, tid, cpu, time_ns


def _ftrace(line: bytes) -> Head | None:
    found = _FTRACE.fullmatch(line) or _LATENCY.fullmatch(line)
    if not found:
        return None
    tid = _number(found["tid"], 1 << 31)
    cpu = _number(found["cpu"], 1 << 15)
    time_ns = _time(found)
    if tid is None or cpu is None or time_ns is None:
        return None
    groups = found.groupdict()
    tgid = groups.get("pid") or b"-"
    pid = tid if tgid.startswith(b"-") else _number(tgid, 1 << 31)
    if pid is None:
        return None
    event = found["event"].decode("ascii", "surrogateescape")
    event = f"skb:{event}" if event in _SKB_EVENTS else event
    flags = _flags(found["flags"])
    kind = FTRACE if found["flags"] else TRACE_CMD
    comm = found["comm"].strip(b" ")
    return Head(kind, time_ns, _span(found), event, found["payload"], comm, pid, tid, cpu, flags, _cpu_span(found))


def _without_net(event: bytes) -> str:
    return event.removeprefix(b"net:").decode("ascii", "surrogateescape")


def _span(found: re.Match[bytes]) -> tuple[int, int, int]:
    return (
        found.start("s"),
        found.start("f") - 1 if found["f"] else -1,
        found.end("f") if found["f"] else found.end("s"),
    )


def _cpu_span(found: re.Match[bytes]) -> tuple[int, int] | None:
    return found.span("cpu") if found["cpu"] else None


def _time(found: re.Match[bytes]) -> int | None:
    """Nanoseconds by way of integers: 6 or 9 digits after the point; without one, us (latency format) or raw ns."""
    fraction = found["f"]
    if fraction is None:
        raw = int(found["s"])
        time_ns = raw * 1000 if found.string[found.end("s") : found.end("s") + 2] == b"us" else raw
    else:
        time_ns = int(found["s"]) * 1_000_000_000 + int(fraction) * 10 ** (9 - len(fraction))
    return time_ns if time_ns < 1 << 63 else None


def _number(text: bytes | None, limit: int) -> int | None:
    """-1 where the line doesn't have it, None where it can't be."""
    if text is None:
        return -1
    value = int(text)
    return value if -1 <= value < limit else None


_IRQS = {".": 0x00, "d": 0x01, "b": 0x80, "D": 0x81}
_RESCHED = {".": 0x00, "n": 0x04, "p": 0x20, "N": 0x24, "l": 0x02}
_CONTEXT = {".": 0, "s": SOFTIRQ, "h": HARDIRQ, "H": HARDIRQ | SOFTIRQ, "z": NMI, "Z": NMI | HARDIRQ}


def _flags(text: bytes | None) -> int:
    """common_flags from ftrace's letters, -1 where unknown (trace_print_lat_fmt, kernel/trace/trace_output.c)."""
    if text is None:
        return -1
    irqs, resched, context = list(text[:3].decode("latin-1"))
    if irqs not in _IRQS or context not in _CONTEXT:
        return -1
    return _IRQS[irqs] | _RESCHED.get(resched, 0) | _CONTEXT[context]
