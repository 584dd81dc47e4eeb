"""perf.data as a file: sections with a header, of which the data is read like a stream."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from perfpath.errors import InputError
from perfpath.readers.perfdata.attr import parse_attr
from perfpath.readers.perfdata.cursor import Cursor
from perfpath.readers.perfdata.features import apply_feature
from perfpath.readers.perfdata.header import FILE_HEADER_SIZE, Section, parse_header
from perfpath.readers.perfdata.machine import formats_here
from perfpath.readers.perfdata.records import RECORD_HEADER_SIZE, Feature
from perfpath.readers.perfdata.simpleperf import by_simpleperf, formats_follow
from perfpath.readers.perfdata.tracing import parse_tracing_data

if TYPE_CHECKING:
    from perfpath.readers.perfdata.state import State

_SECTION_SIZE = 16
_LIMIT = 1 << 28  # no section of a header is larger


class PerfFile:
    """An opened perf.data file: what stands around its data has been read into the state.

    Raises InputError where the header or the attrs can't be understood, or no format can be found.
    """

    def __init__(self, file: BinaryIO, state: State, path: str) -> None:
        self.file = file
        self._state = state
        self._path = path
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.header = parse_header(file.read(FILE_HEADER_SIZE), path)
        state.set_order(self.header.order)
        state.simpleperf = by_simpleperf(self.header.features)
        self._whole = False  # what stands behind the data is there
        self._read_attrs()
        self.data = self._data_section()
        self._read_features()
        if state.tracepoints and not state.formats and not self._formats_follow():
            self._borrow_formats()

    def _read(self, section: Section, what: str) -> bytes:
        """A section's bytes, fewer where the file is cut."""
        if section.offset > self.size or section.size > _LIMIT:
            raise InputError(f"{self._path}, header: {what} can't be at byte {section.offset}, {section.size} bytes")
        self.file.seek(section.offset)
        return self.file.read(min(section.size, self.size - section.offset))

    def _read_attrs(self) -> None:
        header, order = self.header, self.header.order
        stride = header.attr_size
        if not _SECTION_SIZE < stride <= 4096 or header.attrs.size < stride:
            raise InputError(f"{self._path}, header: no events: attrs of {stride} bytes in {header.attrs.size}")
        entries = self._read(header.attrs, "attrs")
        for start in range(0, len(entries) - stride + 1, stride):
            entry = entries[start : start + stride]
            where, base = f"{self._path}, attrs", header.attrs.offset + start
            place = Cursor(entry[-_SECTION_SIZE:], order, where, base + stride - _SECTION_SIZE)
            ids = Cursor(self._read(Section(place.u64(), place.u64()), "ids"), order, where)
            numbers = [ids.u64() for _ in range(ids.left // 8)]
            self._state.add_attr(parse_attr(entry[:-_SECTION_SIZE], order, where, base, numbers))

    def _is_finished(self) -> bool:
        """Whether the table of features stands where the data ends (perf puts the first section right behind it)."""
        end = self.header.data.offset + self.header.data.size
        if end + _SECTION_SIZE > self.size:
            return False
        self.file.seek(end)
        first = Cursor(self.file.read(_SECTION_SIZE), self.header.order, self._path, end).u64()
        return first == end + _SECTION_SIZE * len(self.header.features)

    def _data_section(self) -> Section:
        """The data; to the end of the file where perf was killed before it wrote the size."""
        data, diagnostics = self.header.data, self._state.diagnostics
        there = max(self.size - data.offset, 0)
        size = min(data.size, there)
        if data.size == 0 and not self._is_finished():
            size = there
            diagnostics.note(
                "unfinished",
                "perf was killed before it finished this file",
                severity="error",
                advice="what is there was read; record in pipe mode (-o -) to lose nothing next time",
            )
        elif data.size > there:
            diagnostics.note(
                "truncated",
                "the recording is cut",
                severity="error",
                example=f"data of {data.size} bytes at byte {data.offset}, but the file ends at {self.size}",
                advice="everything before the cut was used",
            )
        return Section(min(data.offset, self.size), size)

    def _read_features(self) -> None:
        """The table of features follows the data: one section for each bit."""
        if not self.header.data.size and not self._is_finished():
            return
        start = self.header.data.offset + self.header.data.size
        bits = self.header.features
        table = b""
        if start < self.size:
            self.file.seek(start)
            table = self.file.read(_SECTION_SIZE * len(bits))
        cursor = Cursor(table, self.header.order, f"{self._path}, features", start)
        for bit in bits:
            if cursor.left < _SECTION_SIZE:
                return
            self._whole = True
            section = Section(cursor.u64(), cursor.u64())
            if bit in set(Feature):
                self._read_feature(bit, section)

    def _read_feature(self, bit: int, section: Section) -> None:
        state = self._state
        try:
            raw = self._read(section, f"feature {bit}")
        except InputError as error:
            state.diagnostics.note("damaged-feature", "a part of the recording's header is damaged", example=str(error))
            return
        if bit == Feature.TRACING_DATA:
            state.set_tracing(parse_tracing_data(raw, self.header.order, section.offset, state.diagnostics))
        else:
            apply_feature(state.info, state.diagnostics, bit, raw, order=self.header.order, base=section.offset)

    def _formats_follow(self) -> bool:
        """Whether the formats stand in the data, as simpleperf has them: the first record tells."""
        self.file.seek(self.data.offset)
        head = self.file.read(min(RECORD_HEADER_SIZE, self.data.size))
        return self._state.simpleperf and formats_follow(head, self.header.order)

    def _why_none(self) -> str:
        """Why there may be no formats."""
        if self._whole:
            return "what wrote it left them out"
        return "perf writes them last, and was killed, or the file is cut"

    def _borrow_formats(self) -> None:
        """Formats are written last: a killed or cut recording has none, and this machine's may be the same."""
        wanted = self._state.tracepoints
        release = os.uname().release if hasattr(os, "uname") else None
        kernel = self._state.info.kernel
        found = formats_here(wanted) if kernel in {None, release} else {}
        if not found or len(found) < len(wanted):
            raise InputError(
                f"{self._path}: the recording has no event formats ({self._why_none()}), and this machine has none "
                f"for its tracepoint ids {_listed(wanted - set(found))}: read it on "
                "the machine that recorded it, as root, before its kernel changes; recordings in pipe mode "
                "(perf record -o -) have them first"
            )
        self._state.formats = found
        self._state.diagnostics.note(
            "borrowed-formats",
            "the recording has no event formats: this machine's were taken"
            + ("" if kernel else ", though nothing proves that its kernel made the recording"),
            example=", ".join(f"{number} = {form.perf_name}" for number, form in sorted(found.items())),
            advice="if another kernel made the recording, don't believe a word",
        )


def _listed(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)[:8]))
