"""Hops in the order chains are made in: by skbaddr, then by time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.journeys.observe import FREE, IS_TX, context_of, hop_mask
from perfpath.tables import narrow

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

DIGIT = 16
OF_SIGHTINGS = ("_before", "_queued", "_burst")
"""Columns of an observed table that nothing else looks at."""
OF_CHAINS, OF_ENDINGS = ("seq", "cpu_before", "queued", "burst", "quiet", "freed"), ("length", "tid", "kind", "context")
MOST_BYTES = 2**30  # differences of longer ones don't fit in int32


@dataclass(slots=True)
class Sightings:
    """One entry a hop, sorted by (skbaddr, time); all arrays have the same length.

    rows: its row in the observed table. follows: the entry before is of the same address.
    length: signed, so that it can be subtracted (int32 where they all are small enough).
    kind: number among the hop tracepoints. tx: direction. context: PROCESS, INTERRUPT, UNKNOWN.
    seq, cpu_before, queued, burst: as `observe.Observer` numbers them.
    quiet: nothing else was seen on its CPU since the entry before. freed: the address was freed since the entry before.
    """

    rows: Array
    follows: Array
    time: Array
    length: Array
    cpu: Array
    tid: Array
    dev: Array
    kind: Array
    tx: Array
    context: Array
    seq: Array
    cpu_before: Array
    queued: Array
    burst: Array
    quiet: Array
    freed: Array

    _by_seq: tuple[int, Array] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def forget(self, names: tuple[str, ...]) -> None:
        """Let go of what nobody needs any more: OF_CHAINS when chains have been made, OF_ENDINGS after their ends."""
        self._by_seq = None
        for name in names:
            setattr(self, name, np.empty(0, getattr(self, name).dtype))

    def numbered(self, seq: Array) -> tuple[Array, Array]:
        """(which sightings have these numbers, whether there are such): for what isn't found, any sighting."""
        if self._by_seq is None:
            least = int(self.seq.min(initial=0))
            table = np.full(int(self.seq.max(initial=0)) - least + 1, -1, dtype=narrow(len(self.seq)))
            table[self.seq - least] = np.arange(len(self.seq))
            self._by_seq = least, table
        least, table = self._by_seq
        offset = seq - least
        inside = (offset >= 0) & (offset < len(table))
        found = table[np.where(inside, offset, 0)]
        return np.maximum(found, 0), inside & (found >= 0)


def sighted(observed: Table, *, fallback: bool) -> Sightings:
    """The hops of an observed table (`observe.Observer`)."""
    kind = observed["_kind"]
    hop = hop_mask(kind, fallback=fallback)
    free = kind == FREE
    marked = np.flatnonzero(hop | free) if free.any() else np.flatnonzero(hop)
    address = observed["skbaddr"][marked]
    order = address_order(address)
    rows, address = order if len(marked) == len(observed) else marked[order], address[order]
    freed = np.zeros(len(rows), dtype=bool)
    if free.any():
        count = np.cumsum(free[rows])
        keep = np.flatnonzero(hop[rows])
        rows, address, count = rows[keep], address[keep], count[keep]
        freed = np.diff(count, prepend=0) > 0
    follows = np.zeros(len(rows), dtype=bool)
    follows[1:] = address[1:] == address[:-1]
    seq, before = observed["_seq"][rows], observed["_before"][rows]
    quiet = np.zeros(len(rows), dtype=bool)
    quiet[1:] = before[1:] == seq[:-1]
    kind = kind[rows]
    return Sightings(
        rows=rows,
        follows=follows,
        time=observed["time_ns"][rows],
        length=_signed(observed["len"])[rows],
        cpu=observed["cpu"][rows],
        tid=_threads(observed, rows),
        dev=observed["dev"][rows],
        kind=kind,
        tx=IS_TX[kind],
        context=context_of(observed["flags"][rows]),
        seq=seq,
        cpu_before=before,
        queued=observed["_queued"][rows],
        burst=observed["_burst"][rows],
        quiet=quiet & follows,
        freed=freed & follows,
    )


def _signed(length: Array) -> Array:
    small = int(length.max(initial=0)) <= MOST_BYTES
    return length.view(np.int32) if small else length.astype(np.int64)


def _threads(observed: Table, rows: Array) -> Array:
    """The thread of each row, its process where nobody knows the thread."""
    tid: Array = observed["tid"][rows]
    return tid if tid.min(initial=0) >= 0 else np.where(tid >= 0, tid, observed["pid"][rows])


def address_order(address: Array) -> Array:
    """The permutation that sorts by address and leaves equal ones in their order.

    Kernel addresses share high and low bits. What differs is sorted 16 bits at a time, from the lowest: numpy sorts so
    small numbers by counting, which is four times faster than comparing.
    """
    count = len(address)
    if count < 2:
        return np.arange(count)
    spread = address - address.min()
    common = int(np.bitwise_or.reduce(spread))
    shift = (common & -common).bit_length() - 1 if common else 0
    bits = (common >> shift).bit_length()
    if bits > 3 * DIGIT:
        return np.argsort(address, kind="stable")
    spread >>= np.uint64(shift)
    order = np.argsort(spread.astype(np.uint16), kind="stable")
    for place in range(DIGIT, bits, DIGIT):
        digits = (spread >> np.uint64(place)).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    return order
