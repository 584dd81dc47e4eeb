"""Strings to category codes, a column at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.cursor import text

if TYPE_CHECKING:
    import numpy.typing as npt

    from perfpath.readers.perfdata.gather import Offsets
    from perfpath.tables import Array, Names

SHORT = 16
"""IFNAMSIZ and TASK_COMM_LEN: strings of interest are not longer, NUL included."""

_EMPTY = -2
_MASKS = tuple(
    np.array([(1 << 8 * min(max(n - 8 * half, 0), 8)) - 1 for n in range(SHORT + 1)], np.uint64) for half in (0, 1)
)
_MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


class Interner:
    """A hash table of 16-byte strings that is asked for whole columns (open addressing, linear probing)."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._long: dict[bytes, int] = {}
        self._low = self._high = np.zeros(0, np.uint64)
        self._codes = np.zeros(0, np.int32)
        self._resize(1024)

    def _resize(self, slots: int) -> None:
        taken = self._codes != _EMPTY
        known = self._low[taken].tolist(), self._high[taken].tolist(), self._codes[taken].tolist()
        self._shift = np.uint64(64 - (slots.bit_length() - 1))
        self._low, self._high = np.zeros(slots, np.uint64), np.zeros(slots, np.uint64)
        self._codes = np.full(slots, _EMPTY, np.int32)
        self._used = 0
        for low, high, code in zip(*known, strict=True):
            self._put(low, high, code)

    def short(self, rows: npt.NDArray[np.uint8], lengths: Array | int) -> Array:
        """Codes of the first `length` bytes (16 at most) of each row, up to a NUL. rows: (n, 16), contiguous."""
        keys = rows.view("<u8")
        low, high = (keys[:, half] & _MASKS[half].take(lengths, mode="clip") for half in (0, 1))
        codes, missing = self._find(low, high)
        while len(missing):
            for row in missing[:64].tolist():
                self._add(int(low[row]), int(high[row]))
            codes[missing], still = self._find(low[missing], high[missing])
            missing = missing[still]
        return codes

    def _slots(self, low: Array, high: Array) -> Array:
        with np.errstate(over="ignore"):
            mixed: Array = low * _MIX[0]
            mixed ^= high * _MIX[1]
            mixed *= _MIX[0]
        mixed >>= self._shift
        return mixed.view(np.int64)

    def _find(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Codes of the keys, and the rows whose keys aren't in the table."""
        slots = self._slots(low, high)
        codes = self._codes.take(slots, mode="clip")
        rows = np.flatnonzero(self._differ(slots, low, high) | (codes == _EMPTY))
        missing = []
        while len(rows):
            empty = codes[rows] == _EMPTY
            missing.append(rows[empty])
            rows = rows[~empty]
            slots[rows] = (slots[rows] + 1) % len(self._codes)
            codes[rows] = self._codes[slots[rows]]
            rows = rows[self._differ(slots[rows], low[rows], high[rows]) | (codes[rows] == _EMPTY)]
        return codes, np.concatenate(missing) if missing else rows

    def _differ(self, slots: Array, low: Array, high: Array) -> Array:
        different: Array = self._low.take(slots, mode="clip") ^ low
        different |= self._high.take(slots, mode="clip") ^ high
        return different.astype(bool)

    def _add(self, low: int, high: int) -> None:
        key = np.array([low], np.uint64), np.array([high], np.uint64)
        if len(self._find(*key)[1]) == 0:
            return
        if 4 * self._used > len(self._codes):
            self._resize(4 * len(self._codes))
        self._put(low, high, self._code(low.to_bytes(8, "little") + high.to_bytes(8, "little")))

    def _put(self, low: int, high: int, code: int) -> None:
        slot = int(self._slots(np.array([low], np.uint64), np.array([high], np.uint64))[0])
        while self._codes[slot] != _EMPTY:
            slot = (slot + 1) % len(self._codes)
        self._low[slot], self._high[slot], self._codes[slot] = low, high, code
        self._used += 1

    def long(self, buffer: npt.NDArray[np.uint8], at: Offsets, lengths: Array) -> Array:
        """Codes of strings of any length, up to a NUL, at any places in a buffer: one at a time."""
        data, codes = buffer.data, np.empty(len(at), np.int32)
        for row, (start, length) in enumerate(zip(at.tolist(), lengths.tolist(), strict=True)):
            raw = bytes(data[start : start + length])
            code = self._long.get(raw)
            if code is None:
                code = self._long[raw] = self._code(raw)
            codes[row] = code
        return codes

    def _code(self, raw: bytes) -> int:
        """The code of a C string; the empty one is "missing"."""
        name = text(raw.split(b"\0", 1)[0])
        return self._names.code(name) if name else -1
