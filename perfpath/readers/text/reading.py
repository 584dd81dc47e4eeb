"""Reads all lines of one shape at once: the numbers in them, and where their names stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.text.digits import HIGH, LOW, decimal, hexadecimal, padded
from perfpath.readers.text.shape import LONGEST_HEAD, ROLES, Shape

if TYPE_CHECKING:
    from perfpath.readers.text.chunk import Chunk
    from perfpath.tables import Array

LONGEST_DEV = 16
"""IFNAMSIZ, include/uapi/linux/if.h."""


@dataclass(slots=True)
class Reading:
    """What lines of one shape say.

    rows: their numbers in the chunk; columns: of EVENTS, what varies from line to line, without names; the others are
    positions in the chunk: behind the time and before the fields, and of the first field's value, which is the device's
    name where the event has one.
    """

    chunk: Chunk
    shape: Shape
    rows: Array
    columns: dict[str, Array]
    behind_start: Array
    behind_end: Array
    dev_start: Array
    dev_end: Array

    def only(self, valid: Array) -> Reading | None:
        """Some of the lines; None for none."""
        if not valid.any():
            return None
        columns = {name: column[valid] for name, column in self.columns.items()}
        spans = (self.behind_start, self.behind_end, self.dev_start, self.dev_end)
        return Reading(self.chunk, self.shape, self.rows[valid], columns, *(span[valid] for span in spans))

    def head_words(self) -> list[Array]:
        """uint64 words that identify what stands before and behind the time, the CPU left out."""
        starts = self.chunk.starts[self.rows]
        before = [word for begin, end in self._before for word in _fixed(self.chunk, starts + begin, end - begin)]
        return before + _varying(self.chunk, self.behind_start, self.behind_end)

    def head_texts(self, at: int) -> tuple[bytes, ...]:
        """The same in one of the lines, as text."""
        start = int(self.chunk.starts[self.rows[at]])
        before = [self.chunk.data[start + begin : start + end] for begin, end in self._before]
        return (*before, self.chunk.data[int(self.behind_start[at]) : int(self.behind_end[at])])

    @property
    def _before(self) -> tuple[tuple[int, int], ...]:
        """What identifies the head before the time: columns."""
        end = self.shape.point - self.shape.whole
        return ((0, end),) if self.shape.cpu is None else ((0, self.shape.cpu[0]), (self.shape.cpu[1], end))

    @property
    def has_dev(self) -> bool:
        """Whether these events have a device."""
        return self.shape.keys[0] == b"dev"

    def dev_words(self) -> list[Array]:
        """uint64 words that identify the device's name."""
        return _varying(self.chunk, self.dev_start, self.dev_end)

    def dev_text(self, at: int) -> bytes:
        """The device's name in one of the lines."""
        return self.chunk.data[int(self.dev_start[at]) : int(self.dev_end[at])]


def read_shape(shape: Shape, chunk: Chunk, rows: Array) -> Reading | None:
    """Read those of the rows that have this shape; None where none has.

    All the rows must have as many `=` as the shape.
    """
    time_ns, valid = _time(shape, chunk, chunk.starts[rows])
    rows, time_ns = rows[valid], time_ns[valid]
    if not len(rows):
        return None
    starts, ends, valid = _values(shape, chunk, rows)
    columns = {"time_ns": time_ns}
    if shape.cpu is not None:
        columns["cpu"], good = _cpu(shape.cpu, chunk, chunk.starts[rows])
        valid &= good
    for key, start, end in zip(shape.keys, starts, ends, strict=True):
        role = ROLES.get(key)
        if role == "dev":
            valid &= end - start <= LONGEST_DEV
        elif role is not None:
            columns[role], good = _value(shape, chunk, role, start, end)
            valid &= good
    behind_start = chunk.starts[rows] + shape.point + 1 + shape.fraction
    behind_end = starts[0] - len(shape.keys[0]) - 1
    valid &= (behind_end > behind_start) & (behind_end - behind_start <= LONGEST_HEAD)
    reading = Reading(chunk, shape, rows, columns, behind_start, behind_end, starts[0], ends[0])
    return reading if valid.all() else reading.only(valid)


def _values(shape: Shape, chunk: Chunk, rows: Array) -> tuple[list[Array], list[Array], Array]:
    """(where the values begin, where they end, whether all keys are the shape's)."""
    first = chunk.first_mark[rows]
    marks = [chunk.marks[first + index] for index in range(len(shape.keys))]
    valid = _is_text(chunk, marks[0], shape.keys[0])
    for mark, key in zip(marks[1:], shape.keys[1:], strict=True):
        valid &= _is_text(chunk, mark, b" " + key)
    last = chunk.ends[rows]
    if shape.closed:
        last = last - 1
        valid &= chunk.bytes[last] == ord(")")
    ends = [mark - len(key) - 1 for mark, key in zip(marks[1:], shape.keys[1:], strict=True)]
    return [mark + 1 for mark in marks], [*ends, last], valid


def _time(shape: Shape, chunk: Chunk, starts: Array) -> tuple[Array, Array]:
    """Nanoseconds, through integers; False where the line has no time of this shape."""
    point = starts + shape.point
    valid = chunk.bytes[np.minimum(point, len(chunk.bytes) - 1)] == ord(".")
    point = np.where(valid, point, 8)
    whole, good = decimal(chunk.words[point - 8], HIGH[min(shape.whole, 8)])
    valid &= good
    if shape.whole > 8:
        more, good = decimal(chunk.words[point - 16], HIGH[shape.whole - 8])
        whole, valid = whole + more * 10**8, valid & good
    end = point + 1 + shape.fraction
    fraction, good = decimal(chunk.words[end - 8], HIGH[min(shape.fraction, 8)])
    valid &= good & (whole < (1 << 63) // shape.unit)
    if shape.fraction == 9:
        first = chunk.bytes[end - 9] - np.uint8(ord("0"))
        valid &= first <= 9
        fraction = fraction + first.astype(np.uint64) * 10**8
    scale = shape.unit // 10**shape.fraction
    return (whole * shape.unit + fraction * scale).astype(np.int64), valid


def _cpu(columns: tuple[int, int], chunk: Chunk, starts: Array) -> tuple[Array, Array]:
    begin, end = columns
    value, valid = decimal(chunk.words[starts + end - 8], HIGH[end - begin])
    return value, valid & (value < 1 << 15)


def _value(shape: Shape, chunk: Chunk, role: str, start: Array, end: Array) -> tuple[Array, Array]:
    """A number, as EVENTS has it."""
    words = chunk.words[end - 8]
    if role == "skbaddr":
        high, valid = hexadecimal(chunk.words[end - 16])
        low, good = hexadecimal(words)
        valid &= good & (end - start == (16 if shape.bare else 18))
        if not shape.bare:
            valid &= _is_text(chunk, start + 2, b"0x")
        return (high << 32) | low, valid
    if role == "protocol" and not shape.plain:
        value, valid = hexadecimal(padded(words, HIGH[4]))
        return value, valid & (end - start == 6) & _is_text(chunk, start + 2, b"0x")
    length = end - start
    value, valid = decimal(words, HIGH[np.clip(length, 0, 8)])
    valid &= (length >= 1) & (length <= 8)
    return value, valid & (value < 1 << 16) if role == "protocol" else valid


def _is_text(chunk: Chunk, ends: Array, text: bytes) -> Array:
    """Where this text ends at the positions."""
    last = text[-8:]
    found: Array = chunk.words[ends - 8] & HIGH[len(last)] == int.from_bytes(last.rjust(8, b"\0"), "little")
    return found if len(text) <= 8 else found & _is_text(chunk, ends - 8, text[:-8])


def _fixed(chunk: Chunk, start: Array, length: int) -> list[Array]:
    """The words of strings of one length; the last overlaps the one before."""
    if length < 8:
        return [chunk.words[start] & LOW[length]]
    return [chunk.words[start + at] for at in [*range(0, length - 7, 8), *([length - 8] if length % 8 else [])]]


def _varying(chunk: Chunk, start: Array, end: Array) -> list[Array]:
    """The words of strings of any length, zero behind their ends, and the length."""
    length = end - start
    most = int(length.max())
    words = [chunk.words[start + at] & LOW[np.clip(length - at, 0, 8)] for at in range(0, most, 8)]
    return [*words, length.astype(np.uint64)]
