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
_MASKS = np.array([[(1 << 8 * min(max(n - 8 * half, 0), 8)) - 1 for half in (0, 1)] for n in range(SHORT + 1)], "<u8")
_MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


class Interner:
    """A hash table of 16-byte strings that is asked for whole columns (open addressing, linear probing)."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._long: dict[bytes, int] = {}
        self._keys = np.zeros((0, 2), np.uint64)
        self._codes = np.zeros(0, np.int32)
        self._resize(1024)

    def _resize(self, slots: int) -> None:
        taken = self._codes != _EMPTY
        known, codes = self._keys[taken], self._codes[taken].tolist()
        self._shift = np.uint64(64 - (slots.bit_length() - 1))
        self._keys = np.zeros((slots, 2), np.uint64)
        self._codes = np.full(slots, _EMPTY, np.int32)
        self._used = 0
        for key, code in zip(known, codes, strict=True):
            self._put(key, code)

    def short(self, rows: npt.NDArray[np.uint8], lengths: Array | int) -> Array:
        """Codes of the first `length` bytes (16 at most) of each row, up to a NUL. rows: (n, 16), contiguous."""
        keys = rows.view("<u8") & _MASKS[lengths]
        codes, missing = self._find(keys)
        while len(missing):
            for row in missing[:64].tolist():
                self._add(keys[row])
            codes[missing], still = self._find(keys[missing])
            missing = missing[still]
        return codes

    def _slots(self, keys: Array) -> Array:
        with np.errstate(over="ignore"):
            mixed: Array = keys[:, 0] * _MIX[0] ^ (keys[:, 1] * _MIX[1])
            mixed *= _MIX[0]
        return (mixed >> self._shift).astype(np.int64)

    def _find(self, keys: Array) -> tuple[Array, Array]:
        """Codes of the keys, and the rows whose keys aren't in the table."""
        slots = self._slots(keys)
        codes = self._codes[slots]
        rows = np.flatnonzero(self._differ(slots, keys) | (codes == _EMPTY))
        missing = []
        while len(rows):
            empty = codes[rows] == _EMPTY
            missing.append(rows[empty])
            rows = rows[~empty]
            slots[rows] = (slots[rows] + 1) % len(self._codes)
            codes[rows] = self._codes[slots[rows]]
            rows = rows[self._differ(slots[rows], keys[rows]) | (codes[rows] == _EMPTY)]
        return codes, np.concatenate(missing) if missing else rows

    def _differ(self, slots: Array, keys: Array) -> Array:
        found = self._keys[slots]
        different: Array = (found[:, 0] ^ keys[:, 0] | (found[:, 1] ^ keys[:, 1])) != 0
        return different

    def _add(self, key: Array) -> None:
        if len(self._find(key[None])[1]) == 0:
            return
        if 4 * self._used > len(self._codes):
            self._resize(4 * len(self._codes))
        raw = key.astype("<u8").tobytes()
        self._put(key, self._code(raw))

    def _put(self, key: Array, code: int) -> None:
        slot = int(self._slots(key[None])[0])
        while self._codes[slot] != _EMPTY:
            slot = (slot + 1) % len(self._codes)
        self._keys[slot], self._codes[slot] = key, code
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
