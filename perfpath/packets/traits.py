"""What of a packet tells which flow it belongs to, and which flows are bound up with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets.decode import decode
from perfpath.packets.describe import headers_of
from perfpath.packets.ethernet import ARP
from perfpath.packets.icmp import ADVERTISEMENT, SOLICITATION
from perfpath.packets.identity import flows, identities
from perfpath.packets.levels import innermost, quoted
from perfpath.packets.mixing import NONE, known, mixed
from perfpath.packets.transport import ICMP6

if TYPE_CHECKING:
    from perfpath.tables import Array, Table

OTHER, ASK, ANSWER, ERROR = 0, 1, 2, 3
"""`kind`: ARP requests and neighbour solicitations ask, ARP replies and neighbour advertisements answer."""

TRAITS = np.dtype(
    [
        ("flow", np.uint64),  # digest of protocol and both ends, either direction; an error's: of what it is about
        ("identity", np.uint64),  # digest of what NAT, routing and tunnels leave alone
        ("src", np.uint64),  # digest of the source address (of an answer: the address it tells of)
        (
            "dst",
            np.uint64,
        ),  # of the destination (of what asks: the address asked for); of errors: of what they're about
        ("dst_mac", np.int64),  # Ethernet destination, -1 unknown
        ("mac", np.int64),  # of an answer: the MAC address told; else -1
        ("kind", np.uint8),
    ]
)
"""All of the innermost level of tunnels; digests are NONE where too little is known."""


def traits_of(packets: Array) -> Array:
    """TRAITS[n] of PACKET[n] (perfpath.firstbytes)."""
    decoded = decode(headers_of(packets))
    level = innermost(decoded)
    found = np.zeros(len(packets), TRAITS)
    found["flow"], found["identity"] = flows(level), identities(level)
    found["src"], found["dst"] = _address(level, "src"), _address(level, "dst")
    found["dst_mac"], found["mac"] = level["dst_mac"], -1
    _neighbours(found, level)
    about, errors = quoted(decoded)
    if len(errors):
        flow = flows(about)
        found["flow"][errors] = np.where(flow != NONE, flow, found["flow"][errors])
        found["src"][errors], found["dst"][errors] = _address(about, "src"), _address(about, "dst")
        found["kind"][errors] = ERROR
    return found


def _neighbours(found: Array, level: Table) -> None:
    """What ARP and neighbour discovery ask for and tell."""
    arp, nd = level["ethertype"] == ARP, level["proto"] == ICMP6
    asks = (arp & (level["arp_op"] == 1)) | (nd & (level["icmp_type"] == SOLICITATION))
    answers = (arp & (level["arp_op"] == 2)) | (nd & (level["icmp_type"] == ADVERTISEMENT))
    found["kind"] = np.select([asks, answers], [ASK, ANSWER], OTHER)
    found["mac"] = np.where(answers, np.where(arp, level["arp_sha"], level["src_mac"]), -1)
    targeted = (level["nd_hi"] > 0) | (level["nd_lo"] > 0)
    target = known(mixed(level["nd_hi"], level["nd_lo"]), targeted)
    found["dst"] = np.where(asks & nd, target, found["dst"])
    found["src"] = np.where(answers & nd, target, found["src"])


def _address(table: Table, end: str) -> Array:
    return known(mixed(table[f"{end}_hi"], table[f"{end}_lo"]), table["family"] > 0)
