"""A recording without what is nobody's business: one that can be handed to a class, and kept small.

perf writes down much that no lesson needs: the host's name, what else was running, which files programs had mapped.
Only the events remain, their formats, and the names and namespaces of the threads that the events happened in.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from perfpath.errors import InputError
from perfpath.readers.perfdata.cursor import Cursor
from perfpath.readers.perfdata.header import PIPE_HEADER_SIZE
from perfpath.readers.perfdata.records import RECORD_HEADER_SIZE, Feature, Record
from perfpath.readers.perfdata.tracing import MAGIC

if TYPE_CHECKING:
    from collections.abc import Collection

_KEPT = frozenset(
    {Record.SAMPLE, Record.LOST, Record.LOST_SAMPLES, Record.ATTR, Record.EVENT_UPDATE, Record.FINISHED_ROUND}
)
_FEATURES = frozenset({Feature.OSRELEASE, Feature.VERSION, Feature.ARCH, Feature.CLOCKID, Feature.CLOCK_DATA})
_TID_AT = {Record.COMM: 12, Record.NAMESPACES: 12, Record.FORK: 16}
"""Where a record has the thread it is about (include/uapi/linux/perf_event.h)."""
_EMPTY_TAIL = struct.pack("<IIQ", 0, 0, 0)  # no kallsyms, no printk formats, no saved cmdlines


def slim(data: bytes, tids: Collection[int]) -> bytes:
    """A pipe-mode recording of this (little-endian) kind of machine, with only these threads' names in it.

    Raises InputError where it isn't one, or is damaged.
    """
    parts = [data[:PIPE_HEADER_SIZE]]
    at = PIPE_HEADER_SIZE
    while at < len(data):
        if len(data) - at < RECORD_HEADER_SIZE:
            raise InputError(f"byte {at}: a record that is cut off")
        kind, _, size = struct.unpack_from("<IHH", data, at)
        if size < RECORD_HEADER_SIZE or at + size > len(data):
            raise InputError(f"byte {at}: a record with a size that can't be: {size}")
        record = data[at : at + size]
        at += size
        if kind == Record.TRACING_DATA:
            length = struct.unpack_from("<I", record, RECORD_HEADER_SIZE)[0]
            parts.append(_formats(data[at : at + length]))
            at += length
        elif _wanted(kind, record, tids):
            parts.append(record)
    return b"".join(parts)


def _wanted(kind: int, record: bytes, tids: Collection[int]) -> bool:
    if kind in _KEPT:
        return True
    if kind == Record.FEATURE:
        return struct.unpack_from("<Q", record, RECORD_HEADER_SIZE)[0] in _FEATURES
    where = _TID_AT.get(Record(kind)) if kind in _TID_AT else None
    return where is not None and struct.unpack_from("<I", record, where)[0] in tids


def _formats(payload: bytes) -> bytes:
    """A record of tracing data with the formats alone (layout: tools/perf/util/trace-event-info.c)."""
    cursor = Cursor(payload, "<", "tracing data")
    cursor.take(len(MAGIC))
    cursor.zstring(64)  # version
    cursor.take(6)  # byte order, size of long, page size
    for _ in ("header_page", "header_event"):
        cursor.zstring(64)
        cursor.take(cursor.u64())
    start = cursor.position
    for _ in range(cursor.u32()):  # ftrace's own formats
        cursor.take(cursor.u64())
    systems = cursor.position
    for _ in range(cursor.u32()):
        cursor.zstring(4096)
        for _ in range(cursor.u32()):
            cursor.take(cursor.u64())
    kept = payload[:start] + struct.pack("<I", 0) + payload[systems : cursor.position] + _EMPTY_TAIL
    kept += bytes(-len(kept) % 8)
    return struct.pack("<IHHII", Record.TRACING_DATA, 0, 16, len(kept), 0) + kept
