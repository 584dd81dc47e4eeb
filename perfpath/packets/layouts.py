"""Header layouts as numpy structured types, big-endian as on the wire. A pair of fields makes a 48-bit MAC address."""

from __future__ import annotations

import numpy as np

ETHERNET = np.dtype(  # include/uapi/linux/if_ether.h: struct ethhdr
    [("dst_hi", ">u2"), ("dst_lo", ">u4"), ("src_hi", ">u2"), ("src_lo", ">u4"), ("type", ">u2")]
)
VLAN = np.dtype([("tci", ">u2"), ("type", ">u2")])  # include/linux/if_vlan.h: struct vlan_hdr
WORD = np.dtype([("value", ">u2")])
LONG = np.dtype([("value", ">u4")])

ARP = np.dtype(  # RFC 826; include/uapi/linux/if_arp.h: struct arphdr
    [("hardware", ">u2"), ("protocol", ">u2"), ("hardware_len", "u1"), ("protocol_len", "u1"), ("op", ">u2")]
)
MAC = np.dtype([("hi", ">u2"), ("lo", ">u4")])

IPV4 = np.dtype(  # include/uapi/linux/ip.h: struct iphdr
    [
        ("version_ihl", "u1"),
        ("tos", "u1"),
        ("length", ">u2"),
        ("id", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("check", ">u2"),
        ("src", ">u4"),
        ("dst", ">u4"),
    ]
)
IPV6 = np.dtype(  # include/uapi/linux/ipv6.h: struct ipv6hdr
    [
        ("first", ">u4"),  # version, traffic class, flow label
        ("length", ">u2"),
        ("next", "u1"),
        ("hop_limit", "u1"),
        ("src_hi", ">u8"),
        ("src_lo", ">u8"),
        ("dst_hi", ">u8"),
        ("dst_lo", ">u8"),
    ]
)
EXTENSION = np.dtype([("next", "u1"), ("length", "u1")])  # struct ipv6_opt_hdr; length in 8 bytes, without the first 8
FRAGMENT = np.dtype([("next", "u1"), ("reserved", "u1"), ("offset", ">u2"), ("id", ">u4")])  # struct frag_hdr
ADDRESS6 = np.dtype([("hi", ">u8"), ("lo", ">u8")])

PORTS = np.dtype([("source", ">u2"), ("dest", ">u2")])
TCP = np.dtype(  # include/uapi/linux/tcp.h: struct tcphdr, behind its ports and sequence number
    [("ack", ">u4"), ("offset_flags", ">u2"), ("window", ">u2"), ("check", ">u2"), ("urgent", ">u2")]
)
UDP = np.dtype([("length", ">u2"), ("check", ">u2")])  # struct udphdr, behind its ports

SCTP = np.dtype([("tag", ">u4"), ("check", ">u4")])  # RFC 9260, behind its ports

ICMP = np.dtype([("type", "u1"), ("code", "u1"), ("check", ">u2")])  # include/uapi/linux/icmp.h: struct icmphdr
ICMP_REST = np.dtype([("id", ">u2"), ("seq", ">u2")])

GRE = np.dtype([("flags", ">u2"), ("protocol", ">u2")])  # RFC 2784, 2890; include/net/gre.h
VXLAN = np.dtype([("flags", ">u4"), ("vni", ">u4")])  # RFC 7348; the vni is the upper 24 bits
GENEVE = np.dtype([("version_options", "u1"), ("flags", "u1"), ("protocol", ">u2"), ("vni", ">u4")])  # RFC 8926
