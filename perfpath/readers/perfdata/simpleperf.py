"""What Android's simpleperf writes otherwise than perf does (platform/system/extras, simpleperf/record.h).

Its formats stand in the data, before the events, and not in a feature section. A record that is longer than a record
may be is cut into SPLIT records of up to 64 KiB, which a SPLIT_END follows.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from perfpath.readers.perfdata.cursor import Cursor
from perfpath.readers.perfdata.records import RECORD_HEADER_SIZE, Feature, Record
from perfpath.readers.perfdata.tracing import MAGIC

if TYPE_CHECKING:
    from perfpath.readers.perfdata.framing import OnRecord

OWN = range(32769, 32779)
"""Types of its own records, KERNEL_SYMBOL to DEBUG; in their headers misc is the upper half of the size."""
_FEATURES = 128
"""The first of the sections that it alone writes (FILE, META_INFO, ...); perf has some 30."""
MOST = 1 << 28  # as large as tracing data may be


class Own(IntEnum):
    """Those of use here."""

    SPLIT = 32772
    SPLIT_END = 32773
    TRACING_DATA = 32777


def by_simpleperf(features: tuple[int, ...]) -> bool:
    """Whether a file with these feature sections is simpleperf's: perf always says on which host it is, and itself."""
    return any(bit >= _FEATURES for bit in features) or not {Feature.HOSTNAME, Feature.VERSION} & set(features)


def formats_follow(head: bytes, order: str) -> bool:
    """Whether data that begins with such a record may have its formats in it."""
    if len(head) < RECORD_HEADER_SIZE:
        return False
    kind = Cursor(head, order, "record").u32()
    return kind == Record.TRACING_DATA or kind in OWN


def formats_of(record: memoryview, order: str, at: int) -> memoryview:
    """The tracing data that stands in its record: u32 size, and as many bytes, padded.

    Raises InputError where there is none.
    """
    cursor = Cursor(record, order, "record of tracing data", at)
    cursor.take(RECORD_HEADER_SIZE)
    found = cursor.take(cursor.u32())
    if bytes(found[: len(MAGIC)]) != MAGIC:
        raise cursor.fail("formats of events")
    return found


class Joiner:
    """Puts split records together and hands them on as if they had come whole."""

    def __init__(self, order: str, on_record: OnRecord) -> None:
        self._order = order
        self._on_record = on_record
        self._parts = bytearray()
        self._at = 0

    def take(self, kind: int, record: memoryview, at: int) -> None:
        """A SPLIT or SPLIT_END record at an offset. Raises InputError where the parts are no record."""
        if kind == Own.SPLIT:
            self._at = at if not self._parts else self._at
            self._parts += record[RECORD_HEADER_SIZE:]
            if len(self._parts) > MOST:
                self._parts.clear()
            return
        whole, self._parts = memoryview(bytes(self._parts)), bytearray()
        cursor = Cursor(whole, self._order, "split record", self._at)
        kind = cursor.u32()
        size = cursor.u16() << 16 | cursor.u16()
        if size != len(whole) or kind not in OWN or kind in (Own.SPLIT, Own.SPLIT_END):
            raise cursor.fail(f"a record of {len(whole)} bytes, found type {kind}, size {size}")
        self._on_record(kind, whole, memoryview(b""), self._at)
