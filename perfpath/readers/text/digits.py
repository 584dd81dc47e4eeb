"""Numbers in text, eight characters at once: a uint64 is eight bytes of text, the first in the lowest byte.

The arithmetic works on all bytes of a word in one operation ("SIMD within a register"). Words whose characters are no
digits give any value, and False in the mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array

HIGH: Final = np.array([0] + [((1 << 8 * n) - 1) << (64 - 8 * n) for n in range(1, 9)], np.uint64)
"""HIGH[n] keeps the last n characters of a word."""
LOW: Final = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)
"""LOW[n] keeps the first n characters of a word."""

_ONES = 0x0101010101010101
_ZEROS = ord("0") * _ONES


def decimal(words: Array, kept: Array | np.uint64) -> tuple[Array, Array]:
    """(values, are digits) of decimal numbers that end where the words end; `kept` = HIGH[number of digits]."""
    value = (words ^ _ZEROS) & kept
    valid = ((value + 0x76 * _ONES) | value) & (0x80 * _ONES) == 0
    value = ((value * 2561) >> 8) & 0x00FF00FF00FF00FF  # pairs: 10 * first + second
    value = ((value * 6553601) >> 16) & 0x0000FFFF0000FFFF
    return (value * 42949672960001) >> 32, valid


def hexadecimal(words: Array) -> tuple[Array, Array]:
    """(values, are digits) of eight lower-case hexadecimal digits."""
    letters = (words >> 6) & _ONES
    nibbles = (words & (0x0F * _ONES)) + letters * 9
    valid = (nibbles + letters * 39 + _ZEROS) == words
    valid &= (((nibbles + 6 * _ONES) >> 4) & _ONES) == letters
    valid &= (nibbles & (0x10 * _ONES)) == 0
    value = ((nibbles << 4) | (nibbles >> 8)) & 0x00FF00FF00FF00FF
    value = ((value << 8) | (value >> 16)) & 0x0000FFFF0000FFFF
    return ((value << 16) | (value >> 32)) & 0xFFFFFFFF, valid


def padded(words: Array, kept: np.uint64) -> Array:
    """Words with zeros for the characters that aren't kept."""
    return (words & kept) | (np.uint64(_ZEROS) & ~kept)
