"""One stream of records: those of perf itself (attrs, formats, features, compressed data) between the kernel's runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfpath.errors import InputError
from perfpath.readers.perfdata.attr import attr_size, parse_attr
from perfpath.readers.perfdata.compressed import Decompressor
from perfpath.readers.perfdata.cursor import Cursor
from perfpath.readers.perfdata.features import apply_feature
from perfpath.readers.perfdata.framing import Framing
from perfpath.readers.perfdata.order import TooManyEventsError
from perfpath.readers.perfdata.own_records import check
from perfpath.readers.perfdata.records import KNOWN, RECORD_HEADER_SIZE, Feature, Record
from perfpath.readers.perfdata.simpleperf import OWN, Joiner, Own, formats_of
from perfpath.readers.perfdata.tracing import parse_tracing_data

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from perfpath.readers.perfdata.decoder import RecordDecoder
    from perfpath.readers.perfdata.framing import OnRecord
    from perfpath.readers.perfdata.state import State
    from perfpath.readers.perfdata.walk import Chain

_COMPRESSED = (Record.COMPRESSED, Record.COMPRESSED2)


class Stream:
    """A pipe, a file's data section, or one of a directory's."""

    def __init__(self, decoder: RecordDecoder, state: State, base: int, where: str) -> None:
        self._decoder = decoder
        self._state = state
        self._framing = Framing(state.order, state.diagnostics, self._on_run, self._on_record, base=base, where=where)
        self._inner: _Decompressed | None = None
        self._joiner = Joiner(state.order, self._on_record)
        self._where = where

    def feed(self, data: bytes | memoryview) -> None:
        """Take some more bytes."""
        self._framing.feed(data)

    def room(self, size: int) -> memoryview:
        """Where the next `size` bytes are to be written, before `filled` is called."""
        return self._framing.room(size)

    def filled(self, size: int) -> None:
        """So many bytes have been written there."""
        self._framing.filled(size)

    def flush(self) -> None:
        """Decode all that has been fed."""
        if self._inner is not None:
            self._inner.flush()

    def close(self) -> None:
        """The end of the bytes."""
        self._framing.close()
        if self._inner is not None:
            self._inner.close()

    def _on_run(self, buffer: npt.NDArray[np.uint8], records: Chain, base: int) -> None:
        self.flush()
        before = self._decoder.refused
        self._decoder.on_run(buffer, records, base)
        if self._inner is not None and self._decoder.refused > before:
            self._inner.stop(f"{self._where}byte {base}")

    def _on_record(self, kind: int, record: memoryview, payload: memoryview, at: int) -> None:
        if kind in _COMPRESSED and self._inner is None:
            self._inner = _Decompressed(self._decoder, self._state, self._on_inner, f"{self._where}decompressed ", kind)
            self._framing.on_round = self._inner.on_round
        before = self._decoder.refused
        try:
            self._apply(kind, record, payload, at)
        except TooManyEventsError:
            raise
        except InputError as error:
            self._decoder.malformed(str(error))
        if self._inner is not None and self._decoder.refused > before:
            self._inner.stop(f"{self._where}byte {at}")

    def _on_inner(self, kind: int, record: memoryview, payload: memoryview, at: int) -> None:
        if kind in _COMPRESSED:
            self._decoder.malformed(f"decompressed byte {at}: compressed records inside compressed records")
        else:
            self._on_record(kind, record, payload, at)

    def _apply(self, kind: int, record: memoryview, payload: memoryview, at: int) -> None:
        state = self._state
        cursor = Cursor(record, state.order, f"{self._where}record of type {kind}", at)
        cursor.take(RECORD_HEADER_SIZE)
        if kind not in _COMPRESSED:
            if self._inner is not None and self._inner.may_be(record):
                raise cursor.fail("no such record among compressed ones")
            check(kind, record, state.order, cursor.where, at)
        if kind == Record.ATTR:
            self._attr(record[RECORD_HEADER_SIZE:], cursor.where, at + RECORD_HEADER_SIZE)
        elif kind == Record.TRACING_DATA:
            self._formats(payload or formats_of(record, state.order, at), at)
        elif kind == Record.FEATURE:
            bit = cursor.u64()
            if bit in set(Feature):
                apply_feature(state.info, state.diagnostics, bit, record[16:], order=state.order, base=at + 16)
        elif self._inner is not None and kind in _COMPRESSED:
            self._inner.take(kind, cursor, at)
        elif state.simpleperf and kind in OWN:
            self._simpleperf(kind, record, at)
        elif kind not in KNOWN[1]:
            self._decoder.unknown(kind, f"{self._where}byte {at}")

    def _simpleperf(self, kind: int, record: memoryview, at: int) -> None:
        """A record that only simpleperf writes."""
        if kind in (Own.SPLIT, Own.SPLIT_END):
            self._joiner.take(kind, record, at)
        elif kind == Own.TRACING_DATA:
            self._formats(formats_of(record, self._state.order, at), at)

    def _formats(self, data: memoryview, at: int) -> None:
        """The formats, of the record at an offset."""
        self._state.set_tracing(parse_tracing_data(data, self._state.order, at, self._state.diagnostics))

    def _attr(self, body: memoryview, where: str, base: int) -> None:
        """An attr, with the ids of its events behind it."""
        order = self._state.order
        size = attr_size(body, order, where, base)
        ids = Cursor(body[size:], order, where, base + size)
        self._state.add_attr(parse_attr(body, order, where, base, [ids.u64() for _ in range(ids.left // 8)]))


class _Decompressed:
    """The records inside compressed ones: a stream of its own, since they straddle the chunks.

    Decompressed bytes wait until there are enough to be worth decoding together. FINISHED_ROUNDs stand between the
    compressed records, so the place where each came is remembered.
    """

    ENOUGH = 1 << 22

    def __init__(self, decoder: RecordDecoder, state: State, on_record: OnRecord, where: str, kind: int) -> None:
        """kind: COMPRESSED or COMPRESSED2, one of which a recording has."""
        self._kind = kind
        self._order = state.order
        self._decoder = decoder
        self._diagnostics = state.diagnostics
        self._framing = Framing(state.order, state.diagnostics, self._on_run, on_record, where=where)
        self._decompressor = Decompressor()
        self._waiting: list[bytes] = []
        self._size = 0
        self._total = 0
        self._rounds: list[int] = []

    def take(self, kind: int, record: Cursor, at: int) -> None:
        """Take a compressed record, behind its header, at an offset. Raises InputError where it isn't zstd."""
        if self._decompressor.stopped:
            return
        if kind != self._kind:
            raise record.fail(f"a compressed record of type {self._kind}, as all before it")
        size = record.left if kind == Record.COMPRESSED else record.u64()
        data = record.take(size)
        if record.left >= 8 or any(record.take(record.left)):
            raise record.fail("padding to a whole word behind compressed data")
        for piece in self._decompressor.pieces(data, at):
            self._waiting.append(piece)
            self._size += len(piece)
            self._total += len(piece)
            if self._size >= self.ENOUGH:
                self.flush()

    def may_be(self, record: memoryview) -> bool:
        """Whether a record of another type is as long as a COMPRESSED2 says: it may be one whose type was damaged.

        Nearly everything else that perf writes comes before the first of them.
        """
        cursor = Cursor(record[RECORD_HEADER_SIZE:], self._order, "record")
        return self._kind == Record.COMPRESSED2 and cursor.left >= 8 and 0 <= cursor.left - 8 - cursor.u64() < 8

    def stop(self, where: str) -> None:
        """A record that isn't what it says may have been a compressed one: what was behind it would not be the same."""
        if not self._decompressor.stopped:
            self._decompressor.stopped = True
            self._diagnostics.note(
                "damaged-compression",
                "a record among the compressed ones is damaged or unknown: what is compressed behind it wasn't read",
                severity="error",
                example=where,
            )

    def on_round(self) -> None:
        """A FINISHED_ROUND stands behind what has been fed."""
        self._rounds.append(self._total)

    def flush(self) -> None:
        """Decode what waits."""
        if self._waiting:
            data, self._waiting, self._size = b"".join(self._waiting), [], 0
            self._framing.feed(data)
        for _ in range(self._due(self._framing.position)):
            self._decoder.on_round()

    def close(self) -> None:
        """The end of the bytes."""
        self.flush()
        self._framing.close()

    def _due(self, position: int) -> int:
        """Take away the rounds that ended before a position: how many."""
        before = len(self._rounds)
        self._rounds = [place for place in self._rounds if place > position]
        return before - len(self._rounds)

    def _on_run(self, buffer: npt.NDArray[np.uint8], records: Chain, base: int) -> None:
        rounds = [place - base for place in self._rounds]
        due = self._due(base + records.end)
        self._decoder.on_run(buffer, records, base, rounds[:due])
