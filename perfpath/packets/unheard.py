"""Packets that perf never told of, though it watched the whole system and lost nothing that it knows of.

Each packet socket's sighting of a packet being sent comes after its net_dev_queue (net/core/dev.c: __dev_queue_xmit,
later dev_queue_xmit_nit), however long the queue. So of one device and length there never are more such sightings than
events, unless perf missed some. Only ARP and ICMP are counted: what is segmented (TCP, UDP) is seen more often than
it is queued. The number found is the least there can be.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets.ethernet import ARP, IPV4, IPV6
from perfpath.packets.transport import ICMP, ICMP6
from perfpath.tables import Table, concatenated

if TYPE_CHECKING:
    from perfpath.diagnostics import Diagnostics
    from perfpath.tables import Array

QUEUED = "net_dev_queue"
PROTOCOL = {IPV4: (9, ICMP), IPV6: (6, ICMP6)}  # where the header names what is inside it, and what it must be there
Key = tuple[str | None, int]


class Unheard:
    """Counts as events and sightings come; a sighting counts when an event that is later has come."""

    def __init__(self) -> None:
        self._balance: Counter[Key] = Counter()  # of each device and length: sightings less events
        self._since: int | None = None  # perf watches from here on
        self._known: set[str | None] = set()  # devices that events showed: others may have had another name then
        self._waiting: list[Table] = []

    def see(self, events: Table, sightings: Table) -> None:
        """The next EVENTS, in time order, and the next SIGHTINGS with their `packet`."""
        if len(sightings):
            self._waiting.append(_countable(sightings))
        if not len(events):
            return
        if self._since is None:
            self._since = int(events["time_ns"][0])
        queued = _counted(events, np.flatnonzero(events["event"] == events.names["event"].find(QUEUED)))
        self._known |= {dev for dev, _ in queued}
        self._balance.subtract(queued)
        until = int(events["time_ns"][-1])
        if self._waiting:
            waiting = concatenated(self._waiting)
            come = waiting["time_ns"] <= until
            self._balance.update(_counted(waiting, np.flatnonzero(come & (waiting["time_ns"] >= self._since))))
            self._waiting = [waiting.take(np.flatnonzero(~come))]

    @property
    def count(self) -> int:
        """How many packets perf missed at least."""
        return sum(more for (dev, _), more in self._balance.items() if more > 0 and dev in self._known)

    def report(self, diagnostics: Diagnostics) -> None:
        """Say so, where there are more than perf says it lost."""
        if missed := max(0, self.count - diagnostics.lost):
            diagnostics.note(
                "unheard",
                "packets that packet sockets saw being sent, at least, and of which perf told nothing: it lost them "
                "without a word, and with them the rest of their ways",
                severity="error",
                count=missed,
                advice="compare what perf shows with the packets themselves (tcpdump); another kernel may hear them",
            )


def _countable(sightings: Table) -> Table:
    """When, where and how long: of the ARP and ICMP packets that were being sent."""
    packet = sightings["packet"]
    good = packet["ethertype"] == ARP
    for ethertype, (offset, inside) in PROTOCOL.items():
        at = packet["network"] + offset
        there = (packet["ethertype"] == ethertype) & (packet["network"] >= 0) & (at < packet["captured"])
        rows = np.flatnonzero(there)
        good[rows] |= packet["raw"][rows, at[rows]] == inside
    rows = np.flatnonzero(good & sightings["tx"])
    return Table({name: sightings[name][rows] for name in ("time_ns", "dev", "len")}, sightings.names)


def _counted(table: Table, rows: Array) -> dict[Key, int]:
    """How many rows there are of each device and length."""
    dev, length = table["dev"][rows].astype(np.int64), table["len"][rows].astype(np.int64)
    found, counts = np.unique(dev << 32 | length, return_counts=True)
    texts = table.names["dev"]
    return {
        (texts[key >> 32] if key >> 32 >= 0 else None, key & 0xFFFFFFFF): count
        for key, count in zip(found.tolist(), counts.tolist(), strict=True)
    }
