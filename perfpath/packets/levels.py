"""Which level of a packet is meant: the innermost packet of its tunnels, or the one that an ICMP error is about.

Levels are numbered through: 0..n-1 are the rows of `Packets.outer`, n.. those of `Packets.inner`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfpath.packets.schema import IN_ERROR, NOTHING, PACKETS, TRUNCATED, Packets
from perfpath.packets.tunnels import GENEVE_PORT, VXLAN_PORTS
from perfpath.tables import Table

if TYPE_CHECKING:
    from perfpath.tables import Array

GRE, UDP = 47, 17
NO_MAC = -2
"""In `layered`: there is no Ethernet header, which is more than that none was seen."""


def innermost(packets: Packets) -> Table:
    """PACKETS, one row for each packet: the level that no tunnel wraps any more."""
    return _overlaid(packets, _unwrapped(packets, np.arange(len(packets.outer))))


def quoted(packets: Packets) -> tuple[Table, Array]:
    """The packets that ICMP errors quote, out of their tunnels: PACKETS, and the rows (int64) of these errors."""
    level = _unwrapped(packets, np.arange(len(packets.outer)))
    within = _inside(packets, error=True)[level]
    errors = np.flatnonzero(within >= 0)
    return _nested(packets, _unwrapped(packets, within[errors])), errors


def every(packets: Packets) -> Table:
    """PACKETS of all levels, by their numbers."""
    if not len(packets.inner):
        return packets.outer
    names = [column.name for column in PACKETS]
    return Table({name: np.concatenate((packets.outer[name], packets.inner[name])) for name in names}, {})


def layered(packets: Packets) -> Table:
    """PACKETS of the outermost levels and of what tunnels wrap in them, for questions that each of them may answer.

    The outermost come first, in their order. Where there is more, a column `packet` (int64) has the row of each one's
    outermost. What is wrapped has the length of the whole; where it has no Ethernet header, its MAC addresses are
    NO_MAC. Where something may be wrapped that wasn't read, a row says nothing but that: all of it is missing.
    """
    table, inside = every(packets), tunnelled(packets)
    count = len(packets.outer)
    level, owner = [np.arange(count)], [np.arange(count)]
    while (deeper := inside[level[-1]] >= 0).any():
        owner.append(owner[-1][deeper])
        level.append(inside[level[-1][deeper]])
    found, packet = np.concatenate(level), np.concatenate(owner)
    blank = packet[opaque(table.take(found))]
    if len(found) == count and not len(blank):
        return packets.outer
    columns = {
        column.name: np.concatenate((table[column.name][found], np.full(len(blank), column.missing, column.dtype)))
        for column in PACKETS
    }
    packet = np.concatenate((packet, blank))
    bare = (np.arange(len(packet)) >= count) & (columns["ethertype"] > 0) & (columns["src_mac"] < 0)
    for name in ("src_mac", "dst_mac"):
        columns[name][bare] = NO_MAC
    columns["len"] = columns["len"][packet]
    return Table(columns | {"packet": packet}, {})


def opaque(table: Table) -> Array:
    """bool[n]: something may be wrapped in this level, and wasn't read: cut off, or too deep."""
    tunnel = np.isin(table["dport"], (*VXLAN_PORTS, GENEVE_PORT)) | (table["proto"] == GRE)
    tunnel |= (table["proto"] == UDP) & (table["dport"] < 0)
    cut = (table["ended"] == TRUNCATED) & tunnel & (table["carries"] == NOTHING)
    closed: Array = cut | ((table["carries"] != NOTHING) & (table["carries"] != IN_ERROR) & (table["inner"] < 0))
    return closed


def tunnelled(packets: Packets) -> Array:
    """int64 for each level: the level that it wraps as a tunnel, -1 for none."""
    return _inside(packets, error=False)


def _inside(packets: Packets, *, error: bool) -> Array:
    """int64 for each level: the level inside it, quoted by an error or wrapped in a tunnel; -1 for none."""
    carries = np.concatenate([packets.outer["carries"], packets.inner["carries"]])
    inner = np.concatenate([packets.outer["inner"], packets.inner["inner"]])
    wanted = (carries == IN_ERROR) if error else (carries != IN_ERROR) & (carries != NOTHING)
    inside: Array = np.where(wanted & (inner >= 0), inner + len(packets.outer), -1)
    return inside


def _unwrapped(packets: Packets, level: Array) -> Array:
    """Follow tunnels inwards as far as they go."""
    inside = _inside(packets, error=False)
    while ((deeper := inside[level]) >= 0).any():
        level = np.where(deeper >= 0, deeper, level)
    return level


def _overlaid(packets: Packets, level: Array) -> Table:
    """PACKETS of these levels, each of which is the packet's outermost or one inside it."""
    nested = np.flatnonzero(level >= len(packets.outer))
    if not len(nested):
        return packets.outer
    inside = _nested(packets, level[nested])
    picked = {}
    for name, around in packets.outer.columns.items():
        if around.strides == (0,) and around[0] == inside[name][0] and (inside[name] == around[0]).all():
            picked[name] = around  # missing in all of them
            continue
        column = picked[name] = around.copy()
        column[nested] = inside[name]
    return Table(picked, {})


def _nested(packets: Packets, level: Array) -> Table:
    """PACKETS of these levels, all of them inside others."""
    rows = level - len(packets.outer)
    return Table({column.name: packets.inner[column.name][rows] for column in PACKETS}, {})
