"""Some whole lines of text, and where in them the lines end and the `=` signs stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array

PAD = 64
"""Zero bytes before and behind the text, so that words may be read across its ends."""
_PADDING = b"\0" * PAD
_BLOCK = 1 << 16


class Chunk:
    """Lines as bytes, and as words of eight bytes at any position.

    data: the text between two paddings; all positions count from the begin of the first.
    words: uint64, little-endian: words[p] is data[p:p+8].
    starts, ends: the first byte and the line end of each line; pairs: how many `=` it has, and
    marks[first_mark + i] is the position of its i-th.
    """

    __slots__ = ("bytes", "data", "ends", "first_mark", "marks", "pairs", "starts", "words")

    def __init__(self, *text: bytes | memoryview) -> None:
        self.data = b"".join((_PADDING, *text, _PADDING))
        self.bytes = np.frombuffer(self.data, np.uint8)
        self.words = np.ndarray((len(self.data) - 7,), "<u8", self.data, strides=(1,))
        self.marks = _find_marks(self.bytes)
        line_ends = np.flatnonzero(self.bytes[self.marks] == ord("\n"))
        self.ends = self.marks[line_ends]
        self.starts = _after(self.ends, PAD)
        self.first_mark = _after(line_ends, 0)
        self.pairs = line_ends - self.first_mark

    def __len__(self) -> int:
        return len(self.ends)

    def line(self, row: int) -> bytes:
        """One line without its end, whether that was written by Linux or Windows."""
        line = self.data[self.starts[row] : self.ends[row]]
        return line[:-1] if line.endswith(b"\r") else line


def _find_marks(text: Array) -> Array:
    """Positions of line ends and `=`, block by block: larger temporary arrays would be given back to the system."""
    found = []
    for at in range(0, len(text), _BLOCK):
        block = text[at : at + _BLOCK]
        found.append(np.flatnonzero((block == ord("\n")) | (block == ord("="))) + at)
    return np.concatenate(found)


def _after(ends: Array, first: int) -> Array:
    """Where each one begins, from where each one ends."""
    starts = np.empty_like(ends)
    starts[:1] = first
    starts[1:] = ends[:-1] + 1
    return starts
