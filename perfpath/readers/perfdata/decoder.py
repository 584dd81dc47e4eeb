"""The heart of the reader: a stream of records to EVENTS, as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath import schema
from perfpath.errors import InputError
from perfpath.readers.perfdata.attr import attr_size, parse_attr
from perfpath.readers.perfdata.compressed import Decompressor
from perfpath.readers.perfdata.cursor import Cursor
from perfpath.readers.perfdata.features import apply_feature
from perfpath.readers.perfdata.framing import Framing
from perfpath.readers.perfdata.order import Ordering
from perfpath.readers.perfdata.records import RECORD_HEADER_SIZE, Feature, Record
from perfpath.readers.perfdata.run import RunReader
from perfpath.readers.perfdata.tracing import parse_tracing_data
from perfpath.tables import Table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from perfpath.readers.perfdata.columns import Columns
    from perfpath.readers.perfdata.gather import Offsets
    from perfpath.readers.perfdata.state import State


class RecordDecoder:
    """Takes records from any number of streams of one recording and gives EVENTS in time order."""

    def __init__(self, state: State, *, whole: bool = False) -> None:
        self._state = state
        self._runs = RunReader(state)
        self._whole = whole
        self.ordering = Ordering(state.diagnostics, whole=whole)

    def stream(self, base: int, where: str = "") -> Stream:
        """A new stream of records that begins at offset `base` of its file."""
        return Stream(self, self._state, base, where)

    def on_run(self, buffer: npt.NDArray[np.uint8], at: Offsets, base: int) -> None:
        """Decode a run of records."""
        columns, rounds = self._runs.read(buffer, at, base)
        self.ordering.add(columns, rounds)

    def malformed(self, example: str) -> None:
        """Count a record that isn't what it says."""
        self._runs.malformed(example)

    def take(self, until_ns: int | None) -> Table:
        """All events up to a time (None: all), sorted, with what was known of their threads then."""
        columns = self.ordering.release(until_ns)
        tasks = self._state.tasks
        tasks.advance(until_ns)
        table = self._table(columns)
        if until_ns is not None and not self._whole:
            tasks.forget(until_ns)
        return table

    def _table(self, columns: Columns) -> Table:
        del columns["at"]
        tid, times = columns["tid"], columns["time_ns"]
        columns["comm"] = self._state.tasks.comms(tid, times)
        netns = self._state.tasks.netns(tid, times)
        if netns is not None:
            columns["task_netns"] = netns
        info = self._state.info
        if len(times):
            info.first_ns = int(times[0]) if info.first_ns is None else min(info.first_ns, int(times[0]))
            info.last_ns = max(info.last_ns or 0, int(times[-1]))
        declared = {c.name for c in schema.EVENTS}
        own = {name: values for name, values in columns.items() if name not in declared}
        given = {name: values for name, values in columns.items() if name in declared}
        return Table.filled(schema.EVENTS, len(times), self._state.names, **given).extended(**own)

    def close(self) -> Table:
        """The end of all streams."""
        table = self.take(None)
        self._state.losses.close()
        return table


class Stream:
    """One stream of records: a pipe, a file's data section, or one of a directory's."""

    def __init__(self, decoder: RecordDecoder, state: State, base: int, where: str) -> None:
        self._decoder = decoder
        self._state = state
        self._framing = Framing(state.order, state.diagnostics, decoder.on_run, self._on_record, base=base, where=where)
        self._inner: Framing | None = None
        self._decompressor: Decompressor | None = None
        self._where = where

    def feed(self, data: bytes | memoryview) -> None:
        """Take some more bytes."""
        self._framing.feed(data)

    def close(self) -> None:
        """The end of the bytes."""
        self._framing.close()
        if self._inner is not None:
            self._inner.close()

    def _on_record(self, kind: int, record: memoryview, payload: memoryview, at: int) -> None:
        try:
            self._apply(kind, record, payload, at)
        except InputError as error:
            if kind in {Record.COMPRESSED, Record.COMPRESSED2} and self._decompressor is None:
                raise  # no library: nothing can be read
            self._decoder.malformed(str(error))

    def _apply(self, kind: int, record: memoryview, payload: memoryview, at: int) -> None:
        state = self._state
        cursor = Cursor(record, state.order, f"{self._where}record of type {kind}", at)
        cursor.take(RECORD_HEADER_SIZE)
        if kind == Record.ATTR:
            body = record[8:]
            size = attr_size(body, state.order, cursor.where, at + 8)
            ids = Cursor(body[size:], state.order, cursor.where, at + 8 + size)
            state.add_attr(
                parse_attr(body, state.order, cursor.where, at + 8, [ids.u64() for _ in range(ids.left // 8)])
            )
        elif kind == Record.TRACING_DATA:
            state.set_tracing(parse_tracing_data(payload, state.order, at + len(record), state.diagnostics))
        elif kind == Record.FEATURE:
            bit = cursor.u64()
            if bit in set(Feature):
                apply_feature(state.info, state.diagnostics, bit, record[16:], order=state.order, base=at + 16)
        elif kind in {Record.COMPRESSED, Record.COMPRESSED2}:
            self._decompress(cursor.take(cursor.u64()) if kind == Record.COMPRESSED2 else record[8:], at)

    def _decompress(self, data: memoryview, at: int) -> None:
        """Feed what a compressed record holds to a stream of its own: records straddle the chunks."""
        if self._inner is None or self._decompressor is None:
            self._decompressor = Decompressor()
            self._inner = Framing(
                self._state.order,
                self._state.diagnostics,
                self._decoder.on_run,
                self._on_inner,
                where=f"{self._where}decompressed ",
            )
        for piece in self._decompressor.pieces(data, at):
            self._inner.feed(piece)

    def _on_inner(self, kind: int, record: memoryview, payload: memoryview, at: int) -> None:
        if kind in {Record.COMPRESSED, Record.COMPRESSED2}:
            raise InputError(f"decompressed byte {at}: compressed records inside compressed records")
        self._on_record(kind, record, payload, at)
