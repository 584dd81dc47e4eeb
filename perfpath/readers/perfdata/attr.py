"""perf_event_attr: what one event of the recording was asked to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.readers.perfdata.cursor import Cursor
from perfpath.readers.perfdata.records import PERF_TYPE_TRACEPOINT

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_SIZE = 64  # PERF_ATTR_SIZE_VER0; later versions only append
_FLAGS_OFFSET = 40
_CLOCKID_OFFSET = 92

# Bits of the attr's bit field (include/uapi/linux/perf_event.h, struct perf_event_attr).
_SAMPLE_ID_ALL = 18
_USE_CLOCKID = 25


@dataclass(frozen=True, slots=True)
class Attr:
    """One attr with the ids its events carry.

    config: the tracepoint's id where type is PERF_TYPE_TRACEPOINT. clockid: None for perf's own clock.
    """

    type: int
    config: int
    sample_type: int
    read_format: int
    sample_id_all: bool
    clockid: int | None
    ids: tuple[int, ...] = ()

    @property
    def tracepoint(self) -> int | None:
        """The tracepoint's id, None for other kinds of events."""
        return self.config if self.type == PERF_TYPE_TRACEPOINT else None


def attr_size(data: bytes | memoryview, order: str, where: str, base: int) -> int:
    """The size an attr says it has (0 is the first version's); at least MIN_SIZE."""
    cursor = Cursor(data, order, where, base)
    cursor.u32()
    size = cursor.u32() or MIN_SIZE
    if size < MIN_SIZE or size > len(data):
        raise cursor.fail(f"an attr size of {MIN_SIZE} to {len(data)}, found {size}")
    return size


def parse_attr(data: bytes | memoryview, order: str, where: str, base: int, ids: Sequence[int] = ()) -> Attr:
    """The attr in `data`, which may be older (shorter) or newer (longer) than what is known here."""
    size = attr_size(data, order, where, base)
    cursor = Cursor(data[:size], order, where, base)
    kind = cursor.u32()
    cursor.u32()
    config = cursor.u64()
    cursor.u64()  # sample_period
    sample_type = cursor.u64()
    read_format = cursor.u64()
    bits = _bits(cursor)
    clockid = None
    if bits >> _USE_CLOCKID & 1 and size >= _CLOCKID_OFFSET + 4:
        cursor.position = _CLOCKID_OFFSET
        clockid = cursor.u32()
    return Attr(kind, config, sample_type, read_format, bool(bits >> _SAMPLE_ID_ALL & 1), clockid, tuple(ids))


def _bits(cursor: Cursor) -> int:
    """The bit field with the first bit lowest: big-endian compilers begin at the other end."""
    bits = cursor.u64()
    return int(f"{bits:064b}"[::-1], 2) if cursor.order == ">" else bits
