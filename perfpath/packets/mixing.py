"""64-bit digests of columns: many numbers made one, so that equality and grouping cost one comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)
NONE = np.uint64(0)
"""No digest; a digest that comes out as 0 is counted as 1."""


def word(column: Array, bits: int = 0) -> Array:
    """A column as unsigned words, shifted up by so many bits; -1 becomes all ones and is as good as any other value."""
    words = column.astype(np.uint64)
    if bits:
        words <<= np.uint64(bits)
    return words


def mixed(*words: Array) -> Array:
    """uint64[n]: one digest of the words of each row. Not for adversaries: chance collisions only are rare (2**-64)."""
    digest = np.full(len(words[0]), _FACTOR)
    for each in words:
        digest ^= each
        digest *= _FACTOR
        digest ^= digest >> _SHIFT
        digest *= _FACTOR
        digest ^= digest >> _SHIFT
    return digest


def known(digest: Array, where: Array) -> Array:
    """The digest where a mask says that it means something, NONE elsewhere."""
    return np.where(where, np.maximum(digest, np.uint64(1)), NONE)
