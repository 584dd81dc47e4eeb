"""Headers to tables: all packets at once, one pass for each protocol over the rows that speak it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets import ethernet
from perfpath.packets.carried import Carried, gathered
from perfpath.packets.headers import ETHERNET, NETWORK, Headers
from perfpath.packets.ip import ipv4, ipv6
from perfpath.packets.schema import INNER, PACKETS, Packets
from perfpath.packets.sheet import Sheet
from perfpath.packets.span import BOUNDLESS, Memory, Span, joined
from perfpath.packets.transport import transport
from perfpath.tables import Table

if TYPE_CHECKING:
    from perfpath.tables import Array

CHUNK = 1 << 15
"""Packets read at a time: what they need stays in the processor's caches."""
MAX_DEPTH = 4
"""Levels inside the outermost that are read; what is deeper is left alone."""


def decode(headers: Headers) -> Packets:
    """Decode what can be decoded of each packet's first bytes.

    Never raises for what the bytes hold. Raises ValueError where the arrays don't fit each other.
    """
    count, width = _checked(headers)
    memory = Memory(min(count, CHUNK) * width)
    outer = Sheet(memory, np.arange(count, dtype=np.int64) % CHUNK * width)
    if headers.length is not None:
        outer.columns["len"] = np.clip(headers.length, 0, 2**32 - 1).astype(np.uint32)
    inner: list[Sheet] = []
    for start in range(0, count, CHUNK):
        chosen = slice(start, min(start + CHUNK, count))
        memory.fill(headers.raw[chosen])
        rows = np.arange(chosen.start, chosen.stop, dtype=np.int64)
        _levels(outer, rows, _first(headers, chosen, outer.base[chosen], rows), inner)
    return Packets(outer.table(), _merged(inner))


def _checked(headers: Headers) -> tuple[int, int]:
    if headers.raw.ndim != 2 or headers.raw.dtype != np.uint8:
        raise ValueError("raw must be uint8[n, width]")
    count, width = headers.raw.shape
    given = (headers.captured, headers.layer, headers.ethertype, headers.network, headers.length)
    if any(array is not None and array.shape != (count,) for array in given):
        raise ValueError(f"captured, layer, ethertype, network and length must be of length {count}, as raw is")
    return count, width


def _first(headers: Headers, chosen: slice, base: Array, rows: Array) -> Carried:
    """Where reading begins, as if the capture carried the packets."""
    layer, ethertype = headers.layer[chosen], headers.ethertype[chosen].astype(np.int64)
    end = base + np.clip(headers.captured[chosen].astype(np.int64), 0, headers.raw.shape[1])
    offset = np.zeros(len(rows), np.int64)
    if headers.network is not None:
        offset = np.where(layer == NETWORK, headers.network[chosen].astype(np.int64), 0)
    framed = layer == ETHERNET
    begun = framed | ((layer == NETWORK) & (ethertype > 0) & (offset >= 0))
    span = Span(rows, base + offset, end, np.full(len(rows), BOUNDLESS)).take(begun)
    return Carried(span, framed[begun], ethertype[begun], np.zeros(len(span), np.int8))


def _levels(sheet: Sheet, packets: Array, found: Carried, inner: list[Sheet]) -> None:
    """Read a level, and the levels inside it; `packets` are the packets that the rows of the sheet belong to."""
    base = sum(part.length for part in inner)
    inside = _level(sheet, found)
    for depth in range(1, MAX_DEPTH + 1):
        if inside is None:
            return
        parents = inside.span.rows
        outermost = depth == 1
        sheet.set("carries", parents, inside.carrier)
        sheet.set("inner", parents, np.arange(len(parents)) + base)
        nested = Sheet(sheet.memory, sheet.base[parents])
        rows = np.arange(len(parents), dtype=np.int64)
        packets = parents if outermost else packets[parents]
        nested.set("packet", rows, packets)
        nested.set("parent", rows, -1 if outermost else parents + base - sheet.length)
        nested.set("depth", rows, depth)
        nested.set("carrier", rows, inside.carrier)
        inner.append(nested)
        base += nested.length
        span = Span(rows, inside.span.at, inside.span.end, inside.span.stop)
        sheet, inside = nested, _level(nested, Carried(span, inside.ethernet, inside.ethertype, inside.carrier))
    if inside is not None:
        sheet.set("carries", inside.span.rows, inside.carrier)


def _level(sheet: Sheet, found: Carried) -> Carried | None:
    """Read one level from its first header to its transport's; returns what is inside."""
    sheet.begin(found.span)
    span, ethertype = _network(sheet, found)
    sheet.set("ethertype", span.rows, ethertype)
    for number, reader in (
        (ethernet.ARP, ethernet.arp),
        (ethernet.MPLS, ethernet.mpls),
        (ethernet.MPLS_MULTICAST, ethernet.mpls),
    ):
        if (chosen := ethertype == number).any():
            reader(sheet, span.take(chosen))
    inside: list[Carried] = []
    for number, network in ((ethernet.IPV4, ipv4), (ethernet.IPV6, ipv6)):
        if (chosen := ethertype == number).any():
            inside += transport(sheet, network(sheet, span.take(chosen)))
    return gathered(inside)


def _network(sheet: Sheet, found: Carried) -> tuple[Span, Array]:
    """Where network headers begin, behind Ethernet headers and VLAN tags; and their ethertypes.

    Of a received packet with several tags the outer one was taken off: the next stands where its network header should.
    """
    span, ethertype, framed = found.span, found.ethertype, found.ethernet
    tagged = ~framed & np.logical_or.reduce([ethertype == tag for tag in ethernet.TAGS])
    bare = ~framed & ~tagged
    if bare.all():  # what most tunnels carry
        return span, ethertype
    parts = [(span.take(bare), ethertype[bare])]
    if framed.any():
        parts.append(ethernet.ethernet(sheet, span.take(framed)))
    if tagged.any():
        parts.append(ethernet.untagged(sheet, span.take(tagged), ethertype[tagged]))
    return joined([each for each, _ in parts]), np.concatenate([kinds for _, kinds in parts])


def _merged(sheets: list[Sheet]) -> Table:
    """The sheets of all chunks and depths, one after the other."""
    columns: dict[str, Array] = {}
    length = sum(sheet.length for sheet in sheets)
    missing = {column.name: column for column in INNER}
    for name in dict.fromkeys(name for sheet in sheets for name in sheet.columns):
        declared = missing[name]
        filler = np.array(declared.missing).astype(declared.dtype)
        columns[name] = np.concatenate(
            [sheet.columns[name] if name in sheet.columns else np.full(sheet.length, filler) for sheet in sheets]
        )
    return Table.filled(INNER, length, {}, **columns)


__all__ = ["PACKETS", "Headers", "Packets", "decode"]
