"""Recognising a packet again: the same one at another place, its flow, what answers it, what an error is about.

The model, and its doubts
-------------------------
A packet keeps, on its way through hosts, routers, NAT and tunnels: its protocol, IP id, fragment offset, IPv6 flow
label, payload length and bytes, TCP seq, ack, flags and window, ICMP type, code and sequence number, the addresses in
ARP and neighbour discovery. It may change: MAC addresses, VLAN tags, TTL, TOS, checksums, and under NAT addresses,
ports and (rarely, on a conflict) the ICMP identifier. A tunnel wraps it in a new packet; so packets are compared by
the innermost level (`levels.innermost`).

- An IP id of 0 says nothing (Linux sends it with DF where no socket counts). Ids are 16 bits and come again.
- IPv6 has no id outside fragments: a TCP retransmission has the same content as its original, and so have two UDP
  packets of one flow whose payloads agree. `same` is about content: the caller must know the times.
- Payload bytes: the first PAYLOAD of them, where all of these were captured. UDP without them, with id 0, is known
  by flow and length only; `same` then says UNKNOWN, never TRUE.
- Window and sequence numbers change under a SYN proxy or a socket splice: that is another packet. So are NAT64, GRO
  and GSO (several in one): lineage, not identity, and for the journeys to judge.
- Digests are 64 bits; equal ones are a necessary sign, and by chance equal once in 2**64 pairs. `same` compares fields.
- A later fragment has no ports. Its flow is its first fragment's, if that is in the same table (by addresses, protocol
  and IP id), else one of its own.
- An ICMP error belongs to the flow of the packet it is about.
- An answer is an exchange, not a proof: an echo with the same id and seq; TCP that acknowledges what was sent, or
  resets it; the first UDP packet back is as much an answer as the tenth; ARP and neighbour advertisements by target.
  Addresses must be reversed: compare what was seen at one place, on one side of a NAT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets.ethernet import ARP
from perfpath.packets.icmp import ADVERTISEMENT, ECHO6, ECHO_REPLY6, IDENTIFIED, REDIRECT, SOLICITATION
from perfpath.packets.levels import innermost, opaque, quoted
from perfpath.packets.mixing import NONE, known, mixed, word
from perfpath.packets.span import Memory
from perfpath.packets.transport import ICMP, ICMP6, SCTP, TCP, UDP

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.packets.headers import Headers
    from perfpath.packets.schema import Packets
    from perfpath.tables import Array, Table

CHUNK = 1 << 14
PAYLOAD = 16
"""Payload bytes that count. A frame in VXLAN in 128 captured bytes still shows so many of an echo or UDP."""


_HALVES = np.dtype([("first", "<u8"), ("second", "<u8")])
_MASKS = (np.tri(PAYLOAD + 1, PAYLOAD, -1, np.uint8) * np.uint8(255)).view("<u8")
"""For each size: ones where bytes count."""


@dataclass(frozen=True, slots=True)
class Digests:
    """uint64[n] each, NONE (0) where too little was read to tell.

    identity: of what NAT, routing and tunnels leave alone. flow: the same in both directions.
    payload: of the first bytes of the payload, NONE also where there are none.
    """

    identity: Array
    flow: Array
    payload: Array


def digests(packets: Packets, headers: Headers) -> Digests:
    """Digests of each packet's innermost level; an error's are mixed with those of the packet it is about."""
    level = innermost(packets)
    identity, flow, payload = identities(level), flows(level), payloads(level, headers.raw, headers.captured)
    about, errors = quoted(packets)
    if len(errors):
        identity[errors] = known(mixed(identity[errors], identities(about)), identity[errors] != NONE)
        its_flow = flows(about)
        flow[errors] = np.where(its_flow != NONE, its_flow, flow[errors])
    return Digests(identity, flow, payload)


def readable(table: Table) -> Array:
    """bool[n]: read so far that what distinguishes the packet is known."""
    proto, later = table["proto"], table["frag_offset"] > 0
    enough = np.select(
        [later, proto == TCP, proto == UDP, (proto == ICMP) | (proto == ICMP6)],
        [table["ip_id"] >= 0, table["tcp_window"] >= 0, table["udp_len"] >= 0, _icmp_read(table)],
        proto >= 0,
    )
    arp = (table["ethertype"] == ARP) & (table["family"] == 4)
    read: Array = (enough & (table["family"] > 0) & ~opaque(table)) | arp
    return read


def _icmp_read(table: Table) -> Array:
    kind = table["icmp_type"]
    echo = np.where(table["family"] == 4, np.isin(kind, IDENTIFIED), np.isin(kind, (ECHO6, ECHO_REPLY6)))
    target = (table["family"] == 6) & np.isin(kind, (SOLICITATION, ADVERTISEMENT, REDIRECT))
    targeted = (table["nd_hi"] > 0) | (table["nd_lo"] > 0)
    read: Array = (kind >= 0) & (~echo | (table["icmp_seq"] >= 0)) & (~target | targeted)
    return read


def identities(table: Table) -> Array:
    """uint64[n]: digest of each level's invariant fields; equal for the same packet anywhere."""
    return by_chunk(_identities, table)


def by_chunk(digest: Callable[[Table], Array], table: Table) -> Array:
    """A digest of a whole table, some rows at a time, since intermediate values of all would leave the caches."""
    result = np.empty(len(table), np.uint64)
    for start in range(0, len(table), CHUNK):
        chosen = slice(start, start + CHUNK)
        result[chosen] = digest(table.take(chosen))
    return result


def _identities(table: Table) -> Array:
    fragments = table["frag_offset"] + (table["more_fragments"] == 1)
    digest = mixed(
        word(table["proto"], 48) ^ word(table["icmp_type"], 32) ^ word(table["icmp_code"], 16) ^ word(table["family"]),
        word(table["ip_id"], 32) ^ word(fragments),
        word(table["icmp_id"], 32) ^ word(table["icmp_seq"]) ^ word(table["tcp_flags"], 48),
        word(table["tcp_seq"], 32) ^ word(table["tcp_ack"]),
        word(table["payload_len"], 16) ^ word(table["tcp_window"]) ^ word(table["flow_label"], 40),
    )
    addressed = np.flatnonzero((table["ethertype"] == ARP) | (table["nd_hi"] > 0) | (table["nd_lo"] > 0))
    if len(addressed):
        arp = table.take(addressed)
        targets = mixed(arp["nd_hi"], arp["nd_lo"], _arp_only(arp, "src_lo"), _arp_only(arp, "dst_lo"))
        digest[addressed] = mixed(digest[addressed], targets, word(arp["arp_op"]))
    return known(digest, readable(table))


def _arp_only(table: Table, column: str) -> Array:
    return np.where(table["ethertype"] == ARP, table[column], NONE)


def payloads(table: Table, raw: Array, captured: Array) -> Array:
    """uint64[n]: digest of the first PAYLOAD bytes of the payload. Row i of the table is of packet i."""
    result = np.zeros(len(table), np.uint64)
    width = raw.shape[1]
    memory = Memory(min(len(table), CHUNK) * width + PAYLOAD)  # a gather may reach behind the last packet
    for start in range(0, len(table), CHUNK):
        chosen = slice(start, start + CHUNK)
        at, length = table["payload_at"][chosen].astype(np.int64), table["payload_len"][chosen]
        size = np.minimum(length, PAYLOAD)
        there = np.flatnonzero((at >= 0) & (size > 0) & (at + size <= np.clip(captured[chosen], 0, width)))
        memory.fill(raw[chosen])
        halves = memory.gather(there * width + at[there], _HALVES)
        masks = _MASKS[size[there]]
        digest = mixed(halves["first"] & masks[:, 0], halves["second"] & masks[:, 1], word(size[there]))
        result[start + there] = np.maximum(digest, np.uint64(1))
    return result


def flows(table: Table) -> Array:
    """uint64[n]: digest of protocol and both ends, the same in both directions; NONE where an end isn't known."""
    return _fragments(table, by_chunk(_flows, table))


def _flows(table: Table) -> Array:
    proto, echo = table["proto"], table["icmp_id"] >= 0
    source = mixed(table["src_hi"], table["src_lo"], word(np.where(echo, table["icmp_id"], table["sport"])))
    target = mixed(table["dst_hi"], table["dst_lo"], word(np.where(echo, table["icmp_id"], table["dport"])))
    discovery = (table["nd_hi"] > 0) | (table["nd_lo"] > 0)
    if discovery.any():  # asked of a multicast address, answered from the target's: only the target stays
        source = np.where(discovery, table["nd_hi"], source)
        target = np.where(discovery, table["nd_lo"], target)
    kind = np.where(table["ethertype"] == ARP, np.int32(1 << 16), proto)
    flow = mixed(source + target, word(kind))
    return known(flow, (table["family"] > 0) & _ends_known(table))


def _ends_known(table: Table) -> Array:
    proto, arp = table["proto"], table["ethertype"] == ARP
    ended = np.select(
        [table["frag_offset"] > 0, np.isin(proto, (TCP, UDP, SCTP)), (proto == ICMP) | (proto == ICMP6)],
        [True, table["sport"] >= 0, _icmp_read(table)],
        proto >= 0,
    )
    known_ends: Array = ended | arp
    return known_ends


def _fragments(table: Table, flow: Array) -> Array:
    """Give later fragments the flow of their first."""
    later = np.flatnonzero(table["frag_offset"] > 0)
    if not len(later):
        return flow
    addresses = ("src_hi", "src_lo", "dst_hi", "dst_lo")
    first = np.flatnonzero((table["frag_offset"] == 0) & (table["more_fragments"] == 1) & (flow != NONE))
    keys = [
        mixed(*(table[name][rows] for name in addresses), word(table["ip_id"][rows], 16) ^ word(table["proto"][rows]))
        for rows in (later, first)
    ]
    flow[later] = np.where(flow[later] != NONE, np.maximum(keys[0], np.uint64(1)), NONE)
    if len(first):
        order = np.argsort(keys[1], kind="stable")
        place = np.minimum(np.searchsorted(keys[1][order], keys[0]), len(first) - 1)
        found = keys[1][order][place] == keys[0]
        flow[later[found]] = flow[first[order[place[found]]]]
    return flow
