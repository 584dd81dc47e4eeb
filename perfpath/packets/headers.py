"""The first bytes of packets, as a capture hands them over: what decoding begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from perfpath.tables import Array

ETHERNET, NETWORK = 2, 3
"""`layer`: the bytes begin with an Ethernet header; only where the network header is, is known."""


@dataclass(frozen=True, slots=True)
class Headers:
    """n packets' first bytes.

    raw: uint8[n, width], C-contiguous; width is what was captured at most (128 is plenty).
    captured: int[n], how many bytes of each row are the packet's.
    layer: int8[n]: ETHERNET, or NETWORK, or 0 where nobody knows how the bytes begin (then nothing is decoded).
    ethertype: uint16[n], host byte order: what the network header is, where layer is NETWORK (skb->protocol,
        sll_protocol); 0 unknown, and then nothing is decoded: bytes alone don't tell. Not used for ETHERNET rows.
    network: int[n], where layer is NETWORK: the network header's place in raw (negative: unknown); None for 0.
    length: int[n], length on the wire in bytes; 0 unknown.
    A VLAN tag that the NIC took off (skb->vlan_tci) isn't in the bytes; who knows it can set `vlan` in the result.
    """

    raw: Array
    captured: Array
    layer: Array
    ethertype: Array
    network: Array | None = None
    length: Array | None = None

    def __len__(self) -> int:
        return len(self.raw)

    def take(self, rows: Array | slice) -> Headers:
        """The packets of an index array, a mask or a slice, in that order."""
        return Headers(
            np.ascontiguousarray(self.raw[rows]),
            self.captured[rows],
            self.layer[rows],
            self.ethertype[rows],
            None if self.network is None else self.network[rows],
            None if self.length is None else self.length[rows],
        )


def packed(packets: list[bytes], layer: int = ETHERNET, ethertype: int = 0, width: int = 128) -> Headers:
    """Headers of packets that are at hand as bytes, all beginning alike; what is beyond `width` is cut off."""
    raw = np.zeros((len(packets), width), np.uint8)
    for row, packet in zip(raw, packets, strict=True):
        head = packet[:width]
        row[: len(head)] = np.frombuffer(head, np.uint8)
    lengths = np.array([len(packet) for packet in packets], np.int64)
    return Headers(
        raw,
        np.minimum(lengths, width),
        np.full(len(packets), layer, np.int8),
        np.full(len(packets), ethertype, np.uint16),
        length=lengths,
    )
