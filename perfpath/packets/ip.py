"""IPv4 and IPv6, options, extension headers and fragments: from a network header to a transport header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets import layouts
from perfpath.packets.ethernet import mapped
from perfpath.packets.span import BOUNDLESS, Span, joined

if TYPE_CHECKING:
    from perfpath.packets.sheet import Sheet
    from perfpath.tables import Array

HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
OPTIONS = (HOP_BY_HOP, ROUTING, AUTHENTICATION, DESTINATION)
"""What the kernel steps over (net/ipv6/exthdrs_core.c: ipv6_ext_hdr), but for fragment headers."""
MAX_OPTIONS = 16
"""No honest packet has more in a row."""


@dataclass(frozen=True, slots=True)
class Transport:
    """Where transport headers begin. protocol: int64[m]; whole: bool[m], False for the first of several fragments."""

    span: Span
    protocol: Array
    whole: Array
    family: int


def ipv4(sheet: Sheet, span: Span) -> Transport:
    """Read IPv4 headers; returns those that a transport header follows (no later fragments)."""
    span, header = sheet.read(span, layouts.IPV4)
    size = (header["version_ihl"] & 0x0F).astype(np.int64) * 4
    length = header["length"].astype(np.int64)
    sane = (header["version_ihl"] >> 4 == 4) & (size >= 20) & ((length >= size) | (length == 0))
    if not sane.all():
        sheet.malformed(span.take(~sane))
        span, header, size, length = span.take(sane), header[sane], size[sane], length[sane]
    rows, fragment = span.rows, header["fragment"].astype(np.int32)
    offset, more = (fragment & 0x1FFF) * 8, fragment >> 13 & 1
    sheet.set("family", rows, 4)
    sheet.set("src_lo", rows, mapped(header["src"]))
    sheet.set("dst_lo", rows, mapped(header["dst"]))
    sheet.set("ip_len", rows, np.where(length > 0, length, -1))
    sheet.set("frag_offset", rows, offset)
    sheet.set("more_fragments", rows, more)
    for column, field in (("tos", "tos"), ("ttl", "ttl"), ("ip_id", "id"), ("proto", "protocol")):
        sheet.set(column, rows, header[field])
    span = _bounded(sheet, span, length).advanced(size)
    first = offset == 0
    if (cut := span.room() < 0).any():  # within the options
        sheet.short(span.take(cut), 0)
    return Transport(span.take(first), header["protocol"].astype(np.int64)[first], more[first] == 0, 4)


def ipv6(sheet: Sheet, span: Span) -> Transport:
    """Read IPv6 headers and what extends them; returns those that a transport header follows."""
    span, header = sheet.read(span, layouts.IPV6)
    sane = header["first"] >> 28 == 6
    if not sane.all():
        sheet.malformed(span.take(~sane))
        span, header = span.take(sane), header[sane]
    rows, length = span.rows, header["length"].astype(np.int64)
    sheet.set("family", rows, 6)
    for name in ("src_hi", "src_lo", "dst_hi", "dst_lo"):
        sheet.set(name, rows, header[name])
    sheet.set("tos", rows, header["first"] >> 20 & 0xFF)
    sheet.set("flow_label", rows, header["first"] & 0xFFFFF)
    sheet.set("ttl", rows, header["hop_limit"])
    sheet.set("ip_len", rows, np.where(length > 0, length + 40, -1))
    span = _bounded(sheet, span, np.where(length > 0, length + 40, 0)).advanced(40)
    return _extended(sheet, span, header["next"].astype(np.int64))


def _bounded(sheet: Sheet, span: Span, length: Array) -> Span:
    """Packets that end by their own length (0: it doesn't say), and never behind what they are wrapped in."""
    stop = span.at + np.where(length > 0, length, BOUNDLESS)
    over = (stop > span.stop) & (length > 0)
    if over.any():
        sheet.malformed(span.take(over))
        span = span.quoted(over)
    return span.stopped(stop)


def _extended(sheet: Sheet, span: Span, following: Array) -> Transport:
    """Step over extension headers. ESP, mobility and the like end the chain: they are shown by number."""
    span, following = _past_options(sheet, span, following)
    fragment = following == FRAGMENT
    cut = np.empty(0, np.int64)
    if fragment.any():
        pieces, after, cut = _fragment(sheet, span.take(fragment))
        pieces, after = _past_options(sheet, pieces, after)
        again = after == FRAGMENT
        sheet.malformed(pieces.take(again))
        span = joined([span.take(~fragment), pieces.take(~again)])
        following = np.concatenate([following[~fragment], after[~again]])
    sheet.set("proto", span.rows, following)
    whole = ~np.isin(span.rows, cut) if len(cut) else np.ones(len(span), bool)
    sheet.set("frag_offset", span.rows[whole], 0)
    sheet.set("more_fragments", span.rows[whole], 0)
    return Transport(span, following, whole, 6)


def _past_options(sheet: Sheet, span: Span, following: Array) -> tuple[Span, Array]:
    """Step over OPTIONS: a next header, and a length in 8 bytes less 8; AH's is in 4 bytes less 8 (RFC 4302)."""
    done: list[tuple[Span, Array]] = []
    for _ in range(MAX_OPTIONS):
        options = np.isin(following, OPTIONS)
        if not options.any():
            break
        done.append((span.take(~options), following[~options]))
        chosen = span.take(options)
        span, header = sheet.read(chosen, layouts.EXTENSION)
        kind = following[options] if len(span) == len(chosen) else following[options][np.isin(chosen.rows, span.rows)]
        length = header["length"].astype(np.int64)
        size = np.where(kind == AUTHENTICATION, (length + 2) * 4, (length + 1) * 8)
        span, following = span.advanced(size), header["next"].astype(np.int64)
    endless = np.isin(following, OPTIONS)
    sheet.malformed(span.take(endless))
    done.append((span.take(~endless), following[~endless]))
    return joined([part for part, _ in done]), np.concatenate([kinds for _, kinds in done])


def _fragment(sheet: Sheet, span: Span) -> tuple[Span, Array, Array]:
    """Read fragment headers; returns what follows first fragments, and the rows of those that are but a part."""
    span, header = sheet.read(span, layouts.FRAGMENT)
    offset, more = header["offset"].astype(np.int32) & 0xFFF8, header["offset"] & 1
    for name, value in (("ip_id", header["id"]), ("frag_offset", offset), ("more_fragments", more)):
        sheet.set(name, span.rows, value)
    following = header["next"].astype(np.int64)
    first = offset == 0
    later = ~first & ~np.isin(following, (*OPTIONS, FRAGMENT))
    sheet.set("proto", span.rows[later], following[later])
    return span.take(first).advanced(layouts.FRAGMENT.itemsize), following[first], span.rows[first & (more == 1)]
