"""Many small pieces of one buffer at once: the vector form of reading a struct."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from perfpath.tables import Array

SLACK = 128
"""Zero bytes that stand behind the data of a buffer, so that a window at its end needs no copy."""

Offsets = npt.NDArray[np.int64]


def windows(buffer: npt.NDArray[np.uint8], offsets: Offsets, length: int) -> npt.NDArray[np.uint8]:
    """`length` bytes from each offset, as rows. The caller has checked that offsets lie before the SLACK.

    A window that is longer than the SLACK and overruns the buffer is moved there only with zeros in place of what is
    missing, so that nothing is read outside.
    """
    if not len(offsets):
        return np.empty((0, length), np.uint8)
    room = len(buffer) - length
    if int(offsets.max()) > room:
        buffer = np.concatenate([buffer, np.zeros(length, np.uint8)])
        room += length
    pieces = np.ndarray((max(room, 0) + 1,), np.dtype((np.void, length)), buffer=buffer, strides=(1,))
    rows: npt.NDArray[np.uint8] = pieces[offsets].view(np.uint8).reshape(len(offsets), length)
    return rows


def column(rows: npt.NDArray[np.uint8], offset: int, code: str, order: str) -> Array:
    """The number of numpy type `code` ("u4", "i8", ...) at an offset of each row, in this machine's byte order."""
    stored = np.dtype(order + code)
    if not len(rows):
        return np.empty(0, stored.newbyteorder("="))
    view: npt.NDArray[Any] = np.ndarray((len(rows),), stored, buffer=rows, offset=offset, strides=(rows.shape[1],))
    return view.astype(stored.newbyteorder("="))


def numbers(buffer: npt.NDArray[np.uint8], offsets: Offsets, code: str, order: str) -> Array:
    """The number at each offset, whatever its alignment."""
    return column(windows(buffer, offsets, np.dtype(code).itemsize), 0, code, order)
