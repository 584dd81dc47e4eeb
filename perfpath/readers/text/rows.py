"""The rows of some lines of text: one place a line, most of them filled with an event."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from perfpath import schema
from perfpath.readers.text.record import FTRACE, PERF_SCRIPT, PERF_TRACE, TRACE_CMD
from perfpath.tables import Array, Names, Table

if TYPE_CHECKING:
    from perfpath.readers.text.record import Event

FORMATS = (PERF_TRACE, PERF_SCRIPT, FTRACE, TRACE_CMD)
_READ = (
    "time_ns", "cpu", "pid", "tid", "comm", "event", "dev", "skbaddr", "len", "protocol", "flags", "ifindex", "rc",
    "reason", "location",
)  # fmt: skip
_COLUMNS = tuple(column for column in schema.EVENTS if column.name in _READ)


class Rows:
    """Columns of EVENTS with one row a line, in the order of the text.

    format: int8, index into FORMATS, -1 where the line holds no event; columns: name -> array;
    names are shared with the decoder.
    """

    __slots__ = ("columns", "format", "names")

    def __init__(self, lines: int, names: dict[str, Names]) -> None:
        self.names = names
        self.format = np.full(lines, -1, np.int8)
        self.columns: dict[str, Array] = {
            column.name: np.full(lines, column.missing, "int32" if column.dtype == "category" else column.dtype)
            for column in _COLUMNS
        }

    def put(self, row: int, event: Event) -> None:
        """Fill one row."""
        head, fields = event
        self.format[row] = FORMATS.index(head.format)
        columns = self.columns
        columns["time_ns"][row] = head.time_ns
        columns["cpu"][row] = head.cpu
        columns["pid"][row] = head.pid
        columns["tid"][row] = head.tid
        columns["comm"][row] = self.code("comm", head.comm)
        columns["event"][row] = self.names["event"].code(head.event)
        columns["dev"][row] = self.code("dev", fields.dev)
        columns["skbaddr"][row] = fields.skbaddr
        columns["len"][row] = fields.len
        columns["protocol"][row] = fields.protocol
        columns["flags"][row] = head.flags
        columns["ifindex"][row] = fields.ifindex
        columns["rc"][row] = fields.rc
        columns["reason"][row] = self.code("reason", fields.reason)
        columns["location"][row] = self.code("location", fields.location)

    def code(self, column: str, text: bytes | None) -> int:
        """The category code of a name as it stood in the text; -1 for none."""
        return -1 if text is None else self.names[column].code(os.fsdecode(text))

    def table(self) -> Table:
        """The filled rows as EVENTS, in the order of the text; columns that say nothing cost nothing."""
        there = self.format >= 0
        whole = bool(there.all())
        given = {
            column.name: self.columns[column.name] if whole else self.columns[column.name][there]
            for column in _COLUMNS
            if (self.columns[column.name] != column.missing).any()
        }
        return Table.filled(schema.EVENTS, int(np.count_nonzero(there)), self.names, **given)


def empty_names() -> dict[str, Names]:
    """The category columns of EVENTS, with nothing in them."""
    return {name: Names() for name in ("comm", "event", "dev", "reason", "location")}
