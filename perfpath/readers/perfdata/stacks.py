"""Callchains, each distinct one kept once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from perfpath.readers.perfdata.gather import windows
from perfpath.tables import distinct

if TYPE_CHECKING:
    import numpy.typing as npt

    from perfpath.readers.perfdata.gather import Offsets
    from perfpath.tables import Array

CONTEXT_MAX = 2**64 - 4095  # PERF_CONTEXT_*: markers that say whose addresses follow
CONTEXT_USER = 2**64 - 512
Stack = tuple[int, ...]


class Stacks:
    """The distinct kernel stacks of a recording, innermost address first; their numbers are the `stack` column."""

    def __init__(self) -> None:
        self.stacks: list[Stack] = []
        self._numbers: dict[Stack, int] = {}

    @cached_property
    def _weights(self) -> Array:
        """Odd numbers to hash chains with; numpy.random takes a while to import, and most recordings have no chains."""
        return np.random.default_rng(0).integers(0, 2**64, 1024, np.uint64) | np.uint64(1)

    def intern(self, buffer: npt.NDArray[np.uint8], at: Offsets, lengths: Offsets, order: str) -> Array:
        """Numbers of the callchains that stand at these offsets, -1 for one without kernel addresses.

        The chains are inside the buffer: their samples have been checked.
        """
        numbers = np.full(len(at), -1, np.int32)
        for length in distinct(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            if length:
                numbers[rows] = self._of_length(windows(buffer, at[rows], 8 * length), length, order)
        return numbers

    def _of_length(self, raw: npt.NDArray[np.uint8], length: int, order: str) -> Array:
        chains = raw.view(order + "u8").astype(np.uint64)
        if length > len(self._weights):
            return np.array([self._number(chain) for chain in chains], np.int32)
        with np.errstate(over="ignore"):
            hashes = (chains * self._weights[:length]).sum(axis=1, dtype=np.uint64)
        _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        alike = (chains == chains[first[inverse]]).all(axis=1)
        numbers: Array = np.array([self._number(chains[row]) for row in first.tolist()], np.int32)[inverse]
        for row in np.flatnonzero(~alike).tolist():  # two chains with one hash
            numbers[row] = self._number(chains[row])
        return numbers

    def _number(self, chain: Array) -> int:
        stack = kernel_part(chain.tolist())
        if not stack:
            return -1
        number = self._numbers.setdefault(stack, len(self.stacks))
        if number == len(self.stacks):
            self.stacks.append(stack)
        return number


def kernel_part(chain: list[int]) -> Stack:
    """The kernel's addresses of a callchain: no markers, nothing from PERF_CONTEXT_USER on."""
    end = chain.index(CONTEXT_USER) if CONTEXT_USER in chain else len(chain)
    return tuple(address for address in chain[:end] if address < CONTEXT_MAX)
