"""Pairs of packets, row by row: is it the same one, does it answer, is it an error about it? See identity.py's model.

Each function takes two tables of PACKETS of one length and answers uint8[n]: truth.FALSE, UNKNOWN or TRUE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets.ethernet import ARP, IPV4, IPV6, MAPPED
from perfpath.packets.transport import ICMP, ICMP6, SCTP, TCP, UDP
from perfpath.packets.truth import FALSE, TRUE, UNKNOWN, both, either, equal, truth

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

KEPT = (
    "proto",
    "ip_id",
    "flow_label",
    "frag_offset",
    "more_fragments",
    "payload_len",
    "tcp_seq",
    "tcp_ack",
    "tcp_flags",
    "tcp_window",
    "icmp_type",
    "icmp_code",
    "icmp_seq",
    "arp_op",
)
"""Fields that nothing on the way changes."""
ADDRESSES = ("src_hi", "src_lo", "dst_hi", "dst_lo")
FIN, SYN, RST, ACK = 1, 2, 4, 16
HALF = 1 << 31


def same(left: Table, right: Table, *, nat: bool = True, payload: tuple[Array, Array] | None = None) -> Array:
    """Whether two sightings are of one packet.

    FALSE where a field that nothing changes differs; TRUE where none does and something that distinguishes packets
    agrees (an IP id that isn't 0, TCP's numbers, an echo's, payload bytes); else UNKNOWN.
    nat: addresses, ports and ICMP ids may differ. payload: both sides' digests (identity.payloads), where at hand.
    """
    agree = [equal(left["ethertype"], right["ethertype"], 0), equal(left["family"], right["family"], 0)]
    agree += [equal(left[name], right[name]) for name in KEPT]
    agree.append(_targets(left, right, nat=nat))
    if not nat:
        agree += [equal(left[name], right[name]) for name in ("sport", "dport")]
    if payload:
        agree.append(equal(*payload, missing=0))
    differs = np.minimum.reduce(agree) == FALSE
    ids = equal(left["icmp_id"], right["icmp_id"])
    distinct = either(
        truth((left["ip_id"] == right["ip_id"]) & (left["ip_id"] > 0)),
        both(equal(left["tcp_seq"], right["tcp_seq"]), equal(left["tcp_ack"], right["tcp_ack"])),
        both(ids, equal(left["icmp_seq"], right["icmp_seq"])),
        equal(*payload, missing=0) if payload else np.full(len(left), UNKNOWN),
    )
    told = np.where((distinct == TRUE) & (ids != FALSE), TRUE, UNKNOWN)
    return np.where(differs | ((ids == FALSE) & (not nat)), FALSE, told)


def _targets(left: Table, right: Table, *, nat: bool) -> Array:
    """Addresses that must agree: ARP's and neighbour discovery's, and all of them where there is no NAT."""
    discovery = _discovers(left) & _discovers(right)
    targets = (left["nd_hi"] == right["nd_hi"]) & (left["nd_lo"] == right["nd_lo"])
    ends = np.logical_and.reduce([left[name] == right[name] for name in ADDRESSES])
    addressed = (left["family"] > 0) & (right["family"] > 0)
    compared = addressed & ((left["ethertype"] == ARP) | (not nat))
    return both(truth(targets, discovery), truth(ends, compared))


def _discovers(table: Table) -> Array:
    return (table["nd_hi"] > 0) | (table["nd_lo"] > 0)


def reverses(left: Table, right: Table) -> Array:
    """Whether right goes from left's destination to its source; what was sent to a group may be answered by anyone."""
    addressed = (left["family"] > 0) & (right["family"] > 0)
    back = (left["src_hi"] == right["dst_hi"]) & (left["src_lo"] == right["dst_lo"])
    forth = (left["dst_hi"] == right["src_hi"]) & (left["dst_lo"] == right["src_lo"])
    return both(
        equal(left["ethertype"], right["ethertype"], 0),
        equal(left["family"], right["family"], 0),
        truth(back & (forth | _group(left)), addressed),
    )


def _group(table: Table) -> Array:
    """Destinations that are no single host: multicast, and 255.255.255.255 (a subnet's broadcast isn't known here)."""
    low, high = table["dst_lo"], table["dst_hi"]
    four = (table["family"] == 4) & (
        (low >= MAPPED | 0xE0000000) & (low < MAPPED | 0xF0000000) | (low == MAPPED | 0xFFFFFFFF)
    )
    six = (table["family"] == 6) & (high >> np.uint64(56) == 0xFF)
    group: Array = four | six
    return group


def answers(request: Table, reply: Table) -> Array:
    """Whether the second is an answer to the first."""
    back = both(reverses(request, reply), equal(request["proto"], reply["proto"]))
    ports = both(equal(request["sport"], reply["dport"]), equal(request["dport"], reply["sport"]))
    echo = both(equal(request["icmp_id"], reply["icmp_id"]), equal(request["icmp_seq"], reply["icmp_seq"]))
    proto, is_ip = request["proto"], (request["ethertype"] == IPV4) | (request["ethertype"] == IPV6)
    unread = (request["ethertype"] == 0) | (is_ip & (proto < 0)) | (request["frag_offset"] > 0)
    control = is_ip & ((proto == ICMP) | (proto == ICMP6))
    return np.select(
        [request["ethertype"] == ARP, unread, control, proto == TCP, (proto == UDP) | (proto == SCTP)],
        [
            _arp_answer(request, reply),
            np.full(len(request), UNKNOWN),
            either(both(back, _echo_types(request, reply), echo), _advertises(request, reply)),
            both(back, ports, _acknowledges(request, reply)),
            both(back, ports),
        ],
        FALSE,
    ).astype(np.uint8)


def _echo_types(request: Table, reply: Table) -> Array:
    four = both(equal(request["icmp_type"], 8), equal(reply["icmp_type"], 0))
    six = both(equal(request["icmp_type"], 128), equal(reply["icmp_type"], 129))
    return np.where(request["family"] == 4, four, six)


def _advertises(request: Table, reply: Table) -> Array:
    """A neighbour solicitation and an advertisement of its target: to who asked, or to all (RFC 4861, 7.2.4)."""
    known = _discovers(request) & _discovers(reply)
    target = (request["nd_hi"] == reply["nd_hi"]) & (request["nd_lo"] == reply["nd_lo"])
    back = (request["src_hi"] == reply["dst_hi"]) & (request["src_lo"] == reply["dst_lo"])
    target &= back | _group(reply)
    types = both(equal(request["icmp_type"], 135), equal(reply["icmp_type"], 136))
    protocols = both(equal(reply["ethertype"], IPV6, 0), equal(request["proto"], ICMP6), equal(reply["proto"], ICMP6))
    return both(protocols, types, truth(target, known))


def _arp_answer(request: Table, reply: Table) -> Array:
    addressed = (request["family"] == 4) & (reply["family"] == 4)
    asked = (request["dst_lo"] == reply["src_lo"]) & (request["src_lo"] == reply["dst_lo"])
    types = both(equal(request["arp_op"], 1), equal(reply["arp_op"], 2))
    return both(types, equal(reply["ethertype"], ARP, 0), truth(asked, addressed))


def _acknowledges(request: Table, reply: Table) -> Array:
    """What was sent takes up sequence numbers and is acknowledged, or what was sent is reset."""
    sent, flags = request["tcp_flags"], reply["tcp_flags"]
    taken = request["payload_len"] + ((sent & SYN) > 0) + ((sent & FIN) > 0)
    distance = (reply["tcp_ack"] - request["tcp_seq"] - taken) % (1 << 32)
    known = (sent >= 0) & (flags >= 0) & (request["payload_len"] >= 0)
    acknowledged = (taken > 0) & ((flags & ACK) > 0) & (distance < HALF)
    reset = ((flags & RST) > 0) & (acknowledged | (reply["tcp_seq"] == request["tcp_ack"]))
    return truth(acknowledged | reset, known)


def reports(packet: Table, about: Table) -> Array:
    """Whether an ICMP error is about a packet: `about` is what it quotes (levels.quoted). No NAT in between."""
    return same(packet, about, nat=False)
