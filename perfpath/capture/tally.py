"""How many events and losses a stream of perf record holds, counted while it passes, without decoding it."""

from __future__ import annotations

import struct

HEADER = struct.Struct("=IHH")  # struct perf_event_header: type, misc, size (include/uapi/linux/perf_event.h)
PIPE_HEADER = 16  # struct perf_pipe_file_header: magic, size (tools/perf/util/header.h)
LOST, SAMPLE, TRACING_DATA = 2, 9, 66
LOST_AT = 16  # PERF_RECORD_LOST: u64 id, u64 lost behind the header


class Tally:
    """events, lost: what has passed so far. Stops counting (sound: False) where the stream is no such stream."""

    def __init__(self) -> None:
        self.events = self.lost = 0
        self.sound = True
        self._rest = b""
        self._skip = PIPE_HEADER

    def feed(self, data: bytes) -> None:
        """The next bytes; records may be cut anywhere."""
        data, at = self._rest + data, 0
        while self.sound:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
            if len(data) - at < HEADER.size:
                break
            kind, _, size = HEADER.unpack_from(data, at)
            if size < HEADER.size:
                self.sound = False
            elif len(data) - at < size:
                break
            else:
                self._count(kind, data, at, size)
                at += size
        self._rest = data[at:]

    def _count(self, kind: int, data: bytes, at: int, size: int) -> None:
        if kind == SAMPLE:
            self.events += 1
        elif kind == LOST and size >= LOST_AT + 8:
            self.lost += struct.unpack_from("=Q", data, at + LOST_AT)[0]
        elif kind == TRACING_DATA and size >= HEADER.size + 4:  # its payload, padded, stands outside of its size
            self._skip = (struct.unpack_from("=I", data, at + HEADER.size)[0] + 7) & ~7
