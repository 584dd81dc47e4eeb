"""What each journey's packet is, as columns of JOURNEYS: addresses, ports, ICMP id and sequence number, and words.

The packet is what no tunnel wraps any more; what is around it on each hop is told by `wrapping`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath.packets import text
from perfpath.packets.decode import decode
from perfpath.packets.ethernet import ARP
from perfpath.packets.headers import Headers
from perfpath.packets.levels import innermost
from perfpath.packets.schema import Packets
from perfpath.tables import Names, Table

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.tables import Array

NUMBERS = ("sport", "dport", "icmp_id", "icmp_seq")
REORDERED = 1 << 18
"""Packets are numbered as they are decoded, and asked for in the order of time: so far apart these may be."""

_CATEGORIES = ("src", "dst", "l4", "message")
_KINDS = ("family", "ethertype", "proto", "icmp_type", "icmp_code", "tcp_flags", "arp_op", "carries")
"""The columns that a message's words depend on."""


class Describer:
    """Describes the journeys of one recording; all tables it gives share their names."""

    def __init__(self, packets: FirstBytes) -> None:
        self._packets = packets
        self._names = {name: Names() for name in _CATEGORIES}

    def described(self, journeys: Table, hops: Table) -> Table:
        """JOURNEYS with the columns that tell of the packet; the same where no bytes were recorded.

        hops: HOPS, sorted by journey and hop, of these journeys. The first hop with bytes counts: what NAT makes of
        the packet comes later.
        """
        if not len(self._packets):
            return journeys
        columns = self._columns(_first(journeys, hops))
        return Table({**journeys.columns, **columns}, {**journeys.names, **self._names})

    def forget(self, before: int) -> None:
        """All packets that will be asked for have this number, or a higher one, or are hardly older."""
        self._packets.forget(before - REORDERED)

    def _columns(self, numbers: Array) -> dict[str, Array]:
        level = innermost(decode(headers_of(self._packets.take(numbers))))
        columns = {name: level[name] for name in NUMBERS}
        for end in ("src", "dst"):
            columns[end] = self._addresses(level, end)
        columns["l4"] = self._words("l4", level, ("ethertype", "proto"))
        columns["message"] = self._words("message", level, _KINDS)
        return columns

    def _addresses(self, table: Table, end: str) -> Array:
        """Codes of addresses as text, -1 where there is none."""
        high, low = (table[f"{end}_{half}"] for half in ("hi", "lo"))
        first, codes = distinct_rows(table["family"], high, low)
        names = self._names[end]
        texts = [text.address(int(table["family"][row]), int(high[row]), int(low[row])) for row in first.tolist()]
        return np.array([names.code(each) if each else -1 for each in texts], np.int32)[codes]

    def _words(self, column: str, table: Table, kinds: tuple[str, ...]) -> Array:
        first, codes = distinct_rows(*(table[name] for name in kinds))
        names, say = self._names[column], text.l4 if column == "l4" else message
        said = [say(row) for row in text.rows(table.take(first))]
        return np.array([names.code(each) if each else -1 for each in said], np.int32)[codes]


def message(row: dict[str, Any]) -> str:
    """What a packet says, without its addresses and numbers."""
    if row["ethertype"] == ARP:
        return {1: "arp who-has", 2: "arp is-at"}.get(row["arp_op"], "arp")
    if row["icmp_type"] >= 0:
        bare = row | {"icmp_seq": -1, "icmp_id": -1, "icmp_mtu": -1, "nd_hi": 0, "nd_lo": 0}
        return f"{text.l4(row)} {text.icmp(bare)}"
    if row["tcp_flags"] >= 0:
        return f"tcp {text.tcp_flags(row['tcp_flags'])}"
    return text.l4(row) or ""


def headers_of(packets: Array) -> Headers:
    """PACKET[n] as decoding takes them."""
    return Headers(
        np.ascontiguousarray(packets["raw"]),
        packets["captured"],
        packets["layer"],
        packets["ethertype"],
        packets["network"],
        packets["length"],
    )


def decoded(packets: Array) -> Packets:
    """PACKET[n] decoded, with the VLAN tags that aren't in their bytes: these were the outermost."""
    found = decode(headers_of(packets))
    apart = packets["vlan"] >= 0
    if not apart.any():
        return found
    tag, inner = found.outer["vlan"], found.outer["vlan_inner"]
    vlan, second = np.where(apart, packets["vlan"], tag), np.where(apart & (tag >= 0), tag, inner)
    return Packets(found.outer.extended(vlan=vlan, vlan_inner=second), found.inner)


def _first(journeys: Table, hops: Table) -> Array:
    """The number of each journey's first bytes that there are, -1 for none."""
    found = np.full(len(journeys), -1, np.int64)
    if "packet" not in hops:
        return found
    rows = np.flatnonzero(hops["packet"] >= 0)
    journey, where = np.unique(hops["journey"][rows], return_index=True)
    at = np.searchsorted(journeys["journey"], journey)
    found[at] = hops["packet"][rows[where]]
    return found


def distinct_rows(*columns: Array) -> tuple[Array, Array]:
    """(a row of each distinct combination, for each row the number of its combination)."""
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, part = np.unique(column, return_inverse=True)
        _, codes = np.unique(codes * (int(part.max(initial=0)) + 1) + part, return_inverse=True)
    _, first = np.unique(codes, return_index=True)
    return first, codes
