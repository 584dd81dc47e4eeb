"""Any one line of a text recording: the careful way, a few microseconds each."""

from __future__ import annotations

import re

from perfpath.readers.text.fields import parse_fields
from perfpath.readers.text.heads import SCRIPT_START, TRACE_START, parse_head, script_place
from perfpath.readers.text.record import FTRACE, PERF_SCRIPT, PERF_TRACE, TRACE_CMD, Chatter, Event, Lost

_LOST_TRACE = re.compile(rb"LOST (\d+) events!")
_LOST_SCRIPT = re.compile(SCRIPT_START + rb" *PERF_RECORD_LOST\w* +lost (?P<count>\d+)", re.DOTALL)
_LOST_BARE = re.compile(rb".*PERF_RECORD_LOST\w* +lost (\d+)", re.DOTALL)
_LOST_CPU = re.compile(
    rb"(?:\S[^:]*: )?CPU:(?P<cpu>\d+) \[(?:LOST (?P<ftrace>\d+ )?EVENTS|(?P<cmd>\d+ )?EVENTS DROPPED)\]"
)
"""trace_output.c and trace-cmd's trace-read.c; without a count where the kernel doesn't know it."""
_LOST_CHUNKS = re.compile(rb"Processed \d+ (?:events and lost \d+ chunks|samples and lost [\d.]+%)!.*()", re.DOTALL)
_LOSS_WORD = re.compile(rb"LOST|lost|DROPPED")

_SYSCALL = re.compile(TRACE_START + rb"(?: ?\.\.\. \[continued\]: .*|\w+\(.*)", re.DOTALL)
_CHATTER: tuple[tuple[re.Pattern[bytes], str | None], ...] = (
    (re.compile(rb"\s*"), None),
    (re.compile(rb"# tracer: .*"), FTRACE),
    (re.compile(rb"# =+"), PERF_SCRIPT),  # around what --header prints
    (re.compile(rb"#.*", re.DOTALL), None),
    (re.compile(rb"(?:cpus=\d+|\S.*: cpus=\d+|CPU \d+ is empty|version = \d+|trace-cmd: .*)"), TRACE_CMD),
    (re.compile(rb"\t *[0-9a-f]+ .*", re.DOTALL), PERF_SCRIPT),  # a callchain
    (re.compile(rb" {30,}(?:\S.* \(.*\)|\[?0x[0-9a-f]+.*)", re.DOTALL), PERF_TRACE),  # a callchain
    (re.compile(rb" => \S.*"), FTRACE),  # options/stacktrace
    (re.compile(rb".* \[\d+\] .*\d: <stack trace>", re.DOTALL), FTRACE),
    (re.compile(rb"##### CPU \d+ buffer started ####"), FTRACE),
    (re.compile(rb"Check IO/CPU overload!"), None),
    (re.compile(rb"\[ perf record: .*"), None),
)


def parse_line(line: bytes) -> Event | Lost | Chatter | None:
    """What a line (without its line end) says; None where it isn't understood."""
    head = parse_head(line)
    if head is not None:
        fields = parse_fields(head.event, head.payload)
        return None if fields is None else Event(head, fields)
    return _parse_loss(line) or _parse_chatter(line)


def _parse_loss(line: bytes) -> Lost | None:
    if not _LOSS_WORD.search(line):
        return None
    if found := _LOST_TRACE.fullmatch(line):
        return Lost(PERF_TRACE, int(found[1]))
    if found := _LOST_CPU.fullmatch(line):
        kind = TRACE_CMD if line.endswith(b"DROPPED]") else FTRACE
        return Lost(kind, int(found["ftrace"] or found["cmd"] or 0), int(found["cpu"]))
    if found := _LOST_SCRIPT.fullmatch(line):
        place = script_place(found)
        return Lost(PERF_SCRIPT, int(found["count"]), place[3], place[4]) if place else None
    found = _LOST_BARE.fullmatch(line) or _LOST_CHUNKS.fullmatch(line)
    return Lost(PERF_SCRIPT, int(found[1] or 0)) if found else None


def _parse_chatter(line: bytes) -> Chatter | None:
    for pattern, kind in _CHATTER:
        if pattern.fullmatch(line):
            return Chatter(kind)
    return Chatter(PERF_TRACE) if _SYSCALL.fullmatch(line) else None
