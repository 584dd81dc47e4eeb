"""Equal byte strings, found without sorting and without making one Python object a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array

_SLOT_BITS = 17
_MIX = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, odd


def representatives(words: list[Array]) -> tuple[Array, Array, Array]:
    """(slots, firsts, sure): lines with equal words share a slot; firsts[slot] is one of them, -1 for an empty slot.

    words: uint64 columns, all that identifies a line. Two different strings may meet in a slot: `sure` is True for the
    lines that really equal their slot's representative.
    """
    hashed = np.zeros(len(words[0]), np.uint64)
    for word in words:
        hashed ^= word
        hashed *= _MIX
        hashed ^= hashed >> 31
    slots = (hashed >> (64 - _SLOT_BITS)).astype(np.int64)
    firsts = np.full(1 << _SLOT_BITS, -1, np.int64)
    firsts[slots] = np.arange(len(slots))
    chosen = firsts[slots]
    sure = np.ones(len(slots), bool)
    for word in words:
        sure &= word[chosen] == word
    return slots, firsts, sure
