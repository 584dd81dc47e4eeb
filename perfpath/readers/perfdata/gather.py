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


def words(buffer: npt.NDArray[np.uint8], offsets: Offsets, order: str) -> Array:
    """The u64 at each offset; the offsets are multiples of 8, and one that leads out of the buffer is moved into it.

    perf's own fields all stand so, and numpy takes whole words several times faster than windows.
    """
    stored = np.ndarray((len(buffer) // 8,), order + "u8", buffer=buffer)
    found: Array = stored.take(offsets >> 3, mode="clip")
    return found.astype(np.uint64, copy=False)


def beside(buffer: npt.NDArray[np.uint8], offsets: Offsets, code: str, order: str) -> Array:
    """The number of numpy type `code` at each offset; one outside of the buffer is its last, which is 0 in the SLACK.

    The offsets are multiples of the number's size, but 4 behind one where it is 8: so RAW stands, behind its size. Void
    elements are taken wherever they stand, where numpy would copy the whole buffer to have numbers aligned.
    """
    size = int(code[1:])
    start = 4 % size
    stored = np.ndarray(((len(buffer) - start) // size,), np.dtype((np.void, size)), buffer=buffer, offset=start)
    found = stored.take(offsets >> (size.bit_length() - 1), mode="clip").view(order + code)
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def halves(values: Array, order: str) -> tuple[Array, Array]:
    """The two u32 that stand in a word, in their sequence in memory."""
    low, high = values.astype(np.uint32), (values >> np.uint64(32)).astype(np.uint32)
    return (low, high) if order == "<" else (high, low)


def column(rows: npt.NDArray[np.uint8], offset: int, code: str, order: str) -> Array:
    """The number of numpy type `code` ("u4", "i8", ...) at an offset of each row, in this machine's byte order."""
    stored = np.dtype(order + code)
    if not len(rows):
        return np.empty(0, stored.newbyteorder("="))
    view: npt.NDArray[Any] = np.ndarray((len(rows),), stored, buffer=rows, offset=offset, strides=(rows.shape[1],))
    return view.astype(stored.newbyteorder("="))
