"""What is worked out of packets' first bytes, once for each packet: journeys are looked at anew while they grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from perfpath.firstbytes import FirstBytes
    from perfpath.tables import Array

CHUNK = 1 << 15
KEPT = 1 << 19
"""So many results are kept; what is older is worked out again, in the rare case that somebody asks."""


class Memo:
    """Results by the packets' numbers.

    work: PACKET[n] -> an array of n of the dtype. What it gives for a packet must not depend on the others.
    """

    def __init__(self, packets: FirstBytes, work: Callable[[Array], Array], dtype: npt.DTypeLike) -> None:
        self._packets = packets
        self._work = work
        self._results: Array = np.zeros(0, dtype)
        self._first = self._next = 0  # numbers that `_results` begins and ends with

    def of(self, numbers: Array) -> Array:
        """The results of these packets; zero where a number is negative: nobody knows the packet."""
        found = np.zeros(len(numbers), self._results.dtype)
        there = np.flatnonzero(numbers >= 0)
        if not len(there):
            return found
        asked = numbers[there]
        self._reach(int(asked.min()), int(asked.max()) + 1)
        known = asked >= self._first
        found[there[known]] = self._results[asked[known] - self._first]
        if not known.all():
            found[there[~known]] = self._work(self._packets.take(asked[~known]))
        return found

    def _reach(self, low: int, high: int) -> None:
        """Have results up to a number; those from `low` on are wanted now."""
        if high <= self._next:
            return
        if self._first == self._next:
            self._first = self._next = low
        space = self._results
        kept = self._next - self._first
        if high - self._first > len(space):
            drop = min(max(kept - KEPT, 0), max(low - self._first, 0))
            space = np.zeros(max(2 * (high - self._first - drop), 1024), space.dtype)
            space[: kept - drop] = self._results[drop:kept]
            self._first += drop
            self._results = space
        for start in range(self._next, high, CHUNK):
            stop = min(start + CHUNK, high)
            space[start - self._first : stop - self._first] = self._work(self._packets.take(np.arange(start, stop)))
        self._next = high
