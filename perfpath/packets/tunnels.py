"""IP in IP, GRE, VXLAN and GENEVE: the packet inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets import layouts
from perfpath.packets.carried import Carried, carried
from perfpath.packets.ethernet import IPV4, IPV6, SMALLEST_ETHERTYPE, TRANSPARENT_ETHERNET
from perfpath.packets.schema import IN_GENEVE, IN_GRE, IN_IP, IN_VXLAN

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.packets.sheet import Sheet
    from perfpath.packets.span import Span
    from perfpath.tables import Array

VXLAN_PORTS = (4789, 8472)
"""IANA's, and the one that Linux takes where none is given (drivers/net/vxlan/vxlan_core.c: vxlan_port)."""
GENEVE_PORT = 6081
VXLAN_I = 0x0800_0000
VXLAN_ALLOWED = 0x8848_FFFF
"""I, and the group policy extension's bits; anything else set, and it isn't the VXLAN we know."""
GRE_C, GRE_R, GRE_K, GRE_S, GRE_VERSION = 0x8000, 0x4000, 0x2000, 0x1000, 0x0007


def ipip(_sheet: Sheet, span: Span, _whole: Array) -> list[Carried]:
    """IPv4 in IP (protocol 4)."""
    return [carried(span, IN_IP, IPV4)]


def sit(_sheet: Sheet, span: Span, _whole: Array) -> list[Carried]:
    """IPv6 in IP (protocol 41)."""
    return [carried(span, IN_IP, IPV6)]


def gre(sheet: Sheet, span: Span, _whole: Array) -> list[Carried]:
    """GRE version 0, without the routing that RFC 2784 took out; other versions stay protocol 47."""
    span, header = sheet.read(span, layouts.GRE)
    flags = header["flags"].astype(np.int64)
    plain = (flags & (GRE_R | GRE_VERSION)) == 0
    span, flags, protocol = span.take(plain), flags[plain], header["protocol"].astype(np.int64)[plain]
    checksum, key, sequence = (((flags & bit) > 0) * 4 for bit in (GRE_C, GRE_K, GRE_S))
    keyed, value = sheet.read(span.advanced(4 + checksum).take(key > 0), layouts.LONG)
    sheet.set("tunnel_id", keyed.rows, value["value"])
    known = protocol >= SMALLEST_ETHERTYPE
    span = span.advanced(4 + checksum + key + sequence).take(known)
    return [carried(span, IN_GRE, protocol[known], protocol[known] == TRANSPARENT_ETHERNET)]


BY_PROTOCOL: tuple[tuple[int, Callable[[Sheet, Span, Array], list[Carried]]], ...] = ((4, ipip), (41, sit), (47, gre))


def over_udp(sheet: Sheet, span: Span, dport: Array) -> list[Carried]:
    """Tunnels known by the UDP port they go to; the spans begin with the UDP payload."""
    inside: list[Carried] = []
    for ports, reader in ((VXLAN_PORTS, _vxlan), ((GENEVE_PORT,), _geneve)):
        chosen = np.isin(dport, ports)
        if chosen.any():
            inside.append(reader(sheet, span.take(chosen)))
    return inside


def _vxlan(sheet: Sheet, span: Span) -> Carried:
    span, header = sheet.read(span, layouts.VXLAN)
    flags = header["flags"].astype(np.int64)
    valid = ((flags & VXLAN_I) > 0) & ((flags & ~VXLAN_ALLOWED) == 0) & (header["vni"] & 0xFF == 0)
    span, header = span.take(valid), header[valid]
    sheet.set("tunnel_id", span.rows, header["vni"] >> 8)
    return carried(span.advanced(layouts.VXLAN.itemsize), IN_VXLAN, 0, ethernet=True)


def _geneve(sheet: Sheet, span: Span) -> Carried:
    span, header = sheet.read(span, layouts.GENEVE)
    valid = header["version_options"] >> 6 == 0
    span, header = span.take(valid), header[valid]
    sheet.set("tunnel_id", span.rows, header["vni"] >> 8)
    protocol = header["protocol"].astype(np.int64)
    options = (header["version_options"] & 0x3F).astype(np.int64) * 4
    span = span.advanced(layouts.GENEVE.itemsize + options)
    known = protocol >= SMALLEST_ETHERTYPE
    return carried(span.take(known), IN_GENEVE, protocol[known], protocol[known] == TRANSPARENT_ETHERNET)
