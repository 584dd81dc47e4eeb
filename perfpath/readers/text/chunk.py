"""Some whole lines of text, and where each begins and ends."""

from __future__ import annotations

import numpy as np


class Chunk:
    """Bytes that end with a line end.

    buffer: uint8, the bytes; starts, ends: int64, the first byte of each line and its line end.
    """

    __slots__ = ("buffer", "data", "ends", "starts")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.buffer = np.frombuffer(data, np.uint8)
        self.ends = np.flatnonzero(self.buffer == ord("\n"))
        self.starts = np.concatenate(([0], self.ends[:-1] + 1))

    def __len__(self) -> int:
        return len(self.ends)

    def line(self, row: int) -> bytes:
        """One line without its end, whether that was written by Linux or Windows."""
        line = self.data[self.starts[row] : self.ends[row]]
        return line[:-1] if line.endswith(b"\r") else line
