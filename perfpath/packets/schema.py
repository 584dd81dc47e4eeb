"""The table of decoded headers, declared as `perfpath.schema` declares the others.

One row is one level of a packet: what stands between the start of a frame and the payload of its transport. What a
tunnel or an ICMP error carries inside is a level of its own, in a table of the same columns (`Packets.inner`).

A value is missing where the header it stands in wasn't reached: cut off, malformed, or not part of this packet. It is
never made up. `family` says whether the four address columns hold anything; IPv4 addresses stand in them as mapped
IPv6 (::ffff:a.b.c.d). MAC addresses are 48-bit numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfpath.schema import Column

if TYPE_CHECKING:
    from perfpath.tables import Table

COMPLETE, TRUNCATED, MALFORMED, UNKNOWN = 0, 1, 2, 3
"""`ended`: all that is understood was read; the bytes at hand end first; lengths contradict; no start was known."""

NOTHING, IN_ERROR, IN_IP, IN_GRE, IN_VXLAN, IN_GENEVE = 0, 1, 2, 3, 4, 5
"""`carrier` and `carries`: what an inner level is wrapped in."""

CARRIERS = {IN_ERROR: "icmp error", IN_IP: "ipip", IN_GRE: "gre", IN_VXLAN: "vxlan", IN_GENEVE: "geneve"}

PACKETS = (
    Column("ended", "int8", "", "why reading went no further: COMPLETE, TRUNCATED, MALFORMED, UNKNOWN", UNKNOWN),
    Column("len", "uint32", "bytes", "length on the wire, counted from where the bytes begin", 0),
    Column("src_mac", "int64", "", "Ethernet source"),
    Column("dst_mac", "int64", "", "Ethernet destination"),
    Column("vlan", "int16", "", "VLAN id of the outermost tag that stands in the bytes"),
    Column("vlan_inner", "int16", "", "VLAN id of the next tag (QinQ)"),
    Column("mpls", "int32", "", "label on top of an MPLS stack (what is below it isn't read)"),
    Column("ethertype", "uint16", "", "of the network header; 1 and 4 are the kernel's ETH_P_802_3 and ETH_P_802_2", 0),
    Column("family", "int8", "", "4 or 6: src and dst hold addresses of that kind (ARP's too)", 0),
    Column("src_hi", "uint64", "", "source address, or ARP's sender: upper half", 0),
    Column("src_lo", "uint64", "", "lower half", 0),
    Column("dst_hi", "uint64", "", "destination address, or ARP's target: upper half", 0),
    Column("dst_lo", "uint64", "", "lower half", 0),
    Column("tos", "int16", "", "type of service, traffic class"),
    Column("ttl", "int16", "", "time to live, hop limit"),
    Column("ip_len", "int64", "bytes", "the IP packet with its header; missing where the header says 0 (BIG TCP)"),
    Column("ip_id", "int64", "", "identification; IPv6 has one in its fragment header only"),
    Column("flow_label", "int32", "", "IPv6 flow label"),
    Column("frag_offset", "int32", "bytes", "place of this fragment; 0 for the first and for what isn't one"),
    Column("more_fragments", "int8", "", "1 where fragments follow, 0 where not"),
    Column("proto", "int16", "", "IP protocol number, behind IPv6 extension headers"),
    Column("sport", "int32", "", "source port of TCP, UDP, SCTP"),
    Column("dport", "int32", "", "destination port"),
    Column("payload_len", "int64", "bytes", "what the lengths say follows the transport header"),
    Column("payload_at", "int32", "bytes", "where in the raw bytes that begins, if the header was read whole"),
    Column("tcp_seq", "int64", "", "sequence number"),
    Column("tcp_ack", "int64", "", "acknowledgement number, as it stands there even without the flag"),
    Column("tcp_flags", "int16", "", "the low nine flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE, CWR, AE"),
    Column("tcp_window", "int32", "", "window, unscaled"),
    Column("udp_len", "int32", "bytes", "UDP's own length field"),
    Column("icmp_type", "int16", "", "ICMP or ICMPv6 (`family` tells)"),
    Column("icmp_code", "int16", "", "its code"),
    Column("icmp_id", "int32", "", "identifier of echo, timestamp, information and mask messages"),
    Column("icmp_seq", "int32", "", "their sequence number"),
    Column("icmp_mtu", "int64", "bytes", "next-hop MTU of `fragmentation needed` and `packet too big`"),
    Column("nd_hi", "uint64", "", "target of neighbour solicitation, advertisement, redirect; :: is missing", 0),
    Column("nd_lo", "uint64", "", "lower half", 0),
    Column("arp_op", "int32", "", "1 request, 2 reply"),
    Column("arp_sha", "int64", "", "sender's MAC address"),
    Column("arp_tha", "int64", "", "target's MAC address"),
    Column("tunnel_id", "int64", "", "VXLAN or GENEVE network identifier, GRE key"),
    Column("carries", "int8", "", "what the inner level is wrapped in (see CARRIERS), 0 for none", NOTHING),
    Column("inner", "int64", "", "row of the inner level in `Packets.inner`"),
)

INNER = (
    *PACKETS,
    Column("packet", "int64", "", "row of the packet in `Packets.outer`"),
    Column("parent", "int64", "", "row in `Packets.inner` of the level around this one, -1 for the outermost"),
    Column("depth", "int8", "", "how many levels are around it, from 1"),
    Column("carrier", "int8", "", "what it is wrapped in (see CARRIERS)", NOTHING),
)


@dataclass(frozen=True, slots=True)
class Packets:
    """Decoded headers. outer: PACKETS, one row for each packet given. inner: INNER, sorted by no particular key."""

    outer: Table
    inner: Table
