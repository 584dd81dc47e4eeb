"""Receipts that packet sockets saw twice: where a device hands a packet on to another one that has the same name.

What a macvlan, ipvlan or VLAN device gets is shown at the device below it first, and then again at itself, with no
tracepoint in between (net/core/dev.c: another_round in __netif_receive_skb_core). Names alike, nobody can tell which of
the two sightings is the hop's: their bytes are the same and may be used, their places may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfpath.tables import Array, Table

WINDOW_NS = 50_000
"""Both have one stamp, or (TCP) stamps as far apart as the two showings."""
GROUP = 1  # in the first byte of an Ethernet frame: for several stations (IEEE 802)
REACH = 3  # so many neighbours in time, of one name and length, are looked at


def doubled(seen: Table, used: Array, bytes_of: Callable[[Array], Array]) -> Array:
    """Mask over SIGHTINGS: those of a hop that have a double which is no hop's.

    used: mask, which of them are a hop's. bytes_of: rows -> uint8[rows, n].
    """
    result = np.zeros(len(seen), dtype=bool)
    rows = np.flatnonzero(~seen["tx"])
    order = rows[np.lexsort((seen["time_ns"][rows], seen["len"][rows], seen["dev"][rows]))]
    for step in range(1, min(REACH, len(order) - 1) + 1):
        early, late = order[:-step], order[step:]
        near = (used[early] != used[late]) & _alike(seen, early, late)
        pairs = np.flatnonzero(near)
        early, late = early[pairs], late[pairs]
        same = (bytes_of(early) == bytes_of(late)).all(axis=1) if len(pairs) else np.zeros(0, bool)
        result[np.where(used[early], early, late)[same]] = True
    return result


def shown_again(seen: Table, bytes_of: Callable[[Array], Array]) -> Array:
    """Mask over SIGHTINGS (sorted by time): second showings that are certainly no hop's, whether there is one or not.

    They have the stamp of the first. So has only what a macvlan copies of a broadcast, and its copies have hops.
    """
    result = np.zeros(len(seen), dtype=bool)
    time = seen["time_ns"]
    for step in range(1, min(REACH, len(seen) - 1) + 1):
        early = np.flatnonzero(time[:-step] == time[step:])
        early = early[~seen["tx"][early] & ~seen["tx"][early + step] & _alike(seen, early, early + step)]
        if len(early):
            raw = bytes_of(early)
            same = (raw == bytes_of(early + step)).all(axis=1) & (raw[:, 0] & GROUP == 0)
            result[early[same] + step] = True
    return result


def _alike(seen: Table, one: Array, other: Array) -> Array:
    """Whether two sightings may be one packet's, at two devices of one name."""
    same = (seen["dev"][one] == seen["dev"][other]) & (seen["len"][one] == seen["len"][other])
    elsewhere = (seen["netns"][one] != seen["netns"][other]) | (seen["ifindex"][one] != seen["ifindex"][other])
    alike: Array = same & elsewhere & (np.abs(seen["time_ns"][one] - seen["time_ns"][other]) <= WINDOW_NS)
    return alike
