"""Recordings opened for reading: a file, a directory of them, or a pipe."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from perfpath.errors import InputError
from perfpath.readers.perfdata.collect import EVENT_BYTES, Collector
from perfpath.readers.perfdata.decoder import RecordDecoder
from perfpath.readers.perfdata.file import PerfFile
from perfpath.readers.perfdata.header import FILE_HEADER_SIZE, PIPE_HEADER_SIZE, Section, byte_order
from perfpath.readers.perfdata.pipe import PipeDecoder
from perfpath.readers.perfdata.recorded import Recorded
from perfpath.readers.perfdata.state import State
from perfpath.readers.perfdata.timeline import BEFORE_ALL
from perfpath.readers.recording import Info

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfpath.readers.perfdata.stream import Stream
    from perfpath.tables import Table

CHUNK = 1 << 22
"""Bytes read at once: few enough for the decoder's columns to stay in the CPU's caches."""
HELD_ROWS = 1 << 21
"""In a recording without rounds at most so many events wait to be sorted, where pieces must be bounded."""


class _Part:
    """One stream of records in a file, and how far it has been read."""

    def __init__(self, file: BinaryIO, section: Section, stream: Stream) -> None:
        self.file = file
        self.stream = stream
        self.newest = self.newest_before = BEFORE_ALL
        self._at = section.offset
        self._left = section.size

    def read(self, size: int) -> int:
        """Decode the next bytes: how many; 0 at the end, or where the file has become shorter."""
        self.file.seek(self._at)
        count: int = self.file.readinto(self.stream.room(min(size, self._left)))  # type: ignore[attr-defined]
        self._at += count
        self._left -= count
        self.stream.filled(count)
        return count


class FileSource(Recorded):
    """A `Source` (readers.recording) of perf.data files: one, or those of a directory.

    batch_bytes: how much of the recording a piece stands for; None for one table of everything.
    """

    def __init__(self, state: State, parts: list[tuple[BinaryIO, Section]], batch_bytes: int | None) -> None:
        self._state = state
        self._batch_bytes = batch_bytes
        self._size = sum(section.size for _, section in parts)
        several = len(parts) > 1
        self._decoder = RecordDecoder(state, whole=batch_bytes is None, by_rounds=not several)
        self._parts = [
            _Part(file, section, self._decoder.stream(section.offset, f"part {n}, " if several else ""))
            for n, (file, section) in enumerate(parts)
        ]

    def batches(self) -> Iterator[Table]:
        """EVENTS in time order: one table, or pieces of bounded size. To be called once."""
        if self._batch_bytes is None:
            every = Collector(self._size // EVENT_BYTES)
            for table in self._tables(CHUNK):
                every.add(table)
            yield every.table()
            return
        yield from gathered(self._tables(max(min(CHUNK, self._batch_bytes), 1 << 16)), self._batch_bytes // 64)

    def _tables(self, chunk: int) -> Iterator[Table]:
        parts, ordering = list(self._parts), self._decoder.ordering
        by_rounds = len(parts) == 1
        given = BEFORE_ALL
        while parts:
            part = min(parts, key=lambda one: one.newest)  # the one that lags behind
            ordering.seen = BEFORE_ALL
            if not part.read(chunk):
                part.stream.close()
                parts.remove(part)
                continue
            part.newest, part.newest_before = max(part.newest, ordering.seen), part.newest
            limit = ordering.limit if by_rounds else min(one.newest_before for one in parts)
            if self._batch_bytes is not None and ordering.held > HELD_ROWS:
                limit = max(limit, ordering.middle())
            if limit > given:
                given = limit
                yield self._decoder.take(limit)
        yield self._decoder.close()


class PipeSource(Recorded):
    """A `Source` of a pipe-mode stream: EVENTS as they come."""

    def __init__(self, stream: BinaryIO, fields: Sequence[str], path: str, head: bytes) -> None:
        self._stream = stream
        self._pipe = PipeDecoder(fields=fields, path=path)
        self._state = self._pipe.state
        self._pipe.feed(head)

    def batches(self) -> Iterator[Table]:
        """EVENTS in time order, in pieces."""
        while data := _read_some(self._stream, CHUNK):
            self._pipe.feed(data)
            table = self._pipe.take()
            if len(table):
                yield table
        yield self._pipe.close()


def open_perfdata(
    path: str | os.PathLike[str] | BinaryIO, *, batch_bytes: int | None = None, fields: Sequence[str] = ()
) -> FileSource | PipeSource:
    """A perf.data file (seekable), or the directory that `perf record --threads` writes.

    Raises InputError where it isn't one, or can't be understood at all.
    """
    if not isinstance(path, str | os.PathLike):
        return _open_file(path, str(getattr(path, "name", "-")), [], batch_bytes, fields)
    root = Path(path)
    try:
        if root.is_dir():
            parts = sorted(root.glob("data.*"), key=lambda part: (len(part.name), part.name))
            parts = [part for part in parts if re.fullmatch(r"data\.\d+", part.name)]
            main = (root / "data").open("rb")
            return _open_file(main, str(root), [part.open("rb") for part in parts], batch_bytes, fields)
        return _open_file(root.open("rb"), str(root), [], batch_bytes, fields)
    except OSError as error:
        raise InputError(f"{root}: can't be read: {error.strerror}") from error


def _open_file(
    file: BinaryIO, path: str, more: list[BinaryIO], batch_bytes: int | None, fields: Sequence[str]
) -> FileSource | PipeSource:
    file.seek(0)
    head = file.read(FILE_HEADER_SIZE)
    order, size = byte_order(head, path)
    if size == PIPE_HEADER_SIZE:
        return PipeSource(file, fields, path, head)
    state = State(order, Info("perf.data" + (" (directory)" if more else ""), path), fields=tuple(fields))
    opened = PerfFile(file, state, path)
    parts = [(file, opened.data), *((one, Section(0, one.seek(0, os.SEEK_END))) for one in more)]
    return FileSource(state, parts, batch_bytes)


def open_pipe(
    stream: BinaryIO, *, fields: Sequence[str] = (), path: str = "-", head: bytes = b"", batch_bytes: int | None = None
) -> FileSource | PipeSource:
    """A recording that comes through a pipe. head: bytes that were already read from it.

    A perf.data *file* that comes through a pipe is first copied to a temporary file: its formats stand at the end.
    """
    while len(head) < PIPE_HEADER_SIZE and (data := _read_some(stream, 1 << 16)):
        head += data
    _, size = byte_order(head, path)
    if size == PIPE_HEADER_SIZE:
        return PipeSource(stream, fields, path, head)
    file = tempfile.TemporaryFile()  # noqa: SIM115 # the source reads it later; it has no name
    file.write(head)
    while data := _read_some(stream, CHUNK):
        file.write(data)
    return _open_file(file, path, [], batch_bytes, fields)


def _read_some(stream: BinaryIO, size: int) -> bytes:
    """What there is, at least one byte, none at the end."""
    read1 = getattr(stream, "read1", stream.read)
    data: bytes = read1(size)
    return data


def gathered(tables: Iterator[Table], rows: int) -> Iterator[Table]:
    """Tables put together until they have so many rows."""
    waiting = Collector(rows)
    for table in tables:
        waiting.add(table)
        if len(waiting) >= rows:
            yield waiting.table()
            waiting = Collector(rows)
    if waiting.begun:
        yield waiting.table()
