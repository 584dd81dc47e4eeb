"""The rows of a pass as the joins of decisions look at them: who works on what, when, on which CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from perfpath.journeys.nearest import before
from perfpath.journeys.observe import FREE, HOP_NAMES, IS_TX, PROCESS, context_of, hop_mask
from perfpath.tracepoints import RECEIVING

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.tables import Array, Table

WORKING_NS = 1_000_000
"""A CPU is done with a packet after this time, at the latest."""


class Joined(NamedTuple):
    """Rows of decisions, and of the hops (or frees) they belong to. role: what they were to those packets."""

    role: str
    decision: Array
    anchor: Array


class Scene:
    """One pass's rows.

    rows: decisions still to be joined; code: their texts, numbers into `said`. hops, tx: rows of hops, and of those
    where a device was handed a packet. received: where the work on a packet began; current: for each decision the row
    of `received` that its CPU works on, -1 where unknown; alone: whether no other can be meant.
    """

    def __init__(
        self, observed: Table, rows: Array, said: list[dict[str, Any]], packets: FirstBytes | None, *, fallback: bool
    ) -> None:
        self.observed, self.rows, self.said, self.packets = observed, rows, said, packets
        self.code = observed["decision"][rows]
        self.time, self.cpu = observed["time_ns"], observed["cpu"]
        kind = observed["_kind"]
        self.hops = np.flatnonzero(hop_mask(kind, fallback=fallback))
        self.tx = self.hops[IS_TX[np.minimum(kind[self.hops], len(HOP_NAMES) - 1)]]
        self.frees = np.flatnonzero(kind == FREE)
        self.process = context_of(observed["flags"]) == PROCESS
        self.received = self._received()
        self.key = self._keys()
        self.current, self.alone = self._current()

    def of(self, *events: str) -> Array:
        """Positions (in `rows`) of the decisions by these events."""
        codes = [self.observed.names["event"].find(event) for event in events]
        result: Array = np.flatnonzero(np.isin(self.observed["event"][self.rows], [c for c in codes if c >= 0]))
        return result

    def words(self, at: Array, name: str, default: int = 0) -> Array:
        """A number that these decisions (positions in `rows`) carry."""
        distinct, inverse = np.unique(self.code[at], return_inverse=True)
        values = [int(self.said[code].get(name, default)) for code in distinct.tolist()]
        result: Array = np.array(values, np.int64)[inverse.reshape(-1)]
        return result

    def hop_before(self, rows: Array) -> Array:
        """For each of these rows the row of the hop of its skbaddr before it, -1 for none."""
        address = self.observed["skbaddr"]
        found = before(rows, address[rows], self.hops, address[self.hops])
        return np.where(found >= 0, self.hops[found], -1) if len(self.hops) else found

    def latest_hop(self, rows: Array) -> Array:
        """The same, where a row that is a hop is its own."""
        result = self.hop_before(rows)
        there = np.flatnonzero(np.isin(rows, self.hops))
        result[there] = rows[there]
        return result

    def _received(self) -> Array:
        event = self.observed.names["event"].find(RECEIVING)
        rows = np.flatnonzero(self.observed["event"] == event) if event >= 0 else np.zeros(0, np.int64)
        return rows if len(rows) else np.setdiff1d(self.hops, self.tx, assume_unique=True)

    def _keys(self) -> Array:
        """One number for CPU, thread and context: what doesn't share it is other work."""
        tid = self.observed["tid"].astype(np.int64) & 0xFFFFFFFF
        result: Array = (self.cpu.astype(np.int64) << 33) | (self.process.astype(np.int64) << 32) | tid
        return result

    def _current(self) -> tuple[Array, Array]:
        key = self.key
        found = before(self.rows, key[self.rows], self.received, key[self.received])
        current = np.where(found >= 0, self.received[found], -1) if len(self.received) else found
        near = (current >= 0) & (self.time[self.rows] - self.time[current] < WORKING_NS)
        current = np.where(near, current, -1)
        everything = np.arange(len(self.observed))
        last = before(current, key[current], everything, key)
        other = self.observed["skbaddr"][last] != self.observed["skbaddr"][current]
        follows = (last >= 0) & np.isin(last, self.received) & other  # a list, whose packets are worked on in turn
        real = self.observed.names["event"].find(RECEIVING) >= 0
        return current, (current >= 0) & ~follows & real
