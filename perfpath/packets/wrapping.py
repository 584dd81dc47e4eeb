"""What is around a packet on one hop: VLAN tags, MPLS labels, tunnels; from the outermost inwards, as JSON texts.

    [{"kind": "vlan", "id": 5}, {"kind": "vxlan", "id": 42, "src": "192.0.2.1", "dst": "192.0.2.2", "sport": 50000,
      "dport": 4789}]

"kind" is vlan, mpls, vxlan, geneve, gre or ipip (IP in IP, of either version in either). "id" is the VLAN's or the
network's number, the label or the key of GRE; what a wrapping doesn't have, or wasn't captured, isn't there. What the
bytes at hand end before isn't taken for wrapped: then the packet is what carries it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from perfpath.packets import text
from perfpath.packets.describe import decoded, distinct_rows
from perfpath.packets.ethernet import IPV4, IPV6, MPLS, MPLS_MULTICAST, TAGS
from perfpath.packets.ip import FRAGMENT, OPTIONS
from perfpath.packets.levels import every, tunnelled
from perfpath.packets.schema import CARRIERS, IN_ERROR
from perfpath.packets.transport import UDP
from perfpath.packets.tunnels import BY_PROTOCOL, GENEVE_PORT, VXLAN_PORTS
from perfpath.tables import Names, Table

if TYPE_CHECKING:
    from perfpath.firstbytes import FirstBytes
    from perfpath.packets.schema import Packets
    from perfpath.tables import Array

CHUNK = 1 << 15
_TOLD: tuple[str, ...] = ("vlan", "vlan_inner", "mpls", "carries", "tunnel_id", "family")
_TOLD += ("src_hi", "src_lo", "dst_hi", "dst_lo", "sport", "dport")
_INSIDE = tuple(number for number, _ in BY_PROTOCOL)
_BEHIND = (*OPTIONS, FRAGMENT)
_PORTS = (*VXLAN_PORTS, GENEVE_PORT)


class Wrappings:
    """What is around one recording's packets. names: the texts; a packet's code is -1 where nothing is around it."""

    def __init__(self, packets: FirstBytes) -> None:
        self.names = Names()
        self._packets = packets

    def told(self, hops: Table) -> Table:
        """HOPS with the column `outer`; the same where no bytes were recorded."""
        if "packet" not in hops or not len(self._packets):
            return hops
        extended = hops.extended(outer=self.of(hops["packet"]))
        return Table(extended.columns, {**hops.names, "outer": self.names})

    def of(self, numbers: Array) -> Array:
        """int32[n] codes for these packets' numbers; -1 where a number is negative."""
        found = np.full(len(numbers), -1, np.int32)
        there = np.flatnonzero(numbers >= 0)
        for start in range(0, len(there), CHUNK):
            rows = there[start : start + CHUNK]
            packets = self._packets.take(numbers[rows])
            some = np.flatnonzero(suspects(packets))
            if len(some):
                found[rows[some]] = self._codes(decoded(packets[some]))
        return found

    def _codes(self, packets: Packets) -> Array:
        table = every(packets)
        first, kind = distinct_rows(*(table[name] for name in _TOLD))
        said = [_said(row) for row in text.rows(table.take(first))]
        inside, level = tunnelled(packets), np.arange(len(packets.outer))
        chains: list[list[dict[str, Any]]] = [[]]
        chain = np.zeros(len(level), np.int64)
        while (level >= 0).any():
            there = np.flatnonzero(level >= 0)
            pairs, which = distinct_rows(chain[there], kind[level[there]])
            longer = [chains[chain[there[row]]] + said[kind[level[there[row]]]] for row in pairs.tolist()]
            chain[there] = len(chains) + which
            chains += longer
            level[there] = inside[level[there]]
        used, which = np.unique(chain, return_inverse=True)
        codes = [self.names.code(json.dumps(chains[each])) if chains[each] else -1 for each in used.tolist()]
        return np.array(codes, np.int32)[which]


def _one_of(values: Array, numbers: tuple[int, ...]) -> Array:
    """bool[n]: np.isin for a few numbers, without its import of numpy.ma."""
    found: Array = np.logical_or.reduce([values == number for number in numbers])
    return found


def _said(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What one level has around what it carries."""
    said = [{"kind": "vlan", "id": row[name]} for name in ("vlan", "vlan_inner") if row[name] >= 0]
    if row["mpls"] >= 0:
        said.append({"kind": "mpls", "id": row["mpls"]})
    if row["carries"] and row["carries"] != IN_ERROR:
        known = {
            "id": row["tunnel_id"] if row["tunnel_id"] >= 0 else None,
            "src": text.source(row) or None,
            "dst": text.destination(row) or None,
            **{name: row[name] if row[name] >= 0 else None for name in ("sport", "dport")},
        }
        said.append({"kind": CARRIERS[row["carries"]]} | {k: value for k, value in known.items() if value is not None})
    return said


def suspects(packets: Array) -> Array:
    """bool[n] of PACKET[n]: something may be around these; about the others that is sure. Cheaper than decoding all."""
    raw, captured = packets["raw"], packets["captured"]
    at, ethertype = packets["network"].astype(np.int64), packets["ethertype"]
    found = (packets["vlan"] >= 0) | _one_of(ethertype, (*TAGS, MPLS, MPLS_MULTICAST))
    unplaced = (packets["layer"] > 0) & (at < 0)
    for version, size, field in ((IPV4, 20, 9), (IPV6, 40, 6)):
        rows = np.flatnonzero((ethertype == version) & (at >= 0) & (at + size <= captured))
        inside, length = raw[rows, at[rows] + field], np.full(len(rows), size)
        if version == IPV4:
            length = (raw[rows, at[rows]] & 0x0F).astype(np.int64) * 4
        found[rows] |= _one_of(inside, _INSIDE) | ((version == IPV6) & _one_of(inside, _BEHIND))
        port = at[rows] + length + 2
        rows, port = (each[(inside == UDP) & (port + 2 <= captured[rows])] for each in (rows, port))
        found[rows] |= _one_of(raw[rows, port].astype(np.int64) << 8 | raw[rows, port + 1], _PORTS)
    result: Array = found | unplaced
    return result
