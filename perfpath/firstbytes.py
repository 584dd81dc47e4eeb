"""The first bytes of packets, kept beside EVENTS: rows of a table can't hold them, so events carry their number.

Numbers (column `packet` of EVENTS) stay valid however tables are sorted, cut and joined.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from perfpath.tables import distinct

if TYPE_CHECKING:
    from perfpath.tables import Array

WIDTH = 128
ETHERNET, NETWORK = 2, 3
"""`layer`: the bytes begin with an Ethernet header; only where the network header is, is known. 0: nobody knows."""

PACKET = np.dtype(
    [
        ("raw", np.uint8, (WIDTH,)),
        ("captured", np.int16),  # how many of them are the packet's
        ("layer", np.int8),
        ("ethertype", np.uint16),  # of the network header, host byte order; 0 unknown
        ("network", np.int32),  # where in raw it begins; -1 unknown
        ("length", np.uint32),  # on the wire, counted from where raw begins
        ("vlan", np.int16),  # a tag that is not in the bytes, because the NIC or the kernel took it off; -1 none
    ]
)
"""What is known of one packet's first bytes; what is behind `captured` is zero."""


class FirstBytes:
    """Packets by number; old ones may be forgotten.

    missed: how often one was asked for that had been forgotten.
    """

    def __init__(self) -> None:
        self.missed = 0
        self._chunks: list[Array] = []
        self._starts: list[int] = []
        self._next = 0

    def __len__(self) -> int:
        """How many were ever added: the next number."""
        return self._next

    def add(self, packets: Array) -> int:
        """Keep some (PACKET[n]); returns the number of the first, the others follow it."""
        first = self._next
        if len(packets):
            self._chunks.append(packets)
            self._starts.append(first)
            self._next += len(packets)
        return first

    def take(self, numbers: Array) -> Array:
        """PACKET[n] of these numbers. Where one is negative, or forgotten, nothing is known of the packet.

        Raises IndexError for one that was never given out.
        """
        found = np.zeros(len(numbers), PACKET)
        found["network"] = found["vlan"] = -1
        if int(numbers.max(initial=-1)) >= self._next:
            raise IndexError("a packet that was never added")
        kept = self._starts[0] if self._starts else self._next
        self.missed += int(np.count_nonzero((numbers >= 0) & (numbers < kept)))
        wanted = np.flatnonzero(numbers >= kept)
        chunk = np.searchsorted(self._starts, numbers[wanted], side="right") - 1
        for each in distinct(chunk).tolist():
            rows = wanted[chunk == each]
            found[rows] = self._chunks[each][numbers[rows] - self._starts[each]]
        return found

    def forget(self, before: int) -> None:
        """Packets of lower numbers aren't asked for any more."""
        keep = max(bisect_right(self._starts, before) - 1, 0)
        if before >= self._next:
            keep = len(self._starts)
        del self._chunks[:keep], self._starts[:keep]


def packed(
    raw: Array,
    captured: Array,
    *,
    layer: Array,
    ethertype: Array,
    network: Array,
    length: Array,
    vlan: Array | None = None,
) -> Array:
    """PACKET[n] of columns; raw is uint8[n, any width], cut or filled up to WIDTH, and zeroed behind `captured`."""
    packets = np.zeros(len(raw), PACKET)
    width = min(raw.shape[1], WIDTH)
    captured = np.clip(captured, 0, width)
    packets["raw"][:, :width] = raw[:, :width]
    short = np.flatnonzero(captured < width)
    if len(short):
        packets["raw"][short] *= np.arange(WIDTH) < captured[short, None]
    columns = {"layer": layer, "ethertype": ethertype, "network": network, "length": length}
    columns |= {"captured": captured, "vlan": np.broadcast_to(-1, len(raw)) if vlan is None else vlan}
    for name, values in columns.items():
        packets[name] = values
    return packets
