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

GRE = 47


def innermost(packets: Packets) -> Table:
    """PACKETS, one row for each packet: the level that no tunnel wraps any more."""
    return _picked(packets, _unwrapped(packets, np.arange(len(packets.outer))))


def quoted(packets: Packets) -> tuple[Table, Array]:
    """The packets that ICMP errors quote, out of their tunnels: PACKETS, and the rows (int64) of these errors."""
    level = _unwrapped(packets, np.arange(len(packets.outer)))
    within = _inside(packets, error=True)[level]
    errors = np.flatnonzero(within >= 0)
    return _picked(packets, _unwrapped(packets, within[errors])), errors


def opaque(table: Table) -> Array:
    """bool[n]: something may be wrapped in this level, and wasn't read: cut off, or too deep."""
    tunnel = np.isin(table["dport"], (*VXLAN_PORTS, GENEVE_PORT)) | (table["proto"] == GRE)
    cut = (table["ended"] == TRUNCATED) & tunnel & (table["carries"] == NOTHING)
    closed: Array = cut | ((table["carries"] != NOTHING) & (table["carries"] != IN_ERROR) & (table["inner"] < 0))
    return closed


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


def _picked(packets: Packets, level: Array) -> Table:
    """PACKETS of these levels."""
    names = [column.name for column in PACKETS]
    count = len(packets.outer)
    nested = np.flatnonzero(level >= count)
    if len(nested) == len(level):
        return Table({name: packets.inner[name][level - count] for name in names}, {})
    if not len(nested) and len(level) == count:
        return packets.outer
    picked = {}
    for name in names:
        column = packets.outer[name][np.minimum(level, count - 1)]
        column[nested] = packets.inner[name][level[nested] - count]
        picked[name] = column
    return Table(picked, {})
