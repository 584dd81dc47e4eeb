"""The tracing data of a recording: a copy of the formats that tracefs had (tools/perf/util/trace-event-info.c)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perfpath.errors import InputError
from perfpath.readers.perfdata.cursor import Cursor, text
from perfpath.readers.perfdata.formats import Format, parse_format

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics

MAGIC = b"\x17\x08\x44tracing"


@dataclass(slots=True)
class TracingData:
    """What the tracing data says.

    order: byte order of the RAW fields. long_size: bytes of a C long there.
    """

    order: str = "<"
    long_size: int = 8
    formats: dict[int, Format] = field(default_factory=dict)


def parse_tracing_data(data: bytes | memoryview, order: str, base: int, diagnostics: Diagnostics) -> TracingData:
    """Formats by tracepoint id; whatever follows a damaged place is missing, and a note says so."""
    cursor = Cursor(data, order, "tracing data", base)
    tracing = TracingData(order)
    try:
        _preamble(cursor, tracing)
        _ftrace_formats(cursor)
        for _ in range(cursor.u32()):
            _system(cursor, tracing, diagnostics)
    except InputError as error:
        diagnostics.note(
            "damaged-formats",
            "the recording's event formats are damaged: what follows is not understood",
            severity="error",
            example=str(error),
        )
    return tracing


def _preamble(cursor: Cursor, tracing: TracingData) -> None:
    if bytes(cursor.take(len(MAGIC))) != MAGIC:
        raise cursor.fail("the magic of tracing data")
    cursor.zstring(64)  # version
    tracing.order = ">" if cursor.u8() else "<"
    tracing.long_size = cursor.u8()
    cursor.order = tracing.order
    cursor.u32()  # page size
    for name in ("header_page", "header_event"):
        if cursor.zstring(64) != name:
            raise cursor.fail(name)
        cursor.take(cursor.u64())


def _ftrace_formats(cursor: Cursor) -> None:
    for _ in range(cursor.u32()):
        cursor.take(cursor.u64())


def _system(cursor: Cursor, tracing: TracingData, diagnostics: Diagnostics) -> None:
    system = cursor.zstring(4096)
    for _ in range(cursor.u32()):
        source = text(bytes(cursor.take(cursor.u64())))
        try:
            found = parse_format(source, system)
        except InputError as error:
            diagnostics.note(
                "damaged-format",
                "an event's format is not understood: its events can't be read",
                severity="error",
                example=str(error),
            )
            continue
        tracing.formats.setdefault(found.id, found)
