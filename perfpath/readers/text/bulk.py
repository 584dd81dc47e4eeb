"""Many lines of one shape at once, by numpy; what differs in any way is left to the line by line reading.

The shapes are learned from the text: a line is read the careful way, then all others like it in bulk. What stands
before and behind the time (process, CPU, event) is taken as one string, and each distinct string is read the careful
way once. So the careful way is the only grammar, and the bulk way can't disagree about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.text.fields import key_after_dev
from perfpath.readers.text.intern import representatives
from perfpath.readers.text.lines import parse_line
from perfpath.readers.text.reading import Reading, read_shape
from perfpath.readers.text.record import Event, Fields
from perfpath.readers.text.rows import FORMATS
from perfpath.readers.text.shape import Shape, shape_of

if TYPE_CHECKING:
    from perfpath.readers.text.chunk import Chunk
    from perfpath.readers.text.rows import Rows
    from perfpath.tables import Array

_FEWEST = 32
"""Fewer lines than this are read faster one by one."""
_LESSONS = 24
"""Lines that are looked at in a chunk to learn shapes from."""
_MOST_SHAPES = 200
_MOST_HEADS = 100_000
_HEAD_COLUMNS = ("comm", "event", "pid", "tid", "flags", "cpu")


class Bulk:
    """The shapes and heads of one text, as far as they are known."""

    def __init__(self) -> None:
        self._shapes: list[Shape] = []
        self._heads: dict[Shape, dict[tuple[bytes, ...], tuple[int, ...] | None]] = {}

    def fill(self, chunk: Chunk, rows: Rows) -> Array:
        """Fill the rows of all lines that are sure; returns the numbers of the others, ascending."""
        if len(chunk) < _FEWEST:
            return np.arange(len(chunk))
        left = np.flatnonzero(chunk.pairs > 0)
        single = [np.flatnonzero(chunk.pairs == 0)]
        for shape in list(self._shapes):
            left = self._apply(shape, chunk, rows, left)
        for _ in range(_LESSONS):
            if len(left) < _FEWEST:
                break
            learned = _learn(chunk.line(int(left[0])))
            if learned is None or learned in self._shapes:
                single.append(left[:1])
                left = left[1:]
                continue
            if len(self._shapes) < _MOST_SHAPES:
                self._shapes.append(learned)
            left = self._apply(learned, chunk, rows, left)
        return np.sort(np.concatenate([*single, left]))

    def _apply(self, shape: Shape, chunk: Chunk, rows: Rows, left: Array) -> Array:
        """Fill what has the shape; returns what is left."""
        same = chunk.pairs[left] == len(shape.keys)
        candidates = left[same]
        reading = read_shape(shape, chunk, candidates) if len(candidates) else None
        if reading is None:
            return left
        heads, known = self._read_heads(rows, reading)
        devs, sure = _read_devs(rows, reading)
        done = known & sure
        filled = reading.rows[done]
        for name, column in reading.columns.items():
            rows.columns[name][filled] = column[done]
        for index, name in enumerate(_HEAD_COLUMNS):
            if name not in reading.columns:
                rows.columns[name][filled] = heads[done, index]
        rows.columns["dev"][filled] = devs[done]
        rows.format[filled] = heads[done, -1]
        return left[rows.format[left] < 0]

    def _read_heads(self, rows: Rows, reading: Reading) -> tuple[Array, Array]:
        """(int64 table of _HEAD_COLUMNS and the format, one row a line; whether the line's head is known)."""
        slots, firsts, sure = representatives(reading.head_words())
        used = np.flatnonzero(firsts >= 0)
        table = np.zeros((len(used), len(_HEAD_COLUMNS) + 1), np.int64)
        good = np.zeros(len(used), bool)
        known = self._heads.setdefault(reading.shape, {})
        if len(known) > _MOST_HEADS:
            known.clear()
        for index, first in enumerate(firsts[used].tolist()):
            texts = reading.head_texts(first)
            head = known.get(texts)
            if head is None and texts not in known:
                head = known[texts] = _checked_head(rows, reading, first)
            if head is not None:
                table[index] = head
                good[index] = True
        firsts[used] = np.arange(len(used))
        indexes = firsts[slots]
        return table[indexes], sure & good[indexes]


def _learn(line: bytes) -> Shape | None:
    said = parse_line(line)
    return shape_of(line, said) if isinstance(said, Event) else None


def _checked_head(rows: Rows, reading: Reading, at: int) -> tuple[int, ...] | None:
    """Read one line the careful way too: its head, if both agree on all the rest."""
    said = parse_line(reading.chunk.line(int(reading.rows[at])))
    if not isinstance(said, Event):
        return None
    head, fields = said
    if reading.has_dev and key_after_dev(head.event) not in reading.shape.keys[1:2]:
        return None
    read = {name: int(column[at]) for name, column in reading.columns.items()}
    dev = reading.dev_text(at) if reading.has_dev else None
    if read.pop("time_ns") != head.time_ns or read.pop("cpu", head.cpu) != head.cpu or Fields(dev, **read) != fields:  # type: ignore[arg-type]
        return None
    return (
        rows.code("comm", head.comm),
        rows.names["event"].code(head.event),
        head.pid,
        head.tid,
        head.flags,
        head.cpu,
        FORMATS.index(head.format),
    )


def _read_devs(rows: Rows, reading: Reading) -> tuple[Array, Array]:
    """(codes of the devices, whether they are sure)."""
    if not reading.has_dev:
        return np.full(len(reading.rows), -1, np.int32), np.ones(len(reading.rows), bool)
    slots, firsts, sure = representatives(reading.dev_words())
    for slot in np.flatnonzero(firsts >= 0).tolist():
        firsts[slot] = rows.code("dev", reading.dev_text(int(firsts[slot])))
    return firsts[slots], sure
