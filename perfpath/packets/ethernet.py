"""Ethernet, VLAN tags, MPLS labels, ARP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets import layouts
from perfpath.packets.span import Span, joined

if TYPE_CHECKING:
    from perfpath.packets.sheet import Sheet
    from perfpath.tables import Array

IPV4, IPV6, ARP, MPLS = 0x0800, 0x86DD, 0x0806, 0x8847
MPLS_MULTICAST = 0x8848
TRANSPARENT_ETHERNET = 0x6558
TAGS = (0x8100, 0x88A8, 0x9100)
"""802.1Q, 802.1ad, and what QinQ was before."""
MAX_TAGS = 8
SMALLEST_ETHERTYPE, ETH_P_802_3, ETH_P_802_2 = 0x0600, 0x0001, 0x0004

ETHERNET_HARDWARE = (1, 6)
"""ARP's numbers for what has Ethernet's addresses: ARPHRD_ETHER, ARPHRD_IEEE802 (net/ipv4/arp.c: arp_process)."""

MAPPED = 0xFFFF_0000_0000
"""::ffff:0:0/96, the lower half: IPv4 addresses stand behind it."""


def mac(high: Array, low: Array) -> Array:
    """48-bit numbers of the two fields that make a MAC address."""
    return (high.astype(np.int64) << 32) | low


def mapped(address: Array) -> Array:
    """The lower half of IPv4 addresses written as IPv6."""
    return address.astype(np.uint64) | np.uint64(MAPPED)


def ethernet(sheet: Sheet, span: Span) -> tuple[Span, Array]:
    """Read frames; returns where their network headers begin, and the ethertypes of those."""
    span, header = sheet.read(span, layouts.ETHERNET)
    sheet.set("dst_mac", span.rows, mac(header["dst_hi"], header["dst_lo"]))
    sheet.set("src_mac", span.rows, mac(header["src_hi"], header["src_lo"]))
    return untagged(sheet, span.advanced(layouts.ETHERNET.itemsize), header["type"].astype(np.int64))


def untagged(sheet: Sheet, span: Span, ethertype: Array) -> tuple[Span, Array]:
    """Step over VLAN tags; returns where network headers begin, and their ethertypes."""
    done: list[tuple[Span, Array]] = []
    for depth in range(MAX_TAGS):
        tagged = np.isin(ethertype, TAGS)
        done.append((span.take(~tagged), ethertype[~tagged]))
        if not tagged.any():
            break
        span, header = sheet.read(span.take(tagged), layouts.VLAN)
        if depth < 2:
            sheet.set("vlan_inner" if depth else "vlan", span.rows, header["tci"] & 0x0FFF)
        span, ethertype = span.advanced(layouts.VLAN.itemsize), header["type"].astype(np.int64)
    else:
        done.append((span, ethertype))
    return _classified(sheet, joined([part for part, _ in done]), np.concatenate([kinds for _, kinds in done]))


def _classified(sheet: Sheet, span: Span, ethertype: Array) -> tuple[Span, Array]:
    """Turn the lengths of IEEE 802.3 frames into what the kernel calls them (net/ethernet/eth.c: eth_type_trans)."""
    lengths = ethertype < SMALLEST_ETHERTYPE
    if not lengths.any():
        return span, ethertype
    framed, first = sheet.read(span.take(lengths), layouts.WORD)
    named = np.where(first["value"] == 0xFFFF, ETH_P_802_3, ETH_P_802_2)
    plain = span.take(~lengths)
    return joined([plain, framed]), np.concatenate([ethertype[~lengths], named])


def mpls(sheet: Sheet, span: Span) -> None:
    """Read the top label. Nothing in the bytes names what is below the last one, so nothing below is read."""
    span, header = sheet.read(span, layouts.LONG)
    sheet.set("mpls", span.rows, header["value"] >> 12)


def arp(sheet: Sheet, span: Span) -> None:
    """Read ARP of any hardware: IPv4 addresses become source and destination, MAC addresses `arp_sha` and `arp_tha`."""
    span, header = sheet.read(span, layouts.ARP)
    sheet.set("arp_op", span.rows, header["op"])
    hardware, protocol = (header[f"{name}_len"].astype(np.int64) for name in ("hardware", "protocol"))
    internet = (header["protocol"] == IPV4) & (protocol == 4)
    ethernet = np.logical_or.reduce([header["hardware"] == kind for kind in ETHERNET_HARDWARE]) & (hardware == 6)
    size = layouts.ARP.itemsize + 2 * (hardware + protocol)
    whole = size <= span.room()
    sheet.short(span.take(~whole), size[~whole])
    span = span.advanced(layouts.ARP.itemsize)
    for number, (address, end) in enumerate((("arp_sha", "src_lo"), ("arp_tha", "dst_lo"))):
        own = span.advanced(number * (hardware + protocol))
        _, read = sheet.read(own.take(ethernet & whole), layouts.MAC)
        sheet.set(address, span.rows[ethernet & whole], mac(read["hi"], read["lo"]))
        _, read = sheet.read(own.advanced(hardware).take(internet & whole), layouts.LONG)
        sheet.set(end, span.rows[internet & whole], mapped(read["value"]))
    sheet.set("family", span.rows[internet & whole], 4)
