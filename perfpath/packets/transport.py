"""TCP, UDP and SCTP: ports, sequence numbers, flags, and where the payload is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets import layouts, tunnels
from perfpath.packets.icmp import icmp, icmp6
from perfpath.packets.span import BOUNDLESS

if TYPE_CHECKING:
    from perfpath.packets.carried import Carried
    from perfpath.packets.ip import Transport
    from perfpath.packets.sheet import Sheet
    from perfpath.packets.span import Span
    from perfpath.tables import Array

ICMP, TCP, UDP, ICMP6, SCTP = 1, 6, 17, 58, 132


def transport(sheet: Sheet, found: Transport) -> list[Carried]:
    """Read the headers behind IP headers; returns what they carry."""
    inside: list[Carried] = []
    protocol = found.protocol
    span = found.span if found.whole.all() else found.span.quoted(~found.whole)
    control, read = (ICMP, icmp) if found.family == 4 else (ICMP6, icmp6)
    for number, reader in ((TCP, tcp), (UDP, udp), (SCTP, sctp), (control, read), *tunnels.BY_PROTOCOL):
        chosen = protocol == number
        if chosen.any():
            inside += reader(sheet, span.take(chosen), found.whole[chosen])
    return inside


def payload(sheet: Sheet, span: Span, whole: Array) -> None:
    """Say where the payload is: these spans begin with it. Its length is only known of what isn't a fragment."""
    known = whole & (span.stop < BOUNDLESS)
    sheet.set("payload_len", span.rows, np.where(known, span.stop - span.at, -1))
    at_hand = span.at <= span.end
    sheet.set("payload_at", span.rows, np.where(at_hand, span.at - sheet.base[span.rows], -1))


def _ports(sheet: Sheet, span: Span, whole: Array) -> tuple[Span, Array, Array]:
    """Read ports; returns those that had room for them, behind them, with their `whole` and the ports they go to."""
    before = span
    span, header = sheet.read(span, layouts.PORTS)
    sheet.set("sport", span.rows, header["source"])
    sheet.set("dport", span.rows, header["dest"])
    return span.advanced(layouts.PORTS.itemsize), kept(whole, before, span), header["dest"].astype(np.int64)


def kept(values: Array, before: Span, after: Span) -> Array:
    """The values of those spans that are still there."""
    return values if len(before) == len(after) else values[np.isin(before.rows, after.rows)]


def tcp(sheet: Sheet, span: Span, whole: Array) -> list[Carried]:
    """Read TCP headers, as far as they go: an ICMP error quotes eight bytes only."""
    start, whole, _ = _ports(sheet, span, whole)
    span, header = sheet.read(start, layouts.LONG)
    sheet.set("tcp_seq", span.rows, header["value"])
    whole = kept(whole, start, span)
    start = span.advanced(layouts.LONG.itemsize)
    span, header = sheet.read(start, layouts.TCP)
    whole = kept(whole, start, span)
    sheet.set("tcp_ack", span.rows, header["ack"])
    sheet.set("tcp_flags", span.rows, header["offset_flags"] & 0x1FF)
    sheet.set("tcp_window", span.rows, header["window"])
    size = (header["offset_flags"] >> 12).astype(np.int64) * 4
    after = span.advanced(size - 8)
    sane = (size >= 20) & (after.at <= span.stop)
    sheet.malformed(span.take(~sane))
    sheet.short(after.take(sane & (after.at > after.end)), 0)
    payload(sheet, after.take(sane), whole[sane])
    return []


def udp(sheet: Sheet, span: Span, whole: Array) -> list[Carried]:
    """Read UDP headers, and the tunnels known by their ports."""
    start, whole, dport = _ports(sheet, span, whole)
    span, header = sheet.read(start, layouts.UDP)
    whole, dport = kept(whole, start, span), kept(dport, start, span)
    length = header["length"].astype(np.int64)
    sheet.set("udp_len", span.rows, length)
    stop = span.at - layouts.PORTS.itemsize + length
    sane = (length >= 8) & ((stop <= span.stop) | ~whole)
    sheet.malformed(span.take(~sane))
    span = span.stopped(stop).advanced(layouts.UDP.itemsize).take(sane)
    payload(sheet, span, whole[sane])
    return tunnels.over_udp(sheet, span, dport[sane])


def sctp(sheet: Sheet, span: Span, whole: Array) -> list[Carried]:
    """Read SCTP's ports."""
    span, _, _ = _ports(sheet, span, whole)
    sheet.read(span, layouts.SCTP)  # nothing of it is shown, but without it the header isn't whole
    return []
