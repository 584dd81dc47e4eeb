"""Records that aren't samples: losses, threads, throttling. They end in a trailer that says when and where."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.errors import InputError
from perfpath.readers.perfdata.cursor import Cursor
from perfpath.readers.perfdata.records import (
    MISC_COMM_EXEC,
    MISC_LOST_SAMPLES_BPF,
    RECORD_HEADER_SIZE,
    Record,
    SampleType,
)
from perfpath.readers.perfdata.tasks import TaskRecord

if TYPE_CHECKING:
    from perfpath.readers.perfdata.layout import SampleLayout
    from perfpath.readers.perfdata.state import State

WANTED = (
    Record.LOST,
    Record.COMM,
    Record.THROTTLE,
    Record.UNTHROTTLE,
    Record.FORK,
    Record.LOST_SAMPLES,
    Record.NAMESPACES,
)
_MAX_NAMESPACES = 64  # a namespaces record has one entry for each kind; there are 7


@dataclass(frozen=True, slots=True)
class Trailer:
    """sample_id of a record; time_ns 0 and cpu -1 where it has none."""

    time_ns: int = 0
    cpu: int = -1
    id: int | None = None


def read_trailer(data: memoryview, layout: SampleLayout, order: str) -> tuple[Trailer, memoryview]:
    """The trailer of a record, and the record without it.

    Raises InputError where the record is too short to have one.
    """
    places = layout.trailer
    if not places:
        return Trailer(), data
    end = len(data) - 8 * len(places)
    if end < RECORD_HEADER_SIZE:
        raise Cursor(data, order, "record").fail("a record with sample_id")
    values = dict(zip(places, struct.unpack_from(f"{order}{len(places)}Q", data, end), strict=True))
    cpu = values.get(SampleType.CPU, -1)
    if cpu >= 0:  # u32 cpu, u32 reserved
        cpu = cpu & 0xFFFFFFFF if order == "<" else cpu >> 32
    time_ns = values.get(SampleType.TIME, 0)
    trailer = Trailer(
        time_ns if time_ns < 1 << 63 else 0,
        min(cpu, 0x7FFF),
        values.get(SampleType.IDENTIFIER, values.get(SampleType.ID)),
    )
    return trailer, data[:end]


def apply_record(state: State, kind: int, misc: int, data: memoryview, at: int) -> None:
    """Take what a record says into the recording's state. data: the whole record; at: its place in the run."""
    trailer, body = read_trailer(data, state.layout_of_trailer(data), state.order)
    cursor = Cursor(body, state.order, f"record of type {kind}")
    cursor.take(RECORD_HEADER_SIZE)
    if kind == Record.LOST:
        cursor.u64()  # the id of the event that could be written again, not of the lost ones
        state.losses.lost(cursor.u64(), trailer, at)
    elif kind == Record.LOST_SAMPLES:
        if not misc & MISC_LOST_SAMPLES_BPF:
            state.losses.lost_samples(cursor.u64())
    elif kind in {Record.THROTTLE, Record.UNTHROTTLE}:
        time_ns, event = cursor.u64(), cursor.u64()
        if not state.concerns(event):
            state.diagnostics.note("others-throttled", "events other than tracepoints were throttled", severity="info")
            return
        told = state.losses.throttled if kind == Record.THROTTLE else state.losses.unthrottled
        told(time_ns, event, trailer)
    else:
        state.tasks.add(_task(state, kind, cursor, trailer, executed=bool(misc & MISC_COMM_EXEC)))


def _task(state: State, kind: int, cursor: Cursor, trailer: Trailer, *, executed: bool) -> TaskRecord:
    pid = cursor.u32()
    if kind == Record.COMM:
        tid = cursor.u32()
        comm = state.names["comm"].code(cursor.zstring(4096))
        return TaskRecord(trailer.time_ns, tid, comm=comm, pid=pid, executed=executed)
    if kind == Record.FORK:
        parent_pid, tid, parent = cursor.u32(), cursor.u32(), cursor.u32()
        time_ns = trailer.time_ns or cursor.u64()
        return TaskRecord(time_ns if time_ns < 1 << 63 else 0, tid, parent=parent, pid=pid, parent_pid=parent_pid)
    tid = cursor.u32()
    if not 0 < cursor.u64() <= _MAX_NAMESPACES:
        raise InputError("a namespaces record without entries")
    cursor.u64()  # device; the first entry is the network namespace (NET_NS_INDEX)
    return TaskRecord(trailer.time_ns, tid, netns=cursor.u64() & 0xFFFFFFFF, pid=pid)
