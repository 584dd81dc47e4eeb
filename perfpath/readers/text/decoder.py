"""Text as it comes -> EVENTS."""

from __future__ import annotations

import os
import re

import numpy as np

from perfpath import schema
from perfpath.diagnostics import Diagnostics
from perfpath.errors import InputError
from perfpath.firstbytes import FirstBytes
from perfpath.readers.recording import Info
from perfpath.readers.text.bulk import Bulk
from perfpath.readers.text.chunk import Chunk
from perfpath.readers.text.fields import DROP
from perfpath.readers.text.header import read_comment
from perfpath.readers.text.lines import parse_line
from perfpath.readers.text.losses import LossLog
from perfpath.readers.text.order import Order
from perfpath.readers.text.record import FTRACE, PERF_TRACE, TRACE_CMD, Chatter, Event, Lost
from perfpath.readers.text.rows import FORMATS, Rows, empty_names
from perfpath.tables import Table

CHUNK = 1 << 22
"""Bytes that are parsed at once: few enough that their columns stay in the CPU's caches."""
LONGEST_LINE = 1 << 20
HOLD_NS = 20_000_000
TRACE_COMM = 14
"""Characters of a thread's name in perf trace (tools/perf/builtin-trace.c: trace__fprintf_comm_tid)."""
KNOWN_FORMATS = "perf script, perf trace, ftrace (trace, trace_pipe) and trace-cmd report"

_TIMELESS = re.compile(rb"(?:(?!\d\.\d{3}).)*\b(?:net|skb):\w+: .*\bskbaddr=", re.DOTALL)
_EXAMPLE = 160


class TextDecoder:
    """A `Decoder` of the text of perf trace, perf script, ftrace and trace-cmd, told apart line by line.

    hold_ns: how far out of order events may come (perf trace prints one CPU's buffer after the other).
    """

    def __init__(self, path: str = "-", *, hold_ns: int = HOLD_NS) -> None:
        self.info = Info("text", path)
        self.diagnostics = Diagnostics()
        self.names = empty_names()
        self.packets = FirstBytes()
        self._pending: list[bytes] = []
        self._size = 0
        self._line = 0  # of the first pending byte, from 0
        self._understood = False
        self._foreign: str | None = None
        self._summary = False
        self._in_header = False
        self._formats: set[str] = set()
        self._stale: tuple[int, frozenset[str], str] | None = None
        self._bulk = Bulk()
        self._losses = LossLog(self.diagnostics)
        self._order = Order(
            Table.filled(schema.EVENTS, 0, self.names, **Rows(0, self.names).columns), self.diagnostics, hold_ns
        )

    def feed(self, data: bytes | memoryview) -> None:
        """Take some more bytes; lines may be cut anywhere."""
        for at in range(0, len(data), CHUNK):
            piece = bytes(data[at : at + CHUNK])
            self._pending.append(piece)
            self._size += len(piece)
            if self._size >= CHUNK:
                self._digest()

    def rename(self, tid: int, stale: str, comm: str) -> None:
        """Thread tid has been called comm from its first event on, wherever the text calls it stale, or `:tid`.

        perf trace reads one CPU's buffer after the other: it may print an event before it reads of an execve(2)
        that came first.
        """
        self._stale = (tid, frozenset((stale[:TRACE_COMM], f":{tid}"[:TRACE_COMM])), comm[:TRACE_COMM])

    def take(self, *, idle: bool = False) -> Table:
        """EVENTS older than `hold_ns` before the newest; with idle=True all of them."""
        self._digest()
        return self._order.release(everything=idle)

    def close(self) -> Table:
        """All the rest. Raises InputError where there was text and not one line of it was understood."""
        self._digest()
        rest, self._pending, self._size = b"".join(self._pending), [], 0
        if rest:
            self._last_line(rest)
        self._losses.close()
        if self._foreign is not None and not self._understood:
            raise InputError(
                f"{self.info.path}: no line of this text is from a recording. perfpath reads what these print: "
                f"{KNOWN_FORMATS}; and perf.data files. The first is {self._foreign}"
            )
        return self._order.release(everything=True)

    def _digest(self) -> None:
        """Parse all whole lines."""
        if any(b"\n" in piece for piece in self._pending[:-1]):
            self._pending = [b"".join(self._pending)]
        last = self._pending[-1] if self._pending else b""
        end = last.rfind(b"\n") + 1
        if not end:
            self._check_length()
            return
        chunk = Chunk(*self._pending[:-1], memoryview(last)[:end])
        self._pending = [last[end:]]
        self._size = len(last) - end
        self._parse(chunk)

    def _check_length(self) -> None:
        """Drop the middle of a line without end, which is no text; what remains of it can't be understood either."""
        if self._size > 2 * LONGEST_LINE:
            data = b"".join(self._pending)
            self._pending = [data[:LONGEST_LINE]]
            self._size = LONGEST_LINE

    def _parse(self, chunk: Chunk) -> None:
        """Lines -> rows -> the order of time."""
        rows = Rows(len(chunk), self.names)
        losses: list[tuple[int, Lost]] = []
        for row in self._bulk.fill(chunk, rows).tolist():
            said = parse_line(chunk.line(row))
            if isinstance(said, Event):
                rows.put(row, said)
                if said.fields.nameless:
                    self._nameless(chunk.line(row))
            elif isinstance(said, Lost):
                losses.append((row, said))
                self._understood = True
            else:
                self._no_event(said, self._line + row, chunk.line(row))
        self._line += len(chunk)
        self._losses.see(rows, losses)
        self._count(rows.format)
        table = rows.table()
        self._count_untold(table)
        self._span(table)
        self._order.add(self._renamed(table))

    def _renamed(self, table: Table) -> Table:
        if self._stale is None:
            return table
        tid, stale, comm = self._stale
        names = self.names["comm"]
        codes = [code for text in stale if (code := names.find(text)) >= 0]
        wrong = (table["tid"] == tid) & np.isin(table["comm"], codes)
        if not wrong.any():
            return table
        right = np.where(wrong, names.code(comm), table["comm"]).astype(np.int32)
        return table.extended(comm=right)

    def _last_line(self, rest: bytes) -> None:
        """A last line without its end: it may have been cut."""
        said = parse_line(rest.rstrip(b"\r"))
        if said is None and self._understood:
            self.diagnostics.note(
                "cut-line", "the last line is cut off", severity="error", example=_shown(self._line, rest)
            )
            return
        if isinstance(said, Event) and said.head.format != PERF_TRACE:  # perf trace's end with a parenthesis
            self.diagnostics.note(
                "no-line-end",
                "the last line has no end: its last number may be cut short",
                example=_shown(self._line, rest),
            )
        self._parse(Chunk(rest, b"\n"))

    def _no_event(self, said: Chatter | None, number: int, line: bytes) -> None:
        if said is None:
            self._summary = self._summary or line.startswith(b" Summary of events:")
            # the tables of perf trace -s, up to the end; a recorded command line with line breaks
            if not self._summary and not self._in_header:
                self._unknown(number, line)
            return
        if said.format:
            self._understood = True
            if said.format in (FTRACE, TRACE_CMD):
                self._formats.add(f"# {said.format}")
                self._name_format()
        elif self._foreign is None and line.strip():
            self._foreign = _shown(number, line)
        if line.startswith(b"# ="):
            self._in_header = not self._in_header
        elif line.startswith(b"# "):
            read_comment(line, self.info)

    def _unknown(self, number: int, line: bytes) -> None:
        if self._foreign is None:
            self._foreign = _shown(number, line)
        if _TIMELESS.match(line):
            self._understood = True
            self.diagnostics.note(
                "no-time",
                "events without a time",
                severity="error",
                example=_shown(number, line),
                advice="print them with their time: perf script -F comm,tid,cpu,time,event,trace",
            )
            return
        self.diagnostics.note(
            "unknown-line",
            "lines that are not understood",
            severity="error",
            example=_shown(number, line),
            advice=f"perfpath reads text of {KNOWN_FORMATS}",
        )

    def _nameless(self, line: bytes) -> None:
        self.diagnostics.note(
            "nameless-perf-trace",
            "events without their device: this perf trace prints a number in place of the name",
            severity="error",
            example=_shown(None, line),
            advice="record again with perf trace --libtraceevent_print, or with perf record -e 'net:*'",
        )

    def _count(self, formats: np.ndarray) -> None:
        for code, name in enumerate(FORMATS):
            if name not in self._formats and (formats == code).any():
                self._formats.add(name)
                self._understood = True
                self._name_format()

    def _name_format(self) -> None:
        """One format, or "mixed text". What stands around them tells the lines of trace-cmd and ftrace apart."""
        formats = {name for name in self._formats if not name.startswith("#")}
        if formats & {FTRACE, TRACE_CMD}:
            headers = {name for name in (FTRACE, TRACE_CMD) if f"# {name}" in self._formats}
            formats = (formats - {FTRACE, TRACE_CMD}) | headers if headers else formats
        elif not formats:
            formats = {name.removeprefix("# ") for name in self._formats}
        self.info.format = formats.pop() if len(formats) == 1 else "mixed text"

    def _count_untold(self, table: Table) -> None:
        """In perf trace's own style a drop's reason is a number, whose meaning is each kernel's own."""
        if (code := self.names["event"].find(DROP)) < 0 or not len(table):
            return
        drops = (table["event"] == code) & (table["protocol"] != 0)
        if "location" in table:
            drops &= table["location"] < 0
        if count := int(np.count_nonzero(drops)):
            self.diagnostics.note(
                "untold-drops",
                "freed packets of which this text tells neither place nor reason: not taken for drops",
                count=count,
                advice="record with perf record, or print with perf trace --libtraceevent_print",
            )

    def _span(self, table: Table) -> None:
        if not len(table):
            return
        info, times = self.info, table["time_ns"]
        first, last = int(times.min()), int(times.max())
        info.first_ns = first if info.first_ns is None else min(first, info.first_ns)
        info.last_ns = last if info.last_ns is None else max(last, info.last_ns)
        info.events = tuple(self.names["event"].texts)


def _shown(number: int | None, line: bytes) -> str:
    text = os.fsdecode(line[:_EXAMPLE])
    return text if number is None else f"line {number + 1}: {text}"
