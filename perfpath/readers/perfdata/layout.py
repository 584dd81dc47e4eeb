"""Where the fields of a sample stand: they follow one another in a fixed order, as far as sample_type has them.

The order is that of perf_output_sample in kernel/events/core.c; the trailer of other records is that of
perf_event__output_id_sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.readers.perfdata.records import BEHIND_RAW, RECORD_HEADER_SIZE, ReadFormat, SampleType

if TYPE_CHECKING:
    from perfpath.readers.perfdata.attr import Attr

_FIXED = (
    SampleType.IDENTIFIER,
    SampleType.IP,
    SampleType.TID,
    SampleType.TIME,
    SampleType.ADDR,
    SampleType.ID,
    SampleType.STREAM_ID,
    SampleType.CPU,
    SampleType.PERIOD,
)
_TRAILER = (
    SampleType.TID,
    SampleType.TIME,
    SampleType.ID,
    SampleType.STREAM_ID,
    SampleType.CPU,
    SampleType.IDENTIFIER,
)
_READ_VALUES = (ReadFormat.TOTAL_TIME_ENABLED, ReadFormat.TOTAL_TIME_RUNNING)
_READ_ENTRY = (ReadFormat.ID, ReadFormat.LOST)


@dataclass(frozen=True, slots=True)
class SampleLayout:
    """Offsets from the start of a sample's record; -1 where it doesn't have the field.

    size: bytes of the fixed part, which READ (where read is true), CALLCHAIN and RAW follow.
    read_group: READ is u64 count and then `read_entry` bytes for each, after `read_fixed` bytes; otherwise only
    `read_fixed` bytes. raw_last: nothing stands behind RAW. trailer: offsets from the *end* of other records.
    """

    id: int
    tid: int
    time: int
    cpu: int
    size: int
    read_fixed: int
    read_entry: int
    read_group: bool
    callchain: bool
    raw: bool
    raw_last: bool
    trailer: dict[SampleType, int]

    @classmethod
    def of(cls, attr: Attr) -> SampleLayout:
        """The layout of an attr's samples."""
        bits = attr.sample_type
        at: dict[SampleType, int] = {}
        size = RECORD_HEADER_SIZE
        for field in _FIXED:
            if bits & field:
                at[field] = size
                size += 8
        group = bool(attr.read_format & ReadFormat.GROUP)
        read = bool(bits & SampleType.READ)
        times = 8 * sum(bool(attr.read_format & bit) for bit in _READ_VALUES)
        entry = 8 + 8 * sum(bool(attr.read_format & bit) for bit in _READ_ENTRY)
        return cls(
            id=at.get(SampleType.IDENTIFIER, at.get(SampleType.ID, -1)),
            tid=at.get(SampleType.TID, -1),
            time=at.get(SampleType.TIME, -1),
            cpu=at.get(SampleType.CPU, -1),
            size=size,
            read_fixed=(times + (8 if group else entry)) if read else 0,
            read_entry=entry,
            read_group=group and read,
            callchain=bool(bits & SampleType.CALLCHAIN),
            raw=bool(bits & SampleType.RAW),
            raw_last=not bits & BEHIND_RAW,
            trailer=_trailer(bits) if attr.sample_id_all else {},
        )


def _trailer(bits: int) -> dict[SampleType, int]:
    present = [field for field in _TRAILER if bits & field]
    return {field: 8 * (len(present) - at) for at, field in enumerate(present)}
