"""What may turn a packet's bytes into others on its way, so that two sightings that differ may still be one packet's.

A tunnel or IPsec that isn't read (`levels.innermost` goes through those that are), fragments, a protocol translator
(NAT64), a helper of NAT that rewrites a payload. What none of them can have done is two packets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets.ethernet import ARP, IPV4, IPV6
from perfpath.packets.levels import opaque
from perfpath.packets.transport import ICMP, ICMP6, SCTP, TCP

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

IGMP, OSPF, VRRP = 2, 89, 112
PLAIN = (ICMP, IGMP, TCP, ICMP6, OSPF, VRRP, SCTP)
"""Protocols that the kernel never wraps another packet in. UDP isn't one: tunnels may go to any port."""
LEAST_WRAPPED = 8
"""Bytes that the least of what wraps a packet adds to its IP length: the header of UDP, or of ESP."""
TRANSLATED = (20, 60)
"""Bytes that a packet is longer as IPv6 than as IPv4 (RFC 7915): a header's, a fragment header's, a quoted one's."""
ARP_LENGTH = 28


def explained(left: Table, right: Table) -> Array:
    """bool[n]: the right packet, which differs, may have been made of the left one without becoming another.

    Both are tables of PACKETS of one length, the innermost levels as far as they were read.
    """
    told = _wraps(right, left) | _wraps(left, right) | _translated(left, right)
    same_kind = (left["proto"] == right["proto"]) & (left["ethertype"] == right["ethertype"])
    told |= same_kind & (left["ip_id"] == right["ip_id"]) & (left["ip_id"] > 0)
    result: Array = told | _fragment(left) | _fragment(right)
    return result


def _plain(table: Table) -> Array:
    """Read to its end, and nothing that wraps others."""
    inside = np.isin(table["ethertype"], (IPV4, IPV6)) & np.isin(table["proto"], PLAIN)
    plain: Array = ((table["ethertype"] == ARP) | inside) & ~opaque(table)
    return plain


def _wraps(outer: Table, inner: Table) -> Array:
    """Whether the inner packet may be in the outer one: that is no plain packet, and long enough."""
    room, needed = outer["ip_len"], np.where(inner["ethertype"] == ARP, ARP_LENGTH, inner["ip_len"])
    known = (room >= 0) & (needed >= 0) & np.isin(outer["ethertype"], (IPV4, IPV6))
    fits: Array = ~_plain(outer) & (~known | (room >= needed + LEAST_WRAPPED))
    return fits


def _translated(left: Table, right: Table) -> Array:
    """Whether one may be the other in the other version of IP."""
    six = np.where(left["ethertype"] == IPV6, left["ip_len"], right["ip_len"])
    four = np.where(left["ethertype"] == IPV6, right["ip_len"], left["ip_len"])
    both = np.isin(left["ethertype"], (IPV4, IPV6)) & np.isin(right["ethertype"], (IPV4, IPV6))
    both &= (left["ethertype"] != right["ethertype"]) & (_protocol(left) == _protocol(right))
    more = six - four
    known = (left["ip_len"] >= 0) & (right["ip_len"] >= 0)
    translated: Array = both & (~known | ((more >= TRANSLATED[0]) & (more <= TRANSLATED[1])))
    return translated


def _protocol(table: Table) -> Array:
    return np.where(table["proto"] == ICMP6, ICMP, table["proto"])


def _fragment(table: Table) -> Array:
    fragment: Array = (table["frag_offset"] > 0) | (table["more_fragments"] == 1)
    return fragment
