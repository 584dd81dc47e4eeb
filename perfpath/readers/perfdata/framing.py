"""A stream of bytes to records: what perf itself wrote is handled one by one, what the kernel wrote in runs."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.gather import SLACK
from perfpath.readers.perfdata.own_records import auxtrace
from perfpath.readers.perfdata.records import FIRST_OF_PERF, RECORD_HEADER_SIZE, Record
from perfpath.readers.perfdata.walk import chain

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from perfpath.diagnostics import Diagnostics
    from perfpath.readers.perfdata.walk import Chain

    OnRun = Callable[[npt.NDArray[np.uint8], Chain, int], None]
    OnRecord = Callable[[int, memoryview, memoryview, int], None]

MAX_TRACING_DATA = 1 << 28
LARGE = 1 << 24  # a larger buffer isn't kept when it is no longer needed
_TRACING_SIZES = (12, 16)


class Framing:
    """Cuts fed bytes into records and remembers what isn't whole yet.

    on_run(buffer, chain, base) gets records of the kernel and FINISHED_ROUND; on_record(type, record, payload,
    offset) each of the others; on_round, if set, is called for a FINISHED_ROUND that begins a run. where: what the
    offsets count in, for messages.
    """

    def __init__(
        self,
        order: str,
        diagnostics: Diagnostics,
        on_run: OnRun,
        on_record: OnRecord,
        *,
        base: int = 0,
        where: str = "",
    ) -> None:
        self._order = order
        self._head = struct.Struct(order + "IHH")
        self._diagnostics = diagnostics
        self._on_run = on_run
        self._on_record = on_record
        self._buffer = np.empty(0, np.uint8)
        self._begin = self._end = 0  # what is fed and not handed on stands there in the buffer
        self._need = RECORD_HEADER_SIZE
        self._skip = 0
        self._base = base
        self._where = where
        self._broken = False
        self.on_round: Callable[[], None] | None = None

    @property
    def position(self) -> int:
        """The offset of the first byte that wasn't handed on."""
        return self._base

    def feed(self, data: bytes | memoryview) -> None:
        """Take some more bytes and hand on all records that are whole now."""
        self.room(len(data))[:] = data
        self.filled(len(data))

    def room(self, size: int) -> memoryview:
        """Where the next `size` bytes are to be written, before `filled` is called: nothing is copied twice.

        The memory is used again and again: fresh pages cost as much as reading a file does.
        """
        left = self._end - self._begin
        space = left + size + SLACK
        old = self._buffer[self._begin : self._end]
        if space > len(self._buffer) or len(self._buffer) > max(16 * space, LARGE):
            self._buffer = np.empty(space if size >= left else 2 * space, np.uint8)
        self._buffer[:left] = old
        self._begin, self._end = 0, left
        return self._buffer.data[left : left + size]

    def filled(self, size: int) -> None:
        """So many bytes have been written where there was room: hand on all records that are whole now."""
        if self._broken:
            return
        self._end += size
        skipped = min(self._skip, self._end - self._begin)
        self._begin += skipped
        self._skip -= skipped
        self._base += skipped
        size = self._end - self._begin
        if not size or size < self._need:
            return
        self._buffer[self._end : self._end + SLACK] = 0
        buffer = self._buffer[self._begin : self._end + SLACK]
        used = self._records(buffer.data[:size], buffer)
        self._base += used
        self._begin += used

    def close(self) -> None:
        """The end of the bytes: what is left is a record cut in two. The memory is given back."""
        size = self._end - self._begin
        self._buffer, self._begin, self._end = np.empty(0, np.uint8), 0, 0
        if (size or self._skip) and not self._broken:
            self._diagnostics.note(
                "truncated",
                "the recording ends in the middle of a record",
                severity="error",
                example=f"{self._where}byte {self._base}: {size} bytes of a record that isn't whole",
                advice="everything before the cut was used",
            )

    def _records(self, data: memoryview, buffer: npt.NDArray[np.uint8]) -> int:
        """Hand on whole records; the number of bytes used. data: the buffer without the SLACK."""
        position = 0
        self._need = RECORD_HEADER_SIZE
        while len(data) - position >= RECORD_HEADER_SIZE and not self._broken:
            kind, _, size = self._head.unpack_from(data, position)
            of_perf = kind >= FIRST_OF_PERF and kind != Record.FINISHED_ROUND
            if size < RECORD_HEADER_SIZE or (size % 8 and not of_perf):  # the kernel's records are aligned
                self._break(position, kind, size)
            elif size > len(data) - position:
                self._need = size
                break
            elif kind == Record.FINISHED_ROUND and size == RECORD_HEADER_SIZE and self.on_round is not None:
                self.on_round()
                position += size
            elif of_perf:
                used = self._one(data, position, kind, size)
                if not used:
                    break
                position += used
            else:
                position = self._run(buffer, position, len(data))
        return min(position, len(data))

    def _run(self, buffer: npt.NDArray[np.uint8], position: int, end: int) -> int:
        """A run of the kernel's records: where it ends."""
        buffer = buffer[position:]
        if (self._begin + position) % 8:  # behind a record of perf's own with an odd size
            buffer = buffer.copy()
        found = chain(buffer, end - position, self._order)
        self._on_run(buffer, found, self._base + position)
        return position + found.end

    def _one(self, data: memoryview, position: int, kind: int, size: int) -> int:
        """One record of perf's own: bytes used, 0 where it isn't whole."""
        record, payload = data[position : position + size], memoryview(b"")
        extra = self._outside(kind, record)
        if kind == Record.TRACING_DATA and extra:
            if extra > MAX_TRACING_DATA:
                self._break(position, kind, extra)
                return 0
            if position + size + extra > len(data):
                self._need = size + extra
                return 0
            payload = data[position + size : position + size + extra]
        self._on_record(kind, record, payload, self._base + position)
        used = size + extra
        self._skip = max(position + used - len(data), 0)
        return used

    def _outside(self, kind: int, record: memoryview) -> int:
        """How many bytes follow a record that its size doesn't count; its first number says so."""
        if kind == Record.TRACING_DATA and len(record) in _TRACING_SIZES:
            return int(struct.unpack_from(self._order + "I", record, RECORD_HEADER_SIZE)[0])
        if kind == Record.AUXTRACE and auxtrace(record, self._order):
            return int(struct.unpack_from(self._order + "Q", record, RECORD_HEADER_SIZE)[0])
        return 0

    def _break(self, position: int, kind: int, size: int) -> None:
        self._broken = True
        self._diagnostics.note(
            "broken-stream",
            "a record with a size that can't be: nothing after it can be read",
            severity="error",
            example=f"{self._where}byte {self._base + position}: type {kind}, size {size}",
        )
