"""Pipe-mode recordings: `perf record -o -`, decoded as the bytes come (tools/perf/util/header.c, pipe header)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath import schema
from perfpath.diagnostics import Diagnostics
from perfpath.errors import InputError
from perfpath.readers.perfdata.decoder import RecordDecoder
from perfpath.readers.perfdata.header import PIPE_HEADER_SIZE, byte_order
from perfpath.readers.perfdata.recorded import Recorded
from perfpath.readers.perfdata.state import State
from perfpath.readers.recording import Info
from perfpath.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfpath.readers.perfdata.stream import Stream


class PipeDecoder(Recorded):
    """A `Decoder` (readers.recording) of pipe-mode perf.data.

    fields: columns beyond EVENTS, as `event.field`, such as "skb:kfree_skb.reason".
    """

    def __init__(self, *, fields: Sequence[str] = (), path: str = "-") -> None:
        self._state = State("<", Info("perf.data (pipe)", path), Diagnostics(), tuple(fields))
        self._head = b""
        self._decoder: RecordDecoder | None = None
        self._stream: Stream | None = None

    @property
    def state(self) -> State:
        """What is known of the recording, for a source that wraps this decoder."""
        return self._state

    def feed(self, data: bytes | memoryview) -> None:
        """Take some more bytes. Raises InputError where they don't begin as a pipe-mode recording does."""
        if self._stream is None:
            self._head += data
            if len(self._head) < PIPE_HEADER_SIZE:
                return
            order, size = byte_order(self._head, self.info.path)
            if size != PIPE_HEADER_SIZE:
                raise InputError(f"{self.info.path}: a perf.data file, not a pipe-mode stream (header of {size} bytes)")
            self._state.set_order(order)
            self._decoder = RecordDecoder(self._state)
            self._stream = self._decoder.stream(PIPE_HEADER_SIZE)
            data, self._head = self._head[PIPE_HEADER_SIZE:], b""
        self._stream.feed(data)

    def take(self, *, idle: bool = False) -> Table:
        """EVENTS that are certain to be in order; with idle=True all that are held."""
        if self._decoder is None or self._stream is None:
            return Table.filled(schema.EVENTS, 0, self.names)
        self._stream.flush()
        return self._decoder.take(None if idle else self._decoder.ordering.limit)

    def close(self) -> Table:
        """The end of the bytes: all events not taken yet."""
        if self._decoder is None or self._stream is None:
            raise InputError(f"{self.info.path}: the recording ends before its header ({len(self._head)} bytes)")
        self._stream.close()
        attrs = self._state.attrs
        if not attrs or (not self._state.formats and any(attr.tracepoint is not None for attr in attrs)):
            self._state.diagnostics.note(
                "cut-short",
                "the recording ends before perf has written which events it is of: nothing in it can be read",
                severity="error",
                advice="record again, or copy it whole",
            )
        return self._decoder.close()
