"""What GRO made of a packet: napi_gro_receive_exit says so of the packet its CPU had just handed up.

The event carries no address. Its packet is that of the latest napi_gro_receive_entry on the same CPU, unless another
exit lies between, or more time than that takes (then events are missing).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

ENTRY, EXIT = "napi_gro_receive_entry", "napi_gro_receive_exit"
MERGED, MERGED_FREE = 0, 1  # enum gro_result (include/linux/netdevice.h); the numbers above have moved since
MOST_NS = 1_000_000


@dataclass(slots=True)
class Merges:
    """Goes through all batches of one recording. _last: by CPU (time, address) of an entry without its exit yet."""

    _last: dict[int, tuple[int, int]] = field(default_factory=dict)

    def told(self, events: Table) -> tuple[Array, Array]:
        """(rows of exits that say "merged", the addresses of the packets they speak of).

        MERGED_FREE gives the address free. MERGED doesn't: the packet hangs on another one, and may come off it again.
        """
        names = events.names["event"]
        enters, leaves = names.find(ENTRY), names.find(EXIT)
        if leaves < 0 or "rc" not in events:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
        rows = np.flatnonzero((events["event"] == enters) | (events["event"] == leaves))
        rows = rows[np.argsort(events["cpu"][rows], kind="stable")]
        entry, cpu = events["event"][rows] == enters, events["cpu"][rows]
        time, address = events["time_ns"][rows], events["skbaddr"][rows]
        opened = np.zeros(len(rows), dtype=bool)
        opened[1:] = entry[:-1] & (cpu[1:] == cpu[:-1])
        since, whose = np.concatenate((time[:1], time[:-1])), np.concatenate((address[:1], address[:-1]))
        for first in np.unique(cpu, return_index=True)[1].tolist():
            if before := self._last.get(int(cpu[first])):
                opened[first], (since[first], whose[first]) = True, before
        for last in (len(rows) - 1 - np.unique(cpu[::-1], return_index=True)[1]).tolist():
            self._last.pop(int(cpu[last]), None)
            if entry[last]:
                self._last[int(cpu[last])] = int(time[last]), int(address[last])
        merged = (events["rc"][rows] == MERGED) | (events["rc"][rows] == MERGED_FREE)
        found = opened & ~entry & merged & (time - since < MOST_NS) & (cpu >= 0)
        return rows[found], whose[found]
