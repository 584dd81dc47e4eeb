"""Which packets reached a UDP socket: sock:sk_data_ready (Linux 6.3 and later) says that a socket was told of data.

The event names a socket and no packet. Its packet is the one that its CPU works on: netif_receive_skb began that work,
nothing else of any packet's was seen on that CPU since, in the same context, and it is no longer ago than that takes.
UDP only: it tells a socket of each packet while that is received; others do so later, or not of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perfpath.tracepoints import HARDIRQ, NMI, RECEIVING, SOFTIRQ

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

EVENT = "sock:sk_data_ready"
UDP, UDPLITE = 17, 136  # include/uapi/linux/in.h; `rc` of the event is its socket's protocol
MOST_NS = 1_000_000


@dataclass(slots=True)
class Arrivals:
    """Goes through all batches of one recording. _last: by CPU (time, address, key) of what it began to work on."""

    _last: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def told(self, events: Table) -> tuple[Array, Array]:
        """(rows that say that a UDP socket was told of data, the addresses of the packets they speak of)."""
        names = events.names["event"]
        ready, receives = names.find(EVENT), names.find(RECEIVING)
        if ready < 0 or receives < 0 or "rc" not in events:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
        mine = (events["event"] == ready) & np.isin(events["rc"], (UDP, UDPLITE))
        rows = np.flatnonzero(mine | (events["skbaddr"] != 0))
        rows = rows[np.argsort(events["cpu"][rows], kind="stable")]
        cpu, time, key = events["cpu"][rows], events["time_ns"][rows], _keys(events, rows)
        number = np.arange(len(rows))
        firsts = np.unique(cpu, return_index=True)[1]
        first = np.zeros(len(rows), dtype=np.int64)
        first[firsts] = firsts
        before = np.maximum.accumulate(np.where(mine[rows], -1, number))
        inside = before >= np.maximum.accumulate(first)
        since, whose, what = time[before], events["skbaddr"][rows][before], key[before]
        began = inside & (events["event"][rows][before] == receives)
        for at in firsts.tolist():
            stop = int(np.searchsorted(cpu, cpu[at], side="right"))
            if earlier := self._last.get(int(cpu[at])):
                outside = number[at:stop][~inside[at:stop]]
                since[outside], whose[outside], what[outside] = earlier
                began[outside] = True
            self._keep(int(cpu[at]), began[stop - 1], (since[stop - 1], whose[stop - 1], what[stop - 1]))
        found = mine[rows] & began & (what == key) & (key >= 0) & (time - since < MOST_NS) & (cpu >= 0)
        return rows[found], whose[found]

    def _keep(self, cpu: int, began: bool, work: tuple[Array, Array, Array]) -> None:
        """Remember what a CPU works on at the end of a batch."""
        self._last.pop(cpu, None)
        if began:
            self._last[cpu] = (int(work[0]), int(work[1]), int(work[2]))


def _keys(events: Table, rows: Array) -> Array:
    """The context of each row: 0 for softirq, 1 and the thread for a process; -1 where it isn't known."""
    flags, tid = events["flags"][rows].astype(np.int64), events["tid"][rows].astype(np.int64)
    process = (flags & (SOFTIRQ | HARDIRQ | NMI)) == 0
    result: Array = np.where(process, (np.maximum(tid, 0) << 1) | 1, 0)
    result[(flags < 0) | ((flags & (HARDIRQ | NMI)) != 0)] = -1
    return result
